#!/bin/sh
# Other packages' test suites on avenir: of future.tests, future, future.apply, furrr, doFuture. They run from sources
# outside this tree, over a package named `future` that is made for them (tools/stand-in).
#
#   sh tools/ecosystem.sh SOURCES library              makes the library with the stand-in and the packages over it
#   sh tools/ecosystem.sh SOURCES future.tests PLAN... future.tests under each plan, such as multisession,workers=2
#   sh tools/ecosystem.sh SOURCES future.tests-rig     future.tests on other hosts, those of tools/rig.sh: ssh, Slurm
#   sh tools/ecosystem.sh SOURCES future [NAME...]     future's own tests, by name; without one those listed in own.txt
#   sh tools/ecosystem.sh SOURCES future.apply [NAME...]  the real future.apply on our futures; all of its tests
#   sh tools/ecosystem.sh SOURCES furrr [NAME...]      the real furrr on our futures; all of its tests
#   sh tools/ecosystem.sh SOURCES maps [NAME...]       future.apply's tests on our maps; those listed in maps.txt
#   sh tools/ecosystem.sh SOURCES furrr-maps [NAME...] furrr's tests on our maps; those that ask for no internals
#   sh tools/ecosystem.sh SOURCES foreach              loops on the real doFuture (tools/stand-in/foreach.R)
#
# SOURCES: a folder with the unpacked sources of `future`, `future.tests`, `future.apply`, `furrr`, `doFuture`,
# `globals`, `parallelly`, as `git clone` of their public repositories leaves them. AVENIR_ECOSYSTEM names the library
# (default SOURCES/library); avenir itself and what those packages need are taken from R_LIBS or R's libraries.
# AVENIR_ECOSYSTEM_SECONDS (300) is each run's limit.
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
  for package in parallelly globals future.apply future.tests furrr doFuture; do
    [ -d "$sources/$package" ] || continue
    install_copy "$sources/$package" || return 1
  done
}

install_copy() (
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") && cp -r "$1" "$copy" || exit 1
  R CMD INSTALL --no-docs --no-test-load --library="$library" "$copy/$(basename "$1")" >"$copy/log" 2>&1
  status=$?
  [ $status = 0 ] || cat "$copy/log" >&2
  rm -rf "$copy"
  exit $status
)

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

# In a rig of its own. The hosts find the stand-in in the library paths of the session, which travel to them.
run_rig_tests() (
  rig=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  names=$(timeout 60 sh "$tools/rig.sh" up "$rig") || exit 1
  for name in $names; do export "${name?}"; done
  for plan in ssh slurm; do
    run "future.tests-rig $plan" Rscript --vanilla "$tools/stand-in/rig-plans.R" "$plan"
  done
  timeout -k 20 60 sh "$tools/rig.sh" down "$rig"
  [ "$failed" = 0 ]
)

# With a prologue of ours in place of the one that needs internals of future's.
run_own_tests() {
  [ $# -gt 0 ] || set -- $(grep -v -e '^#' -e '^sed ' "$tools/stand-in/own.txt" | cut -d' ' -f1)
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  cp -r "$sources/future/inst/testme" "$sources/future/DESCRIPTION" "$copy"
  cp "$tools/stand-in/imports.R" "$copy/testme/_prologue/030.imports.R"
  grep '^sed ' "$tools/stand-in/own.txt" | while read -r _ name edit; do
    sed -i "$edit" "$copy/testme/test-$name.R"
  done
  cd "$copy" || exit 1
  for name; do
    run "future $name" env NOT_CRAN=true R_TESTME_PATH=testme R_TESTME_NAME="$name" Rscript --vanilla testme/run.R
  done
  rm -rf "$copy"
}

# Tests of a future.apply before 1.20, which are scripts: by name, all when there is none.
run_scripts() {
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  cp -r "$sources/future.apply/tests" "$copy"
  cd "$copy/tests" || exit 1
  [ $# -gt 0 ] || set -- $(ls | sed -n 's/^\(.*\)\.R$/\1/p')
  for name; do run "future.apply $name" Rscript --vanilla "$name.R"; done
  rm -rf "$copy"
}

# run_testme KIND IMPORTS NAME...: tests of future.apply by name, all when there is none; with IMPORTS in place of the
# prologue that fetches internals, if it is not empty.
run_testme() {
  kind=$1
  imports=$2
  shift 2
  [ -d "$sources/future.apply/inst/testme" ] || { run_scripts "$@"; return; }
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  cp -r "$sources/future.apply/inst/testme" "$sources/future.apply/DESCRIPTION" "$copy"
  cd "$copy" || exit 1
  [ -z "$imports" ] || cp "$imports" testme/_prologue/030.imports.R
  [ $# -gt 0 ] || set -- $(ls testme | sed -n 's/^test-\(.*\)\.R$/\1/p')
  for name; do
    run "$kind $name" env NOT_CRAN=true R_TESTME_PATH=testme R_TESTME_NAME="$name" Rscript --vanilla testme/run.R
  done
  rm -rf "$copy"
}

# run_furrr KIND NAME...: furrr's test files by name, all when there is none.
run_furrr() {
  kind=$1
  shift
  copy=$(mktemp -d "${TMPDIR:-/tmp}/avenir-ecosystem.XXXXXX") || exit 1
  cp -r "$sources/furrr/tests" "$copy"
  cd "$copy/tests" || exit 1
  # Older versions of testthat have no inspectors; furrr's own maps attach purrr.
  echo "if (!exists('set_state_inspector')) set_state_inspector <- function(...) NULL; library(purrr)" \
    >testthat/helper-0.R
  [ $# -gt 0 ] || set -- $(ls testthat | sed -n 's/^test-\(.*\)\.R$/\1/p')
  for name; do
    run "$kind $name" env NOT_CRAN=true Rscript --vanilla -e "library(furrr); testthat::test_dir('testthat',
      package = 'furrr', load_package = 'installed', filter = '^$name\$')"
  done
  rm -rf "$copy"
}

# Over the stand-in for future, in a library of their own.
use_our_maps() {
  mkdir -p "$library/maps"
  sh "$tools/stand-in/make-maps.sh" "$library/maps" || exit 1
  R_LIBS="$library/maps:$R_LIBS"
}

[ "$command" = library ] || [ -d "$library/future" ] || {
  echo "tools/ecosystem.sh: there is no stand-in in $library; run 'tools/ecosystem.sh SOURCES library' first" >&2
  exit 2
}
case $command in
  library) make_library || failed=1 ;;
  future.tests) run_future_tests "$@" ;;
  future.tests-rig) run_rig_tests || failed=1 ;;
  future) run_own_tests "$@" ;;
  future.apply) run_testme future.apply "" "$@" ;;
  furrr) run_furrr furrr "$@" ;;
  maps)
    use_our_maps
    [ $# -gt 0 ] || set -- $(grep -v '^#' "$tools/stand-in/maps.txt")
    run_testme maps "$tools/stand-in/imports-maps.R" "$@"
    ;;
  furrr-maps)
    use_our_maps
    [ $# -gt 0 ] || set -- future-imap future-map future-map2 future-modify future-pmap
    run_furrr furrr-maps "$@"
    ;;
  foreach) run "foreach" Rscript --vanilla "$tools/stand-in/foreach.R" ;;
  *) echo "tools/ecosystem.sh: no command '$command'" >&2; exit 2 ;;
esac
[ "$failed" = 0 ]
