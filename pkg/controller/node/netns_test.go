// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tapir-vm/tapir/internal/nstest"
	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/spec"
)

func TestCheckNetNS(t *testing.T) {
	network := nstest.NewTopology(t)
	launcher := func(ips ...string) *corev1.Pod {
		p := &corev1.Pod{}
		for _, ip := range ips {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		return p
	}
	onNode := launcher("10.244.1.5")
	onNode.Spec.HostNetwork = true
	tests := map[string]struct {
		path     string
		launcher *corev1.Pod
		good     bool
	}{
		"the pod's":            {network.Pod.Path(), launcher("10.244.1.5", "2001:db8:244:1::5"), true},
		"another pod's":        {network.Client.Path(), launcher("10.244.1.5"), false},
		"a pod of the network": {network.Pod.Path(), launcher("10.244.1.5", "10.244.1.6"), false},
		"the node's":           {network.Pod.Path(), onNode, false},
		"another kind":         {"/proc/self/ns/mnt", launcher("10.244.1.5"), false},
		"a file":               {"/etc/passwd", launcher("10.244.1.5"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			nics := []spec.NIC{{Datapath: datapath.Config{NIC: "eth0"}}}
			if err := checkNetNS(file, nics, tt.launcher); (err == nil) != tt.good || err != nil && !errors.Is(err, ErrNotThePods) {
				t.Errorf("got %v", err)
			}
		})
	}
}
