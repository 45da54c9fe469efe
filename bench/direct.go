// SPDX-License-Identifier: Apache-2.0

package bench

import "github.com/tapir-vm/tapir/bench/lab"

// direct has no guest: the pod itself is measured, what its veth allows.
type direct struct{}

func (direct) Name() string  { return "direct" }
func (direct) About() string { return "no VM: a process in the pod, over the pod's veth alone" }

func (direct) Join(*lab.Network, Conditions) (*lab.Guest, error) { return nil, nil }
