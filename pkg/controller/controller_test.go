// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

// TestControllers runs all that needs a cluster on one, each in namespaces of its own.
func TestControllers(t *testing.T) {
	c := newCluster(t)
	tests := map[string]func(*testing.T, *cluster){
		"PodsAreAccepted": testPodsAreAccepted,
		"Life":            testLife,
		"Waits":           testWaits,
		"MissingClaim":    testMissingClaim,
		"MissingSecret":   testMissingSecret,
		"RefusedPod":      testRefusedPod,
		"NotAllowed":      testNotAllowed,
		"Ends":            testEnds,
		"NodeLost":        testNodeLost,
		"Adoption":        testAdoption,
		"Budget":          testBudget,
		"Always":          testAlways,
		"BackOff":         testBackOff,
		"Manual":          testManual,
		"RerunOnFailure":  testRerunOnFailure,
		"PausedStart":     testPausedStart,
		"RestartRequired": testRestartRequired,
		"Links":           testLinks,
		"Orphan":          testOrphan,
		"NameTaken":       testNameTaken,
		"TwoControllers":  testTwoControllers,
		"Many":            testMany,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name](t, c) })
	}
	kubetest.CheckRights(t, c.log, "controller", "tapir-controller")
}

// testTwoControllers: two at once, as when a leader doesn't know yet that it isn't any more, make one instance and one pod of each machine.
func testTwoControllers(t *testing.T, c *cluster) {
	c.startController(t)
	const machines = 20
	var vms []*vmT
	for range machines {
		vms = append(vms, newVM(t, c, kubevirt.RunStrategyAlways))
	}
	for _, vm := range vms {
		vmi := instanceOf(t, c, vm, "")
		runGuest(t, c, vmi)
		until(t, c, vm, "Running", shows(kubevirt.VirtualMachineStatusRunning))
		var pods corev1.PodList
		if err := c.List(t.Context(), &pods, client.InNamespace(vm.Namespace)); err != nil {
			t.Fatal(err)
		}
		if len(pods.Items) != 1 {
			t.Errorf("%d pods for one machine", len(pods.Items))
		}
	}
}

// TestRefuseKubeVirt: no manager where KubeVirt's own kind is, nor where Tapir's are not.
func TestRefuseKubeVirt(t *testing.T) {
	config, _ := kubetest.StartWith(t, envtest.Environment{CRDs: []*apiextensions.CustomResourceDefinition{{
		ObjectMeta: metav1.ObjectMeta{Name: "kubevirts.kubevirt.io"},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: "kubevirt.io", Scope: apiextensions.NamespaceScoped,
			Names: apiextensions.CustomResourceDefinitionNames{Plural: "kubevirts", Kind: "KubeVirt"},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
				Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{Type: "object", XPreserveUnknownFields: ptr.To(true)}},
			}},
		},
	}}})
	if err := refuseKubeVirt(t.Context(), config); !errors.Is(err, ErrKubeVirt) {
		t.Errorf("got %v, want ErrKubeVirt", err)
	}
}
