// SPDX-License-Identifier: Apache-2.0

package vmi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// A machine that is handed to its node says of what kind and size its claims are.
func TestVolumeStatus(t *testing.T) {
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	object := &corev1.PersistentVolumeClaim{
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeMode: ptr.To(corev1.PersistentVolumeBlock),
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
		Status: corev1.PersistentVolumeClaimStatus{Capacity: size},
	}
	vmi := inPhase(kubevirt.Scheduling)
	vmi.Spec.Volumes = []kubevirt.Volume{
		{Name: "seed", VolumeSource: kubevirt.VolumeSource{CloudInitNoCloud: &kubevirt.CloudInitNoCloudSource{}}},
		{Name: "data", VolumeSource: kubevirt.VolumeSource{DataVolume: &kubevirt.DataVolumeSource{Name: "claim"}}},
	}
	running := podIn(corev1.PodRunning)
	running.Spec.NodeName, running.Spec.Containers = "node", []corev1.Container{{}}
	running.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: handover.Container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	decide(vmi, &observed{pod: running, claims: []claim{{"claim", object}}}, now)
	want := []kubevirt.VolumeStatus{{Name: "data", PersistentVolumeClaimInfo: &kubevirt.PersistentVolumeClaimInfo{
		ClaimName: "claim", AccessModes: object.Spec.AccessModes, VolumeMode: object.Spec.VolumeMode, Capacity: size, Requests: size,
	}}}
	if diff := cmp.Diff(want, vmi.Status.VolumeStatus); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
