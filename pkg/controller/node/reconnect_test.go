// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/metrics"
)

// reconciler is an agent's, without what calls it.
func (r *rig) reconciler() *Reconciler {
	return &Reconciler{
		Options: Options{Node: nodeName, Pods: r.pods, Metrics: metrics.New(nodeName), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))},
		client:  r.Client, recorder: events.NewFakeRecorder(100), life: r.ctx,
		changed: make(chan event.GenericEvent, 100), machines: map[types.NamespacedName]*machine{},
	}
}

// A lost connection is made again where the launcher lives, without a change to the machine. Another pod's launcher is another
// machine: the old one is detached first.
func TestReconnect(t *testing.T) {
	r := newRig(t)
	vmi, launcher := r.machine(t, "demo")
	key := client.ObjectKeyFromObject(vmi)
	agent := r.reconciler()
	look := func() ctrl.Result {
		t.Helper()
		result, err := agent.Reconcile(r.ctx, ctrl.Request{NamespacedName: key})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	runs := func() bool {
		look()
		m := agent.machines[key]
		return m != nil && m.status().State == handover.Running
	}
	if result := look(); result.RequeueAfter != launcherPatience {
		t.Errorf("no launcher yet: %+v", result)
	}
	launcher.Start(t)
	r.eventually(t, "running", runs)
	tap, lost := tapIndex(t, launcher.NetNS), agent.machines[key]

	lost.stop()
	<-lost.ended
	if result := look(); result.RequeueAfter != lostPatience || len(attached(t)) != 1 {
		t.Errorf("a lost connection: %+v, attached %v", result, attached(t))
	}
	look()
	now := agent.machines[key]
	if now == lost || now.lost() || tapIndex(t, launcher.NetNS) != tap {
		t.Errorf("the connection is the same: %t, lost: %t; tap %s, was %s", now == lost, now.lost(), tapIndex(t, launcher.NetNS), tap)
	}
	if _, err := lost.netns.Stat(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the lost one's namespace is held: %v", err)
	}

	if err := r.Delete(r.ctx, &corev1.Pod{ObjectMeta: podMeta(vmi)}, &client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}); err != nil {
		t.Fatal(err)
	}
	next := r.pod(t, vmi)
	if result := look(); result.RequeueAfter != launcherPatience || len(attached(t)) != 0 {
		t.Errorf("another pod: %+v, attached %v", result, attached(t))
	}
	next.Start(t)
	r.eventually(t, "running again", runs)
	if got := attached(t); len(got) != 1 || tapIndex(t, next.NetNS) == "" {
		t.Errorf("attached %v", got)
	}
	if err := agent.forget(key); err != nil {
		t.Error(err)
	}
}
