// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/test/lab"
)

// TestOutages takes away one after another of what a cluster is made of. A guest on each node talks all the while, on one
// connection, which ends only with its node's power.
func TestOutages(t *testing.T) {
	s := newSpace(t, "restricted")
	nodes := cluster.Nodes()
	var bystanders []*bystander
	for _, n := range nodes {
		s.apply(instance{name: "on-" + n.Name(), node: n.Name()}.manifest()) // both boot at a time
	}
	for _, n := range nodes {
		bystanders = append(bystanders, s.meet("on-"+n.Name()))
	}
	for _, outage := range []struct {
		name string
		test func(*space, *bystander)
	}{
		{"agent killed while it attaches", (*space).testAgentKilled},
		{"kubelet restarted", (*space).testKubeletRestarted},
		{"leader killed", (*space).testLeaderKilled},
		{"certificate expired", (*space).testCertificateExpired},
		{"no KVM", (*space).testNoKVM},
		{"API server away", (*space).testAPIServerAway},
		{"node unplugged", (*space).testNodeUnplugged},
	} {
		t.Run(outage.name, func(t *testing.T) {
			s := &space{t, s.name}
			begin := time.Now()
			outage.test(s, bystanders[1])
			t.Logf("took %s", time.Since(begin).Round(time.Second))
			for _, b := range bystanders {
				s.untouched(b)
			}
		})
	}
	t.Run("node loses its power", func(t *testing.T) {
		s := &space{t, s.name}
		s.testPowerLoss(bystanders[1])
		s.untouched(bystanders[0])
	})
}

// agentOf is the pod of a node's agent, in Tapir's namespace.
func (s *space) agentOf(n *lab.Node) (*space, string) {
	s.Helper()
	system := &space{s.T, tapirNamespace}
	return system, system.kubectl("get", "pods", "--selector=app.kubernetes.io/component=agent", "--field-selector=spec.nodeName="+n.Name(), "--output=name")
}

// An agent that is killed while it attaches a machine does so when it is back.
func (s *space) testAgentKilled(b *bystander) {
	node := s.nodeOf(b.pod)
	system, agent := s.agentOf(node)
	before := system.containerOf(agent)
	pid := system.processOf(agent, "tapir-agent").status["Pid"]
	// The first thing that there is of a datapath is the directory of its pins.
	killer := node.Command(session, "bash", "-c", `cd /sys/fs/bpf/tapir; before=$(echo *)
		until [[ $(echo *) != "$before" ]]; do :; done; kill -KILL "$0"`, pid)
	if err := killer.Start(); err != nil {
		s.Fatal(err)
	}
	s.apply(instance{name: "attached-twice", node: node.Name()}.manifest())
	if err := killer.Wait(); err != nil {
		s.Fatalf("kill the agent while it attaches: %v", err)
	}
	s.waitForPhase("attached-twice", "Running")
	if system.containerOf(agent) == before {
		s.Errorf("the agent still runs")
	}
	if err := s.openStream(s.launcher("attached-twice")).listen(1); err != nil {
		s.Error(err)
	}
	s.kubectl("delete", "vmi", "attached-twice")
}

func (s *space) testKubeletRestarted(b *bystander) {
	node := s.nodeOf(b.pod)
	if out, err := node.Command(session, "pkill", "-KILL", "-x", "kubelet").CombinedOutput(); err != nil {
		s.Fatalf("kill the kubelet: %v: %s", err, out)
	}
	s.start(instance{name: "by-next-kubelet", node: node.Name()})
	s.kubectl("delete", "vmi", "by-next-kubelet")
}

// Another replica leads, and does all that is to do once.
func (s *space) testLeaderKilled(*bystander) {
	system := &space{s.T, tapirNamespace}
	leader := system.field("lease/tapir-controller", ".spec.holderIdentity")[0] // the pod's name, and a number
	pod, _, _ := strings.Cut(leader, "_")
	system.kill("pod/"+pod, "tapir-controller")
	s.insist(instance{name: "by-next-leader"}.manifest())
	s.waitForPhase("by-next-leader", "Running")
	if next := system.field("lease/tapir-controller", ".spec.holderIdentity")[0]; next == leader {
		s.Errorf("%s still leads", leader)
	}
	if pods := strings.Fields(s.launcher("by-next-leader")); len(pods) != 1 {
		s.Errorf("one machine has the pods %q", pods)
	}
	s.kubectl("delete", "vmi", "by-next-leader")
	system.kubectl("rollout", "status", "deployment/tapir-controller", "--timeout="+limit.String())
}

// A minute without API server: what happens then is told when it is back.
func (s *space) testAPIServerAway(b *bystander) {
	s.start(instance{name: "ends-unseen", node: s.nodeOf(b.pod).Name()})
	node, pid := s.nodeOf(b.pod), s.processOf(s.launcher("ends-unseen"), "qemu-system-x86").status["Pid"]
	if err := cluster.StopAPIServer(); err != nil {
		s.Fatal(err)
	}
	s.killOn(node, pid)
	if err := b.stream.listen(int(time.Minute / beatEvery)); err != nil {
		s.Error(err)
	}
	if err := cluster.StartAPIServer(session); err != nil {
		s.Fatal(err)
	}
	s.explains("ends-unseen", why{"Failed", "Synchronized", "Failed", "killed"})
	s.kubectl("delete", "vmi", "ends-unseen")
	s.insist(instance{name: "made-afterwards"}.manifest())
	s.waitForPhase("made-afterwards", "Running")
	s.kubectl("delete", "vmi", "made-afterwards")
}

// A node that nobody hears of may well run its guests: they are left alone, and ready again when it is back.
func (s *space) testNodeUnplugged(b *bystander) {
	node := s.nodeOf(b.pod)
	if err := node.Unplug(); err != nil {
		s.Fatal(err)
	}
	s.explains(b.vmi, why{"Running", "Ready", "NodeUnresponsive", "node " + node.Name() + " has not been heard of"})
	if err := node.Replug(); err != nil {
		s.Fatal(err)
	}
	s.wait("node/"+node.Name(), "condition=Ready")
}

// The guests of a node that has lost its power have ended. When it is back, it runs others.
func (s *space) testPowerLoss(b *bystander) {
	node := s.nodeOf(b.pod)
	if err := node.PowerOff(); err != nil {
		s.Fatal(err)
	}
	if err := node.PowerOn(); err != nil {
		s.Fatal(err)
	}
	s.explains(b.vmi, why{"Failed", "Synchronized", "PodEnded", "loses its power"})
	s.insist(instance{name: "after-power-loss", node: node.Name()}.manifest())
	s.waitForPhase("after-power-loss", "Running")
}
