// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
)

// templateAnnotation is a digest of the template that an instance was made of. It isn't of the domain of
// Tapir's settings, which belong to users.
const templateAnnotation = "controller.tapir-vm.io/template"

// instance is the VirtualMachineInstance that a VirtualMachine describes.
func instance(vm *kubevirt.VirtualMachine) *kubevirt.VirtualMachineInstance {
	template := vm.Spec.Template.DeepCopy()
	annotations := map[string]string{}
	maps.Copy(annotations, template.ObjectMeta.Annotations)
	annotations[kubevirt.VirtualMachineGenerationAnnotation] = strconv.FormatInt(vm.Generation, 10)
	annotations[templateAnnotation] = digest(vm)
	vmi := &kubevirt.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{
			Name:            vm.Name,
			Namespace:       vm.Namespace,
			Labels:          template.ObjectMeta.Labels, // and no others: Services select by them
			Annotations:     annotations,
			Finalizers:      []string{kubevirt.VirtualMachineInstanceFinalizer},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(vm, kubevirt.VirtualMachineGroupVersionKind)},
		},
		Spec: template.Spec,
	}
	if pauseRequested(&vm.Status) {
		vmi.Spec.StartStrategy = ptr.To(kubevirt.StartStrategyPaused)
	}
	return vmi
}

// digest is that of a VirtualMachine's template, as far as only another start of the guest brings it about.
func digest(vm *kubevirt.VirtualMachine) string {
	text, err := json.Marshal(withoutLinks(&vm.Spec.Template.Spec))
	if err != nil {
		panic(fmt.Sprintf("a template that was decoded does not encode: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
