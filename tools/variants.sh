#!/bin/sh
# The package as others build it: each variant compiled and installed into a library of its own, the R suite run from
# it, and tests/cpp built and run in the same way.
#
#   sh tools/variants.sh                names them
#   sh tools/variants.sh gcc-O0 no-tls  runs these
#   sh tools/variants.sh all            runs all
#
# One line each: warnings from this package's sources, then what the R suite and tests/cpp counted. Status 1 when one
# did not compile, warned, failed a test, or skipped one where nothing is missing. AVENIR_KEEP=FOLDER keeps the logs;
# AVENIR_TESTS=REGEX has only the test files of such names run, and not tests/cpp.
#
# What a variant lacks is hidden from it, not uninstalled: in a mount namespace of its own (root) an overlay over the
# folder has the file deleted.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)

variants() {
  cat <<'END_OF_LIST'
gcc-O0          gcc without optimisation
gcc-lto         gcc -O3 with link-time optimisation
clang-O2        clang
clang-O3        clang -O3
assertions      the C++ library's own checks (_GLIBCXX_ASSERTIONS)
warnings-gcc    every warning of -Wall -Wextra -Wpedantic; compiled only
warnings-clang  the same by clang; compiled only
gnu++20         the sources as C++20; compiled only
gnu++23         the sources as C++23; compiled only
portable        the fallbacks of src/sys, as on systems without Linux's calls
no-tls          built without OpenSSL's headers
no-tls-library  built with OpenSSL's headers, run without its library
no-highway      built without Highway
no-cuda         without a CUDA toolkit
no-sleef        without SLEEF
no-suggests     R sees this package's imports, testthat and what that needs
openblas        R on OpenBLAS instead of the reference BLAS
paths           built from a folder that cannot be written, on a path with spaces and other letters; make -j8, --clean
other-r         by the R that AVENIR_R names (.../bin/R), which has Rcpp, RcppParallel, parallelly and testthat
END_OF_LIST
}

# In a mount namespace of `without`: FOLDER FILES... -- COMMAND...; the deletions lie in FOLDER.
hide_and_run() {
  deletions=$(mktemp -d "$1/hidden.XXXXXX") || exit 1
  shift
  while [ "$1" != -- ]; do
    [ ! -e "$1" ] || { mkdir -p "$deletions/$(dirname "$1")" && mknod "$deletions/$1" c 0 0; } || exit 1
    shift
  done
  shift
  find "$deletions" -type c -printf '%h\n' | sort -u | while read -r above; do
    folder=${above#"$deletions"}
    mount -t overlay overlay -o "lowerdir=$above:$folder" "$folder" || exit 1
  done || { echo "this takes overlays, and this user or machine has none" >&2; exit 1; }
  exec "$@"
}

case "${1:-}" in
  "") variants; exit 0 ;;
  --hide) shift; hide_and_run "$@" ;;
  all) set -- $(variants | cut -d' ' -f1) ;;
esac
for name in "$@"; do
  variants | grep -qF "$name " && continue
  echo "tools/variants.sh: no variant '$name'; there are:" >&2
  variants >&2
  exit 2
done

cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
libraries=/usr/lib/$(gcc -print-multiarch)
AVENIR_BLAS_BUILDS=$(sh tools/blas-builds.sh)
export AVENIR_BLAS_BUILDS MAKEFLAGS="-j$cores"
work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-variants.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

limit=3600  # seconds for an installation, for a suite

# Tests that touch each room once, and those of what is compiled for one machine or another.
numbers='rng|thread|gpu|blas'
rooms="$numbers|engine|conformance|odd-values|relay|shared|globals|nodes|map"

# What a variant is, unless its function below says otherwise.
compiler=g++       # and its flags, in R and in tests/cpp
flags="-O1"
standard="-std=gnu++17"
linking=""         # flags of the linker
settings=""        # variables of configure
cpp="DEFINES="     # variables of tests/cpp; "" where that has nothing to tell
hidden=""          # files and folders that are not there, when it is built and when it runs
hidden_at_run=""   # that are not there when it runs
tests=.            # regular expression of the test files to run; "" for none
may_skip=false     # whether tests may be skipped, as what they need is not there
session=env        # what starts R
install=install_tarball
library=""         # where the package goes; "": a folder of the variant's name

clang() { for name in clang++-14 clang++; do command -v "$name" && return; done; }

variant_gcc_O0() { flags="-O0"; }
variant_gcc_lto() { flags="-O3 -flto=auto"; linking="-flto=auto"; tests=$rooms; }
variant_clang_O2() { compiler=$(clang); flags="-O2"; }
variant_clang_O3() { compiler=$(clang); flags="-O3"; tests=$rooms; }
variant_assertions() { flags="-O1 -D_GLIBCXX_ASSERTIONS"; }
compiled_only() { tests=""; cpp=""; }
# R keeps pointers to routines as DL_FUNC, which asks for such casts.
all_warnings="-Wall -Wextra -Wpedantic -Wno-cast-function-type"
variant_warnings_gcc() { compiled_only; flags="-O2 $all_warnings"; }
# R's own header has members that are called class and private.
variant_warnings_clang() { compiled_only; compiler=$(clang); flags="-O1 $all_warnings -Wno-keyword-macro"; }
variant_gnu__20() { compiled_only; standard="-std=gnu++20"; flags="-O1 -Wall"; }
variant_gnu__23() { compiled_only; standard="-std=gnu++23"; flags="-O1 -Wall"; }
variant_portable() { settings="AVENIR_PORTABLE=1"; cpp=""; }  # tests/cpp: gate cpp of tools/test.sh
variant_no_tls() { hidden=/usr/include/openssl; cpp="DEFINES=-DAVENIR_NO_TLS"; may_skip=true; }
variant_no_tls_library() { hidden_at_run="$libraries/libssl.so.3"; cpp=""; may_skip=true; }
variant_no_highway() { hidden=/usr/include/hwy; cpp=""; tests=$numbers; }
variant_no_cuda() { hidden="$(ls -d /usr/local/cuda*)"; cpp=""; tests=$numbers; may_skip=true; }
variant_no_sleef() { hidden_at_run="$libraries/libsleef.so.3"; cpp=""; tests=$numbers; }
variant_no_suggests() {
  cpp=""
  may_skip=true
  link_needed_packages
  session="env R_LIBS_SITE=$work/needed R_LIBS_USER=NULL"
  hidden_at_run=$(recommended_packages)
}
variant_openblas() { cpp=""; session="env LD_LIBRARY_PATH=$AVENIR_BLAS_BUILDS/openblas-pthread"; }
variant_other_r() { cpp=""; may_skip=true; PATH=$(dirname "$AVENIR_R"):$PATH; }
variant_paths() { cpp=""; tests=engine; install=install_on_odd_path; library="$work/ein Ordner, très loin/library"; }

# Those of R's own library that are not R's.
recommended_packages() {
  Rscript --vanilla -e '
    others <- installed.packages(.Library, priority = c("recommended", NA))
    cat(file.path(.Library, rownames(others)))'
}

# A library of links to the packages that this one and testthat need.
link_needed_packages() {
  mkdir -p "$work/needed" && Rscript --vanilla -e '
    tops <- c("parallelly", "Rcpp", "RcppParallel", "testthat")
    all <- installed.packages()
    needed <- tools::package_dependencies(tops, all, c("Depends", "Imports", "LinkingTo"), recursive = TRUE)
    needed <- setdiff(c(tops, unlist(needed)), rownames(installed.packages(priority = "base")))
    invisible(file.symlink(find.package(needed), file.path(commandArgs(TRUE), needed)))' "$work/needed"
}

# without FILES COMMAND...: as if the files and folders (in words) were not there.
without() {
  files=$(echo $1)
  shift
  if [ -z "$files" ]; then "$@"; return; fi
  unshare --mount sh "$root/tools/variants.sh" --hide "$work" $files -- "$@"
}

# What R makes the package with.
makevars() {
  cache=$(command -v ccache || true)
  cat <<END_OF_MAKEVARS
CXX17 = $cache $compiler
CXX17FLAGS = $flags -g0
CXX17STD = $standard
SHLIB_CXX17LD = $compiler
LDFLAGS = $linking
END_OF_MAKEVARS
}

# The package as R CMD build makes it, once.
built() {
  [ -f "$work"/avenir_*.tar.gz ] || (cd "$work" && R CMD build --no-build-vignettes "$root") >"$work/build.log" 2>&1 ||
    { cat "$work/build.log" >&2; return 1; }
}

install_tarball() {
  without "$hidden" env $settings R_MAKEVARS_USER="$work/Makevars" CCACHE_NOHASHDIR=1 \
    timeout -k 20 "$limit" R CMD INSTALL --no-docs --library="$library" "$work"/avenir_*.tar.gz
}

# Built from a folder that cannot be written, and installed from one with such a name; nothing compiled is left in it.
install_on_odd_path() {
  folder=$(dirname "$library")
  unshare --mount sh -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/src/x" 2>/dev/null &&
    cd "$2" && R CMD build --no-build-vignettes "$1"' sh "$root" "$folder" &&
    (cd "$folder" && tar -xf avenir_*.tar.gz) &&
    MAKEFLAGS=-j8 R_MAKEVARS_USER="$work/Makevars" CCACHE_NOHASHDIR=1 timeout -k 20 "$limit" \
      R CMD INSTALL --preclean --clean --library="$library" "$folder/avenir" &&
    [ -z "$(find "$folder/avenir" -name '*.o' -o -name '*.so')" ]
}

# Warnings that name a file of src/; those of other packages' headers are theirs.
warnings_of() { grep -cE "^(\./)?[a-z_]*/?[A-Za-z0-9_]+\.(cpp|h):[0-9]+:[0-9]+: warning" "$1"; }

test_variant() {
  without "$hidden $hidden_at_run" $session timeout -k 20 "$limit" \
    Rscript --vanilla tools/run-testthat.R --lib="$library" --filter="$tests"
}

test_variant_cpp() {
  without "$hidden" timeout -k 20 "$limit" make -s -C tests/cpp run BUILD="$work/$1.cpp" "$cpp" \
    CXX="$(command -v ccache || true) $compiler" CXXFLAGS="$flags -g0"
}

# variant NAME: its line; status 1 when something is wrong with it.
variant() (
  [ "$1" != other-r ] || [ -n "${AVENIR_R:-}" ] || { echo "other-r: not run, AVENIR_R names no R"; return 0; }
  "variant_$(echo "$1" | tr -c 'a-zA-Z0-9\n' _)"
  started=$(date +%s) status=0 said=""
  if [ -n "${AVENIR_TESTS:-}" ] && [ -n "$tests" ]; then tests=$AVENIR_TESTS cpp=""; fi
  library=${library:-$work/$1}
  mkdir -p "$library" && makevars >"$work/Makevars" || return 1
  $install >"$work/$1.install" 2>&1 ||
    { echo "$1 FAILED: cannot be installed:"; grep -v -e ' -c ' "$work/$1.install" | tail -n 20; return 1; }
  warnings=$(warnings_of "$work/$1.install")
  [ "$warnings" = 0 ] || status=1
  if [ -n "$tests" ]; then
    test_variant >"$work/$1.tests.log" 2>&1 || status=1
    said=", R: $(tail -n 1 "$work/$1.tests.log")"
    $may_skip || case "$said" in *" 0 skipped") ;; *) status=1 ;; esac
  fi
  if [ -n "$cpp" ]; then
    test_variant_cpp "$1" >"$work/$1.cpp.log" 2>&1 || status=1
    said="$said, C++: $(sed -n 's/.*test cases: *//p' "$work/$1.cpp.log")"
  fi
  printf '%-15s %s: %d warnings%s (%d s)\n' "$1" "$([ $status = 0 ] && echo ok || echo FAILED)" "$warnings" "$said" \
    $(($(date +%s) - started))
  return $status
)

built || exit 1
failed=""
for name in "$@"; do variant "$name" || failed="$failed $name"; done
[ -z "${AVENIR_KEEP:-}" ] || { mkdir -p "$AVENIR_KEEP" && cp "$work"/*.install "$work"/*.log \
  "$AVENIR_KEEP"; }
[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
