// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"
)

// How long a machine takes to run from `kubectl apply` on, its guest's boot not counted: for docs/kubernetes.md. While nothing else
// runs, and with all images on the nodes.
func TestStartTime(t *testing.T) {
	s := newSpace(t, "restricted")
	s.diskVolume(cluster.Nodes()[0], "demo")
	s.apply(claim)
	for _, test := range []struct{ disk, manifest string }{
		{"containerDisk", instance{name: "demo"}.manifest()},
		{"persistentVolumeClaim", machineOfClaim},
	} {
		begin := time.Now()
		s.apply(test.manifest)
		s.follow("Running", "get", "vmi", "--watch", `--output=jsonpath={.status.phase}{"\n"}`)
		t.Logf("figure: from kubectl apply to Running with a %s: %s", test.disk, time.Since(begin).Round(10*time.Millisecond))
		s.kubectl("delete", "vm,vmi", "--all")
	}
}
