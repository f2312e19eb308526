#!/usr/bin/env bash
# Makes and removes the local machines of one cluster.
#
#   machine.sh create     make KIWI_NAME as KIWI_INSTANCE; first clears what is left of the name
#   machine.sh destroy    remove KIWI_NAME's KIWI_INSTANCE; nothing to do where it is gone
#   machine.sh clear      remove all instances of KIWI_NAME; without KIWI_NAME, all machines
#
# Input comes in the environment: KIWI_HOME and KIWI_CLUSTER always; create also
# takes KIWI_ROLE, KIWI_ADDRESS (with prefix), KIWI_GATEWAY, KIWI_IMAGE (folder
# that holds root/) and KIWI_HASH (of the image).
#
# HOME/machines/NAME.INSTANCE/
#   upper/ work/ root/   overlay on the image; mounted only in the machine's own namespace
#   console.log          what the machine said
#   instance.json        written last: a folder without it is a creation that did not finish
# HOME/machines/.NAME.INSTANCE/ is a removal that did not finish.
#
# All processes of a machine are in one control group, made before the first of
# them; ending that group ends the machine, whatever its processes are. A create
# that was killed at any point is thus removed by the next create or clear.
#
# What concerns one machine ends after 120 s, hung or not (reconfigure/terraform/client.py
# waits for longer): a disk or a mount that hangs costs that node and no other.
set -euo pipefail
shopt -s nullglob
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${KIWI_HOME:?} cluster=${KIWI_CLUSTER:?} name=${KIWI_NAME:-} instance=${KIWI_INSTANCE:-}
machines=$home/machines

die() {
  printf 'machine %s of cluster %s: %s\n' "${name:-(all)}" "$cluster" "$*" >&2
  exit 1
}

# --- one at a time per name --------------------------------------------------

lock() { # name: held until this script ends
  local descriptor
  mkdir -p "$machines" "$home/run"
  exec {descriptor}>"$home/run/machine-$1.lock"
  flock --wait 60 "$descriptor" || die "another change of $1 has not ended for 60 s"
}

# --- the control group -------------------------------------------------------

cgroup_root() {
  local tree
  for tree in /sys/fs/cgroup /sys/fs/cgroup/unified; do
    [[ $(stat -fc %T "$tree" 2>/dev/null) != cgroup2fs ]] || { printf '%s' "$tree"; return; }
  done
  die "this host has no cgroup v2 tree (/sys/fs/cgroup or /sys/fs/cgroup/unified); machines need one"
}

has_systemd() { [[ -d /run/systemd/system ]]; }

unit() { printf 'kiwi-%s-%s-%.8s.scope' "$cluster" "${1%.*}" "${1##*.}"; } # NAME.INSTANCE

group() { # NAME.INSTANCE: path below the cgroup tree
  if has_systemd; then printf 'machine.slice/%s' "$(unit "$1")"; else printf 'kiwi/%s/%s' "$cluster" "$1"; fi
}

end_group() { # path below the tree: kill, wait until all are gone, remove
  local group=$root/$1 tries
  for ((tries = 0; tries < 500; tries++)); do
    if [[ -d $group ]]; then
      { echo 1 >"$group/cgroup.kill"; } 2>/dev/null || true
      { grep -qs '^populated 0' "$group/cgroup.events" && remove_group "$group"; } || { sleep 0.02; continue; }
    fi
    # On a hybrid host systemd-nspawn mirrors the group in systemd's own tree.
    remove_group "/sys/fs/cgroup/systemd/$1"
    return 0
  done
  die "its processes do not end: $(tr '\n' ' ' <"$group/cgroup.procs")"
}

remove_group() {
  [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
}

# --- removing ----------------------------------------------------------------

# Folders are renamed first, so that a start that is late finds none; all
# groups are killed before the first one is waited for.
remove() { # folders
  local folder gone=()
  for folder in "$@"; do
    [[ -d $folder ]] || continue
    if [[ ${folder##*/} != .* ]]; then
      mv -T "$folder" "$machines/.${folder##*/}"
      folder=$machines/.${folder##*/}
    fi
    gone+=("$folder")
    folder=${folder##*/.}
    { echo 1 >"$root/$(group "$folder")/cgroup.kill"; } 2>/dev/null || true
  done
  for folder in "${gone[@]}"; do
    end_group "$(group "${folder##*/.}")"
    rm -rf --one-file-system "$folder"
  done
}

clear_machines() {
  local file
  root=$(cgroup_root)
  if [[ -n $name ]]; then
    lock "$name"
    if [[ -n $instance ]]; then
      remove "$machines"/{,.}"$name.$instance"
    else
      remove "$machines"/{,.}"$name".*
    fi
    return
  fi
  for file in "$home/run"/machine-*.lock; do
    file=${file##*/machine-}
    lock "${file%.lock}"
  done
  remove "$machines"/{,.[!.]}*.*
  rmdir {"$root",/sys/fs/cgroup/systemd}/kiwi{"/$cluster",} 2>/dev/null || true
}

# --- creating ----------------------------------------------------------------

create() {
  : "${instance:?}" "${KIWI_ROLE:?}" "${KIWI_ADDRESS:?}" "${KIWI_GATEWAY:?}" "${KIWI_IMAGE:?}" "${KIWI_HASH?}"
  local message
  dir=$machines/$name.$instance
  interface=vb-k$(printf '%.11s' "${instance//-/}")
  bridge=$("$here/network.sh" bridge)
  preflight
  clear_with_name
  trap 'trap - EXIT; remove "$dir"' EXIT
  trap 'exit 130' INT
  message=$(prepare 2>&1) || die "cannot write its files: ${message##*$'\n'}"
  launch
  await
  message=$(record 2>&1) || die "cannot write its files: ${message##*$'\n'}"
  trap - EXIT
}

clear_with_name() {
  local instance=
  clear_machines
}

preflight() {
  [[ -d $KIWI_IMAGE/root/usr ]] || die "its image is missing: there is no $KIWI_IMAGE/root; bake it, or correct 'images'"
  [[ -e /sys/class/net/$bridge ]] || die "there is no bridge $bridge on this host: run network.sh up first"
  local need
  for need in identity/"$name"/ssh_host_ed25519_key{,.pub,-cert.pub} keys/control.pub data/{home,state,slurmctld}; do
    [[ -e $home/$need ]] || die "there is no $home/$need"
  done
}

put() { install -D -m "$1" /dev/stdin "$dir/upper/$2"; } # mode, path on the machine; content on standard input

# Called where errexit is off, hence the chain.
prepare() {
  local key=etc/ssh/ssh_host_ed25519_key
  mkdir -m 700 "$dir" && mkdir -m 755 "$dir"/{upper,work,root} && make_group &&
    put 644 etc/hostname <<<"$name" &&
    put 444 etc/machine-id <<<"${instance//-/}" &&
    put 644 etc/systemd/network/10-host0.network < <(network) &&
    put 644 etc/ssh/sshd_config.d/10-identity.conf < <(sshd) &&
    put 644 etc/ssh/authorized_keys.d/root <"$home/keys/control.pub" &&
    put 600 $key <"$home/identity/$name/${key##*/}" &&
    put 644 $key.pub <"$home/identity/$name/${key##*/}.pub" &&
    put 644 $key-cert.pub <"$home/identity/$name/${key##*/}-cert.pub"
}

# The hardware address follows from the address, so that a machine made anew is
# reached at once: nobody holds a stale neighbour entry.
network() {
  local bytes=${KIWI_ADDRESS%/*}
  # shellcheck disable=SC2086  # four words
  printf '[Match]\nName=host0\n\n[Link]\nMACAddress=02:6b:%02x:%02x:%02x:%02x\n\n' ${bytes//./ }
  printf '[Network]\nAddress=%s\nGateway=%s\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' "$KIWI_ADDRESS" "$KIWI_GATEWAY"
}

sshd() {
  printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' \
    'HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub' \
    'AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys'
}

# With systemd the scope makes the group. Else again where a teardown of another
# cluster has just removed the parent.
make_group() {
  local path tries
  path=$root/$(group "$name.$instance")
  for tries in 1 2 3 4 5; do
    if has_systemd || mkdir -p "$path"; then return; fi
  done
  return 1
}

# Detached: own session, clean environment, no descriptor of whoever called.
# The process that is started here is the machine's as long as it lives.
launch() {
  local scope=()
  if has_systemd; then
    scope=(systemd-run --quiet --scope --collect --slice=machine.slice --unit="$(unit "$name.$instance")"
      --property=Delegate=yes --description="$name of Kiwi cluster $cluster" --)
  fi
  (
    for descriptor in /proc/self/fd/*; do
      descriptor=${descriptor##*/}
      if ((descriptor > 2)); then eval "exec $descriptor>&-"; fi
    done
    exec env -i PATH="$PATH" KIWI_HOME="$home" KIWI_NAME="$name" KIWI_ROLE="$KIWI_ROLE" KIWI_IMAGE="$KIWI_IMAGE" \
      KIWI_DIR="$dir" KIWI_BRIDGE="$bridge" KIWI_MACHINE="${interface#vb-}" \
      KIWI_GROUP="$root/$(group "$name.$instance")" setsid "${scope[@]}" bash "$here/boot.sh"
  ) </dev/null >>"$dir/console.log" 2>&1 & # appended to: the driver shortens it
  pid=$!
}

# systemd-nspawn makes the network interface after image and mounts were found good.
await() {
  local tries
  for ((tries = 0; tries < 1500; tries++)); do
    kill -0 "$pid" 2>/dev/null || die "it ended while it started: $(tail -n 2 "$dir/console.log" | tr '\n' ' ')"
    [[ ! -e /sys/class/net/$interface ]] || return 0
    sleep 0.02
  done
  die "it did not start within 30 s: $(tail -n 2 "$dir/console.log" | tr '\n' ' ')"
}

# pid and the time it started (clock ticks since boot): together they name one process.
record() {
  local stat start
  stat=$(<"/proc/$pid/stat") && read -r -a stat <<<"${stat##*) }" && start=${stat[19]} &&
    printf '{"version":1,"name":"%s","instance":"%s","image":"%s","address":"%s","interface":"%s","pid":%s,"pid_start":%s}\n' \
      "$name" "$instance" "$KIWI_HASH" "${KIWI_ADDRESS%/*}" "$interface" "$pid" "$start" >"$dir/.instance.json" &&
    mv "$dir/.instance.json" "$dir/instance.json"
}

[[ $name =~ ^[a-z0-9-]*$ ]] || die "KIWI_NAME: found '$name'; needs the name of a node, such as cpu-1"
[[ $instance =~ ^[A-Za-z0-9-]*$ ]] || die "KIWI_INSTANCE: found '$instance'; needs a UUID"

# The process that whoever calls knows is timeout: who kills that ends this, too.
deadline=${KIWI_DEADLINE:-120} # seconds; the variable is for tests
if [[ -n $name && -z ${KIWI_TIMED:-} && ${1:-} =~ ^(create|destroy|clear)$ ]]; then
  KIWI_TIMED=1 exec timeout --kill-after=5 "$deadline" setpriv --pdeathsig KILL bash "${BASH_SOURCE[0]}" "$@"
fi
trap 'die "not done within $deadline s, or told to end"' TERM

case ${1:-} in
  create) : "${name:?}"; create ;;
  destroy) : "${name:?}" "${instance:?}"; clear_machines ;;
  clear) clear_machines ;;
  *) echo "usage: machine.sh create|destroy|clear" >&2; exit 2 ;;
esac
