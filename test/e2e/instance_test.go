// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
)

// An instance is a VirtualMachineInstance that tests make: with the guest's disk, unless they say otherwise. Its guest is given no time
// to shut down, for most tests are done with it before it listens.
type instance struct {
	name, node, image string   // node and image may be left out
	disks, volumes    []string // besides the guest's own, as YAML
}

const instanceManifest = `
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: {%s}
  domain:
    memory: {guest: 128Mi}
    devices: {disks: [%s]}
  volumes: [%s]
`

func (i instance) manifest() string {
	node, image := "", "localhost/tapir-guest:1"
	if i.node != "" {
		node = "kubernetes.io/hostname: " + i.node
	}
	if i.image != "" {
		image = i.image
	}
	disks := append([]string{"{name: root, disk: {bus: virtio}}"}, i.disks...)
	volumes := append([]string{"{name: root, containerDisk: {image: '" + image + "'}}"}, i.volumes...)
	return fmt.Sprintf(instanceManifest, i.name, node, strings.Join(disks, ", "), strings.Join(volumes, ", "))
}

// start makes an instance and returns when its guest runs.
func (s *space) start(i instance) {
	s.Helper()
	s.apply(i.manifest())
	s.waitForPhase(i.name, "Running")
}

func (s *space) waitForPhase(vmi, phase string) {
	s.Helper()
	s.wait("vmi/"+vmi, "jsonpath={.status.phase}="+phase)
}

// why is what an instance has to say of itself: the words are in the message of a condition and in that of an Event, both of the
// same reason.
type why struct{ phase, condition, reason, words string }

// explains waits until an instance is in a phase and says why.
func (s *space) explains(vmi string, w why) {
	s.Helper()
	of := fmt.Sprintf(`.status.conditions[?(@.type==%q)]`, w.condition)
	s.wait("vmi/"+vmi, "jsonpath={"+of+".reason}="+w.reason)
	s.waitForPhase(vmi, w.phase)
	if message := s.kubectl("get", "vmi", vmi, "--output=jsonpath={"+of+".message}"); !strings.Contains(message, w.words) {
		s.Errorf("%s is %s with condition %s, %s: %q", vmi, w.phase, w.condition, w.reason, message)
	}
	s.waitForEvent("VirtualMachineInstance", vmi, w.reason, w.words)
}

// waitForEvent returns when there is an Event about an object with the words in its message.
func (s *space) waitForEvent(kind, name, reason, words string) {
	s.Helper()
	selector := fmt.Sprintf("involvedObject.kind=%s,involvedObject.name=%s,reason=%s", kind, name, reason)
	s.follow(words, "get", "events", "--watch", "--field-selector="+selector, `--output=jsonpath={.message}{"\n"}`)
}
