#!/bin/bash
# The first process of a node, in namespaces of its own: gives it directories of its own, and keeps its programs
# running, as an init system would.
#
#   node.sh NAME DISK PROGRAMS LOGS ADDRESSES
set -euo pipefail
name=$1 disk=$2 programs=$3 logs=$4 addresses=$5

# What is mounted here stays here, until what is mounted in one part of the node is to be seen in the others.
mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"

# /sys shows the links of the network namespace that mounts it; the machine's control groups are to stay.
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --move /mnt /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf

# Directories that a node writes to. Those that aren't kept on its disk are gone with it.
mount -t tmpfs tmpfs /run
mkdir /run/{node,programs,logs}
mount --bind "$disk" /run/node
mount --bind "$programs" /run/programs
mount --bind "$logs" /run/logs
for directory in /etc /opt /var; do
	mkdir -p "/run/overlay$directory"/{upper,work}
	mount -t overlay overlay -o "lowerdir=$directory,upperdir=/run/overlay$directory/upper,workdir=/run/overlay$directory/work" "$directory"
done
for directory in /var/lib/{kubelet,containerd,cni} /var/log/{pods,containers}; do
	mkdir -p "/run/node$directory" "$directory"
	mount --bind "/run/node$directory" "$directory"
done
mkdir -p /etc/cni/net.d /opt/cni/bin
ln -sf /usr/lib/cni/* /opt/cni/bin/
install /run/node/cni.sh /opt/cni/bin/lab
cp /run/node/cni.conflist /etc/cni/net.d/10-lab.conflist
mount --make-rshared /

# serve NAME COMMAND...: starts it again when it ends.
serve() {
	local service=$1
	shift
	while true; do
		"$@" >>"/run/logs/$name-$service.log" 2>&1 || echo "$service has ended with $?"
		sleep 0.5
	done
}

cat # ends when the network is there
serve containerd containerd --config /run/node/containerd.toml &
until ctr version; do sleep 0.05; done &>/dev/null
serve kube-proxy /run/programs/kube-proxy --config=/run/node/kube-proxy.yaml --hostname-override="$name" &
serve kubelet /run/programs/kubelet --config=/run/node/kubelet.yaml --kubeconfig=/run/node/kubeconfig \
	--hostname-override="$name" --node-ip="$addresses" &
wait
