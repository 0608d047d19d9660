#!/bin/sh
# The quick gates. Installs what is missing through apt (root or sudo), then runs these, with their seconds:
#
#   layers      tools/check-layers.R on made-up trees, then on src/
#   format      clang-format 14, line lengths
#   generated   RcppExports, NAMESPACE and man/ are what the sources give (in a copy)
#   cpp         the rooms without R and their tests, also with the portable fallbacks
#   build       R CMD build
#   check       R CMD check --as-cran --no-manual on the tarball: Status OK
#   cluster     tools/rig.sh (two hosts, sshd, Slurm): a test of itself, then tests/cluster on it, with the package that
#               check installed. Without root or namespaces it is skipped, visibly; never in CI ($CI is set)
#   tests       the testthat suite that check ran on the package it installed; skips equal to tests/skips.txt
#
#   sh tools/test.sh             all of them
#   sh tools/test.sh cpp format  only these (no counts at the end)
#   AVENIR_LIBRARY=FOLDER sh tools/test.sh cluster   with a package that is installed already
#
# The last line is the suite's `N passed, N failed, N skipped`. Status 0 when every gate passed.
# AVENIR_KEEP=1 keeps the working folder. Long gates: tools/soak.sh.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)

# R needs UTF-8 for half of its checks; this locale is part of Debian's libc.
unset LC_ALL LANGUAGE R_TESTS
if locale -a 2>/dev/null | grep -qi '^C\.utf-*8$'; then
  export LANG=C.UTF-8 LC_ALL=C.UTF-8
else
  export LANG=en_US.UTF-8
fi
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
export MAKEFLAGS="-j$cores"

sh tools/install-needs.sh test || exit $?

AVENIR_BLAS_BUILDS=$(sh tools/blas-builds.sh)
export AVENIR_BLAS_BUILDS

work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-test.XXXXXX") || exit 1
trap 'sh tools/rig.sh down "$work/rig"; [ -n "${AVENIR_KEEP:-}" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
failed=""

# limited SECONDS COMMAND...: nothing here may hang, and all gates together end within 40 minutes, even on a machine
# that is twice as slow as it should be.
deadline=$(($(date +%s) + 2400))
limited() {
  limit=$1
  shift
  left=$((deadline - $(date +%s)))
  [ "$left" -gt 0 ] || { echo "no time left for: $*"; return 1; }
  [ "$limit" -le "$left" ] || limit=$left
  if command -v timeout >/dev/null 2>&1; then
    timeout -k 20 "$limit" "$@" </dev/null && return 0
    status=$?
    echo "exit status $status (124: over $limit s): $*"
    return $status
  else
    "$@" </dev/null
  fi
}

# gate NAME: runs gate_NAME; prints its output only when it fails.
gate() {
  started=$(date +%s)
  (gate_"$1") >"$work/$1.log" 2>&1
  case $? in
    0) verdict=ok ;;
    "$skipped") verdict=SKIPPED ;;
    *) verdict=FAILED; failed="$failed $1" ;;
  esac
  case $verdict in
    FAILED) echo "---- $1"; tail -n 200 "$work/$1.log"; echo "----" ;;
    SKIPPED) tail -n 1 "$work/$1.log" ;;
  esac
  printf '%-10s %-7s %4d s\n' "$1" "$verdict" $(($(date +%s) - started))
}
skipped=77  # the status of a gate that this machine cannot run; the last line of its output says why

gate_layers() {
  Rscript --vanilla tools/check-layers.R --self-test && Rscript --vanilla tools/check-layers.R
}

gate_format() { sh tools/format.sh --check; }

# The tree as a clone would have it, without what a build leaves.
copy_tree() {
  mkdir -p "$1" &&
    tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude=./tests/cpp/build . |
    tar -xf - -C "$1"
}

gate_generated() {
  copy_tree "$work/generated" && limited 300 sh tools/document.sh "$work/generated" || return 1
  status=0
  for path in src/RcppExports.cpp R/RcppExports.R NAMESPACE DESCRIPTION man; do
    diff -ruN "$path" "$work/generated/$path" || status=1
  done
  [ $status = 0 ] || echo "Run 'sh tools/document.sh' and commit what it writes."
  return $status
}

gate_cpp() {
  limited 600 make -s -C tests/cpp run && limited 600 make -s -C tests/cpp run-portable
}

# R CMD build compiles the package to run the vignettes, and R CMD check compiles it again: what ccache has from the
# first time, it gives the second. The folders differ, of which nothing depends.
compile_once() {
  for variable in CC CXX CXX11 CXX17; do
    echo "$variable = ccache $(R CMD config "$variable")"
  done >"$work/Makevars.ccache"
  R_MAKEVARS_USER="$work/Makevars.ccache" CCACHE_DIR="$work/ccache" CCACHE_NOHASHDIR=1 "$@"
}

gate_build() {
  cd "$work" && compile_once limited 600 R CMD build "$root" && ls avenir_*.tar.gz
}

# R would strip the symbol table too, which its check of the compiled code reads: only debug sections go.
run_check() {
  cd "$work" || return 1
  R_STRIP_SHARED_LIB="strip --strip-debug" _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_CRAN_INCOMING_=false \
    _R_SHLIB_STRIP_=true \
    _R_CHECK_ELAPSED_TIMEOUT_=300 _R_CHECK_INSTALL_ELAPSED_TIMEOUT_=600 _R_CHECK_TESTS_ELAPSED_TIMEOUT_=2400 \
    AVENIR_TEST_RESULTS="$work/results.rds" \
    compile_once limited 3000 R CMD check --as-cran --no-manual avenir_*.tar.gz
}

# On failure, what the check log only points to.
show_check_files() {
  for file in "$work"/avenir.Rcheck/00install.out "$work"/avenir.Rcheck/*-Ex.Rout.fail \
    "$work"/avenir.Rcheck/tests/testthat.Rout.fail; do
    [ ! -f "$file" ] || { echo "==== $(basename "$file")"; grep -v '^g++' "$file" | tail -n 60; }
  done
}

gate_check() {
  (run_check)
  grep -q '^Status: OK$' "$work/avenir.Rcheck/00check.log" && return 0
  show_check_files
  return 1
}

# The library that has the package: what check installed, or else an installation for this. AVENIR_LIBRARY names one
# that is there already.
installed_library() {
  if [ -n "${AVENIR_LIBRARY:-}" ]; then echo "$AVENIR_LIBRARY"; return; fi
  if [ -d "$work/avenir.Rcheck/avenir" ]; then echo "$work/avenir.Rcheck"; return; fi
  copy_tree "$work/source" && mkdir "$work/library" &&
    limited 600 R CMD INSTALL --no-docs -l "$work/library" "$work/source" >&2 && echo "$work/library"
}

gate_cluster() {
  if ! reason=$(sh tools/rig.sh possible 2>&1); then
    echo "$reason"
    if [ -n "${CI:-}" ]; then return 1; else return $skipped; fi
  fi
  library=$(installed_library) && limited 60 sh tools/check-rig.sh || return 1
  names=$(limited 60 sh tools/rig.sh up "$work/rig") || return 1
  (
    for name in $names; do export "${name?}"; done
    limited 900 Rscript --vanilla tools/run-testthat.R --tests=tests/cluster --lib="$library"
  )
  status=$?
  timeout -k 20 60 sh tools/rig.sh down "$work/rig"  # whatever time is left
  return $status
}

# Outside of gate(): its last line is the last line of all.
gate_tests() {
  if [ -f "$work/results.rds" ]; then
    Rscript --vanilla tools/run-testthat.R --report="$work/results.rds"
  else
    echo "R CMD check did not come to the end of the suite."
    echo "0 passed, 1 failed, 0 skipped"
    return 1
  fi
}

if [ $# -gt 0 ]; then
  for name in "$@"; do gate "$name"; done
  [ -z "$failed" ]
  exit $?
fi

for name in layers format generated cpp build check cluster; do gate "$name"; done
gate_tests >"$work/tests.log" 2>&1 || failed="$failed tests"
sed '$d' "$work/tests.log"
if [ -n "$failed" ]; then echo "FAILED:$failed"; else echo "All gates passed."; fi
tail -n 1 "$work/tests.log"
[ -z "$failed" ]
