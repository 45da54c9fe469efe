#!/bin/bash
# Makes a disk that boots the test guest by itself, as the firmware of a machine in a cluster does: build/guest/disk.qcow2, and
# with it a containerDisk, build/images/tapir-guest.tar, called localhost/tapir-guest:1. Needs hack/guest-image.sh to have been run;
# nothing is done when its kernel and initrd are the same.
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/guest
image=build/images/tapir-guest.tar
stamp=$(sha256sum "$out/vmlinuz" "$out/initrd.gz" hack/guest-disk.sh)
[[ ! -e $image || $(cat "$out/disk-stamp" 2>/dev/null) != "$stamp" ]] || exit 0
rm -f "$out/disk-stamp"
mkdir -p build/images

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/syslinux.cfg" <<-'END'
	SERIAL 0 115200
	PROMPT 0
	DEFAULT guest
	LABEL guest
	  KERNEL vmlinuz
	  INITRD initrd.gz
	  APPEND console=ttyS0 quiet
END

# A file system without a partition table: the firmware runs its first sector, which is the boot loader's.
truncate -s 48M "$work/disk"
export MTOOLS_SKIP_CHECK=1
mformat -i "$work/disk" -F -v GUEST -N 00000001 ::
mcopy -i "$work/disk" "$out/vmlinuz" "$out/initrd.gz" "$work/syslinux.cfg" ::
syslinux --install "$work/disk"

# Where a containerDisk has its disk.
mkdir -p "$work/root/disk"
qemu-img convert -O qcow2 -c "$work/disk" "$work/root/disk/guest.qcow2"
chmod 444 "$work/root/disk/guest.qcow2"
cp --remove-destination "$work/root/disk/guest.qcow2" "$out/disk.qcow2"
go run ./internal/tools/ociimage -output "$image" -reference localhost/tapir-guest:1 "$work/root"
echo "$stamp" >"$out/disk-stamp"
