#!/bin/bash
# Installs the Debian packages that a task needs, and only those that are missing.
#
#   hack/deps.sh SET...     sets: generate lint run guest demo bench test lab
set -euo pipefail

declare -A sets=(
	[generate]="clang llvm libbpf-dev linux-libc-dev git"     # make generate: BPF objects
	[lint]="shellcheck"                                       # make lint
	[run]="qemu-system-x86 qemu-utils iproute2"               # tapir run
	[guest]="busybox-static cpio gzip mtools qemu-utils syslinux syslinux-common" # hack/guest-image.sh, guest-disk.sh
	[demo]="nftables curl iputils-ping jq"                    # make demo
	[bench]="nftables"                                        # tapir bench
	[test]="gcc libc6-dev nftables iperf3 tcpdump ethtool iputils-ping iproute2 socat procps curl util-linux isc-dhcp-client busybox-static qemu-guest-agent"
	[lab]="busybox-static containerd containernetworking-plugins iproute2 nftables procps runc util-linux" # test/lab: a cluster's nodes
)

(($#)) || { echo "usage: hack/deps.sh SET... (sets: ${!sets[*]})" >&2; exit 2; }

missing=()
for set in "$@"; do
	[[ -v sets[$set] ]] || { echo "hack/deps.sh: no set \"$set\" (sets: ${!sets[*]})" >&2; exit 2; }
	for package in ${sets[$set]}; do
		[[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
	done
done
if ((${#missing[@]} == 0)); then
	echo "deps: $*: everything is installed"
	exit 0
fi

if ! command -v apt-get >/dev/null; then
	echo "hack/deps.sh: no apt-get here: install what Debian calls ${missing[*]} by your system's means" >&2
	exit 1
fi
if ((EUID != 0)); then
	echo "hack/deps.sh: missing packages; as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

echo "deps: $*: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
