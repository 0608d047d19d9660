#!/bin/sh
# A cluster on one machine, for tests: hosts h1 and h2, each in namespaces of its own (network, hostname, processes,
# mounts), joined to the session's by a bridge; an sshd on each; a Slurm of both, its controller on the session's side.
# Needs Linux and root; no systemd. All of it listens on the rig's own addresses (10.77.N.0/24) and nothing else, and
# lives in one folder. (srun itself, while it runs, listens on all addresses: Slurm has no setting for less.)
#
#   eval "$(sh tools/rig.sh up [FOLDER])"   prints NAME=value lines; FOLDER: new or empty, made with mktemp by default
#   sh tools/rig.sh possible                status 0 when this machine can have a rig
#   sh tools/rig.sh down [FOLDER]           ends everything and removes the folder; nothing to do is no error
#   sh tools/rig.sh status [FOLDER]         the NAME=value lines again, and the hosts; status 1 when there is no rig
#   sh tools/rig.sh exec HOST COMMAND...    runs a command on a host
#   sh tools/rig.sh cut HOST [in|out]       takes the host's cable; in, out: the host hears, or sends, nothing
#   sh tools/rig.sh heal HOST               the cable is back
#   sh tools/rig.sh kill-node HOST          the host loses its power
#   sh tools/rig.sh start-node HOST         and has it again
#
# FOLDER is $RIG_DIR where it is not given. Exit status 2: this machine cannot have a rig, with the reason.
set -u
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
unset SLURM_CONF
hosts="h1 h2"
script=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")

fail() { echo "rig.sh: $*" >&2; exit 1; }
cannot() { echo "rig.sh: no rig on this machine: $*" >&2; exit 2; }

# until_true SECONDS COMMAND...: 0 once the command succeeds, 1 when it does not in time.
until_true() {
  until_then=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -le "$until_then" ] || return 1
    sleep 0.05
  done
}

# ---- Names ----

network() { cat "$rig/network"; }
bridge() { echo "avrig$(network)"; }
cable() { echo "avrig$(network)-$1"; }  # the session's end of it
address() {
  case $1 in session) n=254 ;; *) n=${1#h} ;; esac
  echo "10.77.$(network).$n"
}

is_host() { case " $hosts " in *" $1 "*) ;; *) fail "no host '$1'; hosts are: $hosts" ;; esac; }

# The pid in a file, if that process is (still) one of this rig's.
pid_in() {
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -Fq "$rig/" &&
    echo "$pid"
}

gone() { ! pid_in "$1"; }

# ---- What this machine has ----

assert_possible() {
  [ "$(uname -s)" = Linux ] || cannot "namespaces need Linux."
  [ "$(id -u)" -eq 0 ] || cannot "it takes root."
  for command in ip nft unshare nsenter munged slurmctld slurmd srun sshd ssh ssh-keygen; do
    command -v $command >/dev/null || cannot "there is no $command; sh tools/install-needs.sh cluster brings it."
  done
  reason=$(unshare --net --mount --uts --ipc --pid --fork true 2>&1) || cannot "no namespaces ($reason)."
}

# Memory limits and reliable ends of steps take the cgroup v1 controllers memory and freezer.
has_cgroups() {
  for controller in memory freezer; do
    [ -d "/sys/fs/cgroup/$controller" ] || return 1
    unshare --mount --cgroup mount -t cgroup -o $controller cgroup "$rig/empty" 2>/dev/null || return 1
  done
}

# ---- up ----

# Making the bridge is what reserves the network's number.
add_bridge() {
  for n in $(seq 0 250); do
    [ -z "$(ip -4 route show root "10.77.$n.0/24")" ] || continue
    ip link add "avrig$n" type bridge 2>/dev/null && echo "$n" >"$rig/network" && break
  done
  [ -s "$rig/network" ] || cannot "no bridge could be made (ip link add ... type bridge)."
  ip addr add "$(address session)/24" dev "$(bridge)" && ip link set "$(bridge)" up
}

write_keys() {
  mkdir "$rig/ssh" && chmod 700 "$rig/ssh" || return 1
  for name in id $hosts; do ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$rig/ssh/$name" || return 1; done
  cp "$rig/ssh/id.pub" "$rig/ssh/authorized_keys"
  for host in $hosts; do echo "$host,$(address "$host") $(cat "$rig/ssh/$host.pub")"; done >"$rig/ssh/known_hosts"
}

write_sshd_config() {
  cat <<END
Port 22
ListenAddress $(address "$1")
HostKey $rig/ssh/$1
PidFile $rig/$1/sshd.pid
AuthorizedKeysFile $rig/ssh/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
MaxStartups 200:30:400
MaxSessions 200
END
}

write_ssh_config() {
  for host in $hosts; do printf 'Host %s\n  HostName %s\n' "$host" "$(address "$host")"; done
  cat <<END
Host *
  User root
  IdentityFile $rig/ssh/id
  IdentitiesOnly yes
  UserKnownHostsFile $rig/ssh/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 5
END
}

write_hosts() {
  echo "127.0.0.1 localhost"
  echo "$(address session) session $(hostname)"
  for host in $hosts; do echo "$(address "$host") $host"; done
}

# Of every host the memory that this machine has, at most 2000 MB.
memory_mb() { awk '/^MemTotal:/ { mb = int($2 / 2048); print (mb < 2000 ? mb : 2000) }' /proc/meminfo; }

write_slurm_conf() {
  cat <<END
ClusterName=rig
SlurmctldHost=session($(address session))
AuthType=auth/munge
AuthInfo=socket=$rig/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$rig/state
SlurmctldPidFile=$rig/slurmctld.pid
SlurmctldLogFile=$rig/slurmctld.log
SlurmdPidFile=$rig/%n/slurmd.pid
SlurmdSpoolDir=$rig/%n/spool
SlurmdLogFile=$rig/%n/slurmd.log
SlurmdParameters=config_overrides
DebugFlags=NO_CONF_HASH
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MaxArraySize=20001
MaxJobCount=25000
KillWait=2
SlurmdTimeout=5
SlurmctldTimeout=30
$1
END
  for host in $hosts; do
    echo "NodeName=$host NodeHostname=$host NodeAddr=$(address "$host") CPUs=2 RealMemory=$(memory_mb) State=UNKNOWN"
  done
  echo "PartitionName=test Nodes=h1,h2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1"
  echo "PartitionName=urgent Nodes=h1,h2 MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF"
}

# Slurm's commands read conf/slurm.conf; its daemons daemon/slurm.conf, which keeps them on the rig's addresses.
write_slurm_confs() {
  mkdir "$rig/conf" "$rig/daemon" "$rig/state" || return 1
  if has_cgroups; then
    limits="ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100"
    printf '%s\n' CgroupPlugin=cgroup/v1 CgroupMountpoint=/sys/fs/cgroup CgroupAutomount=no ConstrainRAMSpace=yes \
      >"$rig/daemon/cgroup.conf"
    cp "$rig/daemon/cgroup.conf" "$rig/conf"
  else
    limits="ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectTypeParameters=CR_CPU"
  fi
  write_slurm_conf "$limits" >"$rig/conf/slurm.conf"
  { cat "$rig/conf/slurm.conf"; echo "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny"; } >"$rig/daemon/slurm.conf"
}

start_munge() {
  install -d -m 0711 "$rig/munge" || return 1
  (umask 077 && head -c 1024 /dev/urandom >"$rig/munge/key")
  # --force: the folder may lie where only root can go, and only root uses the rig.
  munged --force --key-file="$rig/munge/key" --socket="$rig/munge/socket" --pid-file="$rig/munge/pid" \
    --log-file="$rig/munge/log" --seed-file="$rig/munge/seed" --num-threads=2
}

# The controller listens on the address of its machine's name: it sees another name, and the rig's file of hosts.
start_controller() {
  unshare --mount --uts sh -c 'hostname session && mount --bind "$1/hosts" /etc/hosts &&
    exec slurmctld -f "$1/daemon/slurm.conf"' sh "$rig"
}

# The host's cgroups, with this process in them.
enter_cgroups() {
  [ -e "$rig/daemon/cgroup.conf" ] || return 0
  for controller in memory freezer; do
    group=/sys/fs/cgroup/$controller/$(cable "$1")
    mkdir -p "$group" && echo 0 >"$group/cgroup.procs" || return 1
  done
}

# Becomes the first process of the host (init_host), in the background of `up`.
become_host() {
  enter_cgroups "$1" || exit 1
  exec unshare --net --mount --uts --ipc --cgroup --pid --fork --kill-child sh "$script" init-host "$1" "$rig/"
}

# Process 1 of a host. The pid by which the session knows it can only be read while its /proc is still there.
init_host() {
  host=$1
  read -r pid _ </proc/self/stat
  hostname "$host" && mount -t proc proc /proc && mount --bind "$rig/hosts" /etc/hosts &&
    mount -t tmpfs -o size=512m,mode=1777 tmpfs /dev/shm && mount -t tmpfs -o mode=755 tmpfs /run &&
    mkdir /run/sshd && mount_cgroups && ip link set lo up || exit 1
  echo "$pid" >"$rig/$host/init.new" && mv "$rig/$host/init.new" "$rig/$host/init.pid"
  until_true 10 ip link show eth0 && ip addr add "$(address "$host")/24" dev eth0 && ip link set eth0 up || exit 1
  "$(command -v sshd)" -f "$rig/$host/sshd_config" -E "$rig/$host/sshd.log" &&
    SLURM_CONF=$rig/daemon/slurm.conf slurmd -f "$rig/daemon/slurm.conf" -N "$host" || exit 1
  # Orphans of the host come to process 1: the shell reaps them while it waits.
  while :; do
    sleep 3600 &
    wait
  done
}

mount_cgroups() {
  [ -e "$rig/daemon/cgroup.conf" ] || return 0
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup || return 1
  for controller in memory freezer; do
    mkdir "/sys/fs/cgroup/$controller" &&
      mount -t cgroup -o $controller cgroup "/sys/fs/cgroup/$controller" || return 1
  done
}

start_host() {
  host=$1
  mkdir -p "$rig/$host/spool" && write_sshd_config "$host" >"$rig/$host/sshd_config" || return 1
  rm -f "$rig/$host/init.pid"
  setsid sh "$script" become-host "$host" "$rig/" </dev/null >"$rig/$host/init.log" 2>&1 &
  echo $! >"$rig/$host/outer.pid"
  until_true 10 test -s "$rig/$host/init.pid" || return 1
  ip link add "$(cable "$host")" type veth peer name eth0 netns "$(cat "$rig/$host/init.pid")" &&
    ip link set "$(cable "$host")" master "$(bridge)" up
}

# Slurm's commands, as this rig's.
slurm() { SLURM_CONF=$rig/conf/slurm.conf timeout 5 "$@"; }

host_is_idle() { [ "$(slurm sinfo -h -N -n "$1" -p test -o %T)" = idle ]; }

sshd_answers() { timeout 5 ssh -F "$rig/ssh/config" "$1" true; }

idle_or_dead() { host_is_idle "$1" || gone "$rig/$1/init.pid"; }

await_host() {
  until_true 20 idle_or_dead "$1" && ! gone "$rig/$1/init.pid" && until_true 10 sshd_answers "$1"
}

start_rig() {
  write_hosts >"$rig/hosts" && write_keys && write_ssh_config >"$rig/ssh/config" && write_slurm_confs || return 1
  start_munge && start_controller || return 1
  for host in $hosts; do start_host "$host" || return 1; done
  for host in $hosts; do await_host "$host" || return 1; done
}

show_logs() {
  for log in munge/log slurmctld.log h1/init.log h1/slurmd.log h1/sshd.log h2/init.log h2/slurmd.log h2/sshd.log; do
    [ ! -s "$rig/$log" ] || { echo "---- $log"; tail -n 15 "$rig/$log"; }
  done
}

print_names() {
  echo "RIG_DIR=$rig"
  echo "RIG_HOSTS=$(echo "$hosts" | tr ' ' ,)"
  echo "RIG_ADDRESS=$(address session)"
  for host in $hosts; do echo "RIG_ADDRESS_$host=$(address "$host")"; done
  echo "RIG_SSH_CONFIG=$rig/ssh/config"
  echo "RIG_MEMORY_LIMITS=$([ -e "$rig/daemon/cgroup.conf" ] && echo yes || echo no)"
  echo "SLURM_CONF=$rig/conf/slurm.conf"
}

# The folder's name goes into configuration files and is printed unquoted.
make_folder() {
  rig=${1:-}
  [ -n "$rig" ] || rig=$(mktemp -d "${TMPDIR:-/tmp}/avenir-rig.XXXXXX") || exit 1
  mkdir -p "$rig" && rig=$(cd "$rig" && pwd -P) || exit 1
  case $rig in *[!A-Za-z0-9._/-]*) fail "the folder's name may have letters, digits and ._- only: $rig" ;; esac
  [ -z "$(ls -A "$rig")" ] || fail "the folder is not empty: $rig"
  chmod 755 "$rig" && mkdir "$rig/empty" || exit 1
}

up() {
  assert_possible
  make_folder "${1:-}"
  trap 'stop_rig >&2; exit 130' INT TERM HUP
  (add_bridge) || { status=$?; stop_rig; exit $status; }
  if ! start_rig >"$rig/up.log" 2>&1; then
    { cat "$rig/up.log"; show_logs; echo "rig.sh: the rig did not come up (above: its logs)."; } >&2
    stop_rig
    exit 1
  fi
  print_names
}

# ---- down ----

# stop FILE SIGNAL: ends the process of a pid file, and waits for its end; by SIGKILL when it takes long.
stop() {
  pid=$(pid_in "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null
  until_true 5 gone "$1" || { kill -KILL "$pid" 2>/dev/null; until_true 5 gone "$1"; }
}

# Ending its first process, or who waits for that, ends all of a host's. Without a cable first: as with a power cut
# nobody hears of it.
stop_host() {
  ip link del "$(cable "$1")" 2>/dev/null
  stop "$rig/$1/outer.pid" KILL
  stop "$rig/$1/init.pid" KILL
  until_true 5 remove_cgroups "$1"
}

remove_cgroups() {
  for group in /sys/fs/cgroup/memory/$(cable "$1") /sys/fs/cgroup/freezer/$(cable "$1"); do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + || return 1
  done
}

stop_rig() {
  stop "$rig/slurmctld.pid" KILL
  if [ -s "$rig/network" ]; then
    for host in $hosts; do stop_host "$host"; done
    ip link del "$(bridge)" 2>/dev/null
  fi
  stop "$rig/munge/pid" TERM
  rm -rf "$rig"
}

# ---- The other commands ----

# The folder of a rig that is there, or nothing.
find_rig() {
  rig=${1:-${RIG_DIR:-}}
  [ -n "$rig" ] || fail "which rig? Give its folder, or set RIG_DIR."
  rig=${rig%/}
  [ -d "$rig" ] && rig=$(cd "$rig" && pwd -P) && [ -d "$rig/empty" ]
}

enter() {
  pid=$(pid_in "$rig/$1/init.pid") || fail "host $1 is not up"
  shift
  exec nsenter --target "$pid" --net --mount --uts --ipc --cgroup --pid --wd=/ -- "$@"
}

# A direction is cut by a filter, both by the link: as a switch that drops, as a cable that is out.
cut_host() {
  case ${2:-both} in
    both) ip link set "$(cable "$1")" down ;;
    in) drop "$1" input ;;
    out) drop "$1" output ;;
    *) fail "cut HOST [in|out], not '$2'" ;;
  esac
}

drop() {
  (enter "$1" nft "add table inet rig; add chain inet rig $2 { type filter hook $2 priority 0; policy drop; };
    add rule inet rig $2 meta iif lo accept")
}

heal_host() {
  ip link set "$(cable "$1")" up
  (enter "$1" nft "add table inet rig; delete table inet rig")
}

show_hosts() {
  for host in $hosts; do
    pid=$(pid_in "$rig/$host/init.pid") || pid=none
    echo "# $host: first process $pid, Slurm says $(slurm sinfo -h -N -n "$host" -p test -o %T)"
  done
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  up) up "${1:-}" ;;
  possible) assert_possible ;;
  down) ! find_rig "${1:-}" || stop_rig ;;
  status) find_rig "${1:-}" || { echo "no rig in $rig"; exit 1; }; print_names; show_hosts ;;
  become-host) rig=${2%/}; become_host "$1" ;;
  init-host) rig=${2%/}; init_host "$1" ;;
  exec | cut | heal | kill-node | start-node)
    find_rig || fail "no rig in $rig"
    is_host "${1:-}"
    case $command in
      exec) enter "$@" ;;
      cut) cut_host "$@" ;;
      heal) heal_host "$1" ;;
      kill-node) stop_host "$1" ;;
      start-node) if gone "$rig/$1/init.pid"; then start_host "$1"; fi && await_host "$1" ;;
    esac
    ;;
  *) sed -n '2,/^set -u/p' "$script" | sed '$d; s/^# \{0,1\}//'; exit 1 ;;
esac
