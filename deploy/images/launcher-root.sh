#!/bin/bash
# Fills a directory with the launcher's root file system: QEMU with the libraries and firmware that Tapir's machines use, out of
# the Debian packages qemu-system-x86 and qemu-utils of this machine, and Tapir's static programs. No shell, no package manager.
#
#   launcher-root.sh DIRECTORY PROGRAMS     PROGRAMS has tapir-launcher and tapir-disk
set -euo pipefail
root=$1 programs=$2

modules=/usr/lib/x86_64-linux-gnu/qemu
binaries=(/usr/bin/qemu-system-x86_64 /usr/bin/qemu-img "$modules/accel-tcg-x86_64.so")
firmware=(
	/usr/share/seabios/bios-256k.bin
	/usr/share/qemu/{kvmvapic,linuxboot_dma,multiboot_dma,pvh}.bin
	/usr/lib/ipxe/qemu/efi-{virtio,e1000,e1000e,ne2k_pci,pcnet,rtl8139}.rom # a NIC that is booted from
)

mkdir -p "$root"/{dev,etc,proc,sys,tmp,usr/{bin,lib,lib64}}
for directory in bin lib lib64; do
	ln -s "usr/$directory" "$root/$directory"
done
chmod 1777 "$root/tmp"
echo 'qemu:x:107:107::/:/sbin/nologin' >"$root/etc/passwd"
echo 'qemu:x:107:' >"$root/etc/group"

# put FILE...: under the path that it has here, behind symbolic links.
put() {
	local file
	for file in "$@"; do
		mkdir -p "$root/$(dirname "$(realpath -s "$file")")"
		install -m "$([[ -x $file ]] && echo 755 || echo 644)" "$file" "$root/$file"
	done
}
libraries=$(for binary in "${binaries[@]}"; do ldd "$binary"; done |
	awk '/not found/ { print > "/dev/stderr"; exit 1 } $2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | sort -u)
mapfile -t libraries <<<"$libraries"
put "${binaries[@]}" "${firmware[@]}" "${libraries[@]}"
install "$programs"/tapir-{launcher,disk} "$root/usr/bin/"
