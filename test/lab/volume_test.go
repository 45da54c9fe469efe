// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// volumes are PersistentVolumes of a directory and of a device on a node, with a claim of each and a pod that uses them as a VM's
// pod would. The arguments: node, directory, device.
const volumes = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: directory}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 8Mi}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: default, name: directory}
  local: {path: %[2]s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[1]s]}]}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: device}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 8Mi}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: default, name: device}
  volumeMode: Block
  local: {path: %[3]s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[1]s]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: directory}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 8Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: device}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", volumeMode: Block, resources: {requests: {storage: 8Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: volumes}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 107, runAsGroup: 107, fsGroup: 107}
  containers:
    - name: volumes
      image: localhost/busybox:1
      volumeMounts: [{name: directory, mountPath: /directory}]
      volumeDevices: [{name: device, devicePath: /device}]
  volumes:
    - {name: directory, persistentVolumeClaim: {claimName: directory}}
    - {name: device, persistentVolumeClaim: {claimName: device}}
`

// testVolumes leaves the pod to the end of the lab, which has to take its kubelet's hold on the device away.
func (r *rig) testVolumes() {
	node := r.lab.Nodes()[1]
	const directory = "/var/lib/volume"
	if out, err := node.Command(r.ctx, "mkdir", directory).CombinedOutput(); err != nil {
		r.Fatalf("make a directory on %s: %v: %s", node.Name(), err, out)
	}
	r.apply(fmt.Sprintf(volumes, node.Name(), directory, r.loopDevice()))
	r.kubectl("wait", "--for=condition=Ready", "--timeout=2m", "pod/volumes")
	r.kubectl("exec", "volumes", "--", "sh", "-c", "echo content >/directory/file && test -b /device")
	if out, err := node.Command(r.ctx, "cat", directory+"/file").Output(); err != nil || string(out) != "content\n" {
		r.Errorf("the node sees %q (%v)", out, err)
	}
}

// boundLoops are the machine's loop devices in use.
func boundLoops(t *testing.T) []string {
	t.Helper()
	bound, err := filepath.Glob("/sys/block/loop*/loop")
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

// loopDevice makes a block device that goes when nothing uses it any more after the test.
func (r *rig) loopDevice() string {
	r.Helper()
	file := filepath.Join(r.TempDir(), "device")
	if err := os.WriteFile(file, make([]byte, 8<<20), 0o600); err != nil {
		r.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
	if err != nil {
		r.Fatalf("make a loop device: %v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	r.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			r.Errorf("remove a loop device: %v: %s", err, out)
		}
	})
	return device
}
