// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// Settings are what an installation decides about all launcher pods.
type Settings struct {
	Image        string // the launcher's
	Emulation    bool   // run guests without KVM: slow, but anywhere
	ImageVolumes bool   // mount the images of container disks; nodes must have the feature ImageVolume
	HostDisks    bool   // let machines use files of their nodes
}

// graceMargin is how many seconds the launcher has, beyond the guest's grace period, to end what has not powered off: KubeVirt's.
const graceMargin = 15

// diskGroup is disk's on the nodes of nearly all distributions, and block devices are its. A container gets a device with the owner
// and mode that it has on the node, unless the container runtime makes it the container's own.
const diskGroup = 6

// Render returns the launcher pod of a machine that has a name, namespace and UID. modes are those of its
// PersistentVolumeClaims, by name; one that isn't there is a file system. Its error, of type [NotAllowedError], says that
// the machine has what the settings don't allow.
func Render(vmi *kubevirt.VirtualMachineInstance, modes map[string]corev1.PersistentVolumeMode, s Settings) (*corev1.Pod, error) {
	v, err := volumes(vmi, modes, s)
	if err != nil {
		return nil, err
	}
	resources := resources(vmi, s)
	compute := compute(vmi, s, resources)
	compute.VolumeMounts, compute.VolumeDevices = v.mounts, v.devices
	spec := &vmi.Spec
	selector := map[string]string{corev1.LabelArchStable: "amd64"}
	maps.Copy(selector, spec.NodeSelector)

	var groups []int64
	if len(v.devices) > 0 {
		groups = []int64{diskGroup}
	}

	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metadata(vmi),
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr.To(gracePeriod(vmi) + graceMargin),
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			Hostname:                      hostname(vmi),
			Subdomain:                     spec.Subdomain,
			NodeSelector:                  selector,
			Affinity:                      spec.Affinity,
			Tolerations:                   spec.Tolerations,
			TopologySpreadConstraints:     spec.TopologySpreadConstraints,
			PriorityClassName:             spec.PriorityClassName,
			SchedulerName:                 spec.SchedulerName,
			ImagePullSecrets:              v.pullSecrets,
			ReadinessGates:                []corev1.PodReadinessGate{{ConditionType: kubevirt.VirtualMachineUnpaused}},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:       ptr.To(true),
				RunAsUser:          ptr.To[int64](handover.UID),
				RunAsGroup:         ptr.To[int64](handover.GID),
				FSGroup:            ptr.To[int64](handover.GID),
				SupplementalGroups: groups,
				SeccompProfile:     &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			InitContainers: initContainers(v.copies, s, withoutDevices(resources)),
			Containers:     []corev1.Container{compute},
			Volumes:        v.volumes,
		},
	}, nil
}

func gracePeriod(vmi *kubevirt.VirtualMachineInstance) int64 {
	return ptr.Deref(vmi.Spec.TerminationGracePeriodSeconds, kubevirt.DefaultGracePeriodSeconds)
}
