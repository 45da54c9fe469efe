// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

type options struct {
	root, output, reference, user string
	entrypoint, env               []string
}

// sizes are in MiB.
type sizes struct{ unpacked, packed float64 }

// write writes the archive; a failed one leaves what was there before.
func (o *options) write() (sizes, error) {
	tag, err := name.NewTag(o.reference)
	if err != nil {
		return sizes{}, fmt.Errorf("the image's name: %w", err)
	}
	image, layer, err := o.image()
	if err != nil {
		return sizes{}, fmt.Errorf("make an image of %s: %w", o.root, err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(o.output), ".image-")
	if err != nil {
		return sizes{}, err
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if err := tarball.Write(tag, image, temporary); err != nil {
		return sizes{}, fmt.Errorf("write %s: %w", o.output, err)
	}
	if err := temporary.Chmod(0o644); err != nil {
		return sizes{}, err
	}
	if err := os.Rename(temporary.Name(), o.output); err != nil {
		return sizes{}, err
	}
	return measure(layer)
}

func (o *options) image() (v1.Image, v1.Layer, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return archive(o.root), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, nil, err
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	file.Architecture, file.OS = "amd64", "linux"
	file.Config = v1.Config{User: o.user, Entrypoint: o.entrypoint, Env: o.env}
	image, err = mutate.ConfigFile(image, file)
	return image, layer, err
}

func measure(layer v1.Layer) (sizes, error) {
	packed, err := layer.Size()
	if err != nil {
		return sizes{}, err
	}
	content, err := layer.Uncompressed()
	if err != nil {
		return sizes{}, err
	}
	defer content.Close()
	unpacked, err := io.Copy(io.Discard, content)
	const mib = 1 << 20
	return sizes{float64(unpacked) / mib, float64(packed) / mib}, err
}
