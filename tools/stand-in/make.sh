#!/bin/sh
# Makes a package named `future` that hands out avenir's functions, so that suites and packages that are written for
# future run on avenir. For tests alone: nothing of it is shipped, and it is told from the real one by its title.
#
#   sh tools/stand-in/make.sh LIBRARY SOURCE
#
# LIBRARY: where it is installed; avenir has to be found there or by R_LIBS. SOURCE: the unpacked sources of future,
# from which the demos, mandelbrot() and a few helpers that tests use are taken.
set -eu
library=${1:?"tools/stand-in/make.sh LIBRARY SOURCE"}
source=${2:?"tools/stand-in/make.sh LIBRARY SOURCE"}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$library"
library=$(cd "$library" && pwd)

work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-stand-in.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
package=$work/future
mkdir "$package"
cp -r "$here/DESCRIPTION" "$here/R" "$package"
cp -r "$source/demo" "$package"
for file in 000.bquote.R utils-basic.R utils-debug.R utils-whichIndex.R demo_api-mandelbrot.R; do
  cp "$source/R/$file" "$package/R/a-$file"
done
export R_LIBS="$library${R_LIBS:+:$R_LIBS}"
Rscript --vanilla "$here/namespace.R" "$source/NAMESPACE" "$package"
R CMD INSTALL --no-docs --no-test-load --library="$library" "$package" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
