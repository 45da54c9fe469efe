// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// Tapir's own settings of a virtual machine, for which KubeVirt's API has no field.
const (
	annotationPrefix    = "tapir-vm.io/"
	kernelAnnotation    = annotationPrefix + "kernel"    // file on this host: boot it, not a disk
	initrdAnnotation    = annotationPrefix + "initrd"    // file on this host
	cmdlineAnnotation   = annotationPrefix + "cmdline"   // of the kernel
	redirectAnnotation  = annotationPrefix + "redirect"  // how packets leave the pod
	fastpathAnnotation  = annotationPrefix + "fastpath"  // where known flows are dealt with
	ephemeralAnnotation = annotationPrefix + "ephemeral" // hostDisk volumes whose file is not written to, by names with commas between
)

var ownAnnotations = []string{kernelAnnotation, initrdAnnotation, cmdlineAnnotation, ephemeralAnnotation, redirectAnnotation, fastpathAnnotation}

// guestAnnotations are those of KubeVirt's that change the guest and would go unheeded.
var guestAnnotations = []string{"hooks.kubevirt.io/hookSidecars", "kubevirt.io/ignitiondata"}

// maxCmdline is what an x86 kernel takes (COMMAND_LINE_SIZE in arch/x86/include/asm/setup.h), with its final zero.
const maxCmdline = 2048

func (c *conversion) annotations(config *vm.Config) {
	if c.machine.VM != nil {
		for _, name := range slices.Sorted(maps.Keys(c.machine.VM.Annotations)) {
			if strings.HasPrefix(name, annotationPrefix) {
				c.fail(field.Invalid(field.NewPath("metadata", "annotations").Key(name), field.OmitValueType{}, "belongs to "+c.metadata.String()))
			}
		}
	}
	annotations, path := c.machine.VMI.Annotations, c.metadata.Child("annotations")
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		switch at := path.Key(name); {
		case slices.Contains(ownAnnotations, name):
		case strings.HasPrefix(name, annotationPrefix):
			c.fail(field.NotSupported(at, name, ownAnnotations))
		case slices.Contains(guestAnnotations, name):
			c.fail(field.Forbidden(at, notYet))
		}
	}

	if names, ok := annotations[ephemeralAnnotation]; ok {
		c.overlays = map[string]bool{}
		for name := range strings.SplitSeq(names, ",") {
			c.overlays[strings.TrimSpace(name)] = true
		}
	}
	kernel, boot := annotations[kernelAnnotation]
	for _, name := range []string{initrdAnnotation, cmdlineAnnotation} {
		if _, ok := annotations[name]; ok && !boot {
			c.fail(field.Required(path.Key(kernelAnnotation), "goes with "+name))
		}
	}
	if !boot {
		return
	}
	config.Kernel = &vm.Kernel{Image: c.hostPath(path.Key(kernelAnnotation), kernel), Cmdline: annotations[cmdlineAnnotation]}
	if initrd, ok := annotations[initrdAnnotation]; ok {
		config.Kernel.Initrd = c.hostPath(path.Key(initrdAnnotation), initrd)
	}
	if c.machine.Dir == "" {
		c.fail(field.Invalid(path.Key(kernelAnnotation), kernel, "is a file of this host: only a manifest on this host may ask for it"))
	}
	if line := path.Key(cmdlineAnnotation); len(config.Kernel.Cmdline) >= maxCmdline {
		c.fail(field.TooLong(line, config.Kernel.Cmdline, maxCmdline-1))
	} else if strings.ContainsFunc(config.Kernel.Cmdline, unicode.IsControl) {
		c.fail(field.Invalid(line, config.Kernel.Cmdline, "must be one line without control characters"))
	}
}

// redirect says how the packets of all of a machine's NICs leave.
func (c *conversion) redirect() datapath.Redirect {
	value, ok := c.machine.VMI.Annotations[redirectAnnotation]
	ways := []datapath.Redirect{datapath.RedirectNeigh, datapath.RedirectPeer}
	if way := datapath.Redirect(value); !ok || slices.Contains(ways, way) {
		return way
	}
	c.fail(field.NotSupported(c.metadata.Child("annotations").Key(redirectAnnotation), value, ways))
	return ""
}

// fastpath says where the packets of flows are dealt with, of all of a machine's NICs.
func (c *conversion) fastpath() datapath.Fastpath {
	value, ok := c.machine.VMI.Annotations[fastpathAnnotation]
	ways := []datapath.Fastpath{datapath.FastpathTC, datapath.FastpathXDP}
	if way := datapath.Fastpath(value); !ok || slices.Contains(ways, way) {
		return way
	}
	c.fail(field.NotSupported(c.metadata.Child("annotations").Key(fastpathAnnotation), value, ways))
	return ""
}

// hostPath returns a file's path, from the manifest's directory where it is relative.
func (c *conversion) hostPath(at *field.Path, path string) string {
	switch {
	case path == "":
		c.fail(field.Required(at, "names a file on this host"))
	case strings.ContainsFunc(path, unicode.IsControl):
		c.fail(field.Invalid(at, path, "must be a path without control characters"))
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	case c.machine.Dir == "":
		c.fail(field.Invalid(at, path, "must be an absolute path"))
	}
	return filepath.Join(c.machine.Dir, path)
}
