// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What a guest that has broken out of its QEMU would have: nothing. The launcher's image has no shell, so the node looks.
func TestLauncherHasNoPrivilege(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	s.kubectl("apply", "--filename=../../examples/cluster/vm.yaml")
	s.wait("vmi/fedora-0", "jsonpath={.status.phase}=Running")
	for _, program := range []string{"tapir-launcher", "qemu-system-x86"} {
		t.Run(program, func(t *testing.T) {
			s := &space{t, s.name}
			process := s.processOf(s.launcher("fedora-0"), program)
			for name, want := range map[string]string{
				"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
				"NoNewPrivs": "1", "Seccomp": "2",
			} {
				if got := process.status[name]; got != want {
					t.Errorf("%s is %q, not %s", name, got, want)
				}
			}
			if ids := process.status["Uid"]; ids != "107 107 107 107" {
				t.Errorf("user ids: %s", ids)
			}
			for _, never := range []string{"bpf", "/dev/net/tun", "/var/run/secrets"} {
				if strings.Contains(process.mounts, never) {
					t.Errorf("%s is mounted:\n%s", never, process.mounts)
				}
			}
			if process.packets != "" {
				t.Errorf("packet sockets in the pod:\n%s", process.packets)
			}
		})
	}
}

// A process is one of a pod's, as its node sees it.
type process struct {
	status          map[string]string // /proc/PID/status, blanks made single
	mounts, packets string            // /proc/PID/mounts, and /proc/PID/net/packet without its heading
}

// processOf finds the process of a pod by the name of its program.
func (s *space) processOf(pod, program string) process {
	s.Helper()
	uid := s.field(pod, ".metadata.uid")[0]
	// The name that the kernel keeps of a process has 15 characters.
	find := fmt.Sprintf(`for process in /proc/[0-9]*; do
		if [[ $(cat $process/comm) == %.15[1]s ]] && grep -q %[2]s $process/cgroup; then
			cat $process/status; echo ---; cat $process/mounts; echo ---; tail -n +2 $process/net/packet; exit
		fi
	done; echo "pod %[2]s has no process %[1]s" >&2; exit 1`, program, uid)
	out, err := s.nodeOf(pod).Command(session, "bash", "-c", find).Output()
	parts := strings.SplitN(string(out), "---\n", 3)
	if err != nil || len(parts) != 3 {
		s.Fatalf("look at %s in %s: %v: %s", program, pod, err, out)
	}
	p := process{map[string]string{}, parts[1], parts[2]}
	for line := range strings.Lines(parts[0]) {
		key, value, _ := strings.Cut(line, ":")
		p.status[key] = strings.Join(strings.Fields(value), " ")
	}
	return p
}
