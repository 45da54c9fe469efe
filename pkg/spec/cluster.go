// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// evictionStrategies are KubeVirt's.
var evictionStrategies = []kubevirt.EvictionStrategy{kubevirt.EvictionStrategyNone, kubevirt.EvictionStrategyLiveMigrate,
	kubevirt.EvictionStrategyLiveMigrateIfPossible, kubevirt.EvictionStrategyExternal}

// cluster checks what has no part in the machine's configuration, but in its pod's.
func (c *conversion) cluster() {
	c.resources()
	strategy := c.spec.EvictionStrategy
	if strategy != nil && !slices.Contains(evictionStrategies, *strategy) {
		c.fail(field.NotSupported(c.path.Child("evictionStrategy"), *strategy, evictionStrategies))
	}
	c.probe(c.spec.LivenessProbe, c.path.Child("livenessProbe"))
	c.probe(c.spec.ReadinessProbe, c.path.Child("readinessProbe"))
	if p := c.spec.LivenessProbe; p != nil && p.SuccessThreshold > 1 {
		c.fail(field.Invalid(c.path.Child("livenessProbe", "successThreshold"), p.SuccessThreshold, "must be 1"))
	}
}

// resources checks requests against limits.
func (c *conversion) resources() {
	at, given := c.path.Child("domain", "resources"), &c.spec.Domain.Resources
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := given.Requests[name], given.Limits[name]
		if request.Sign() < 0 {
			c.fail(field.Invalid(at.Child("requests", string(name)), request.String(), "must not be negative"))
		}
		if limit.Sign() < 0 {
			c.fail(field.Invalid(at.Child("limits", string(name)), limit.String(), "must not be negative"))
		}
		if limit.Sign() > 0 && request.Cmp(limit) > 0 {
			c.fail(field.Invalid(at.Child("requests", string(name)), request.String(), "must not be more than the limit of "+limit.String()))
		}
	}
	memory, limit := c.spec.Domain.Memory, given.Limits[corev1.ResourceMemory]
	if memory != nil && memory.Guest != nil && limit.Sign() > 0 && memory.Guest.Cmp(limit) > 0 {
		c.fail(field.Invalid(c.path.Child("domain", "memory", "guest"), memory.Guest.String(), "must not be more than the limit of "+limit.String()))
	}
}

// probe checks a probe as KubeVirt's webhook and, as it becomes one of the pod's, Kubernetes do.
func (c *conversion) probe(p *kubevirt.Probe, at *field.Path) {
	if p == nil {
		return
	}
	handlers := 0
	for _, set := range []bool{p.HTTPGet != nil, p.TCPSocket != nil, p.Exec != nil, p.GuestAgentPing != nil} {
		if set {
			handlers++
		}
	}
	if handlers != 1 {
		c.fail(field.Invalid(at, field.OmitValueType{}, "must be one of httpGet, tcpSocket, exec and guestAgentPing"))
	}
	if noPodNetwork := len(c.spec.Networks) == 0 && !isOn(c.spec.Domain.Devices.AutoattachPodInterface); noPodNetwork {
		if p.HTTPGet != nil {
			c.fail(field.Invalid(at.Child("httpGet"), field.OmitValueType{}, "takes an interface on the pod network"))
		}
		if p.TCPSocket != nil {
			c.fail(field.Invalid(at.Child("tcpSocket"), field.OmitValueType{}, "takes an interface on the pod network"))
		}
	}
	if p.Exec != nil && len(p.Exec.Command) == 0 {
		c.fail(field.Required(at.Child("exec", "command"), "is what runs in the guest"))
	}
	for name, number := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds,
		"timeoutSeconds":      p.TimeoutSeconds,
		"periodSeconds":       p.PeriodSeconds,
		"successThreshold":    p.SuccessThreshold,
		"failureThreshold":    p.FailureThreshold,
	} {
		if number < 0 {
			c.fail(field.Invalid(at.Child(name), number, "must not be negative"))
		}
	}
}

// clusterVolume converts a volume that a cluster puts into the machine's pod, where package handover says. That a claim is
// a block device, and that an image is mounted and not copied, is for whoever is in the pod to see.
func (c *conversion) clusterVolume(d *vm.Disk, source *kubevirt.VolumeSource, at *field.Path) {
	switch {
	case source.ContainerDisk != nil:
		d.Source, d.Path = vm.Overlay, handover.ContainerDisk(d.Name)
		c.containerDisk(source.ContainerDisk, at.Child("containerDisk"))
	case source.PersistentVolumeClaim != nil:
		d.Source, d.Path = vm.HostDisk, handover.VolumeDisk(d.Name)
		d.ReadOnly = d.ReadOnly || source.PersistentVolumeClaim.ReadOnly
		c.objectName(at.Child("persistentVolumeClaim", "claimName"), source.PersistentVolumeClaim.ClaimName)
	case source.DataVolume != nil:
		d.Source, d.Path = vm.HostDisk, handover.VolumeDisk(d.Name)
		c.objectName(at.Child("dataVolume", "name"), source.DataVolume.Name)
	case source.ConfigMap != nil:
		d.Source, d.Path, d.Label = vm.Files, handover.Config(d.Name), source.ConfigMap.VolumeLabel
		c.objectName(at.Child("configMap", "name"), source.ConfigMap.Name)
		c.label(at.Child("configMap", "volumeLabel"), d.Label)
	case source.Secret != nil:
		d.Source, d.Path, d.Label = vm.Files, handover.Config(d.Name), source.Secret.VolumeLabel
		c.objectName(at.Child("secret", "secretName"), source.Secret.SecretName)
		c.label(at.Child("secret", "volumeLabel"), d.Label)
	}
}

// maxImage is what fits a pod's field without becoming a burden: a registry's name, a path of 255 and a digest.
const maxImage = 1024

func (c *conversion) containerDisk(source *kubevirt.ContainerDiskSource, at *field.Path) {
	if source.Image == "" || len(source.Image) > maxImage {
		c.fail(field.Invalid(at.Child("image"), source.Image, "must be the reference of an image"))
	}
	switch source.ImagePullPolicy {
	case "", "Always", "IfNotPresent", "Never":
	default:
		c.fail(field.NotSupported(at.Child("imagePullPolicy"), source.ImagePullPolicy, []string{"Always", "IfNotPresent", "Never"}))
	}
	if source.ImagePullSecret != "" {
		c.objectName(at.Child("imagePullSecret"), source.ImagePullSecret)
	}
	if p := source.Path; p != "" && (!path.IsAbs(p) || path.Clean(p) != p || p == "/") {
		c.fail(field.Invalid(at.Child("path"), p, "must be the absolute path of a file, without . and .. in it"))
	}
}

func (c *conversion) objectName(at *field.Path, name string) {
	if name == "" {
		c.fail(field.Required(at, "names an object of the machine's namespace"))
		return
	}
	c.failIf(at, name, validation.IsDNS1123Subdomain(name))
}

// label checks that of an ISO 9660 volume (ECMA-119 section 8.4.8).
func (c *conversion) label(at *field.Path, label string) {
	if len(label) > 32 || label != "" && !serialFormat.MatchString(label) {
		c.fail(field.Invalid(at, label, "must be at most 32 of A-Z, a-z, 0-9, '_', '.', '+' and '-'"))
	}
}

// hostDiskInPod is where a file of a node is in the pod.
func hostDiskInPod(volume, file string) string {
	return filepath.Join(handover.VolumeDir(volume), filepath.Base(file))
}
