// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
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
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/internal/podtest"
	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/metrics"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	podtest.Main(m)
}

const nodeName = "node-a"

// rig is a node with an API server. The test is controller, scheduler and kubelet.
type rig struct {
	client.Client
	config  *rest.Config // an administrator's
	line    *line        // the agent's way to the API server
	log     string       // of the API server's requests
	ctx     context.Context
	pods    string // the kubelet's directory of pods
	plugins string // and that of device plugins
	stop    func() // the agent
	t       testing.TB
}

func newRig(t testing.TB) *rig {
	t.Helper()
	wayOut(t)
	environment := envtest.Environment{}
	r := &rig{t: t, log: kubetest.Audit(t, &environment), line: &line{}, pods: t.TempDir(), plugins: t.TempDir()}
	r.config, _ = kubetest.StartWith(t, environment)
	kubetest.Grant(t, r.config)
	if _, err := datapath.Sweep(); err != nil { // makes the directories that stay
		t.Fatal(err)
	}
	leftovers.Check(t)
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	var err error
	if r.Client, err = client.New(r.config, client.Options{Scheme: Scheme()}); err != nil {
		t.Fatal(err)
	}
	r.stop = func() {}
	t.Cleanup(func() { r.stop() })
	return r
}

// wayOut gives this namespace a default route, without which an API server doesn't find its own address.
func wayOut(t testing.TB) {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "out"}, PeerName: "outside"}
	address, err := netlink.ParseAddr("192.0.2.1/24")
	err = errors.Join(err, netlink.LinkAdd(veth), netlink.AddrAdd(veth, address))
	for _, name := range []string{"out", "outside"} {
		link, e := netlink.LinkByName(name)
		if e == nil {
			e = netlink.LinkSetUp(link)
		}
		err = errors.Join(err, e)
	}
	err = errors.Join(err, netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Gw: net.IPv4(192, 0, 2, 2)}))
	if err != nil {
		t.Fatalf("make a default route: %v", err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(veth); err != nil {
			t.Errorf("remove the default route: %v", err)
		}
	})
}

// startAgent runs an agent until stop, or the end of the rig's test, which may be a parent of t: an agent of a subtest goes on after it.
func (r *rig) startAgent(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	own := kubetest.As(r.config, "agent")
	own.Dial = r.line.dial
	mgr, err := ctrl.NewManager(own, ctrl.Options{
		Scheme:     Scheme(),
		Cache:      Cache(nodeName),
		Metrics:    server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // a test starts agents one after the other
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if _, err := Setup(ctx, mgr, Options{Node: nodeName, Pods: r.pods, Metrics: metrics.New(nodeName), Log: log}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("the agent: %v", err)
		}
	})
}

// machine is a VMI that the controller has scheduled, with its pod, whose launcher doesn't run yet.
func (r *rig) machine(t testing.TB, name string, more ...func(*kubevirt.VirtualMachineInstance)) (*kubevirt.VirtualMachineInstance, *podtest.Pod) {
	t.Helper()
	vmi := &kubevirt.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: name, Labels: map[string]string{kubevirt.NodeNameLabel: nodeName},
	}}
	memory := resource.MustParse("64Mi")
	vmi.Spec.Domain.Memory = &kubevirt.Memory{Guest: &memory}
	vmi.Spec.Domain.Devices.Interfaces = []kubevirt.Interface{*kubevirt.DefaultMasqueradeNetworkInterface()}
	vmi.Spec.Networks = []kubevirt.Network{*kubevirt.DefaultPodNetwork()}
	vmi.Spec.TerminationGracePeriodSeconds = ptr.To[int64](0)
	vmi.Status.Phase, vmi.Status.NodeName = kubevirt.Scheduled, nodeName
	for _, change := range more {
		change(vmi)
	}
	if err := r.Create(r.ctx, vmi); err != nil {
		t.Fatal(err)
	}
	return vmi, r.pod(t, vmi)
}

// pod makes the pod of a machine, in a network of its own.
func (r *rig) pod(t testing.TB, vmi *kubevirt.VirtualMachineInstance) *podtest.Pod {
	t.Helper()
	launcher := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: pod.Name(vmi),
			Labels:      map[string]string{kubevirt.AppLabel: pod.LauncherLabel, kubevirt.CreatedByLabel: string(vmi.UID)},
			Annotations: map[string]string{kubevirt.DomainAnnotation: vmi.Name},
		},
		Spec: corev1.PodSpec{NodeName: nodeName, Containers: []corev1.Container{{Name: "compute", Image: "x"}}},
	}
	if err := r.Create(r.ctx, launcher); err != nil {
		t.Fatal(err)
	}
	r.setPod(t, vmi, func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.PodIP = nstest.IPv4.Pod.Addr().String()
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}, {IP: nstest.IPv6.Pod.Addr().String()}}
	})
	network := nstest.NewTopology(t)
	return podtest.New(t, r.pods, string(launcher.UID), network.Pod)
}

// setPod is the kubelet's report.
func (r *rig) setPod(t testing.TB, vmi *kubevirt.VirtualMachineInstance, change func(*corev1.Pod)) {
	t.Helper()
	launcher := new(corev1.Pod)
	if err := r.Get(r.ctx, client.ObjectKey{Namespace: vmi.Namespace, Name: pod.Name(vmi)}, launcher); err != nil {
		t.Fatal(err)
	}
	change(launcher)
	if err := r.Status().Update(r.ctx, launcher); err != nil {
		t.Fatal(err)
	}
}

// wait returns the machine once it is as wanted.
func (r *rig) wait(t testing.TB, vmi *kubevirt.VirtualMachineInstance, what string, wanted func(*kubevirt.VirtualMachineInstance) bool) *kubevirt.VirtualMachineInstance {
	t.Helper()
	now := new(kubevirt.VirtualMachineInstance)
	r.eventually(t, what, func() bool {
		if err := r.Get(r.ctx, client.ObjectKeyFromObject(vmi), now); err != nil {
			t.Fatal(err)
		}
		return wanted(now)
	})
	return now
}

// clearInterfaces takes from a machine's status what the next agent will put there: so its work shows.
func (r *rig) clearInterfaces(t testing.TB, vmi *kubevirt.VirtualMachineInstance) {
	t.Helper()
	now := r.wait(t, vmi, "there", always)
	next := now.DeepCopy()
	next.Status.Interfaces = nil
	if err := r.Patch(r.ctx, next, client.MergeFrom(now)); err != nil {
		t.Fatal(err)
	}
}

func always(*kubevirt.VirtualMachineInstance) bool { return true }

// watch returns each state of a machine from now on, in order, none left out.
func (r *rig) watch(t testing.TB, vmi *kubevirt.VirtualMachineInstance) iter.Seq[*kubevirt.VirtualMachineInstance] {
	t.Helper()
	c, err := client.NewWithWatch(r.config, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(r.ctx, new(kubevirt.VirtualMachineInstanceList), client.InNamespace(vmi.Namespace), client.MatchingFields{"metadata.name": vmi.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return func(yield func(*kubevirt.VirtualMachineInstance) bool) {
		for e := range w.ResultChan() {
			if now, ok := e.Object.(*kubevirt.VirtualMachineInstance); ok && !yield(now) {
				return
			}
		}
		t.Fatal("the API server ends the watch")
	}
}

// eventually waits for something that other processes bring about.
func (r *rig) eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func phase(p kubevirt.VirtualMachineInstancePhase) func(*kubevirt.VirtualMachineInstance) bool {
	return func(vmi *kubevirt.VirtualMachineInstance) bool { return vmi.Status.Phase == p }
}

// attached returns the names of the NICs that are attached on this machine, and in good order.
func attached(t testing.TB) (names []string) {
	t.Helper()
	nics, err := datapath.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nics {
		if s, err := n.Status(); err == nil && s.Healthy {
			names = append(names, s.Config.Name)
		}
		n.Close()
	}
	return names
}

func podMeta(vmi *kubevirt.VirtualMachineInstance) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: vmi.Namespace, Name: pod.Name(vmi)}
}
