// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/spec"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// run makes the machine and waits for its end.
func (l *launcher) run(ctx context.Context, p plan) handover.Exit {
	l.status.change(func(s *handover.Status) { s.State = handover.Starting })
	v, err := l.convert(p.VMI)
	if err != nil {
		return failed(err)
	}
	l.status.change(func(s *handover.Status) { s.Down = linksDown(v) })
	servers, err := l.network(v, p)
	if err != nil {
		return failed(err)
	}
	defer servers.close()
	machine, err := vm.Start(ctx, v.VM, l.Log)
	if ctx.Err() != nil && err != nil {
		return failed(errors.New("ended while it was started"))
	}
	if err != nil {
		return failed(err)
	}
	defer machine.Close()
	p.close() // QEMU has its own

	living, end := context.WithCancel(context.WithoutCancel(ctx))
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer end()
	watchers.Go(func() { servers.serve(living, l.Log) })
	watchers.Go(func() { l.watch(living, machine, interfaces(v)) })
	watchers.Go(func() { l.watchGuest(living, machine) })
	l.Log.Info("guest is started", "acceleration", machine.Acceleration(), "qemu", machine.PID())

	exit, err := machine.Wait(ctx)
	if err != nil && ctx.Err() != nil {
		l.Log.Info("powering the guest down", "grace", v.GracePeriod)
		exit, err = machine.Shutdown(living, v.GracePeriod)
	}
	if err != nil {
		return failed(err)
	}
	// A guest that hangs is no better than one that has broken: as in KubeVirt, a RerunOnFailure starts it again.
	return handover.Exit{Failed: exit.Accident() || exit.Reason == vm.SwitchedOff, Message: exit.String()}
}

func failed(err error) handover.Exit { return handover.Exit{Failed: true, Message: err.Error()} }

// convert completes the machine's configurations with what only the pod knows.
func (l *launcher) convert(vmi *kubevirt.VirtualMachineInstance) (*spec.VM, error) {
	secrets, err := l.secrets(vmi)
	if err != nil {
		return nil, err
	}
	v, err := spec.Convert(spec.NewMachine(nil, vmi), spec.NewObjects(secrets...))
	if err != nil {
		return nil, err
	}
	v.VM.RunDir, v.VM.Acceleration = l.path(handover.PrivateDir), l.Acceleration
	v.VM.UID, v.VM.GID = os.Getuid(), os.Getgid()
	if err := l.place(v.VM.Disks, vmi); err != nil {
		return nil, err
	}
	if err := fillBlanks(v.VM.Disks, vmi); err != nil {
		return nil, err
	}
	return v, nil
}

// writeAgain is after how long a machine whose disk couldn't be written tries that again.
const writeAgain = 10 * time.Second

// writeSettles is after how long a machine that tries again is believed that it runs: its writes may fail once more until then, and
// a guest that seems to run gets Services' connections.
const writeSettles = 2 * time.Second

// watch keeps the status in line with QEMU's until ctx ends. Where a disk is full QEMU stops the guest: it goes on as soon as it can.
func (l *launcher) watch(ctx context.Context, machine *vm.VM, interfaces []string) {
	events := machine.Events(ctx)
	l.status.run(machine, interfaces)
	l.look(ctx, machine)
	again := time.NewTicker(writeAgain)
	defer again.Stop()
	var settled <-chan time.Time
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return
			}
			switch status, _ := l.status.read(); {
			case event.Event == "RESUME" && status.IOError:
				settled = time.After(writeSettles)
			case event.Event == "STOP" || event.Event == "RESUME":
				l.look(ctx, machine)
			}
		case <-settled:
			l.look(ctx, machine)
		case <-again.C:
			if status, _ := l.status.read(); status.IOError {
				machine.Unpause(ctx) // what comes of it is an event
			}
		}
	}
}

// look asks QEMU for what an event may have told too early: a guest that resumes and can't write still is stopped at once.
func (l *launcher) look(ctx context.Context, machine *vm.VM) {
	is, err := machine.Status(ctx)
	if err != nil {
		return // its end is near, and will be told
	}
	l.status.change(func(s *handover.Status) {
		s.State, s.IOError = handover.Paused, is == "io-error"
		if is == "running" {
			s.State = handover.Running
		}
	})
}
