#!/bin/sh
# Makes packages named `future.apply` and `furrr` that hand out avenir's maps, so that the suites of those packages run
# on them. For tests alone, as the stand-in for `future` (make.sh), which they need.
#
#   sh tools/stand-in/make-maps.sh LIBRARY
set -eu
library=${1:?"tools/stand-in/make-maps.sh LIBRARY"}
work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-stand-in.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# make NAME VERSION FILES: a package of the functions that avenir's sources in these files export
make() {
  name=$1
  version=$2
  shift 2
  imports=avenir
  [ "$name" != furrr ] || imports="avenir, purrr, rlang"
  mkdir "$work/$name" "$work/$name/R"
  cat >"$work/$name/DESCRIPTION" <<END
Package: $name
Version: $version
Title: Stand-In That Hands Out avenir's Functions Under Another Name
Authors@R: person("The avenir authors", role = c("aut", "cre"), email = "avenir@example.org")
Description: For tests alone: other packages' test suites, which ask for a package of this name, run on avenir.
License: MIT
Config/testthat/edition: 3
Encoding: UTF-8
Depends: future
Imports: $imports
END
  sed -n 's/^\(future_[A-Za-z0-9_.]*\|furrr_options\) <- function.*/\1/p' "$@" |
    grep -v '[a-z]\.\(default\|data\.frame\|ts\)$' |
    sed 's/.*/importFrom(avenir, "&")\nexport("&")/' >"$work/$name/NAMESPACE"
  # furrr's tests are written in the namespace of furrr, which has these
  [ "$name" != furrr ] || printf 'import(rlang)\nimportFrom(purrr, map)\n' >>"$work/$name/NAMESPACE"
  R CMD INSTALL --no-docs --no-test-load --library="$library" "$work/$name" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
}

cd "$(dirname "$0")/../../R"
make furrr 0.4.0 map-furrr*.R
make future.apply 1.20.0 map.R map-apply.R map-elements.R map-groups.R map-mapply.R
