#!/bin/sh
# Other packages' test suites on avenir: of future.tests, future, future.apply. They run from sources outside this tree, over
# a package named `future` that is made for them (tools/stand-in).
#
#   sh tools/ecosystem.sh SOURCES library              makes the library with the stand-in and the packages over it
#   sh tools/ecosystem.sh SOURCES future.tests PLAN... future.tests under each plan, such as multisession,workers=2
#   sh tools/ecosystem.sh SOURCES future [NAME...]     future's own tests, by name; without one those listed in own.txt
#
# SOURCES: a folder with the unpacked sources of `future`, `future.tests`, `future.apply`, `globals` (as `git clone`
# of their public repositories leaves them). AVENIR_ECOSYSTEM names the library (default SOURCES/library); avenir itself
# is taken from R_LIBS or R's libraries. AVENIR_ECOSYSTEM_SECONDS (300) is each run's limit.
set -u
sources=$(cd "${1:?"tools/ecosystem.sh SOURCES COMMAND..."}" && pwd) || exit 2
command=${2:?"tools/ecosystem.sh SOURCES COMMAND..."}
shift 2
tools=$(cd "$(dirname "$0")" && pwd)
library=${AVENIR_ECOSYSTEM:-$sources/library}
limit=${AVENIR_ECOSYSTEM_SECONDS:-300}
mkdir -p "$library"
export R_LIBS="$library${R_LIBS:+:$R_LIBS}"
failed=0

# Packages that fetch functions of future when they are installed have to be installed over the stand-in.
make_library() {
  sh "$tools/stand-in/make.sh" "$library" "$sources/future" || return 1
  for package in globals future.apply future.tests; do
    [ -d "$sources/$package" ] || continue
    copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") && cp -r "$sources/$package" "$copy" &&
      R CMD INSTALL --no-docs --no-test-load --library="$library" "$copy/$package" >"$copy/log" 2>&1 || cat "$copy/log" >&2
    rm -rf "$copy"
  done
}

# run NAME COMMAND...: one line says how it went; its output is kept.
run() {
  name=$1
  shift
  log=$library/log-$(echo "$name" | tr -c 'A-Za-z0-9.,=\n-' _).txt
  started=$(date +%s)
  if timeout "$limit" "$@" >"$log" 2>&1 </dev/null; then verdict=ok; else verdict=FAILED; failed=$((failed + 1)); fi
  echo "$name | $verdict | $(($(date +%s) - started)) s | $(tail -n 40 "$log" | grep -E '^(Results|Error)' | tail -n 1)"
}

run_future_tests() {
  for plan; do
    run "future.tests $plan" Rscript --vanilla -e \
      "future.tests::check(plan = '$plan', session_info = FALSE, exit_value = TRUE)"
  done
}

# With a prologue of ours in place of the one that needs internals of future's.
run_own_tests() {
  [ $# -gt 0 ] || set -- $(grep -v '^#' "$tools/stand-in/own.txt" | cut -d' ' -f1)
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  cp -r "$sources/future/inst/testme" "$sources/future/DESCRIPTION" "$copy"
  cp "$tools/stand-in/imports.R" "$copy/testme/_prologue/030.imports.R"
  cd "$copy" || exit 1
  for name; do
    run "future $name" env NOT_CRAN=true R_TESTME_PATH=testme R_TESTME_NAME="$name" Rscript --vanilla testme/run.R
  done
  rm -rf "$copy"
}

case $command in
  library) make_library || failed=1 ;;
  future.tests) run_future_tests "$@" ;;
  future) run_own_tests "$@" ;;
  *) echo "tools/ecosystem.sh: no command '$command'" >&2; exit 2 ;;
esac
[ "$failed" = 0 ]
