// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"os"
	"strings"
	"testing"
)

// poweroff has the guest, in its user data, serve a page that shuts it down.
const poweroff = `    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\npoweroff\n' >/www/cgi-bin/poweroff
    chmod +x /www/cgi-bin/poweroff
`

// A machine with its own disk, declared ports, probes and a Secret, through all that a user does to it.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	s.diskVolume(cluster.Nodes()[0], "full")
	manifest, err := os.ReadFile("../../examples/cluster/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.apply(strings.Replace(string(manifest), "#!/bin/sh\n", "#!/bin/sh\n"+poweroff, 1))
	client := s.startClients()[1]
	s.wait("vm/full", "condition=Ready") // the readiness probe fetches a page that the Secret's script makes

	for _, address := range s.field("service/full", ".spec.clusterIPs[*]") {
		if page := s.fetch(client, net.JoinHostPort(address, "8000"), "/ready.txt"); page != "hello from full" {
			t.Errorf("the Service's named port at %s: %q", address, page)
		}
	}

	t.Run("the guest shuts down and is started again", func(t *testing.T) {
		s := &space{t, s.name}
		first := s.launcher("full")
		s.fetch(client, s.field(first, ".status.podIP")[0], "/cgi-bin/poweroff")
		s.wait(first, "delete")
		s.wait("vm/full", "condition=Ready")
		if next := s.launcher("full"); next == first {
			t.Errorf("%s is still the machine's pod", next)
		}
	})
	t.Run("stop and start", func(t *testing.T) {
		s := &space{t, s.name}
		s.kubectl("patch", "vm", "full", "--type=merge", `--patch={"spec": {"runStrategy": "Halted"}}`)
		s.wait("vmi/full", "delete")
		s.wait("vm/full", "jsonpath={.status.printableStatus}=Stopped")
		s.kubectl("patch", "vm", "full", "--type=merge", `--patch={"spec": {"runStrategy": "Always"}}`)
		s.wait("vm/full", "condition=Ready")
	})
	t.Run("delete", func(t *testing.T) {
		s := &space{t, s.name}
		pod := s.launcher("full")
		s.kubectl("delete", "vm", "full")
		s.wait(pod, "delete")
		if left := s.kubectl("get", "vm,vmi,pods", "--selector=app=full", "--output=name"); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}
