// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Version is that of the protocol.
const Version = 1

const (
	maxMessage = 4096 // bytes of one message, without descriptors
	maxFiles   = 250  // descriptors of one message; the kernel's SCM_MAX_FD is 253
)

var (
	// ErrVersion says that agent and launcher are of releases that don't understand each other.
	ErrVersion = errors.New("agent and launcher speak different versions of the handover protocol: upgrade the older one")
	// ErrProtocol says that the other side sent what no launcher or agent does.
	ErrProtocol = errors.New("not the handover protocol")
)

// header is in every message.
type header struct {
	Version int `json:"version"`
}

func (h header) version() int { return h.Version }

type message interface{ version() int }

// send sends one message with descriptors, which stay the caller's.
func send(conn *net.UnixConn, m any, files ...*os.File) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	if len(body) > maxMessage {
		return fmt.Errorf("encode a message: %d bytes are more than %d", len(body), maxMessage)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(body, rights, nil); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}

// receive reads one message into m and returns the descriptors that came with it, at most most. On an error none is left open.
// Returns an error wrapping ErrProtocol for what isn't a message of the protocol, ErrVersion for one of another version, and
// io.EOF when the other side has left.
func receive(conn *net.UnixConn, m message, most int) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	body := make([]byte, maxMessage+1)
	rights := make([]byte, unix.CmsgSpace(4*(maxFiles+3))) // as many as the kernel may pass: none gets lost unseen
	n, oobn, flags, _, err := conn.ReadMsgUnix(body, rights)
	files, bad := parseRights(rights[:oobn])
	switch {
	case err != nil:
		return files, fmt.Errorf("receive a message: %w", err)
	case bad != nil:
		return files, fmt.Errorf("receive a message: %w", bad)
	case flags&unix.MSG_CTRUNC != 0 || len(files) > most:
		return files, fmt.Errorf("%w: more than %d descriptors", ErrProtocol, most)
	case flags&unix.MSG_TRUNC != 0 || n > maxMessage:
		return files, fmt.Errorf("%w: a message of more than %d bytes", ErrProtocol, maxMessage)
	}
	if err := json.Unmarshal(body[:n], m); err != nil {
		return files, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if m.version() != Version {
		return files, fmt.Errorf("%w: %d and %d", ErrVersion, m.version(), Version)
	}
	return files, nil
}

// parseRights makes files of the descriptors in control messages; on an error, of those before.
func parseRights(control []byte) (files []*os.File, err error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return files, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// within bounds what is done with a connection by ctx and a time. The caller calls release when it is done.
func within(ctx context.Context, conn *net.UnixConn, limit time.Duration) (release func()) {
	conn.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// peerUID is the user of who has connected, or listens, at the other end.
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, fmt.Errorf("ask who is at the other end: %w", err)
	}
	return int(cred.Uid), nil
}
