// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"
)

// importPhase is what Containerized Data Importer writes on a claim that it fills: the phase of the pod that does it.
const importPhase = "cdi.kubevirt.io/storage.pod.phase"

// claimName is the PersistentVolumeClaim that a volume is; "" when it is another. A DataVolume's claim has its name.
func claimName(volume *kubevirt.Volume) string {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return volume.PersistentVolumeClaim.ClaimName
	case volume.DataVolume != nil:
		return volume.DataVolume.Name
	}
	return ""
}

// claimNames are those of a machine's volumes.
func claimNames(vmi *kubevirt.VirtualMachineInstance) []string {
	var names []string
	for i := range vmi.Spec.Volumes {
		if name := claimName(&vmi.Spec.Volumes[i]); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// volumeStatus is what there is to say of a machine's volumes: of what kind and size its claims are. The launcher makes the disk of an
// empty one by that.
func (o *observed) volumeStatus(vmi *kubevirt.VirtualMachineInstance) []kubevirt.VolumeStatus {
	var all []kubevirt.VolumeStatus
	for i := range vmi.Spec.Volumes {
		volume := &vmi.Spec.Volumes[i]
		for _, c := range o.claims {
			if c.name != claimName(volume) || c.object == nil {
				continue
			}
			spec := &c.object.Spec
			all = append(all, kubevirt.VolumeStatus{Name: volume.Name, PersistentVolumeClaimInfo: &kubevirt.PersistentVolumeClaimInfo{
				ClaimName: c.name, AccessModes: spec.AccessModes, VolumeMode: spec.VolumeMode,
				Capacity: c.object.Status.Capacity, Requests: spec.Resources.Requests,
			}})
			break
		}
	}
	return all
}

// missingClaim says which claim isn't there; "" when all are.
func (o *observed) missingClaim() string {
	for _, c := range o.claims {
		if c.object == nil {
			return fmt.Sprintf("persistent volume claim %s doesn't exist: create it", c.name)
		}
	}
	return ""
}

// importing says which claim is still being filled, or couldn't be. Its guest must not see a disk that is half there.
func (o *observed) importing() (reason, message string) {
	for _, c := range o.claims {
		switch phase := corev1.PodPhase(c.object.Annotations[importPhase]); phase {
		case "", corev1.PodSucceeded:
		case corev1.PodFailed:
			return ReasonDataVolumeError, fmt.Sprintf("filling persistent volume claim %s has failed: see its events and those of its data volume", c.name)
		default:
			return ReasonProvisioning, fmt.Sprintf("persistent volume claim %s is being filled", c.name)
		}
	}
	return "", ""
}

// unbound says which claim has no volume yet; "" when all have.
func (o *observed) unbound() string {
	for _, c := range o.claims {
		if c.object != nil && c.object.Status.Phase != corev1.ClaimBound {
			return fmt.Sprintf("persistent volume claim %s isn't bound yet", c.name)
		}
	}
	return ""
}
