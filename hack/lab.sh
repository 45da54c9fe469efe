#!/bin/bash
# Makes what a lab runs: build/lab/bin, with every program of a cluster and Prometheus, and build/lab/busybox.tar, the image of pods'
# sandboxes and of the tests' pods. Nothing is done when its sources are the same; the first time takes some eight minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/build/lab
sources=test/lab/kubernetes

stamp=$(
	go env GOVERSION
	busybox | head -n 1
	cat "$sources"/*.go "$sources"/go.{mod,sum} hack/lab.sh internal/tools/ociimage/*.go | sha256sum
)
[[ $(cat "$out/stamp" 2>/dev/null) != "$stamp" ]] || exit 0
rm -f "$out/stamp"
mkdir -p "$out/bin"

version=$(cd "$sources" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
echo "lab: building Kubernetes $version; the first time takes some eight minutes" >&2
# Without a version, a kubelet is taken for one that is too old to work with.
package=k8s.io/component-base/version
minor=${version#v1.}
(cd "$sources" && CGO_ENABLED=0 go build -trimpath -o "$out/bin/kubernetes" -ldflags "-s -w \
	-X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean" .)
for program in etcd helm kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet; do
	ln -sf kubernetes "$out/bin/$program"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Unpacked, not installed: its package brings a service. It needs nothing but libc.
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download prometheus >&2) ||
	{ echo "lab: apt can't fetch Debian's prometheus: apt-get update, then try again" >&2; exit 1; }
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$out/bin" --strip-components=3 ./usr/bin/prometheus

root=$work/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,dev,etc,proc,root,sys,tmp}
chmod 1777 "$root/tmp"
cp -L "$(command -v busybox)" "$root/bin/busybox"
busybox --list-full | while read -r applet; do
	[[ $applet == bin/busybox ]] || ln -s /bin/busybox "$root/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
go run ./internal/tools/ociimage -output "$out/busybox.tar" -reference localhost/busybox:1 \
	-entrypoint "/bin/sleep 2147483647" "$root"
echo "$stamp" >"$out/stamp"
