#!/bin/sh
# All that only a machine with a GPU can show, in one call, with the package in LIBRARY (or R's own):
#
#   sh tools/gpu-check.sh [LIBRARY] [--quick]
#   sh tools/gpu-check.sh --mock LIBRARY   the same on tests/testthat/mock, without the sanitizer: a test of this script
#
#   status      which GPU, driver and libraries
#   tests       the tests of gpu_array on the GPU and the CPU
#   memcheck    compute-sanitizer on every kind of kernel (skipped, visibly, where it is not installed)
#   racecheck
#   table       times by the device's events, beside PyTorch and CuPy where python3 has them
set -u
cd "$(dirname "$0")/.." || exit 1

mock="" quick="" library=""
for argument in "$@"; do
  case "$argument" in
    --mock) mock=yes quick=--quick ;;
    --quick) quick=--quick ;;
    *) library=$argument ;;
  esac
done
[ -z "$library" ] || export R_LIBS="$library${R_LIBS:+:$R_LIBS}"
out=${OUT:-gpu-results}
mkdir -p "$out"
failed=""

# step NAME COMMAND...: its output goes to $out/NAME.log; the end of it is shown.
step() {
  name=$1
  shift
  started=$(date +%s)
  verdict=ok
  timeout -k 20 1200 "$@" >"$out/$name.log" 2>&1 </dev/null || { verdict=FAILED; failed="$failed $name"; }
  printf '%-10s %-7s %4d s\n' "$name" "$verdict" $(($(date +%s) - started))
  [ "$verdict" = ok ] || tail -n 40 "$out/$name.log"
}

if [ -n "$mock" ]; then
  make -s -C tests/cpp mock || exit 1
  AVENIR_CUDA_LIB=$(pwd)/tests/cpp/build/plain/mock
  AVENIR_MOCK_CACHE=$AVENIR_CUDA_LIB
  export AVENIR_CUDA_LIB AVENIR_MOCK_CACHE
fi

step status Rscript -e 'library(avenir); print(gpu_status()); print(gpu_devices()); stopifnot(gpu_available())'
cat "$out/status.log"
[ -z "$failed" ] || exit 1

step tests Rscript tools/run-testthat.R ${library:+"--lib=$library"} --filter=gpu
tail -n 1 "$out/tests.log"

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
for tool in memcheck racecheck; do
  if [ -n "$mock" ]; then
    step "$tool" Rscript tools/gpu-cases.R
  elif [ -n "$sanitizer" ]; then
    step "$tool" "$sanitizer" --tool "$tool" --target-processes all --error-exitcode 9 Rscript tools/gpu-cases.R
  else
    echo "$tool    SKIPPED: no compute-sanitizer here"
  fi
done

peers=$out/peers.csv
: >"$peers"
if [ -z "$mock" ] && command -v python3 >/dev/null; then
  # R's library path is not Python's.
  (unset LD_LIBRARY_PATH; timeout -k 20 600 python3 tools/gpu-peers.py $quick) >"$peers" 2>"$out/peers.log" </dev/null
fi
step table Rscript tools/gpu-table.R $quick "$peers"
cat "$out/table.log"

if [ -n "$failed" ]; then echo "FAILED:$failed"; else echo "All passed."; fi
[ -z "$failed" ]
