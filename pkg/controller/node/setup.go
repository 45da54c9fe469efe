// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/metrics"
)

// workers is how many machines are seen to at a time: more than a node has pods (the kubelet's limit is 110 unless told otherwise), so
// that launchers that don't answer keep nobody waiting but themselves.
const workers = 256

// What fails is tried again after minRetry, and then ever later. The longest wait, which has to be over before anything is reported
// when an API server is back, is far below controller-runtime's quarter of an hour.
const (
	minRetry = 10 * time.Millisecond
	maxRetry = 5 * time.Second
)

// Scheme knows the few kinds that an agent has to do with.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, kubevirt.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("kinds that contradict one another: %v", err))
		}
	}
	return s
}

// Cache says what the agent of a node keeps of the cluster: the machines and the launcher pods of that node.
func Cache(node string) cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&kubevirt.VirtualMachineInstance{}: {Label: labels.SelectorFromSet(labels.Set{kubevirt.NodeNameLabel: node})},
			&corev1.Pod{}: {
				Label:     labels.SelectorFromSet(labels.Set{kubevirt.AppLabel: pod.LauncherLabel}),
				Field:     fields.OneTermEqualSelector("spec.nodeName", node),
				Transform: stripPod,
			},
		},
	}
}

// stripPod leaves of a pod what is looked at here.
func stripPod(in any) (any, error) {
	p, ok := in.(*corev1.Pod)
	if !ok {
		return in, nil
	}
	return &corev1.Pod{
		TypeMeta: p.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, DeletionTimestamp: p.DeletionTimestamp,
			Labels:      map[string]string{kubevirt.CreatedByLabel: p.Labels[kubevirt.CreatedByLabel]},
			Annotations: map[string]string{kubevirt.DomainAnnotation: p.Annotations[kubevirt.DomainAnnotation]},
		},
		Spec:   corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIPs: p.Status.PodIPs, Conditions: p.Status.Conditions},
	}, nil
}

// Options say where an agent is.
type Options struct {
	Node    string // its name
	Pods    string // the kubelet's directory of pods
	Metrics *metrics.Registry
	Log     *slog.Logger
}

// Setup adds the reconciler of a node's machines to a manager with Scheme and Cache, and the sweep of what others have left. ctx is the
// manager's.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) (*Sweeper, error) {
	events := make(chan event.GenericEvent)
	r := &Reconciler{
		Options:  o,
		client:   mgr.GetClient(),
		recorder: mgr.GetEventRecorder("tapir-agent"),
		life:     ctx,
		changed:  events,
		machines: map[types.NamespacedName]*machine{},
	}
	err := ctrl.NewControllerManagedBy(mgr).
		For(&kubevirt.VirtualMachineInstance{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofPod)).
		WatchesRawSource(source.Channel(events, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(r)
	if err != nil {
		return nil, fmt.Errorf("set up the controller of the node's machines: %w", err)
	}
	sweeper := &Sweeper{log: o.Log}
	if err := mgr.Add(sweeper); err != nil {
		return nil, fmt.Errorf("set up the sweep: %w", err)
	}
	return sweeper, nil
}

// ofPod is the machine of a launcher pod.
func ofPod(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetAnnotations()[kubevirt.DomainAnnotation]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}
