// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tapir-vm/tapir/internal/kubetest"
	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	os.Exit(m.Run())
}

// cluster is a real API server with tapir-controller's controllers. The test is scheduler, kubelet and agent.
type cluster struct {
	client.Client
	config *rest.Config // an administrator's
	log    string       // of the API server's requests
	spaces atomic.Int32
}

func newCluster(t testing.TB) *cluster {
	environment := envtest.Environment{}
	c := &cluster{log: kubetest.Audit(t, &environment)}
	c.config, _ = kubetest.StartWith(t, environment)
	c.config.QPS = -1
	kubetest.Grant(t, c.config)
	var err error
	if c.Client, err = client.New(c.config, client.Options{Scheme: scheme()}); err != nil {
		t.Fatal(err)
	}
	c.node(t, "node-a")
	c.startController(t)
	return c
}

// node makes a node that is heard of.
func (c *cluster) node(t testing.TB, name string) *corev1.Node {
	node := create(t, c, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	heard(t, c, node, corev1.ConditionTrue)
	return node
}

// heard does the node controller's part.
func heard(t testing.TB, c *cluster, node *corev1.Node, is corev1.ConditionStatus) {
	t.Helper()
	changeStatus(t, c, node, func(node *corev1.Node) {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: is, LastTransitionTime: metav1.Now()}}
	})
}

// startController runs the controllers, with the rights that they have, until the test ends.
func (c *cluster) startController(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := NewManager(ctx, kubetest.As(c.config, "controller"), pod.Settings{Image: "tapir-launcher:test"}, ctrl.Options{
		Metrics:    server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // a test may run several
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run the controllers: %v", err)
		}
	})
}

// space makes a namespace for a test.
func (c *cluster) space(t testing.TB) string {
	name := fmt.Sprintf("test-%d", c.spaces.Add(1))
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return name
}

func create[T client.Object](t testing.TB, c *cluster, object T) T {
	t.Helper()
	if err := c.Create(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// change changes an object as kubectl would, from what it is now.
func change[T client.Object](t testing.TB, c *cluster, object T, f func(T)) T {
	t.Helper()
	eventually(t, func() error {
		if err := c.Get(context.Background(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		f(object)
		return c.Update(context.Background(), object)
	})
	return object
}

// changeStatus does so to a status that is a subresource.
func changeStatus[T client.Object](t testing.TB, c *cluster, object T, f func(T)) T {
	t.Helper()
	eventually(t, func() error {
		if err := c.Get(context.Background(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		f(object)
		return c.Status().Update(context.Background(), object)
	})
	return object
}

// eventually waits until f has nothing against it any more.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("gave up after a minute: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// until reads an object until it is as wanted, and returns it.
func until[T client.Object](t testing.TB, c *cluster, object T, what string, is func(T) bool) T {
	t.Helper()
	eventually(t, func() error {
		if err := c.Get(context.Background(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if !is(object) {
			return fmt.Errorf("want %s of\n%+v", what, object)
		}
		return nil
	})
	return object
}

// untilGone waits until an object is no more.
func untilGone(t testing.TB, c *cluster, object client.Object) {
	t.Helper()
	eventually(t, func() error {
		err := c.Get(context.Background(), client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%T %s is still there: %v", object, object.GetName(), err)
	})
}

// untilEvent waits for an event about an object, whose text holds some words.
func untilEvent(t testing.TB, c *cluster, about client.Object, reason, words string) {
	t.Helper()
	eventually(t, func() error {
		var list eventsv1.EventList
		if err := c.List(context.Background(), &list, client.InNamespace(about.GetNamespace())); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.UID == about.GetUID() && e.Reason == reason && strings.Contains(e.Note, words) {
				return nil
			}
		}
		return fmt.Errorf("no event %s that says %q about %s among %d", reason, words, about.GetName(), len(list.Items))
	})
}

// machine is the least of a VirtualMachineInstance.
func machine(namespace, name string) *kubevirt.VirtualMachineInstance {
	vmi := kubevirt.NewVMIReferenceFromNameWithNS(namespace, name)
	vmi.Spec.Domain.Memory = &kubevirt.Memory{Guest: ptr.To(resource.MustParse("64Mi"))}
	return vmi
}

// launcher waits for a machine's pod, which the API server has.
func launcher(t testing.TB, c *cluster, vmi *kubevirt.VirtualMachineInstance) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: vmi.Namespace, Name: pod.Name(vmi)}}
	return until(t, c, p, "a pod", func(*corev1.Pod) bool { return true })
}

// bind does the scheduler's part.
func bind(t testing.TB, c *cluster, p *corev1.Pod, node string) {
	t.Helper()
	if err := c.SubResource("binding").Create(context.Background(), p, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}); err != nil {
		t.Fatal(err)
	}
}

// run does the scheduler's and the kubelet's part: the launcher runs.
func run(t testing.TB, c *cluster, p *corev1.Pod, node string) {
	t.Helper()
	bind(t, c, p, node)
	changeStatus(t, c, p, func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: handover.Container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
	})
}

// runGuest does the agent's part as well: the guest runs.
func runGuest(t testing.TB, c *cluster, vmi *kubevirt.VirtualMachineInstance) *corev1.Pod {
	t.Helper()
	return runGuestOn(t, c, vmi, "node-a")
}

func runGuestOn(t testing.TB, c *cluster, vmi *kubevirt.VirtualMachineInstance, node string) *corev1.Pod {
	t.Helper()
	p := launcher(t, c, vmi)
	run(t, c, p, node)
	until(t, c, vmi, "phase Scheduled", func(vmi *kubevirt.VirtualMachineInstance) bool { return vmi.Status.Phase == kubevirt.Scheduled })
	change(t, c, vmi, func(vmi *kubevirt.VirtualMachineInstance) {
		status.SetPhase(vmi, kubevirt.Running, metav1.Now())
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionTrue, "", "", metav1.Now())
	})
	return p
}

// end does the kubelet's part when the launcher ends.
func end(t testing.TB, c *cluster, p *corev1.Pod, exitCode int32, message string) {
	t.Helper()
	changeStatus(t, c, p, func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodSucceeded
		if exitCode != 0 {
			p.Status.Phase = corev1.PodFailed
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name:  handover.Container,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: exitCode, Reason: "Error", Message: message}},
		}}
	})
}

// remove does the kubelet's part for a pod that is to be deleted, or what an administrator does by force.
func remove(t testing.TB, c *cluster, p *corev1.Pod) {
	t.Helper()
	if err := c.Delete(context.Background(), p, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}
