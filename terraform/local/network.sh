#!/usr/bin/env bash
# The host's side of one cluster's network.
#
#   network.sh up        bridge, address, rules, the host's settings, and the machines' ends on the bridge; prints what it
#                        made or mended, a line each; again: nothing changes
#   network.sh down      takes all of it away; nothing to do where nothing is there, or it is another KIWI_ROOT's
#   network.sh check     whether `up` would be refused: the name is in use by the cluster of another KIWI_ROOT, or the
#                        subnet overlaps what this host reaches
#   network.sh owner     prints the folder of another KIWI_ROOT's cluster that has this name, nothing if there is none
#   network.sh bridge    prints the bridge's name
#
# Input comes in the environment: KIWI_CLUSTER; for all but bridge also KIWI_HOST
# (folder, see below), for check and up KIWI_SUBNET, and for up KIWI_GATEWAY (with prefix) and KIWI_HOME (its machines).
#
# Settings of the whole host are counted: KIWI_HOST/SETTING holds lines
# `boot ID`, `original VALUE`, `ours VALUE` and a `cluster NAME` for each that
# uses it; the last one to go puts the original back, unless somebody else has
# changed it since. A reboot has put it back already: then the file is void.
# Clusters of another KIWI_ROOT are seen by their bridges, whose alias repeats
# the originals and ends with their KIWI_ROOT.
set -euo pipefail
shopt -s nullglob
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

cluster=${KIWI_CLUSTER:?}
table=kiwi-$cluster
wanted=(net/ipv4/ip_forward=1 fs/inotify/max_user_instances=8192)

die() {
  printf 'network of cluster %s: %s\n' "$cluster" "$*" >&2
  exit 1
}

# At most 15 characters; a longer name is cut and told apart by its hash.
bridge=kw-$cluster
if ((${#bridge} > 15)); then bridge=kw-${cluster:0:6}$(printf '%s' "$cluster" | sha256sum | cut -c1-6); fi

# --- settings of the host ----------------------------------------------------

record_of() { printf '%s/%s' "$KIWI_HOST" "${1//\//.}"; } # path below /proc/sys

field() { sed -n "s/^$2 //p" "$1" 2>/dev/null; } # file, key

current_record() { # file: whether it is of this boot; else it is void
  [[ $(field "$1" boot) == "$boot" ]] || { rm -f "$1"; return 1; }
}

original_elsewhere() { # path: what the bridge of another KIWI_ROOT's cluster says
  local alias
  for alias in /sys/class/net/kw-*/ifalias; do
    if [[ $(<"$alias") =~ " $1="([0-9]+) ]]; then
      echo "${BASH_REMATCH[1]}"
      return
    fi
  done
}

write_record() { # file, original, ours, clusters...
  printf 'boot %s\noriginal %s\nours %s\n' "$boot" "$2" "$3" >"$1.new"
  printf 'cluster %s\n' "${@:4}" >>"$1.new"
  mv "$1.new" "$1"
}

others_using() { # file, into the array `others`
  mapfile -t others < <(field "$1" cluster | grep -vxF "$cluster")
}

raise() { # path=value: record, then set; a value that is high enough stays
  local path=${1%=*} value=${1#*=} file original others=()
  file=$(record_of "$path")
  if current_record "$file"; then
    original=$(field "$file" original)
    others_using "$file"
  else
    original=$(original_elsewhere "$path")
    original=${original:-$(<"/proc/sys/$path")}
    ((original < value)) || return 0
  fi
  write_record "$file" "$original" "$value" "${others[@]}" "$cluster"
  if (($(<"/proc/sys/$path") < value)); then
    echo "$value" >"/proc/sys/$path"
    echo "$path"
  fi
}

put_back() { # path=value
  local path=${1%=*} file others
  file=$(record_of "$path")
  current_record "$file" || return 0
  others_using "$file"
  if ((${#others[@]} > 0)); then
    write_record "$file" "$(field "$file" original)" "$(field "$file" ours)" "${others[@]}"
    return
  fi
  if [[ -z $(original_elsewhere "$path") && $(<"/proc/sys/$path") == $(field "$file" ours) ]]; then
    field "$file" original >"/proc/sys/$path"
  fi
  rm -f "$file"
}

note_originals() { # repeat them where clusters of another KIWI_ROOT look
  local item file text=kiwi
  for item in "${wanted[@]}"; do
    file=$(record_of "${item%=*}")
    [[ ! -e $file ]] || text+=" ${item%=*}=$(field "$file" original)"
  done
  text+=" root=${KIWI_HOST%/host}"
  ((${#text} < 256)) || text="${text% root=*} root=sha256:$(root_hash)" # the kernel takes no more
  echo "$text" >"/sys/class/net/$bridge/ifalias"
}

root_hash() { printf '%s' "${KIWI_HOST%/host}" | sha256sum | cut -c1-16; }

# The bridge of a cluster whose folder is gone is nobody's.
owner() {
  local alias root
  alias=$(cat "/sys/class/net/$bridge/ifalias" 2>/dev/null) || return 0
  root=${alias##* root=}
  [[ $root != "$alias" && $root != "${KIWI_HOST%/host}" && $root != "sha256:$(root_hash)" ]] || return 0
  [[ $root == sha256:* ]] || { [[ -e $root/clusters/$cluster && ! $root -ef ${KIWI_HOST%/host} ]] || return 0; }
  printf '%s\n' "$root/clusters/$cluster"
}

check_name() {
  local other
  other=$(owner)
  [[ -z $other ]] || die "the name is in use by the cluster in $other; choose another cluster_name"
}

# --- bridge ------------------------------------------------------------------

check_routes() {
  local taken
  taken=$({ ip -4 route show root "$KIWI_SUBNET"; ip -4 route show match "$KIWI_SUBNET"; } |
    grep -v -e '^default' -e " dev $bridge " | head -n 1 || true)
  [[ -z $taken ]] || die "subnet $KIWI_SUBNET overlaps what this host reaches by '$taken'; choose another subnet"
}

# The bridge's own hardware address: else it changes with the machines on it,
# and machines would lose the gateway for a moment.
make_bridge() {
  local mac
  mac=02:$(printf '%s' "$cluster" | sha256sum | sed 's/\(..\)/\1:/g' | cut -c1-14)
  if [[ ! -e /sys/class/net/$bridge ]]; then
    ip link add name "$bridge" address "$mac" type bridge
    echo "bridge $bridge"
  fi
  note_originals
  if ! ip -4 -o address show dev "$bridge" | grep -qF " $KIWI_GATEWAY "; then
    ip -4 address flush dev "$bridge"
    ip address add "$KIWI_GATEWAY" brd + dev "$bridge"
    echo "address $KIWI_GATEWAY"
  fi
  set_up "$bridge"
}

set_up() { # interface
  [[ ! $(<"/sys/class/net/$1/flags") =~ [02468ace]$ ]] || echo "$1 is up" # IFF_UP is the last bit
  ip link set dev "$1" up
}

# A machine that runs has lost its way where its bridge was removed.
attach_machines() {
  local record interface
  for record in "${KIWI_HOME:-/nonexistent}"/machines/*/instance.json; do
    interface=$(sed -n 's/.*"interface":"\([^"/]*\)".*/\1/p' "$record")
    [[ -n $interface && -e /sys/class/net/$interface ]] || continue # it has ended
    if [[ ! /sys/class/net/$interface/master -ef /sys/class/net/$bridge ]]; then
      ip link set dev "$interface" master "$bridge"
      echo "machine $interface on $bridge"
    fi
    set_up "$interface"
  done
}

# --- rules -------------------------------------------------------------------

# What another program flushed, or changed, is whole again in one step.
make_rules() {
  local before
  before=$(rules)
  make_table
  open_forward
  [[ $before == "$(rules)" ]] || echo "rules"
}

rules() {
  nft list table ip "$table" 2>/dev/null || true
  nft list chain ip filter FORWARD 2>/dev/null | grep -F "\"$table\"" || true
}

# Machines get out through the host's address; from outside only answers come in.
make_table() {
  nft -f - <<RULES || die "nft could not make its rules; does this kernel have nf_tables and nf_nat?"
table ip $table {}
delete table ip $table
table ip $table {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr $KIWI_SUBNET ip daddr != $KIWI_SUBNET masquerade
  }
  chain forward {
    type filter hook forward priority filter
    oifname "$bridge" iifname != "$bridge" ct state != { established, related } drop
  }
}
RULES
}

# Docker and ufw have a chain that drops what it does not know.
open_forward() {
  close_forward
  nft list chain ip filter FORWARD >/dev/null 2>&1 || return 0
  nft insert rule ip filter FORWARD iifname "$bridge" accept comment "\"$table\""
  nft insert rule ip filter FORWARD oifname "$bridge" ct state established,related accept comment "\"$table\""
}

close_forward() {
  local handle
  for handle in $(nft -a list chain ip filter FORWARD 2>/dev/null | sed -n "s/.* comment \"$table\" # handle //p"); do
    nft delete rule ip filter FORWARD handle "$handle"
  done
}

# --- up and down -------------------------------------------------------------

one_at_a_time() {
  local lock
  boot=$(</proc/sys/kernel/random/boot_id)
  mkdir -p "${KIWI_HOST:?}" /run/lock
  exec {lock}>/run/lock/kiwi-network.lock
  flock --wait 60 "$lock" || die "another change of the host's network has not ended for 60 s"
}

up() {
  : "${KIWI_SUBNET:?}" "${KIWI_GATEWAY:?}"
  local item
  one_at_a_time
  check_name
  check_routes
  for item in "${wanted[@]}"; do raise "$item"; done
  make_bridge
  attach_machines
  make_rules
}

# The bridge goes before the settings: it must not count as a cluster that is left.
down() {
  local item
  one_at_a_time
  if [[ -z $(owner) ]]; then
    close_forward
    nft delete table ip "$table" 2>/dev/null || true
    [[ ! -e /sys/class/net/$bridge ]] || ip link delete dev "$bridge"
  fi
  for item in "${wanted[@]}"; do put_back "$item"; done
  rmdir --ignore-fail-on-non-empty "$KIWI_HOST"
}

case ${1:-} in
  check) : "${KIWI_SUBNET:?}" "${KIWI_HOST:?}"; check_name; check_routes ;;
  owner) : "${KIWI_HOST:?}"; owner ;;
  up) up ;;
  down) down ;;
  bridge) echo "$bridge" ;;
  *) echo "usage: network.sh check|up|down|owner|bridge" >&2; exit 2 ;;
esac
