// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
)

// A machine waits for what it lacks, says so, and goes on by itself when it is there.
func TestMissing(t *testing.T) {
	t.Parallel()
	t.Run("secret", func(t *testing.T) {
		t.Parallel()
		s := newSpace(t, "restricted")
		s.apply(instance{
			name:    "demo",
			disks:   []string{"{name: seed, disk: {bus: virtio}}"},
			volumes: []string{"{name: seed, cloudInitNoCloud: {secretRef: {name: seed}}}"},
		}.manifest())
		s.explains("demo", why{"Scheduling", "Synchronized", "FailedMount", `secret "seed" not found`})
		s.kubectl("create", "secret", "generic", "seed", "--from-literal=userdata=#!/bin/sh")
		s.waitForPhase("demo", "Running")
	})
	t.Run("claim", func(t *testing.T) {
		t.Parallel()
		s := newSpace(t, "restricted")
		s.apply(machineOfClaim)
		s.explains("demo", why{"Pending", "Synchronized", "FailedPvcNotFound", "persistent volume claim demo doesn't exist"})
		s.wait("vm/demo", "jsonpath={.status.printableStatus}=ErrorPvcNotFound")
		s.diskVolume(cluster.Nodes()[1], "demo")
		s.apply(claim)
		s.waitForPhase("demo", "Running")
		s.wait("vm/demo", "jsonpath={.status.printableStatus}=Running")
	})
	t.Run("image", func(t *testing.T) {
		t.Parallel()
		s := newSpace(t, "restricted")
		s.apply(instance{name: "demo", image: "localhost/tapir-nothing:1"}.manifest())
		s.explains("demo", why{"Scheduling", "Synchronized", "ErrImagePull", "localhost/tapir-nothing:1"})
	})
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		s := newSpace(t, "restricted")
		s.apply(instance{name: "demo", image: "localhost/busybox:1"}.manifest())
		s.explains("demo", why{"Failed", "Synchronized", "PodEnded", "the image is no containerDisk: it has no directory /disk"})
		s.wait(s.launcher("demo"), "jsonpath={.status.phase}=Failed") // its log may tell more
	})
}

const claim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: demo}
spec: {accessModes: [ReadWriteOnce], storageClassName: '', resources: {requests: {storage: 64Mi}}}
`

const machineOfClaim = `
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: demo}
spec:
  runStrategy: Always
  template:
    spec:
      terminationGracePeriodSeconds: 0
      domain:
        memory: {guest: 128Mi}
        devices: {disks: [{name: root, disk: {bus: virtio}}]}
      volumes: [{name: root, persistentVolumeClaim: {claimName: demo}}]
`

// A machine that is deleted goes, wherever it has come to.
func TestDeleteWhileStarting(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"Made", "Pending", "Scheduling", "Scheduled", "Running"} {
		t.Run("when "+strings.ToLower(phase), func(t *testing.T) {
			t.Parallel()
			s := newSpace(t, "restricted")
			s.apply(instance{name: "demo"}.manifest())
			if phase != "Made" {
				s.follow(phase, "get", "vmi", "demo", "--watch", `--output=jsonpath={.status.phaseTransitionTimestamps[*].phase}{"\n"}`)
			}
			s.kubectl("delete", "vmi", "demo", "--timeout="+limit.String()) // waits for its end
			if left := s.kubectl("get", "vmi,pods", "--output=name"); left != "" {
				t.Errorf("left: %s", left)
			}
		})
	}
}
