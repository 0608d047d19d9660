#!/bin/sh
# BLAS libraries that tests hold against each other, beside the one that R uses here: Debian's builds, unpacked into a
# folder of their own, since an installed one would become R's.
#
#   sh tools/blas-builds.sh                      prints the folder, which may not be there: FOLDER/BUILD/libblas.so.3
#   sh tools/blas-builds.sh fetch BUILD PACKAGE  downloads one with apt-get; BUILD is its folder in PACKAGE
set -u

folder=${AVENIR_BLAS_BUILDS:-${XDG_CACHE_HOME:-$HOME/.cache}/avenir-blas}

# Complete or not at all.
fetch() {
  mkdir -p "$folder" && unpacked=$(mktemp -d "$folder/part-XXXXXX") || exit 1
  trap 'rm -rf "$unpacked"' EXIT
  trap 'exit 130' INT TERM HUP
  cd "$unpacked" && apt-get -q download "$2" && dpkg-deb -x ./*.deb . && mv usr/lib/*/"$1" "$folder/$1"
}

case "${1:-}" in
  "") echo "$folder" ;;
  fetch) fetch "$2" "$3" ;;
  *) echo "blas-builds.sh: unknown command '$1'; use fetch or none" >&2; exit 2 ;;
esac
