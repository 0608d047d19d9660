#!/bin/sh
# Runs the scenario scripts of the installed avenir, each in its own R session, and prints one Markdown table.
#   sh tools/scenarios.sh [--quick] [row...]      all rows when none is named
# What the scripts say goes to stderr, the table to stdout. Exit status 1: something is wrong.
set -u

quick=
rows=
for argument in "$@"; do
  case $argument in
    --quick) quick=--quick ;;
    [0-9] | [0-9][0-9] | [0-9][A-Za-z]) rows="$rows $argument" ;;
    *) echo "scenarios.sh: '$argument' is neither --quick nor a row, such as 3 or 5A" >&2; exit 2 ;;
  esac
done

AVENIR_BLAS_BUILDS=$(sh "$(dirname "$0")/blas-builds.sh")
export AVENIR_BLAS_BUILDS
folder=$(Rscript -e 'cat(system.file("scenarios", package = "avenir"))') || exit 2
if [ -z "$folder" ]; then
  echo "scenarios.sh: avenir is not installed: sh tools/demo.sh installs it with what it needs" >&2
  exit 2
fi

lines=$(mktemp) && said=$(mktemp) || exit 2
trap 'rm -f "$lines" "$said"' EXIT
trap 'exit 130' INT TERM
status=0

# run_row SCRIPT: its line for machines goes to $lines, all else to stderr.
run_row() {
  echo "== $(basename "$1" .R)" >&2
  if ! Rscript --vanilla "$1" $quick >"$said" 2>&1; then
    status=1
    # A wrong number has its line already; a script that stopped before has none.
    grep -q '^scenario.*no$' "$said" || echo "scenario	$row	the script stopped	-	-	-	-	-	no" >>"$lines"
  fi
  grep -v '^scenario	' "$said" >&2
  grep '^scenario	' "$said" >>"$lines"
}

if [ -z "$rows" ]; then
  rows=$(ls "$folder" | sed -n 's/^row-0*\([0-9]*[a-z]*\)-.*\.R$/\1/p')
fi
for row in $rows; do
  lower=$(printf %s "$row" | tr A-Z a-z)
  script=$(ls "$folder"/row-"$lower"-*.R "$folder"/row-0"$lower"-*.R 2>/dev/null)
  if [ -n "$script" ]; then
    run_row "$script"
  else
    echo "scenarios.sh: there is no script for row $row in $folder" >&2
    status=1
  fi
done

cores=$(Rscript -e 'cat(parallelly::availableCores())')
echo "Seconds, medians of runs in turn${quick:+ (quick variants)}, on $cores cores:"
echo
echo "| row | workload | workers | serial R | avenir | speed-up | best peer | peer | avenir / peer | right |"
echo "|---|---|---|---|---|---|---|---|---|---|"
awk -F '	' '
  function ratio(a, b) { return a + 0 > 0 && b + 0 > 0 ? sprintf("%.3g", a / b) : "-" }
  BEGIN { OFS = " | " }
  { print "| " $2, $3, $4, $6, $5, ratio($6, $5), $7, $8, ratio($5, $8), $9 " |" }
' "$lines"
exit $status
