#!/bin/sh
# Formats the C++ of src/ and tests/cpp with clang-format 14 (.clang-format).
#
#   sh tools/format.sh           writes
#   sh tools/format.sh --check   writes nothing; status 1 and the places when something would change, or when
#                                R or shell code has tabs, trailing blanks or lines over 120 columns
set -u
cd "$(dirname "$0")/.." || exit 1

find_formatter() {
  for name in clang-format-14 clang-format; do
    if "$name" --version 2>/dev/null | grep -q ' 14\.'; then
      echo "$name"
      return
    fi
  done
  echo "tools/format.sh: clang-format 14 is not here; run 'sh tools/install-needs.sh test'" >&2
  return 1
}

cpp_files() {
  find src tests/cpp -name build -prune -o \( -name '*.h' -o -name '*.cpp' \) ! -name RcppExports.cpp -print
}

text_files() {
  find R tests/testthat tests/testthat.R inst tools vignettes configure cleanup .ci/run \
    \( -name '*.R' -o -name '*.sh' -o -name '*.Rmd' -o -name configure -o -name cleanup -o -name run \) \
    -type f ! -name RcppExports.R 2>/dev/null
}

check_text() {
  text_files | LC_ALL=C.UTF-8 xargs awk '
    function fault(what) { print FILENAME ":" FNR ": " what; bad = 1 }
    /^ *\t/ { fault("a tab") }
    /[ \t\r]$/ { fault("a blank at the end of the line") }
    length($0) > 120 && FILENAME !~ /\.Rmd$/ { fault(length($0) " columns (120 at most)") }
    END { exit bad }'
}

# One line for each line that clang-format would write otherwise.
check_cpp() {
  said=$(cpp_files | xargs "$formatter" --dry-run -Werror 2>&1) && return 0
  places=$(echo "$said" | sed -n 's/:[0-9]*: error: code should be clang-formatted.*//p' | uniq)
  echo "${places:-$said}"
  echo "clang-format would write these lines otherwise: sh tools/format.sh"
  return 1
}

formatter=$(find_formatter) || exit 1
if [ "${1:-}" = --check ]; then
  status=0
  check_cpp || status=1
  check_text || status=1
  exit $status
fi
cpp_files | xargs "$formatter" -i
