// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An instance has the labels of its template and no others. Users' manifests have kubevirt.io/vm among them, as KubeVirt's examples do,
// with whatever value their Services select by.
func TestInstanceLabels(t *testing.T) {
	vm := machine()
	vm.Spec.Template.ObjectMeta.Labels = map[string]string{"kubevirt.io/vm": "web", "app": "shop"}
	if diff := cmp.Diff(vm.Spec.Template.ObjectMeta.Labels, instance(vm).Labels); diff != "" {
		t.Errorf("labels: -template +instance:\n%s", diff)
	}
}
