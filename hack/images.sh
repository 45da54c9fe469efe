#!/bin/bash
# Makes Tapir's container images without a container engine: build/images/NAME.tar, called PREFIX/NAME:TAG. The tag is the git
# revision, with "-dirty" if something isn't committed; build/images/tag has it.
#
#   hack/images.sh [PREFIX]     default: localhost
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:-localhost}
tag=$(git describe --always --abbrev=12 --exclude='*' --dirty)
out=build/images
mkdir -p "$out"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without gRPC's trace pages, which nothing shows here, the linker can leave out all methods that nobody calls: a quarter of the programs.
CGO_ENABLED=0 go build -tags grpcnotrace -trimpath -ldflags "-s -w" -o "$work/bin/" ./cmd/...
CGO_ENABLED=0 go build -o "$work/ociimage" ./internal/tools/ociimage

# image NAME USER ROOT
image() {
	"$work/ociimage" -output "$out/$1.tar" -reference "$prefix/$1:$tag" -user "$2" -entrypoint "/usr/bin/$1" -env PATH=/usr/bin "$3"
}

mkdir -p "$work"/{controller,agent}/usr/bin
cp "$work/bin/tapir-controller" "$work/controller/usr/bin/"
image tapir-controller 65532:65532 "$work/controller"

cp "$work"/bin/tapir{,-agent} "$work/agent/usr/bin/" # `kubectl tapir` runs tapir there
image tapir-agent 0:0 "$work/agent"

deploy/images/launcher-root.sh "$work/launcher" "$work/bin"
image tapir-launcher 107:107 "$work/launcher"
echo "$tag" >"$out/tag"
