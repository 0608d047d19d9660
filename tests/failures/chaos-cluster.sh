#!/bin/sh
# Chaos on a cluster: maps on two hosts of the rig (tools/rig.sh) while workers are killed, processes are stopped for a
# second and cables are cut for 1.5 seconds, at random. The same numbers as serial R, no error, and nothing left on any
# host.
#
#   sh chaos-cluster.sh [SECONDS]    60 by default; as root
set -u
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-60}

rig() { timeout -k 5 60 sh "$here/../../tools/rig.sh" "$@"; }
on() { rig exec "$@" 2>/dev/null; }
some() { shuf -n 1 -i "$1"; }

names=$(rig up) || exit 1
eval "$names"
export RIG_DIR RIG_HOSTS RIG_ADDRESS RIG_SSH_CONFIG SLURM_CONF
folder=$(mktemp -d "${TMPDIR:-/tmp}/avenir-chaos.XXXXXX") || exit 1
trap 'rig down "$RIG_DIR"; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP

timeout -k 5 $((seconds + 120)) Rscript --vanilla "$here/chaos-cluster-session.R" "$folder" "$seconds" &
session=$!
until [ -e "$folder/working" ] || ! kill -0 $session 2>/dev/null; do sleep 0.1; done

# A node and its template come first on a host: without them it is lost for good.
kill_worker() {
  pid=$(on "$1" pgrep -x R | tail -n +3 | shuf -n 1)
  [ -z "$pid" ] || { on "$1" kill -KILL "$pid" && killed=$((killed + 1)); }
}

stop_process() {
  pid=$(on "$1" pgrep -x R | shuf -n 1)
  [ -n "$pid" ] || return
  on "$1" kill -STOP "$pid"
  sleep 1
  on "$1" kill -CONT "$pid"
  stopped=$((stopped + 1))
}

cut_cable() {
  rig cut "$1"
  sleep 1.5
  rig heal "$1"
  cut=$((cut + 1))
}

killed=0 stopped=0 cut=0
while kill -0 $session 2>/dev/null; do
  host=h$(some 1-2)
  case $(some 1-8) in
    1) cut_cable "$host" ;;
    2) stop_process "$host" ;;
    *) kill_worker "$host" ;;
  esac
  sleep 0.3
done
wait $session
status=$?
echo "$killed workers killed, $stopped processes stopped, $cut cables cut"

processes_left() { for host in h1 h2; do on $host pgrep -x R; done | wc -l; }
tries=0
while [ "$(processes_left)" != 0 ] && [ $tries -lt 50 ]; do
  sleep 0.2
  tries=$((tries + 1))
done
[ "$(processes_left)" = 0 ] || { echo "processes are left: $(processes_left)"; status=1; }
exit $status
