// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const (
	// maxMessage bounds one QMP message, in bytes. QEMU's largest replies (query-qmp-schema) have some 200 KiB.
	maxMessage = 16 << 20
	// runTimeout bounds a command that is run without a context, by the library's interface.
	runTimeout = 30 * time.Second
	// writeTimeout bounds the sending of a command: QEMU takes it at once, or hangs.
	writeTimeout = 10 * time.Second
	// pendingEvents is what a reader of Events may fall behind.
	pendingEvents = 128
)

// A CommandError is QEMU's refusal of a command, not a failure to run it.
type CommandError struct{ Command, Class, Desc string }

func (e *CommandError) Error() string { return fmt.Sprintf("QEMU refused %s: %s", e.Command, e.Desc) }

// monitor speaks QMP over one connection. It reads at all times, so that neither an event that nobody wants nor a reply
// that came too late is ever in the way of another.
type monitor struct {
	conn    net.Conn
	observe func(qmp.Event) // sees each event, from the reading goroutine; must not block

	command chan struct{} // holds one while a command runs: one at a time, so that replies are in order
	lastID  uint64        // of who has put that in

	mu          sync.Mutex
	waiting     chan<- reply
	waitingID   uint64
	subscribers map[chan qmp.Event]struct{}

	done chan struct{} // closed when reading has ended
	err  error         // why, once done is closed
}

var _ qmp.Monitor = (*monitor)(nil)

// message is any of QMP's: greeting, event or reply.
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	ID       *uint64         `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	qmp.Event
}

type reply struct {
	message
	raw []byte
}

type request struct {
	ID uint64 `json:"id"`
	qmp.Command
}

// newMonitor negotiates with the QEMU at the other end of conn, which it owns from then on.
func newMonitor(ctx context.Context, conn net.Conn, observe func(qmp.Event)) (*monitor, error) {
	m := &monitor{
		conn:        conn,
		observe:     observe,
		command:     make(chan struct{}, 1),
		subscribers: map[chan qmp.Event]struct{}{},
		done:        make(chan struct{}),
	}
	// The greeting is waited for here, for it comes late when QEMU serves another first.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	r := bufio.NewReader(conn)
	line, err := readLine(r)
	if !stop() {
		conn.Close()
		return nil, fmt.Errorf("wait for QEMU's greeting: %w", context.Cause(ctx))
	}
	var greeting message
	if err == nil {
		err = json.Unmarshal(line, &greeting)
	}
	if err == nil && greeting.Greeting == nil {
		err = errors.New("not a QMP server")
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("read QEMU's greeting: %w", err)
	}
	go m.read(r)
	if err := m.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		m.Disconnect()
		return nil, err
	}
	return m, nil
}

// Connect does nothing: newMonitor has negotiated.
func (m *monitor) Connect() error { return nil }

// Disconnect ends the connection, not QEMU.
func (m *monitor) Disconnect() error {
	err := m.conn.Close()
	<-m.done
	return err
}

// Run sends a command, a JSON object with "execute" and "arguments", and returns QEMU's whole reply.
func (m *monitor) Run(command []byte) ([]byte, error) {
	var c struct {
		Execute string          `json:"execute"`
		Args    json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal(command, &c); err != nil {
		return nil, fmt.Errorf("parse QMP command: %w", err)
	}
	q := qmp.Command{Execute: c.Execute}
	if c.Args != nil {
		q.Args = c.Args
	}
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout)
	defer cancel()
	r, err := m.roundTrip(ctx, q)
	return r.raw, err
}

// execute runs a command and decodes what it returns into result, unless that is nil.
// Returns a *CommandError when QEMU refuses.
func (m *monitor) execute(ctx context.Context, name string, args, result any) error {
	r, err := m.roundTrip(ctx, qmp.Command{Execute: name, Args: args})
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(r.Return, result); err != nil {
		return fmt.Errorf("decode QEMU's answer to %s: %w", name, err)
	}
	return nil
}

func (m *monitor) roundTrip(ctx context.Context, c qmp.Command) (reply, error) {
	select {
	case m.command <- struct{}{}:
	case <-ctx.Done():
		return reply{}, fmt.Errorf("wait to send %s to QEMU: %w", c.Execute, context.Cause(ctx))
	}
	defer func() { <-m.command }()
	m.lastID++
	b, err := json.Marshal(request{ID: m.lastID, Command: c})
	if err != nil {
		return reply{}, fmt.Errorf("encode %s: %w", c.Execute, err)
	}
	answer := make(chan reply, 1)
	m.mu.Lock()
	m.waiting, m.waitingID = answer, m.lastID
	m.mu.Unlock()

	m.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := m.conn.Write(append(b, '\n')); err != nil {
		m.conn.Close() // what went out by half would make nonsense of the next command
		return reply{}, fmt.Errorf("send %s to QEMU: %w", c.Execute, err)
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			return reply{}, &CommandError{Command: c.Execute, Class: r.Error.Class, Desc: r.Error.Desc}
		}
		return r, nil
	case <-m.done:
		return reply{}, fmt.Errorf("run %s: %w", c.Execute, m.err)
	case <-ctx.Done():
		return reply{}, fmt.Errorf("wait for QEMU's answer to %s: %w", c.Execute, context.Cause(ctx))
	}
}

// Events is subscribe, by the library's interface.
func (m *monitor) Events(ctx context.Context) (<-chan qmp.Event, error) { return m.subscribe(ctx), nil }

// subscribe returns the events from now on, until ctx or the connection ends, which closes the channel.
func (m *monitor) subscribe(ctx context.Context) <-chan qmp.Event {
	c := make(chan qmp.Event, pendingEvents)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.subscribers == nil {
		close(c)
		return c
	}
	m.subscribers[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if _, ok := m.subscribers[c]; ok {
			delete(m.subscribers, c)
			close(c)
		}
	})
	return c
}

// read takes messages until the connection ends or QEMU sends what isn't QMP.
func (m *monitor) read(r *bufio.Reader) {
	defer m.end()
	for {
		line, err := readLine(r)
		if err != nil {
			m.err = fmt.Errorf("QEMU's monitor has ended: %w", err)
			return
		}
		in := reply{raw: line}
		if err := json.Unmarshal(line, &in.message); err != nil {
			m.err = fmt.Errorf("QEMU's monitor sent what isn't QMP: %w", err)
			return
		}
		m.dispatch(in)
	}
}

func (m *monitor) dispatch(in reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if event := in.message.Event; event.Event != "" {
		m.observe(event)
		for c := range m.subscribers {
			select {
			case c <- event:
			default:
			}
		}
		return
	}
	// A parse error has no id; it can only answer what was sent last.
	if m.waiting != nil && (in.ID == nil || *in.ID == m.waitingID) {
		m.waiting <- in
		m.waiting = nil
	}
}

func (m *monitor) end() {
	m.conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.subscribers {
		close(c)
	}
	m.subscribers = nil
	close(m.done)
}

// readLine returns the next line, in memory of its own.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxMessage {
			return nil, fmt.Errorf("a message of more than %d MiB", maxMessage>>20)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
