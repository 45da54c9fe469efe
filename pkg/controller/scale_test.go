// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

// testMany: many machines start and end, with nobody between the controllers and simulated nodes.
func testMany(t *testing.T, c *cluster) { many(t, c, 50) }

// BenchmarkThousandMachines prints how long a thousand VirtualMachines take from their making until all are Running and ready, and the
// most memory that this process has had in between, which is the controllers', and the simulated nodes'.
func BenchmarkThousandMachines(b *testing.B) {
	c := newCluster(b)
	for b.Loop() {
		start := time.Now()
		many(b, c, 1000)
		b.ReportMetric(time.Since(start).Seconds(), "s/1000-machines")
		b.ReportMetric(peakMiB(b), "MiB-peak")
	}
}

func many(t testing.TB, c *cluster, machines int) {
	nodes := simulateNodes(t, c)
	namespace := c.space(t)
	var making errgroup.Group
	making.SetLimit(16)
	for i := range machines {
		making.Go(func() error { return c.Create(context.Background(), usual(namespace, fmt.Sprintf("vm-%d", i))) })
	}
	if err := making.Wait(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if running := int(nodes.running.Load()); running < machines {
			return fmt.Errorf("%d of %d machines run", running, machines)
		}
		return nil
	})
}

// usual is a VirtualMachine as it is in the field: a disk's image, cloud-init, an interface with ports.
func usual(namespace, name string) *vmT {
	vmi := machine(namespace, name)
	vmi.Spec.Domain.CPU = &kubevirt.CPU{Cores: 2}
	vmi.Spec.Domain.Devices = kubevirt.Devices{
		Disks: []kubevirt.Disk{{Name: "root", DiskDevice: kubevirt.DiskDevice{Disk: &kubevirt.DiskTarget{Bus: kubevirt.DiskBusVirtio}}}, {Name: "seed"}},
		Interfaces: []kubevirt.Interface{{Name: "default", Ports: []kubevirt.Port{{Name: "web", Port: 80}},
			InterfaceBindingMethod: kubevirt.InterfaceBindingMethod{Masquerade: &kubevirt.InterfaceMasquerade{}}}},
	}
	vmi.Spec.Networks = []kubevirt.Network{*kubevirt.DefaultPodNetwork()}
	vmi.Spec.Volumes = []kubevirt.Volume{
		{Name: "root", VolumeSource: kubevirt.VolumeSource{ContainerDisk: &kubevirt.ContainerDiskSource{Image: "example.com/disk:1"}}},
		{Name: "seed", VolumeSource: kubevirt.VolumeSource{CloudInitNoCloud: &kubevirt.CloudInitNoCloudSource{UserData: "#cloud-config\n" + strings.Repeat("# a line of user data\n", 40)}}},
	}
	many := map[string]string{"app": "many"}
	vm := &vmT{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: many}}
	vm.Spec.RunStrategy = ptr.To(kubevirt.RunStrategyAlways)
	vm.Spec.Template = &kubevirt.VirtualMachineInstanceTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: many}, Spec: vmi.Spec}
	return vm
}

// simulateNodes does what schedulers, kubelets and agents do, until the test ends: whatever there is runs at once.
func simulateNodes(t testing.TB, c *cluster) *simulation {
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := ctrl.NewManager(c.config, ctrl.Options{
		Scheme: scheme(), Cache: Cache(), Metrics: server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	sim := &simulation{Client: mgr.GetClient()}
	options := controller.Options{MaxConcurrentReconciles: 16}
	err = ctrl.NewControllerManagedBy(mgr).For(&corev1.Pod{}).WithOptions(options).Complete(reconcile.Func(sim.pod))
	if err == nil {
		err = ctrl.NewControllerManagedBy(mgr).For(&kubevirt.VirtualMachineInstance{}).WithOptions(options).Complete(reconcile.Func(sim.instance))
	}
	if err == nil {
		err = ctrl.NewControllerManagedBy(mgr).For(&kubevirt.VirtualMachine{}).Complete(reconcile.Func(sim.machine))
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulate nodes: %v", err)
		}
	})
	return sim
}

type simulation struct {
	client.Client
	seen    sync.Map     // machines that were seen to run
	running atomic.Int32 // how many
}

// machine counts.
func (s *simulation) machine(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	vm := new(vmT)
	if err := s.Get(ctx, request.NamespacedName, vm); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if vm.Status.Ready && vm.Status.PrintableStatus == kubevirt.VirtualMachineStatusRunning && vm.Labels["app"] == "many" {
		if _, before := s.seen.LoadOrStore(request.NamespacedName, true); !before {
			s.running.Add(1)
		}
	}
	return ctrl.Result{}, nil
}

// pod is scheduler and kubelet.
func (s *simulation) pod(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	p := new(corev1.Pod)
	if err := s.Get(ctx, request.NamespacedName, p); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case p.DeletionTimestamp != nil:
		return ctrl.Result{}, client.IgnoreNotFound(s.Delete(ctx, p, client.GracePeriodSeconds(0)))
	case p.Spec.NodeName == "":
		return ctrl.Result{}, late(s.SubResource("binding").Create(ctx, p, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "node-a"}}))
	case p.Status.Phase == corev1.PodPending:
		old := p.DeepCopy()
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: handover.Container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		return ctrl.Result{}, late(s.Status().Patch(ctx, p, client.MergeFrom(old)))
	}
	return ctrl.Result{}, nil
}

// instance is agent.
func (s *simulation) instance(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	vmi := new(kubevirt.VirtualMachineInstance)
	if err := s.Get(ctx, request.NamespacedName, vmi); err != nil || vmi.Status.Phase != kubevirt.Scheduled {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	old := vmi.DeepCopy()
	status.SetPhase(vmi, kubevirt.Running, metav1.Now())
	status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionTrue, "", "", metav1.Now())
	return ctrl.Result{}, late(status.Patch(ctx, s.Client, old, vmi))
}

// late forgives what was seen late: the next event is on its way.
func late(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

// peakMiB is the most memory that this process has had.
func peakMiB(t testing.TB) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.TrimSpace(after[:max(strings.Index(after, "kB"), 0)]))
	if err != nil {
		t.Fatalf("read the peak of memory: %v", err)
	}
	return float64(kib) / 1024
}
