#!/bin/sh
# Installs avenir from this tree into a library of its own; the tree itself is left as it is.
#
#   sh tools/install-package.sh LIBRARY
#   AVENIR_INSTALL_OPTIONS="--no-test-load ..." sh tools/install-package.sh LIBRARY
set -u
library=${1:?"tools/install-package.sh LIBRARY"}
mkdir -p "$library" || exit 1
library=$(cd "$library" && pwd)
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)

unset R_TESTS
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
export MAKEFLAGS="-j$cores"
work=$(mktemp -d "${TMPDIR:-/tmp}/avenir-install.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# By way of the built package, so that no object file of this tree is used or left.
build_and_install() {
  cd "$work" && R CMD build --no-build-vignettes "$root" &&
    R CMD INSTALL ${AVENIR_INSTALL_OPTIONS:-} --library="$library" avenir_*.tar.gz
}

if ! (build_and_install) >"$work/log" 2>&1 </dev/null; then
  tail -n 60 "$work/log" >&2
  echo "avenir could not be installed into $library (above: the last lines of the log)." >&2
  exit 1
fi
