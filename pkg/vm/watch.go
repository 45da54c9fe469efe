// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const (
	// maxLog is where a log is cut, in bytes, so that a guest can't fill the host's memory or disk with it.
	maxLog      = 1 << 20
	logInterval = time.Second
	// lastWordsTimeout bounds the wait for what an ended QEMU had sent before.
	lastWordsTimeout = 2 * time.Second
)

// connect makes a VM of a process and its QMP socket, and watches both.
func connect(ctx context.Context, dir runDir, socket string, s state, p *process, log *slog.Logger) (*VM, error) {
	v := &VM{state: s, dir: dir, proc: p, log: log, agent: make(chan struct{}, 1), ended: make(chan struct{})}
	conn, err := dir.dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	if v.mon, err = newMonitor(ctx, conn, v.observe); err != nil {
		return nil, err
	}
	v.closing, v.close = context.WithCancel(context.Background())
	go v.awaitEnd()
	go v.trimLogs()
	return v, nil
}

func (v *VM) observe(event qmp.Event) {
	v.log.Debug("event", "event", event.Event, "data", event.Data)
	v.ending.observe(event)
}

// awaitEnd finds out how QEMU ends.
func (v *VM) awaitEnd() {
	status, err := v.proc.wait(v.closing)
	v.proc.pidfd.Close()
	if err != nil {
		return // closed
	}
	// QEMU's last events are still on their way through the socket.
	select {
	case <-v.mon.done:
	case <-time.After(lastWordsTimeout):
	}
	v.exit = v.ending.exit(status, v.dir.lastWords())
	v.log.Debug("ended", "exit", v.exit)
	close(v.ended)
}

// trimLogs cuts the logs that QEMU appends to.
func (v *VM) trimLogs() {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-v.ended:
			return
		case <-v.closing.Done():
			return
		}
		for _, name := range []string{consoleLog, qemuLog} {
			if info, err := os.Lstat(v.dir.path(name)); err == nil && info.Size() > maxLog {
				os.Truncate(v.dir.path(name), 0)
			}
		}
	}
}
