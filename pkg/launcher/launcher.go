// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// Options say how a launcher works.
type Options struct {
	Root         string // before all paths of the pod: "" in one
	Acceleration vm.Acceleration
	Log          *slog.Logger
}

// path is where something of the pod lies.
func (o *Options) path(inPod string) string { return filepath.Join(o.Root, inPod) }

// Files of the pod that aren't ours to name.
const (
	resolvConf     = "/etc/resolv.conf"
	terminationLog = "/dev/termination-log"
)

// ErrFailed says that the machine's end was none that anybody wanted.
var ErrFailed = errors.New("the machine has failed")

// plan is what the agent has handed over.
type plan struct {
	*handover.Plan
	files []handover.Files
}

func (p plan) close() {
	for _, f := range p.files {
		f.Close()
	}
}

// Run makes a machine of the first plan that the agent hands over, and returns when it has ended, which ctx's end brings about. The
// error wraps ErrFailed when that was an accident, or when there was no machine to be made of the plan.
func Run(ctx context.Context, o Options) error {
	stopped, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &launcher{Options: o, status: newBoard()}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer stop()
	plans, err := l.listen(stopped, &serving)
	if err != nil {
		return err
	}
	var exit handover.Exit
	select {
	case p := <-plans:
		exit = l.run(ctx, p)
		p.close()
	case <-ctx.Done():
		exit = failed(errors.New("ended before it was started"))
	}
	o.Log.Info("machine has ended", "failed", exit.Failed, "reason", exit.Message)
	l.status.change(func(s *handover.Status) { s.State, s.Guest, s.Exit = handover.Ended, nil, &exit })
	err = writeExit(o.path(terminationLog), exit)
	if exit.Failed {
		err = errors.Join(fmt.Errorf("%w: %s", ErrFailed, exit.Message), err)
	}
	return err
}

type launcher struct {
	Options
	status *board
	links  sync.Mutex // held while they change
}

// listen serves agent and probes until ctx ends. Everything is in place when it returns.
func (l *launcher) listen(ctx context.Context, serving *sync.WaitGroup) (<-chan plan, error) {
	api, err := handover.ListenAPI(l.path(handover.SocketsDir))
	if err != nil {
		return nil, err
	}
	agents, err := handover.Listen(l.path(handover.SocketsDir), l.Log)
	if err != nil {
		api.Close()
		return nil, err
	}
	plans := make(chan plan, 1)
	serving.Go(func() { l.serve(ctx, api) })
	serving.Go(func() {
		err := agents.Serve(ctx, func(p *handover.Plan, files []handover.Files) {
			plans <- plan{p, files} // the only one: it fits
		})
		if err != nil {
			l.Log.Error("the agent can't reach the launcher any more", "error", err)
		}
	})
	return plans, nil
}

// writeExit leaves word of the machine's end for the kubelet, where it gave a file for that.
func writeExit(path string, exit handover.Exit) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer file.Close()
		_, err = file.Write(exit.Encode())
	}
	if err != nil {
		return fmt.Errorf("leave word of the machine's end: %w", err)
	}
	return nil
}
