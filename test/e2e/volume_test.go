// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tapir-vm/tapir/test/lab"
)

// volume is a PersistentVolume of a directory on a node, which is bound to a claim without a storage class. The arguments: its name, the
// node's directory, the claim's namespace and name, the node.
const volume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 64Mi}
  persistentVolumeReclaimPolicy: Retain
  local: {path: %[2]s}
  claimRef: {namespace: %[3]s, name: %[4]s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[5]s]}]}]}}
`

// diskVolume makes a volume for a claim on a node, with the guest's disk in it: raw, as KubeVirt has it.
func (s *space) diskVolume(n *lab.Node, claim string) {
	s.Helper()
	disk := filepath.Join(s.TempDir(), "disk.img")
	if out, err := exec.CommandContext(session, "qemu-img", "convert", "-O", "raw", "../../build/guest/disk.qcow2", disk).CombinedOutput(); err != nil {
		s.Fatalf("make a disk: %v: %s", err, out)
	}
	dir := "/var/lib/volumes/" + s.name // on the node
	cmd := n.Command(session, "sh", "-c", `mkdir -p "$0" && cp --sparse=always "$1" "$0/disk.img"`, dir, disk)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("put a disk on %s: %v: %s", n.Name(), err, out)
	}
	s.offer(n, dir, claim)
}

// offer makes a PersistentVolume of a node's directory, for a claim, and removes both when the test ends.
func (s *space) offer(n *lab.Node, dir, claim string) {
	s.Helper()
	s.Cleanup(func() {
		if _, err := s.try("delete", "persistentvolume", "--wait=false", s.name); err != nil {
			s.Error(err)
		}
		if out, err := n.Command(session, "rm", "-r", dir).CombinedOutput(); err != nil {
			s.Errorf("remove a volume: %v: %s", err, strings.TrimSpace(string(out)))
		}
	})
	s.apply(fmt.Sprintf(volume, s.name, dir, s.name, claim, n.Name()))
}
