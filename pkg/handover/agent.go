// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"fmt"
	"net"
	"os"
)

// Peer is a launcher that has said hello to the agent.
type Peer struct {
	conn    *net.UnixConn
	netns   *os.File
	waiting bool
}

// Connect begins a dialogue with the launcher behind the sockets. Returns an error wrapping fs.ErrNotExist while it doesn't
// listen yet, and ErrStranger when another user's process does.
func Connect(ctx context.Context, s *Sockets) (*Peer, error) {
	conn, err := s.dial(ctx, HandoverSocket, "unixpacket")
	if err != nil {
		return nil, err
	}
	defer within(ctx, conn, answerTime)()
	var m hello
	files, err := receive(conn, &m, 1)
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("%w: a hello without a network namespace", ErrProtocol)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("wait for the launcher's hello: %w", err)
	}
	return &Peer{conn, files[0], m.Waiting}, nil
}

// NetNS is what the launcher says is its network namespace. It is the peer's to close.
func (p *Peer) NetNS() *os.File { return p.netns }

// Waiting tells whether the launcher waits for a plan, or has one.
func (p *Peer) Waiting() bool { return p.waiting }

// Send hands a plan over, and the descriptors of its NICs, which stay the caller's. Returns an error wrapping ErrRefused when the
// launcher doesn't take it.
func (p *Peer) Send(ctx context.Context, plan *Plan, files []Files) error {
	defer within(ctx, p.conn, answerTime)()
	if err := sendPlan(p.conn, plan, files); err != nil {
		return fmt.Errorf("hand over the plan: %w", err)
	}
	var answer verdict
	if _, err := receive(p.conn, &answer, 0); err != nil {
		return fmt.Errorf("wait for the launcher to take the plan: %w", err)
	}
	if answer.Problem != "" {
		return fmt.Errorf("%w: %.200q", ErrRefused, answer.Problem)
	}
	return nil
}

// Close ends the dialogue.
func (p *Peer) Close() error {
	p.netns.Close()
	return p.conn.Close()
}
