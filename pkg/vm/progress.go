// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"os"
	"time"
)

// Stage is how far a VM's boot has come.
type Stage string

const (
	Started  Stage = "started"               // the processors run
	Speaking Stage = "console speaks"        // firmware or kernel have written to the serial console
	Agent    Stage = "guest agent connected" // the guest has opened the agent's port
)

// agentPort is the id of the guest agent's port.
const agentPort = "agent"

const progressInterval = 50 * time.Millisecond

// Progress reports each stage of the boot once, as it is come to, until the guest agent is there or ctx or the VM has ended, which
// closes the channel. Stages that the VM has no device for don't come.
func (v *VM) Progress(ctx context.Context) <-chan Stage {
	stages := make(chan Stage, 3) // room for each, so that nobody has to read
	ctx, cancel := context.WithCancel(ctx)
	events := v.Events(ctx)
	go func() {
		defer cancel()
		defer close(stages)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		poll, started := tick.C, false
		if status, err := v.Status(ctx); err == nil && status == "running" {
			started = true
			stages <- Started
		}
		for {
			select {
			case event, ok := <-events:
				switch {
				case !ok:
					return
				case event.Event == "RESUME" && !started:
					started = true
					stages <- Started
				case event.Event == "VSERPORT_CHANGE" && event.Data["id"] == agentPort && event.Data["open"] == true:
					stages <- Agent
					return
				}
			case <-poll:
				if info, err := os.Stat(v.dir.path(consoleLog)); err == nil && info.Size() > 0 {
					poll = nil
					tick.Stop()
					stages <- Speaking
				}
			}
		}
	}()
	return stages
}
