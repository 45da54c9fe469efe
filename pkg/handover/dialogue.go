// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const (
	// answerTime bounds the wait for a process that only has to answer.
	answerTime = 10 * time.Second
	// planTime bounds the wait for an agent that attaches the datapath meanwhile, with those of the whole node before it in line.
	planTime = 5 * time.Minute
)

// hello is the launcher's first message; its network namespace comes with it.
type hello struct {
	header
	Waiting bool `json:"waiting"` // for a plan
}

// part is a message with some of a plan's descriptors, the plan's file being the first.
type part struct {
	header
	More bool `json:"more"` // another part follows
}

// verdict is the launcher's answer to a plan.
type verdict struct {
	header
	Problem string `json:"problem,omitempty"` // why the plan isn't taken
}

var current = header{Version}

// sendPlan sends a plan in as many parts as it takes.
func sendPlan(conn *net.UnixConn, p *Plan, files []Files) error {
	if len(files) != len(p.NICs) {
		return fmt.Errorf("%w: those of %d interfaces, the plan has %d", errUnfit, len(files), len(p.NICs))
	}
	document, err := p.file()
	if err != nil {
		return err
	}
	defer document.Close()
	all := []*os.File{document}
	for i := range p.NICs {
		own, err := p.NICs[i].list(files[i])
		if err != nil {
			return err
		}
		all = append(all, own...)
	}
	for len(all) > maxFiles {
		if err := send(conn, part{current, true}, all[:maxFiles]...); err != nil {
			return err
		}
		all = all[maxFiles:]
	}
	return send(conn, part{current, false}, all...)
}

// receivePlan receives what sendPlan sends. On an error no descriptor is left open. Returns an error wrapping io.EOF when the
// other side leaves instead.
func receivePlan(conn *net.UnixConn) (_ *Plan, _ []Files, err error) {
	var all []*os.File
	defer func() {
		if err != nil {
			closeAll(all)
		}
	}()
	for more := true; more; {
		var m part
		files, err := receive(conn, &m, maxFiles)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, files...)
		if len(files) == 0 || len(all) > maxPlanFiles {
			return nil, nil, fmt.Errorf("%w: a plan of %d descriptors", ErrProtocol, len(all))
		}
		more = m.More
	}
	p, err := readPlan(all[0])
	if err != nil {
		return nil, nil, err
	}
	files, err := p.split(all[1:])
	if err != nil {
		return nil, nil, err
	}
	all[0].Close()
	return p, files, nil
}

// ErrRefused says that a launcher didn't take a plan, and why.
var ErrRefused = errors.New("the launcher refuses the plan")
