#!/usr/bin/env bash
# Second half of `machine.sh create`, in the machine's own session and mount
# namespace: mounts the overlay and becomes systemd-nspawn. Called by
# machine.sh only. What is mounted here ends with the last process of the machine.
set -euo pipefail

# Fails where a clear has removed the group meanwhile: then nothing must start.
[[ -z $KIWI_GROUP ]] || echo $$ >"$KIWI_GROUP/cgroup.procs"
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

export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 # Debian 13 and later take no other
export SYSTEMD_NSPAWN_LOCK=0              # would leave lock files; machine.sh has its own
exec systemd-nspawn --directory=root --machine="$KIWI_MACHINE" --hostname="$KIWI_NAME" \
  --boot --register=no --keep-unit --network-bridge="$KIWI_BRIDGE" --resolv-conf=off --timezone=off \
  --link-journal=no --settings=no --console=pipe --kill-signal=SIGRTMIN+3 "${binds[@]}"
