// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// TestStartOfStaleCache: a request to start that has been answered is not answered again because the cache still has it.
// How far a real cache is behind is nobody's to say, so this one is made up.
func TestStartOfStaleCache(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := kubevirt.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	asked := &kubevirt.VirtualMachine{ObjectMeta: metav1.ObjectMeta{
		Namespace: "test", Name: "demo", UID: "1", Finalizers: []string{kubevirt.VirtualMachineControllerFinalizer},
	}}
	asked.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyRerunOnFailure)
	asked.Spec.Template = &kubevirt.VirtualMachineInstanceTemplateSpec{}
	asked.Status.RunStrategy = kubevirt.RunStrategyRerunOnFailure
	asked.Status.StateChangeRequests = []kubevirt.VirtualMachineStateChangeRequest{{Action: kubevirt.StartRequest}}

	for name, answered := range map[string]bool{"still asked": false, "answered": true} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			server := fake.NewClientBuilder().WithScheme(scheme).WithObjects(asked.DeepCopy()).WithStatusSubresource(asked).Build()
			key := client.ObjectKeyFromObject(asked)
			cached, now := new(kubevirt.VirtualMachine), new(kubevirt.VirtualMachine)
			for _, vm := range []*kubevirt.VirtualMachine{cached, now} {
				if err := server.Get(ctx, key, vm); err != nil {
					t.Fatal(err)
				}
			}
			if answered {
				now.Status.StateChangeRequests = nil
				if err := server.Status().Update(ctx, now); err != nil {
					t.Fatal(err)
				}
			}
			started := false
			behind := interceptor.NewClient(server, interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					if vm, ok := object.(*kubevirt.VirtualMachine); ok {
						cached.DeepCopyInto(vm)
						return nil
					}
					return c.Get(ctx, key, object, options...)
				},
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
					started = true
					return nil
				},
			})
			r := &Reconciler{Client: behind, Live: server, Events: events.NewFakeRecorder(10)}
			if _, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
				t.Fatal(err)
			}
			if started == answered {
				t.Errorf("started: %v", started)
			}
		})
	}
}
