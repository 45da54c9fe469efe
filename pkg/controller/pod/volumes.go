// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// NotAllowedError says that a machine wants what the settings of the installation don't allow.
type NotAllowedError struct{ Volume, What, Advice string }

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("volume %s is a %s, which this installation doesn't allow: %s", e.Volume, e.What, e.Advice)
}

// podVolumes are the volumes of a pod, and what its containers make of them.
type podVolumes struct {
	volumes     []corev1.Volume
	mounts      []corev1.VolumeMount  // of the launcher
	devices     []corev1.VolumeDevice // of the launcher
	copies      []diskCopy
	pullSecrets []corev1.LocalObjectReference
}

// diskCopy is a disk that has to be copied out of its image.
type diskCopy struct {
	volume string
	source *kubevirt.ContainerDiskSource
}

// volumes gives each of a machine's volumes its place in the pod. The names of pod volumes have prefixes, for a machine
// may well call one of its own "sockets".
func volumes(vmi *kubevirt.VirtualMachineInstance, modes map[string]corev1.PersistentVolumeMode, s Settings) (*podVolumes, error) {
	v := &podVolumes{}
	v.mount(handover.SocketsVolume, handover.SocketsDir, emptyDir(), false)
	v.mount(handover.PrivateVolume, handover.PrivateDir, emptyDir(), false)
	for i := range vmi.Spec.Volumes {
		volume := &vmi.Spec.Volumes[i]
		name, source := podName("volume-", volume.Name), &volume.VolumeSource
		switch {
		case source.ContainerDisk != nil:
			v.containerDisk(volume.Name, source.ContainerDisk, s)
		case source.PersistentVolumeClaim != nil:
			v.claim(volume.Name, source.PersistentVolumeClaim.PersistentVolumeClaimVolumeSource, modes)
		case source.DataVolume != nil:
			v.claim(volume.Name, corev1.PersistentVolumeClaimVolumeSource{ClaimName: source.DataVolume.Name}, modes)
		case source.HostDisk != nil:
			if !s.HostDisks {
				return nil, &NotAllowedError{volume.Name, "hostDisk", "use a PersistentVolumeClaim, or ask whoever installed Tapir to allow host disks"}
			}
			v.hostDisk(volume.Name, source.HostDisk)
		case source.ConfigMap != nil:
			v.mount(name, handover.Config(volume.Name), corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: source.ConfigMap.LocalObjectReference,
				Optional:             source.ConfigMap.Optional,
			}}, true)
		case source.Secret != nil:
			v.secret(name, handover.Config(volume.Name), source.Secret.SecretName, source.Secret.Optional)
		case source.CloudInitNoCloud != nil:
			if ref := source.CloudInitNoCloud.UserDataSecretRef; ref != nil {
				v.secret(name, handover.Config(volume.Name), ref.Name, nil)
			}
			if ref := source.CloudInitNoCloud.NetworkDataSecretRef; ref != nil {
				v.secret(podName("network-", volume.Name), handover.NetworkConfig(volume.Name), ref.Name, nil)
			}
		}
	}
	if len(v.copies) > 0 {
		v.mount(handover.DisksVolume, handover.DisksDir, emptyDir(), false)
		v.volumes = append(v.volumes, corev1.Volume{Name: handover.HelperVolume, VolumeSource: emptyDir()})
	}
	return v, nil
}

// podName is the name of a pod's volume or container that belongs to a machine's volume.
func podName(prefix, volume string) string {
	return prefix + shorten(volume, validation.DNS1123LabelMaxLength-len(prefix))
}

func emptyDir() corev1.VolumeSource {
	return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
}

// mount adds a volume that the launcher has at a path.
func (v *podVolumes) mount(name, path string, source corev1.VolumeSource, readOnly bool) {
	v.volumes = append(v.volumes, corev1.Volume{Name: name, VolumeSource: source})
	v.mounts = append(v.mounts, corev1.VolumeMount{Name: name, MountPath: path, ReadOnly: readOnly})
}

func (v *podVolumes) secret(name, path, secret string, optional *bool) {
	v.mount(name, path, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret, Optional: optional}}, true)
}

// claim adds a PersistentVolumeClaim, by its mode as a device or as a file system with the disk in it.
func (v *podVolumes) claim(volume string, claim corev1.PersistentVolumeClaimVolumeSource, modes map[string]corev1.PersistentVolumeMode) {
	name, source := podName("volume-", volume), corev1.VolumeSource{PersistentVolumeClaim: &claim}
	if modes[claim.ClaimName] != corev1.PersistentVolumeBlock {
		v.mount(name, handover.VolumeDir(volume), source, claim.ReadOnly)
		return
	}
	v.volumes = append(v.volumes, corev1.Volume{Name: name, VolumeSource: source})
	v.devices = append(v.devices, corev1.VolumeDevice{Name: name, DevicePath: handover.BlockDevice(volume)})
}

// hostDisk mounts the file's directory: the file may still have to be made there.
func (v *podVolumes) hostDisk(volume string, disk *kubevirt.HostDisk) {
	kind := corev1.HostPathDirectory
	if disk.Type == kubevirt.HostDiskExistsOrCreate {
		kind = corev1.HostPathDirectoryOrCreate
	}
	v.mount(podName("volume-", volume), handover.VolumeDir(volume), corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: filepath.Dir(disk.Path), Type: ptr.To(kind)},
	}, false)
}

// containerDisk mounts the image that a disk is in, or has the disk copied.
func (v *podVolumes) containerDisk(volume string, disk *kubevirt.ContainerDiskSource, s Settings) {
	if secret := (corev1.LocalObjectReference{Name: disk.ImagePullSecret}); secret.Name != "" && !slices.Contains(v.pullSecrets, secret) {
		v.pullSecrets = append(v.pullSecrets, secret)
	}
	if !s.ImageVolumes {
		v.copies = append(v.copies, diskCopy{volume, disk})
		return
	}
	v.mount(podName("volume-", volume), handover.ImageDir(volume), corev1.VolumeSource{
		Image: &corev1.ImageVolumeSource{Reference: disk.Image, PullPolicy: disk.ImagePullPolicy},
	}, true)
}

// initContainers copy the disks out of their images.
func initContainers(copies []diskCopy, s Settings, resources corev1.ResourceRequirements) []corev1.Container {
	if len(copies) == 0 {
		return nil
	}
	helper := corev1.VolumeMount{Name: handover.HelperVolume, MountPath: handover.HelperDir}
	containers := []corev1.Container{{
		Name:            handover.HelperContainer,
		Image:           s.Image,
		Command:         handover.HelperCommand(),
		Resources:       resources,
		VolumeMounts:    []corev1.VolumeMount{helper},
		SecurityContext: restricted(),

		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}}
	helper.ReadOnly = true
	for _, c := range copies {
		containers = append(containers, corev1.Container{
			Name:            podName(handover.DiskContainer, c.volume),
			Image:           c.source.Image,
			ImagePullPolicy: c.source.ImagePullPolicy,
			Command:         handover.DiskCommand(c.volume, c.source.Path),
			Resources:       resources,
			VolumeMounts: []corev1.VolumeMount{helper, {
				Name: handover.DisksVolume, MountPath: handover.DisksDir,
			}},
			SecurityContext: restricted(),

			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		})
	}
	return containers
}
