// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/test/lab"
)

// blockVolume is a PersistentVolume of a node's block device, and its claim. The arguments: their name, the device, the claim's
// namespace, the node.
const blockVolume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 64Mi}
  persistentVolumeReclaimPolicy: Retain
  volumeMode: Block
  local: {path: %[2]s}
  claimRef: {namespace: %[3]s, name: demo}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[4]s]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: demo, namespace: %[3]s}
spec: {accessModes: [ReadWriteOnce], storageClassName: '', volumeMode: Block, resources: {requests: {storage: 64Mi}}}
`

// A machine boots from a block device of its node, which belongs to root and the group of disks, as udev has it.
func TestBlockClaim(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	node := cluster.Nodes()[0]
	s.apply(fmt.Sprintf(blockVolume, s.name, s.blockDevice(), s.name, node.Name()))
	s.Cleanup(func() {
		if _, err := s.try("delete", "persistentvolume", "--wait=false", s.name); err != nil {
			s.Error(err)
		}
	})
	s.apply(machineOfClaim)
	s.waitForPhase("demo", "Running")
	pod := s.launcher("demo")
	if err := s.openStream(pod).listen(1); err != nil {
		t.Error(err)
	}
	s.kubectl("delete", "vm", "demo") // the kubelet lets go of the device
	s.wait(pod, "delete")
}

// blockDevice is a loop device of this machine, with the guest's disk on it, until the test ends.
func (s *space) blockDevice() string {
	s.Helper()
	disk := filepath.Join(s.TempDir(), "disk.img")
	run := func(line ...string) string {
		out, err := exec.CommandContext(session, line[0], line[1:]...).CombinedOutput()
		if err != nil {
			s.Fatalf("make a block device: %s: %v: %s", line[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("qemu-img", "convert", "-O", "raw", "../../build/guest/disk.qcow2", disk)
	device := run("losetup", "--find", "--show", disk)
	s.Cleanup(func() {
		if out, err := exec.Command("sh", "-c", `chown root:root "$0" && chmod 600 "$0" && losetup --detach "$0"`, device).CombinedOutput(); err != nil {
			s.Errorf("remove a block device: %v: %s", err, out)
		}
	})
	run("chown", "root:disk", device)
	run("chmod", "660", device)
	return device
}

// An empty claim is a blank disk.
func TestEmptyClaim(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	node := cluster.Nodes()[1]
	dir := s.emptyVolume(node)
	s.apply(claim)
	s.start(instance{
		name:    "demo",
		disks:   []string{"{name: data, disk: {bus: virtio}}"},
		volumes: []string{"{name: data, persistentVolumeClaim: {claimName: demo}}"},
	})
	if out, err := node.Command(session, "stat", "--format=%s %u %a", dir+"/disk.img").CombinedOutput(); err != nil || string(out) != "67108864 107 600\n" {
		t.Errorf("the disk: %q (%v)", out, err)
	}
}

// emptyVolume makes a volume for the claim demo, with nothing in it, and returns its directory on the node.
func (s *space) emptyVolume(n *lab.Node) string {
	s.Helper()
	dir := "/var/lib/volumes/" + s.name
	if out, err := n.Command(session, "mkdir", "-p", dir).CombinedOutput(); err != nil {
		s.Fatalf("make a volume on %s: %v: %s", n.Name(), err, out)
	}
	s.offer(n, dir, "demo")
	return dir
}
