// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// LauncherLabel is the value of the label kubevirt.io on launcher pods.
const LauncherLabel = "virt-launcher"

// defaultContainer is what kubectl logs and exec use when they are told none.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// foreign are annotations about the machine's own object, not about what runs.
var foreign = []string{
	corev1.LastAppliedConfigAnnotation,
	kubevirt.ControllerAPILatestVersionObservedAnnotation,
	kubevirt.ControllerAPIStorageVersionObservedAnnotation,
}

// Name is the name of a machine's launcher pod.
func Name(vmi *kubevirt.VirtualMachineInstance) string {
	return "virt-launcher-" + shorten(vmi.Name, validation.DNS1123LabelMaxLength) + "-" + digest(string(vmi.UID), 5)
}

// Labels are what makes a pod the launcher of a machine. They win over labels of the same names that the machine has.
func Labels(vmi *kubevirt.VirtualMachineInstance) map[string]string {
	return map[string]string{
		kubevirt.AppLabel:                          LauncherLabel,
		kubevirt.CreatedByLabel:                    string(vmi.UID),
		kubevirt.DeprecatedVirtualMachineNameLabel: shorten(vmi.Name, validation.LabelValueMaxLength),
		kubevirt.VirtualMachineInstanceIDLabel:     shorten(vmi.Name, validation.LabelValueMaxLength),
	}
}

func metadata(vmi *kubevirt.VirtualMachineInstance) metav1.ObjectMeta {
	labels := map[string]string{}
	maps.Copy(labels, vmi.Labels)
	maps.Copy(labels, Labels(vmi))
	annotations := map[string]string{}
	maps.Copy(annotations, vmi.Annotations)
	for _, name := range foreign {
		delete(annotations, name)
	}
	annotations[kubevirt.DomainAnnotation] = vmi.Name
	annotations[defaultContainer] = handover.Container
	return metav1.ObjectMeta{
		Name:            Name(vmi),
		Namespace:       vmi.Namespace,
		Labels:          labels,
		Annotations:     annotations,
		OwnerReferences: []metav1.OwnerReference{Owner(vmi)},
	}
}

// Owner is the reference of what a machine owns.
func Owner(vmi *kubevirt.VirtualMachineInstance) metav1.OwnerReference {
	return *metav1.NewControllerRef(vmi, kubevirt.VirtualMachineInstanceGroupVersionKind)
}

// hostname is the guest's, as pkg/spec has it: what DHCP gives and what the pod's DNS record says must be one.
func hostname(vmi *kubevirt.VirtualMachineInstance) string {
	if vmi.Spec.Hostname != "" {
		return vmi.Spec.Hostname
	}
	label, _, _ := strings.Cut(vmi.Name, ".")
	return strings.TrimRight(label[:min(len(label), validation.DNS1123LabelMaxLength)], "-")
}

// shorten keeps a name within a length, and different from others that begin the same.
func shorten(name string, length int) string {
	if len(name) <= length {
		return name
	}
	const tail = 8
	return strings.TrimRight(name[:length-tail-1], "-.") + "-" + digest(name, tail)
}

// digest is a text of n characters that a name may end in, different for different inputs.
func digest(of string, n int) string {
	sum := sha256.Sum256([]byte(of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:n]
}
