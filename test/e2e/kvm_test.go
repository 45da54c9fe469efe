// SPDX-License-Identifier: Apache-2.0

package e2e

import "os"

// Where guests aren't emulated, a machine waits for a node with KVM. This one has none: where the machine has, the node's isn't it.
func (s *space) testNoKVM(b *bystander) {
	node := s.nodeOf(b.pod)
	if _, err := os.Stat("/dev/kvm"); err == nil {
		if out, err := node.Command(session, "mount", "--bind", "/dev/null", "/dev/kvm").CombinedOutput(); err != nil {
			s.Fatalf("take KVM from %s: %v: %s", node.Name(), err, out)
		}
		s.Cleanup(func() {
			if out, err := node.Command(session, "umount", "/dev/kvm").CombinedOutput(); err != nil {
				s.Errorf("give KVM back to %s: %v: %s", node.Name(), err, out)
			}
		})
	}
	system, agent := s.agentOf(node)
	system.kubectl("delete", agent) // the next one tries KVM anew
	system.kubectl("rollout", "status", "daemonset/tapir-agent", "--timeout="+limit.String())

	s.upgrade("machines.allowEmulation=false")
	s.apply(instance{name: "needs-kvm", node: node.Name()}.manifest())
	s.explains("needs-kvm", why{"Scheduling", "PodScheduled", "Unschedulable", "Insufficient devices.kubevirt.io/kvm"})
	s.kubectl("delete", "vmi", "needs-kvm")
	s.upgrade("machines.allowEmulation=true")
}

// upgrade changes a setting of the installation.
func (s *space) upgrade(setting string) {
	s.Helper()
	if _, err := cluster.Helm(session, "upgrade", "tapir", "../../deploy/charts/tapir", "--namespace="+tapirNamespace,
		"--reuse-values", "--set="+setting, "--wait", "--timeout="+limit.String()); err != nil {
		s.Fatal(err)
	}
}
