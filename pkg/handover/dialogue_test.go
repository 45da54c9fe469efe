// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPlanIsHandedOverOnce(t *testing.T) {
	pods, dir := newPod(t)
	type taken struct {
		plan  *Plan
		files []Files
	}
	took := make(chan taken, 1)
	launch(t, dir, func(p *Plan, f []Files) { took <- taken{p, f} })
	ctx, sockets := soon(t), open(t, pods)
	peer, err := Connect(ctx, sockets)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if !peer.Waiting() {
		t.Error("a new launcher doesn't wait for a plan")
	}
	own, _ := os.Stat(ownNetNS)
	if given, err := peer.NetNS().Stat(); err != nil || !os.SameFile(own, given) {
		t.Errorf("the namespace given isn't the launcher's (%v)", err)
	}
	plan, files := newPlan(t)
	if err := peer.Send(ctx, plan, files); err != nil {
		t.Fatal(err)
	}
	got := <-took
	if diff := cmp.Diff(plan, got.plan, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("the plan (-sent +received):\n%s", diff)
	}
	for i := range files {
		want, _ := plan.NICs[i].list(files[i])
		have, err := plan.NICs[i].list(got.files[i])
		if err != nil {
			t.Fatal(err)
		}
		for j := range want {
			if a, b := markOf(t, want[j]), markOf(t, have[j]); a != b {
				t.Errorf("descriptor %d of NIC %d is %q, want %q", j, i, b, a)
			}
		}
		got.files[i].Close()
	}

	again, err := Connect(ctx, sockets)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Waiting() {
		t.Error("a launcher that has its plan waits for another")
	}
}

// An agent that is killed within a dialogue, and a plan that isn't one, leave a launcher that waits for the next.
func TestLauncherWaitsOn(t *testing.T) {
	pods, dir := newPod(t)
	launch(t, dir, func(_ *Plan, files []Files) {
		for _, f := range files {
			f.Close()
		}
	})
	ctx, sockets := soon(t), open(t, pods)
	plan, files := newPlan(t)
	for _, step := range []struct {
		name string
		do   func(*Peer) error
		want error
	}{
		{"killed", (*Peer).Close, nil},
		{"refused", func(p *Peer) error { return p.Send(ctx, &Plan{}, nil) }, ErrRefused},
		{"doesn't fit", func(p *Peer) error { return p.Send(ctx, plan, files[:1]) }, errUnfit},
		{"taken", func(p *Peer) error { return p.Send(ctx, plan, files) }, nil},
	} {
		peer, err := Connect(ctx, sockets)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if !peer.Waiting() {
			t.Errorf("%s: the launcher doesn't wait", step.name)
		}
		if err := step.do(peer); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
		peer.Close()
	}
}
