#!/usr/bin/env bash
# Makes the guest of tests and demo: build/guest/vmlinuz and build/guest/initrd.gz (see test/guest/README.md).
# Debian's packages are fetched and unpacked, not installed. Nothing is done when neither they nor our files have changed.
set -euo pipefail
shopt -s globstar
cd "$(dirname "$0")/.."

out=build/guest
sources=test/guest

die() {
	echo "guest-image: $*" >&2
	exit 1
}

for tool in apt-get dpkg-deb cpio busybox; do
	command -v "$tool" >/dev/null || die "$tool is missing: run hack/deps.sh (Debian packages cpio, busybox-static)"
done
ldd "$(command -v busybox)" >/dev/null 2>&1 && die "busybox is not static: apt-get install busybox-static"

# The meta package has the version of the kernel that it stands for.
versions() { apt-cache policy linux-image-cloud-amd64 dhcpcd-base | awk '/^[^ ]/ || /Candidate:/' | grep -v '(none)' | paste -sd ' '; }
versions=$(versions)
case $versions in
*Candidate:*Candidate:*) ;;
*)
	apt-get -q update
	versions=$(versions)
	;;
esac

stamp=$(
	echo "$versions"
	busybox | head -n 1
	find hack/guest-image.sh "$sources" -type f -print0 | sort -z | xargs -0 sha256sum
)
if [ -e "$out/initrd.gz" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi

mkdir -p "$out/packages"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# fetch PACKAGE: prints the path of its .deb, which is kept until there is a later one.
fetch() {
	local version deb
	version=$(apt-cache policy "$1" | awk '/Candidate:/ && $2 != "(none)" { print $2 }')
	[ -n "$version" ] || die "apt knows no $1: is Debian's main archive among its sources?"
	deb=$out/packages/$1_$version.deb
	if [ ! -e "$deb" ]; then
		echo "guest-image: fetching $1 $version" >&2
		rm -f "$out/packages/$1"_*.deb
		(cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$1=$version" >&2) ||
			die "apt can't fetch $1 $version: apt-get update, then try again"
		mv "$work/$1"_*.deb "$deb"
	fi
	echo "$deb"
}

# unpack DEB DIRECTORY PATTERN...
unpack() {
	local deb=$1 directory=$2
	shift 2
	mkdir -p "$directory"
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$directory" --wildcards "$@"
}

kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
kernel_deb=$(fetch "${kernel:-linux-image-cloud-amd64}")
dhcpcd_deb=$(fetch dhcpcd-base)

echo "guest-image: building $out" >&2
root=$work/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,run,tmp,seed,root,etc,lib/modules,lib64,var/lib/dhcpcd}
cp -a "$sources/root/." "$root/"
cp "$sources/modules" "$root/etc/modules"

cp -L "$(command -v busybox)" "$root/bin/busybox"
busybox --list-full | while read -r applet; do
	[ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$root/$applet"
done
ln -s /bin/busybox "$root/init"

mapfile -t modules < <(sed -n 's|^[^#].*|./lib/modules/*/&.ko|p' "$sources/modules")
unpack "$kernel_deb" "$work/kernel" './boot/vmlinuz-*' "${modules[@]}"
cp "$work"/kernel/lib/modules/*/kernel/**/*.ko "$root/lib/modules/"

# dhcpcd needs nothing but libc, which is this machine's.
unpack "$dhcpcd_deb" "$root" ./usr/sbin/dhcpcd
loader=/lib64/ld-linux-x86-64.so.2
cp -L "$loader" "$root/lib64/"
cp -L "$("$loader" --list "$root/usr/sbin/dhcpcd" | awk '$1 == "libc.so.6" { print $3 }')" "$root/lib/"

(cd "$root" && find . | sort | cpio -o -H newc --quiet --owner 0:0) | gzip -1 >"$work/initrd.gz"
rm -f "$out/stamp"
chmod 644 "$work"/kernel/boot/vmlinuz-* "$work/initrd.gz" # QEMU's user reads them
mv "$work"/kernel/boot/vmlinuz-* "$out/vmlinuz"
mv "$work/initrd.gz" "$out/initrd.gz"
echo "$stamp" >"$out/stamp"
