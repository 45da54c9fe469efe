// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/spec"
	"github.com/tapir-vm/tapir/pkg/standalone"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// Options say how machines are run.
type Options struct {
	Acceleration vm.Acceleration
	PodCIDR4     netip.Prefix // pods get their addresses from these; zero: those of package standalone
	PodCIDR6     netip.Prefix
	Log          *slog.Logger      // progress, for whoever watches; it goes into the machine's tapir.log as well
	Metrics      *metrics.Registry // gets attach times and DHCP messages
	Kill         <-chan struct{}   // closed when the user won't wait for guests to power down
}

// Machine is a virtual machine that this process owns.
type Machine struct {
	State
	options Options
	log     *slog.Logger
	home    *home
	pod     *standalone.Pod
	vm      *vm.VM
	undo    undo
}

// logFile, in a machine's directory, is for who looks later.
const logFile = "tapir.log"

// Start makes all that a virtual machine needs, and boots it. On an error nothing is left behind.
// Returns an error wrapping ErrRunning when a machine of this name runs.
func Start(ctx context.Context, v *spec.VM, o Options) (m *Machine, err error) {
	m = &Machine{options: o, State: State{
		Namespace: v.Namespace,
		Name:      v.Name,
		Started:   time.Now(),
		Grace:     v.GracePeriod,
		Serial:    v.VM.Serial,
	}}
	for _, nic := range v.NICs {
		m.Taps = append(m.Taps, nic.Datapath.Tap)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("run VM %s: %w", m.fullName(), then(err, m.undo.run()))
			m = nil
		}
	}()
	for _, step := range []func(context.Context, *spec.VM) error{
		m.makeHome, m.makePod, m.attach, m.boot,
	} {
		if err := ctx.Err(); err != nil {
			return m, fmt.Errorf("interrupted: %w", err)
		}
		if err := step(ctx, v); err != nil {
			return m, err
		}
	}
	return m, nil
}

// makeHome takes possession of the machine's name, and removes what a crash left under it.
func (m *Machine) makeHome(ctx context.Context, v *spec.VM) error {
	h, err := makeHome(v.Name)
	if errors.Is(err, ErrRunning) {
		other, err := load(filepath.Join(Dir, v.Name))
		if err != nil { // it is just being started, and not on record yet
			other = m.State
		}
		return m.collides(other, "")
	}
	if err != nil {
		return err
	}
	m.home = h
	old, err := load(h.path)
	switch {
	case err == nil:
		if err := m.inherit(ctx, old); err != nil {
			return then(err, h.release())
		}
	case !errors.Is(err, fs.ErrNotExist):
		return then(err, h.release())
	}
	m.undo.add(m.leave)
	if err := h.save(m.State); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(h.path, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the machine's log: %w", err)
	}
	m.undo.add(file.Close)
	m.log = slog.New(slog.NewMultiHandler(m.options.Log.Handler(), slog.NewTextHandler(file, nil))).With("vm", v.Name)
	return nil
}

// collides says who has the machine's name, with its namespace: by the name alone it could be taken for this one.
func (m *Machine) collides(other State, how string) error {
	if other.Namespace != m.Namespace {
		how += ": names are unique on a host"
	}
	return fmt.Errorf("%s %w%s; tapir stop %s ends it", other.fullName(), ErrRunning, how, other.Name)
}

// leave removes the machine's directory; after an accident, all of it but what tells of that.
func (m *Machine) leave() error {
	if m.Exit != nil {
		return m.home.keep(m.State)
	}
	return m.home.remove()
}

// inherit cleans up after a machine that ended by accident, or whose tapir run was killed, unless its guest
// lives on.
func (m *Machine) inherit(ctx context.Context, old State) error {
	guest, err := vm.Open(ctx, qemuDir(m.home.path), m.options.Log)
	if err == nil {
		guest.Close()
	}
	if err == nil || errors.Is(err, vm.ErrBusy) {
		return m.collides(old, ", though its tapir run was killed")
	}
	if !errors.Is(err, vm.ErrNotRunning) {
		return err
	}
	m.options.Log.Info("removing what an earlier run left", "vm", old.Name)
	if err := dismantle(ctx, m.home.path, old, m.options.Log); err != nil {
		return err
	}
	return m.home.clear()
}

func (m *Machine) makePod(ctx context.Context, v *spec.VM) error {
	pod, err := standalone.New(ctx, standalone.Config{
		Namespace: v.Namespace, Name: v.Name,
		Pool4: m.options.PodCIDR4, Pool6: m.options.PodCIDR6,
	}, m.log)
	if err != nil {
		return err
	}
	m.pod = pod
	m.undo.add(func() error { return pod.Delete(context.WithoutCancel(ctx), m.log) })
	m.NetNS = pod.NetNS
	m.PodIPs = append(m.PodIPs, pod.Address4)
	if pod.Address6.IsValid() {
		m.PodIPs = append(m.PodIPs, pod.Address6)
	}
	if err := m.home.save(m.State); err != nil {
		return err
	}
	m.log.Info("pod is made", "netns", pod.NetNS, "ips", m.PodIPs)
	return nil
}
