#!/usr/bin/env bash
# Second half of `machine.sh create`: the machine's own session. Called by
# machine.sh only.
#
#   unshare (its pid is the machine's)  →  boot.sh inside  →  systemd-nspawn
#
# systemd-nspawn that is killed leaves its machine running. Here it runs in a
# process namespace whose first process is this script: whichever of the three,
# or the machine's own init, is killed, the kernel ends all the others. What is
# mounted is seen in the machine's own mount namespace only and goes with it.
set -euo pipefail

# Outside: enter the group. Fails where a clear has removed it meanwhile: then
# nothing must start. Processes sit in leaves, as cgroup v2 wants it.
if [[ ${1:-} != inside ]]; then
  mkdir "$KIWI_GROUP"/{keeper,machine}
  echo $$ >"$KIWI_GROUP/keeper/cgroup.procs"
  sed 's/[^ ]*/+&/g' "$KIWI_GROUP/cgroup.controllers" >"$KIWI_GROUP/cgroup.subtree_control"
  exec unshare --mount --propagation slave --pid --fork --kill-child --mount-proc bash "$0" inside
fi

cd "$KIWI_DIR"
mount -t overlay overlay -o "lowerdir=$KIWI_IMAGE/root,upperdir=upper,workdir=work" root
# systemd-nspawn leaves folders here when it is killed.
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn

binds=(--bind="$KIWI_HOME/data/home:/home")
case $KIWI_ROLE in
  login)
    binds+=(--bind="$KIWI_HOME/data/state:/var/lib/kiwi/state")
    binds+=(--bind="$KIWI_HOME/data/slurmctld:/var/spool/slurmctld")
    ;;
  booking) binds+=(--bind="$KIWI_HOME/data/state:/var/lib/kiwi/state") ;;
esac

# The console is kept for whoever asks why a machine ended: only trouble goes
# there (show_status=auto), and nobody logs in there.
machine() (
  exec 2>&1
  echo 0 >"$KIWI_GROUP/machine/cgroup.procs"
  export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 # Debian 13 and later take no other
  export SYSTEMD_NSPAWN_LOCK=0              # would leave lock files; machine.sh has its own
  exec systemd-nspawn --directory=root --machine="$KIWI_MACHINE" --hostname="$KIWI_NAME" \
    --boot --register=no --keep-unit --network-bridge="$KIWI_BRIDGE" --resolv-conf=off --timezone=off \
    --link-journal=no --settings=no --console=read-only --kill-signal=SIGRTMIN+3 "${binds[@]}" \
    -- systemd.show_status=auto systemd.mask=console-getty.service
)

# 133: the machine asked for a reboot. Bash's own word on a killed child would
# be a page of code.
exec 2>/dev/null
code=133
while ((code == 133)); do
  code=0
  machine || code=$?
done
echo "systemd-nspawn ended with $code."
exit "$code"
