#!/bin/bash
# Record what Slurm says of its nodes in the states that the driver must tell apart.
# Runs as root inside a throw-away machine of the node image, named `rec`:
#   systemd-nspawn --volatile=overlay -D IMAGE/root -M rec --resolv-conf=off bash <record-slurm.sh
# and prints the recording, sections headed by `== what`.
set -e
exec 3>&1 >/dev/null 2>&1
echo '127.0.0.1 localhost rec' >/etc/hosts
install -d -o munge -g munge -m 700 /etc/munge /var/lib/munge /var/log/munge
install -d -o munge -g munge -m 755 /run/munge
head -c 1024 /dev/urandom >/etc/munge/munge.key
chown munge:munge /etc/munge/munge.key
chmod 400 /etc/munge/munge.key
runuser -u munge -- munged
mkdir -p /etc/slurm /var/spool/slurmctld /var/spool/slurmd
echo 'CgroupPlugin=disabled' >/etc/slurm/cgroup.conf
cat >/etc/slurm/slurm.conf <<'CONF'
ClusterName=rec
SlurmctldHost=rec
SlurmUser=root
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmctldParameters=idle_on_node_suspend,cloud_dns,power_save_interval=1,power_save_min_interval=1
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=600
ResumeTimeout=60
SuspendTimeout=5
SlurmctldPort=16817
SlurmdPort=16818
ReturnToService=2
PrivateData=cloud
NodeName=cpu-[1-3] State=CLOUD CPUs=1 RealMemory=256 NodeHostname=rec Port=[17001-17003] NodeAddr=127.0.0.1 Feature=fast,x
PartitionName=cpu Nodes=cpu-[1-3] Default=YES State=UP
CONF
record() {
  echo "== $1" >&3
  scontrol -a -o show nodes >&3
}
slurmctld
sleep 2
record 'powered down'
scontrol update nodename=cpu-[1-2] state=power_up
sleep 3
record 'powering up'
slurmd -b -N cpu-1
sleep 3
srun -w cpu-1 sleep 60 &
sleep 2
scontrol update nodename=cpu-2 state=power_down_force reason='the host is full: found 5 of 5 machines'
record 'cpu-1 allocated, cpu-2 forced down'
sleep 2
record 'cpu-2 powering down'
slurmd -b -N cpu-3
sleep 3
pkill -x -f 'slurmd -b -N cpu-3'
record 'cpu-3 registered while it was powered down'
scontrol update nodename=cpu-3 state=down reason='by hand'
record 'cpu-3 down'
