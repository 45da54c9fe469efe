// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// bootPod is a pod as restricted as a VM's, in which the launcher's QEMU boots the guest's containerDisk. The arguments: the
// launcher's image, its helper's command, the mount point of that, the copying command, where the copy goes, QEMU's arguments.
const bootPod = `
apiVersion: v1
kind: Pod
metadata: {name: guest}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 107, runAsGroup: 107, fsGroup: 107, seccompProfile: {type: RuntimeDefault}}
  initContainers:
    - name: helper
      image: %[1]s
      command: %[2]s
      volumeMounts: [{name: helper, mountPath: %[3]s}]
      securityContext: &restricted {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    - name: disk
      image: localhost/tapir-guest:1
      command: %[4]s
      volumeMounts: [{name: helper, mountPath: %[3]s, readOnly: true}, {name: disks, mountPath: %[5]s}]
      securityContext: *restricted
  containers:
    - name: qemu
      image: %[1]s
      command: %[6]s
      volumeMounts: [{name: disks, mountPath: %[5]s}]
      securityContext: *restricted
  volumes: [{name: helper, emptyDir: {}}, {name: disks, emptyDir: {}}]
`

// The launcher's image has all that QEMU needs to boot a disk, its helper copies one out of an image without a shell, and both do
// so under the strictest Pod Security Standard.
func TestImagesBootAGuest(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	disk := handover.ContainerDisk("root")
	qemu := []string{
		"/usr/bin/qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-machine", "q35,usb=off,vmport=off,accel=tcg", "-cpu", "max", "-m", "256",
		"-drive", "if=virtio,format=qcow2,file=" + disk,
	}
	s.apply(fmt.Sprintf(bootPod, image(t, "tapir-launcher"), list(handover.HelperCommand()), handover.HelperDir,
		list(handover.DiskCommand("root", "")), handover.DisksDir, list(qemu)))
	s.wait("pod/guest", "condition=Ready")
	s.follow("TAPIR-GUEST ready", "logs", "--follow", "guest")
}

// list is YAML's.
func list(words []string) string {
	text, err := json.Marshal(words)
	if err != nil {
		panic(err) // strings
	}
	return string(text)
}
