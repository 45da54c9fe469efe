// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/spec"
)

// connect finds the launcher, attaches the machine, and hands it over unless that was done before. Returns an error wrapping
// fs.ErrNotExist while the launcher doesn't listen, or has no address.
func (r *Reconciler) connect(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, launcher *corev1.Pod) (_ *machine, err error) {
	if len(launcher.Status.PodIPs) == 0 {
		return nil, fmt.Errorf("the pod's address: %w", fs.ErrNotExist)
	}
	v, err := spec.Convert(spec.NewMachine(nil, vmi), nil)
	if err != nil {
		return nil, err
	}
	sockets, err := handover.OpenSockets(r.Pods, string(launcher.UID))
	if err != nil {
		return nil, err
	}
	peer, err := handover.Connect(ctx, sockets)
	if err != nil {
		sockets.Close()
		return nil, err
	}
	defer peer.Close()
	m := &machine{pod: launcher.UID, sockets: sockets}
	if m.netns, err = keep(peer.NetNS()); err != nil {
		sockets.Close()
		return nil, err
	}
	// A datapath that is attached by then stays: whether the launcher has its plan may be unknown, and a tap that is taken from a
	// running guest never comes back. The next try finds it in place; without one it goes with the pod.
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if err := checkNetNS(m.netns, v.NICs, launcher); err != nil {
		return nil, err
	}
	if err := r.attach(ctx, m, v, launcher.Name); err != nil {
		return nil, err
	}
	if !peer.Waiting() {
		r.Log.Info("machine is adopted", "vmi", vmi.Namespace+"/"+vmi.Name)
		return m, nil
	}
	if err := m.hand(ctx, peer, vmi); err != nil {
		return nil, err
	}
	r.Log.Info("machine is handed over", "vmi", vmi.Namespace+"/"+vmi.Name)
	return m, nil
}

// keep duplicates a descriptor, so that it outlives the dialogue that it came by.
func keep(f *os.File) (*os.File, error) {
	kept, err := os.Open(pathOf(f))
	if err != nil {
		return nil, fmt.Errorf("keep the pod's network namespace: %w", err)
	}
	return kept, nil
}

// pathOf is a path to an open file that holds for every process that sees this one.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

// hand gives a launcher that waits its plan.
func (m *machine) hand(ctx context.Context, peer *handover.Peer, vmi *kubevirt.VirtualMachineInstance) error {
	plan := &handover.Plan{VMI: vmi}
	var files []handover.Files
	defer func() {
		for _, f := range files {
			f.Close() // the launcher has its own
		}
	}()
	for i := range m.nics {
		own, err := m.nics[i].open(pathOf(m.netns))
		if err != nil {
			return err
		}
		files = append(files, own)
		plan.NICs = append(plan.NICs, m.nics[i].plan(own))
	}
	return peer.Send(ctx, plan, files)
}
