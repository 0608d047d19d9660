#!/bin/sh
# The main job, from nothing: installs what is missing through apt (root or sudo), installs avenir from this
# tree into a library of its own, and runs inst/scenarios/main-job.R.
#
#   sh tools/demo.sh           real size
#   sh tools/demo.sh --quick   small
#
# AVENIR_LIBRARY names the library; without it, one in the user's cache folder ($XDG_CACHE_HOME or ~/.cache).
# Nothing else of this machine's R is changed; to undo, remove that folder.
set -u
cd "$(dirname "$0")/.." || exit 1

export LC_ALL="${LC_ALL:-${LANG:-C.UTF-8}}"
library=${AVENIR_LIBRARY:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/avenir/library}

echo "1. What avenir needs"
sh tools/install-needs.sh demo || exit $?
echo "2. Installing avenir into $library (compiles for a minute or two)"
sh tools/install-package.sh "$library" || exit $?
echo "3. The main job"
R_LIBS="$library${R_LIBS:+:$R_LIBS}" Rscript --vanilla inst/scenarios/main-job.R "$@"
