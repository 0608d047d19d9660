#!/bin/sh
# What the tests run of src/ and R/, by lines: one table of the rooms of src/ and of the groups of files of R/.
#
#   sh tools/coverage.sh               builds all for it, runs the suites, prints the table
#   sh tools/coverage.sh cpp testthat  these suites only
#   AVENIR_COVERAGE_KEEP=FOLDER sh tools/coverage.sh ...
#                                      works in that folder and leaves it. What was built and counted there already
#                                      stays, and `Rscript tools/coverage.R FOLDER --lines` names what no test runs
#
# C++ is built by clang: its counters can lie in a file that all processes map, so that those of workers, forks and
# nodes are kept, which end by a signal or at once. gcc's are written by a process that ends in the usual way only.
# R/ is counted by covr, in sessions and their child processes; a fork that ends at once takes its counts with it.
#
# The suites: testthat, cluster (where a rig can be: tools/rig.sh), cpp. What they fail is said and not judged: an
# instrumented build is slow, and covr changes the functions of R/.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)
work=${AVENIR_COVERAGE_KEEP:-}
if [ -z "$work" ]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-coverage.XXXXXX") || exit 1
  trap 'sh tools/rig.sh down "$work/rig" >/dev/null 2>&1; rm -rf "$work"' EXIT
fi
mkdir -p "$work/profiles" "$work/traces" "$work/library" || exit 1
work=$(cd "$work" && pwd)
chmod 1777 "$work/profiles" "$work/traces"

counted="-fcoverage-mapping -mllvm -runtime-counter-relocation"

# The path is compiled in: a node's processes have another environment.
counting_makevars() {
  profile="-fprofile-instr-generate=$work/profiles/package-%m%c.profraw"
  for variable in CXX CXX11 CXX14 CXX17; do
    echo "$variable = $1"
    echo "${variable}FLAGS = -O0 -g1 $profile $counted"
  done
  for variable in SHLIB_CXXLDFLAGS SHLIB_CXX17LDFLAGS; do echo "$variable = -shared $profile"; done
}

clang() { for name in clang++-14 clang++; do command -v "$name" && return; done; }

copy_tree() {
  mkdir -p "$1" &&
    tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude=./tests/cpp/build . |
    tar -xf - -C "$1"
}

# Kept as it was compiled, with the objects that the counters belong to.
install_package() {
  copy_tree "$work/source" && counting_makevars "$(clang)" >"$work/Makevars" &&
    R_MAKEVARS_USER="$work/Makevars" R CMD INSTALL --with-keep.source --no-docs --no-test-load \
      --library="$work/library" "$work/source" &&
    Rscript --vanilla tools/coverage.R "$work" --count-r
}

run_testthat() { Rscript --vanilla tools/run-testthat.R --lib="$work/library"; }

run_cluster() {
  sh tools/rig.sh possible || return 0
  names=$(sh tools/rig.sh up "$work/rig") || return 1
  (
    for name in $names; do export "${name?}"; done
    Rscript --vanilla tools/run-testthat.R --tests=tests/cluster --lib="$work/library"
  )
  status=$?
  sh tools/rig.sh down "$work/rig"
  return $status
}

# On objects of its own, where they stay.
run_cpp() {
  LLVM_PROFILE_FILE="$work/profiles/cpp-%m%c.profraw" make -s -C "$work/source/tests/cpp" CXX="$(clang)" \
    CXXFLAGS="-O0 -g1" SAN=coverage run
}

# step NAME SECONDS: the output into the folder; a word about how it went.
step() {
  started=$(date +%s)
  if (run_"$1") >"$work/$1.log" 2>&1; then verdict=ok; else verdict="has failures"; fi
  echo "$1: $verdict, $(($(date +%s) - started)) s; $(tail -n 1 "$work/$1.log")"
}

# tool NAME: the one that belongs to the compiler.
tool() { for name in "$1-14" "$1"; do command -v "$name" && return; done; }

# counts NAME OBJECT: lines and counts of what this object is made of.
counts() {
  "$(tool llvm-profdata)" merge -o "$work/$1.profdata" "$work"/profiles/"$1"-*.profraw &&
    "$(tool llvm-cov)" export -format=lcov -instr-profile "$work/$1.profdata" "$2" >"$work/$1-$(basename "$2").lcov"
}

export AVENIR_BLAS_BUILDS="${AVENIR_BLAS_BUILDS:-$(sh tools/blas-builds.sh)}"
if [ ! -d "$work/library/avenir" ] && ! install_package >"$work/install.log" 2>&1 </dev/null; then
  tail -n 40 "$work/install.log" >&2
  exit 1
fi
for suite in ${*:-cpp testthat cluster}; do step "$suite"; done
counts package "$work/source/src/avenir.so" && counts package "$work/source/src/avenir_compute.so" || exit 1
tests=$work/source/tests/cpp/build/coverage/tests
[ ! -e "$tests" ] || counts cpp "$tests" || exit 1
cd "$root" && Rscript --vanilla tools/coverage.R "$work"
