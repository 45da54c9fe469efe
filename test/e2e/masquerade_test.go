// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
)

// The first machine of a user: examples/cluster/vm.yaml, applied as it is.
func TestFirstMachine(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	s.kubectl("apply", "--filename=../../examples/cluster/vm.yaml")
	pods := s.startClients()
	s.wait("vm/fedora-0", "condition=Ready")
	s.wait("vmi/fedora-0", "jsonpath={.status.phase}=Running")

	t.Run("columns", func(t *testing.T) {
		s := &space{t, s.name}
		// NAME AGE STATUS READY
		if got := strings.Fields(s.kubectl("get", "vm", "fedora-0", "--no-headers")); len(got) != 4 || got[2] != "Running" || got[3] != "True" {
			t.Errorf("kubectl get vm: %q", got)
		}
		// NAME AGE PHASE IP NODENAME READY
		node := s.field(s.launcher("fedora-0"), ".spec.nodeName")[0]
		address := s.field(s.launcher("fedora-0"), ".status.podIP")[0]
		got := strings.Fields(s.kubectl("get", "vmi", "fedora-0", "--no-headers"))
		if len(got) != 6 || got[2] != "Running" || got[3] != address || got[4] != node || got[5] != "True" {
			t.Errorf("kubectl get vmi: %q; its pod has %s on %s", got, address, node)
		}
	})

	addresses := s.field(s.launcher("fedora-0"), ".status.podIPs[*].ip")
	addresses = append(addresses, s.field("service/fedora-0", ".spec.clusterIPs[*]")...)
	if len(addresses) != 4 {
		t.Fatalf("pod and Service have the addresses %q", addresses)
	}
	for _, pod := range pods {
		for _, address := range addresses {
			if page := s.fetch(pod, address, "/hello.txt"); page != "hello from cloud-init on fedora-0" {
				t.Errorf("%s at %s: %q", pod, address, page)
			}
		}
	}
	t.Run("port-forward", func(t *testing.T) {
		s := &space{t, s.name}
		if page := s.forwarded(s.launcher("fedora-0"), 80, "/hello.txt"); !strings.HasPrefix(page, "hello from cloud-init") {
			t.Errorf("the page is %q", page)
		}
	})
	t.Run("no rules and no bridge in the pod", func(t *testing.T) {
		s := &space{t, s.name}
		for _, line := range []string{"nft list ruleset", "ip link show type bridge"} {
			if got := s.inNetNS(s.launcher("fedora-0"), strings.Fields(line)...); got != "" {
				t.Errorf("%s: %s", line, got)
			}
		}
	})
}
