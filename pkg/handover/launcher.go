// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
)

// ownNetNS is the network namespace of this process.
const ownNetNS = "/proc/self/ns/net"

// agentUID is who a plan is taken from: root, for nobody else may make taps in the pod.
const agentUID = 0

// Listener is the launcher's side of the handover socket.
type Listener struct {
	listener *net.UnixListener
	netns    *os.File
	taken    bool // a plan
	log      *slog.Logger
}

// Listen makes the handover socket in dir, in place of what lies there under its name.
func Listen(dir string, log *slog.Logger) (*Listener, error) {
	netns, err := os.Open(ownNetNS)
	if err != nil {
		return nil, fmt.Errorf("open the pod's network namespace: %w", err)
	}
	listener, err := listen(filepath.Join(dir, HandoverSocket), "unixpacket")
	if err != nil {
		netns.Close()
		return nil, err
	}
	return &Listener{listener: listener, netns: netns, log: log}, nil
}

// ListenAPI makes the socket of the HTTP API in dir.
func ListenAPI(dir string) (net.Listener, error) {
	return listen(filepath.Join(dir, APISocket), "unix")
}

func listen(path, network string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("make room for a socket: %w", err)
	}
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
	if err != nil {
		return nil, fmt.Errorf("listen for the agent: %w", err)
	}
	return l, nil
}

// Serve greets agents until ctx ends, one after the other, and calls take with the first plan that one hands over, whole. Its descriptors
// are take's to close.
func (l *Listener) Serve(ctx context.Context, take func(*Plan, []Files)) error {
	defer l.netns.Close()
	defer l.listener.Close()
	stop := context.AfterFunc(ctx, func() { l.listener.Close() })
	defer stop()
	for {
		conn, err := l.listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the agent: %w", err)
		}
		if err := l.greet(ctx, conn, take); err != nil {
			l.log.Warn("a dialogue with the agent failed", "error", err)
		}
	}
}

// greet is one dialogue.
func (l *Listener) greet(ctx context.Context, conn *net.UnixConn, take func(*Plan, []Files)) error {
	defer conn.Close()
	defer within(ctx, conn, planTime)()
	uid, err := peerUID(conn)
	if err != nil {
		return err
	}
	if uid != agentUID {
		return fmt.Errorf("user %d is not the agent", uid)
	}
	waiting := !l.taken
	if err := send(conn, hello{current, waiting}, l.netns); err != nil || !waiting {
		return err
	}
	plan, files, err := receivePlan(conn)
	if errors.Is(err, io.EOF) {
		return nil // it only looked, or was killed: the next one will come
	}
	answer := verdict{header: current}
	if err != nil {
		answer.Problem = fmt.Sprintf("%.1000s", err)
		return errors.Join(err, send(conn, answer))
	}
	// The agent is answered first, for the launcher may have ended before take returns. One that doesn't hear it any more finds out
	// from the next hello.
	l.taken = true
	err = send(conn, answer)
	take(plan, files)
	return err
}
