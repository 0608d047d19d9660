#!/bin/sh
# A test of tools/rig.sh: two hosts that answer over Slurm and ssh, faults that are faults, and nothing left afterwards.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

rig() { timeout -k 5 60 sh tools/rig.sh "$@"; }

expect() {
  [ "$2" = "$3" ] && return
  echo "check-rig.sh: $1: expected '$2', got '$3'" >&2
  exit 1
}

on_both() { timeout 20 srun -N2 -n2 hostname | sort | tr '\n' ' '; }
through_ssh() { timeout 10 ssh -F "$RIG_SSH_CONFIG" -o ConnectTimeout=1 "$1" hostname 2>/dev/null </dev/null; }

# Of the rig in folder $1: its processes (also those of its hosts, which share their namespaces), mounts, links, groups.
left_behind() {
  for process in /proc/[0-9]*; do
    tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -F "$1/" && echo "$process"
    network=$(readlink "$process/ns/net") || continue
    case " $2 " in *" ${network:-ended} "*) echo "$process is in a host's network" ;; esac
  done
  grep -F "$1" /proc/self/mounts
  ip -br link show | grep "^$3"
  find /sys/fs/cgroup -maxdepth 2 -name "$3*"
  [ ! -e "$1" ] || echo "$1"
}

names=$(rig up) || exit 1
eval "$names"
export RIG_DIR SLURM_CONF
trap 'rig down "$RIG_DIR"' EXIT
trap 'exit 130' INT TERM HUP

expect "srun" "h1 h2 " "$(on_both)"
for host in h1 h2; do
  expect "ssh $host" $host "$(through_ssh $host)"
  expect "exec $host" $host "$(rig exec $host hostname)"
  expect "what listens on all addresses of $host" "" "$(rig exec $host ss -Hltn | awk '$4 !~ /^10\.77\./')"
done
network_of() { readlink "/proc/$1/ns/net"; }
pids=$(cat "$RIG_DIR/h1/init.pid" "$RIG_DIR/h2/init.pid")
networks=$(for pid in $pids; do network_of "$pid"; done | tr '\n' ' ')
bridge=avrig$(cat "$RIG_DIR/network")

rig cut h2 in || exit 1
expect "ssh to a host that hears nothing" "" "$(through_ssh h2)"
rig heal h2 && rig cut h2 || exit 1
expect "ssh to a host without its cable" "" "$(through_ssh h2)"
rig heal h2
expect "ssh to the healed host" h2 "$(through_ssh h2)"
rig kill-node h2
expect "ssh to a host without power" "" "$(through_ssh h2)"
rig start-node h2 || exit 1
expect "srun after its return" "h1 h2 " "$(on_both)"
pids="$pids $(cat "$RIG_DIR/h2/init.pid")"
networks="$networks $(network_of "$(cat "$RIG_DIR/h2/init.pid")")"

rig down || exit 1
expect "what is left" "" "$(left_behind "$RIG_DIR" "$networks" "$bridge")"
rig down
expect "the second down" 0 $?

# `up` that fails in the middle, here because its folder may not have that name, and because munged cannot start.
mkdir "$RIG_DIR" && touch "$RIG_DIR/mine"
rig up "$RIG_DIR" 2>/dev/null
expect "up in a folder that is not empty" 1 $?
expect "the folder that is not empty" mine "$(ls "$RIG_DIR")"
rm -r "$RIG_DIR"
broken=$(mktemp -d "${TMPDIR:-/tmp}/avenir-broken.XXXXXX")
printf '#!/bin/sh\nexit 1\n' >"$broken/slurmd" && chmod 755 "$broken/slurmd"
PATH=$broken:$PATH rig up "$RIG_DIR" 2>/dev/null
expect "up with a slurmd that fails" 1 $?
rm -r "$broken"
expect "what a failed up leaves" "" "$(left_behind "$RIG_DIR" "$networks" "$bridge")"
echo "The rig is as it should be."
