// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// Several goroutines and processes attach, read, detach and sweep, the same NICs and others.
func TestConcurrentUse(t *testing.T) {
	prepared(t)
	var pods []*nstest.Namespace
	var before []view
	for range 3 {
		_, pod := newPod(t, both...)
		pods = append(pods, pod)
	}
	for _, pod := range pods {
		before = append(before, look(t, pod))
	}
	const rounds = 4
	var attachers errgroup.Group
	var processes []*attacher
	for _, pod := range pods {
		cfg, other := config(pod), config(pod)
		other.Ports, other.MTU = []Port{{Protocol: "tcp", Port: 80}}, 1400
		processes = append(processes, startAttacher(t, cfg, other)) // the same NIC, from outside
		for range 2 {
			attachers.Go(func() error {
				for i := range rounds {
					turn := []Config{cfg, other}[i%2]
					nic, err := Attach(turn)
					if err != nil {
						return fmt.Errorf("attach: %w", err)
					}
					_, flowsErr := nic.Flows()
					_, statusErr := nic.Status()
					if err := errors.Join(flowsErr, statusErr, nic.Close()); err != nil {
						return fmt.Errorf("read: %w", err)
					}
					if i%2 == 1 {
						err = Detach(cfg.NetNS, cfg.Tap)
					}
					if err != nil {
						return fmt.Errorf("detach: %w", err)
					}
				}
				return nil
			})
		}
		attachers.Go(func() error {
			for range 5 * rounds {
				nic, err := Open(cfg.NetNS, cfg.Tap)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return fmt.Errorf("open: %w", err)
				}
				_, err = nic.Status()
				if err := errors.Join(err, nic.Close()); err != nil {
					return fmt.Errorf("status: %w", err)
				}
			}
			return nil
		})
	}
	attachers.Go(func() error {
		for range 5 * rounds {
			nics, err := List()
			if err != nil {
				return fmt.Errorf("list: %w", err)
			}
			for _, nic := range nics {
				nic.Close()
			}
			if swept, err := Sweep(); err != nil || len(swept) > 0 {
				return fmt.Errorf("swept %q: %w", swept, err)
			}
		}
		return nil
	})
	if err := attachers.Wait(); err != nil {
		t.Error(err)
	}
	for i, pod := range pods {
		processes[i].kill()
		again(t, config(pod))
		if s := status(t, config(pod)); !s.Healthy {
			t.Errorf("status: %+v", s)
		}
		detach(t, config(pod))
	}
	for i, pod := range pods {
		before[i].unchanged(t, pod)
	}
}

// A process that is stuck with the lock stops others with an error, not for ever.
func TestLockIsHeld(t *testing.T) {
	prepared(t)
	_, pod := newPod(t, both...)
	patience := lockPatience
	lockPatience = 50 * time.Millisecond
	t.Cleanup(func() { lockPatience = patience })
	unlock, err := openStore()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, pod, config(pod), stateDir, "another process")
	if err := Detach(pod.Path(), "tap0"); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("detached: %v", err)
	}
	unlock()
	lockPatience = patience
	attach(t, config(pod))
}
