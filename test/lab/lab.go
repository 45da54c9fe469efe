// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	dialTimeout = 10 * time.Second
	startLimit  = 3 * time.Minute // for all of a lab, on a machine that has other things to do
)

// A Lab is a running cluster.
type Lab struct {
	config       Config
	plan         plan
	lock         *lock
	sysctls      sysctls
	thread       *thread
	entry        *entry
	controlPlane []*process // besides the API server
	apiServer    *process
	nodes        []*Node
}

// Up makes a cluster and returns when all its nodes are ready. Nothing is left of one that fails.
func Up(ctx context.Context, config Config) (*Lab, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	k, err := acquire()
	if err != nil {
		return nil, err
	}
	l := &Lab{config: config, plan: plan{config.DualStack}, lock: k}
	for i := 1; i <= config.Nodes; i++ {
		l.nodes = append(l.nodes, &Node{name: fmt.Sprintf("node%d", i), number: i, lab: l})
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it took longer than %s", startLimit))
	defer cancel()
	if err := l.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the lab up: %w", err), l.Down())
	}
	return l, nil
}

func (l *Lab) up(ctx context.Context) error {
	started := time.Now()
	progress := func(what string) { l.config.Log.Info(what, "after", time.Since(started).Round(time.Millisecond)) }

	err := errors.Join(removeCgroups(""), l.config.prepare())
	if err != nil {
		return err
	}
	if l.sysctls, err = saveSysctls(); err != nil {
		return err
	}
	if l.thread, err = newThread(); err != nil {
		return err
	}
	if err := l.thread.do(l.makeSwitch); err != nil {
		return err
	}
	if l.entry, err = l.openEntry(); err != nil {
		return err
	}
	for _, n := range l.nodes {
		if err := n.install(); err != nil {
			return err
		}
	}
	if err := l.makeCredentials(); err != nil {
		return err
	}
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	progress("control plane is up")
	for _, n := range l.nodes {
		if err := n.PowerOn(); err != nil {
			return err
		}
	}
	if err := l.bootstrap(ctx); err != nil {
		return err
	}
	progress("nodes are ready")
	for _, archive := range append([]string{l.config.sandboxImage()}, l.config.Images...) {
		if err := l.Load(ctx, archive); err != nil {
			return err
		}
	}
	progress("images are loaded")
	return nil
}

// Nodes are the lab's nodes, node1 first.
func (l *Lab) Nodes() []*Node { return l.nodes }

// Config is what the lab was made by.
func (l *Lab) Config() Config { return l.config }

// Load adds the images of an OCI archive to each node.
func (l *Lab) Load(ctx context.Context, archive string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range l.nodes {
		group.Go(func() error { return n.load(ctx, archive) })
	}
	return group.Wait()
}

// Down removes all that Up has made but its logs.
func (l *Lab) Down() error {
	var errs []error
	for _, n := range l.nodes {
		errs = append(errs, n.PowerOff())
	}
	errs = append(errs, l.apiServer.kill())
	for _, p := range l.controlPlane {
		errs = append(errs, p.kill())
	}
	if l.entry != nil {
		l.entry.close()
	}
	if l.thread != nil {
		errs = append(errs, l.thread.end())
	}
	errs = append(errs, removeCgroups(""), l.sysctls.restore(), os.RemoveAll(l.config.run()), os.RemoveAll(l.config.Kubeconfig()))
	l.lock.release()
	return errors.Join(errs...)
}
