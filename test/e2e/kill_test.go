// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"

	"github.com/tapir-vm/tapir/test/lab"
)

// kill kills a program in a pod.
func (s *space) kill(pod, program string) {
	s.Helper()
	s.killOn(s.nodeOf(pod), s.processOf(pod, program).status["Pid"])
}

// killOn kills a process of a node.
func (s *space) killOn(n *lab.Node, pid string) {
	s.Helper()
	if out, err := n.Command(session, "kill", "-KILL", pid).CombinedOutput(); err != nil {
		s.Fatalf("kill process %s of %s: %v: %s", pid, n.Name(), err, out)
	}
}

// A machine whose launcher or QEMU is killed has failed, and says so.
func TestKilled(t *testing.T) {
	t.Parallel()
	for program, w := range map[string]why{
		"tapir-launcher":  {"Failed", "Synchronized", "PodEnded", "killed by signal 9"},
		"qemu-system-x86": {"Failed", "Synchronized", "Failed", "killed"},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t, "restricted")
			s.start(instance{name: "demo"})
			pod := s.launcher("demo")
			s.kill(pod, program)
			s.explains("demo", w)
			s.wait("vmi/demo", "condition=Ready=False")
			s.wait(pod, "jsonpath={.status.phase}=Failed")
		})
	}
}
