// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/digitalocean/go-qemu/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}` + "\r\n"

// fakeQEMU is the other end of a monitor's connection. It answers commands by their name.
type fakeQEMU struct {
	conn    net.Conn
	answers map[string]string // printed with the command's id for %d; "" answers nothing
}

func newFakeQEMU(t testing.TB, answers map[string]string) (*fakeQEMU, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	if answers["qmp_capabilities"] == "" {
		answers["qmp_capabilities"] = `{"return": {}, "id": %d}`
	}
	return &fakeQEMU{conn: theirs, answers: answers}, ours
}

func (q *fakeQEMU) serve(greeting string) {
	if _, err := io.WriteString(q.conn, greeting); err != nil {
		return
	}
	r := bufio.NewReader(q.conn)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var c struct {
			Execute string
			ID      uint64
		}
		if json.Unmarshal(line, &c) != nil {
			return
		}
		answer := q.answers[c.Execute]
		if strings.Contains(answer, "%d") {
			answer = fmt.Sprintf(answer, c.ID)
		}
		if answer == "" {
			continue
		}
		if _, err := io.WriteString(q.conn, answer+"\r\n"); err != nil {
			return
		}
	}
}

func dialFake(t testing.TB, answers map[string]string, observe func(qmp.Event)) *monitor {
	t.Helper()
	q, conn := newFakeQEMU(t, answers)
	go q.serve(greeting)
	m, err := newMonitor(t.Context(), conn, observe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Disconnect() })
	return m
}

func ignore(qmp.Event) {}

func TestMonitorReplies(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	m := dialFake(t, map[string]string{
		"query-name": `{"return": {"name": "a"}, "id": %d}`,
		"large":      `{"return": {"name": "` + large + `"}, "id": %d}`,
		"refused":    `{"error": {"class": "GenericError", "desc": "no such thing"}, "id": %d}`,
		"unreadable": `{"error": {"class": "GenericError", "desc": "JSON parse error"}}`,
		"other":      `{"return": 5, "id": %d}`,
	}, ignore)

	var answer struct{ Name string }
	if err := m.execute(t.Context(), "query-name", nil, &answer); err != nil || answer.Name != "a" {
		t.Errorf("got %q, %v", answer.Name, err)
	}
	if err := m.execute(t.Context(), "large", nil, &answer); err != nil || answer.Name != large {
		t.Errorf("a reply of 1 MiB: %d bytes, %v", len(answer.Name), err)
	}
	for _, name := range []string{"refused", "unreadable"} {
		var refusal *CommandError
		if err := m.execute(t.Context(), name, nil, nil); !errors.As(err, &refusal) || refusal.Command != name {
			t.Errorf("%s: got %v, want a CommandError", name, err)
		}
	}
	if err := m.execute(t.Context(), "other", nil, &answer); err == nil {
		t.Error("a number was taken for an object")
	}
	out, err := m.Run([]byte(`{"execute": "query-name", "arguments": {}}`))
	if err != nil || !bytes.Contains(out, []byte(`{"name": "a"}`)) {
		t.Errorf("Run: got %s, %v", out, err)
	}
	if _, err := m.Run([]byte(`{"execute"`)); err == nil {
		t.Error("Run took half a command")
	}
}

func TestMonitorRefusesWhatIsNotQMP(t *testing.T) {
	long := `{"return": "` + strings.Repeat("x", maxMessage) + `"}`
	for name, answer := range map[string]string{
		"nonsense":       "nonsense",
		"half an object": `{"return": {`,
		"an array":       `[1]`,
		"a wrong id":     `{"return": {}, "id": "x"}`,
		"an overflow":    `{"return": {}, "id": 99999999999999999999999}`,
		"too much":       long,
		"no line's end":  strings.TrimSuffix(long, `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			m := dialFake(t, map[string]string{"query-name": answer}, ignore)
			err := m.execute(t.Context(), "query-name", nil, nil)
			if err == nil {
				t.Fatal("got an answer")
			}
			<-m.done
			if again := m.execute(t.Context(), "query-name", nil, nil); again == nil {
				t.Error("the monitor goes on")
			}
		})
	}
}

func TestMonitorGreeting(t *testing.T) {
	for name, greeting := range map[string]string{
		"nothing":      "",
		"another":      "SSH-2.0-OpenSSH_9.2p1\r\n",
		"an event":     `{"event": "STOP"}` + "\r\n",
		"half of it":   `{"QMP": {`,
		"empty object": "{}\n",
	} {
		t.Run(name, func(t *testing.T) {
			q, conn := newFakeQEMU(t, map[string]string{})
			go func() {
				io.WriteString(q.conn, greeting)
				q.conn.Close()
			}()
			if _, err := newMonitor(t.Context(), conn, ignore); err == nil {
				t.Error("took it for QEMU")
			}
		})
	}
}

// A QEMU that serves another doesn't greet until that has left.
func TestMonitorWaitsForGreetingUntilContextEnds(t *testing.T) {
	_, conn := newFakeQEMU(t, map[string]string{})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := newMonitor(ctx, conn, ignore)
		result <- err
	}()
	cancel()
	if err := <-result; errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMonitorCommandEndsWithItsContext(t *testing.T) {
	runs := make(chan qmp.Event, 1)
	m := dialFake(t, map[string]string{
		"slow":  `{"event": "STOP"}`,
		"quick": `{"return": "late", "id": 2}` + "\n" + `{"return": "mine", "id": %d}`,
	}, func(e qmp.Event) { runs <- e })
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- m.execute(ctx, "slow", nil, nil) }()
	<-runs // else the command might never be sent, and its id go to the next
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The answer to the first comes when nobody wants it any more.
	var answer string
	if err := m.execute(t.Context(), "quick", nil, &answer); err != nil || answer != "mine" {
		t.Errorf("got %q, %v", answer, err)
	}
}

// A command that gets no answer doesn't hold up others for longer than they like.
func TestMonitorCommandInLineEndsWithItsContext(t *testing.T) {
	runs := make(chan qmp.Event, 1)
	m := dialFake(t, map[string]string{"hangs": `{"event": "STOP"}`}, func(e qmp.Event) { runs <- e })
	first := make(chan error)
	go func() { first <- m.execute(t.Context(), "hangs", nil, nil) }()
	<-runs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.execute(ctx, "query-status", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	m.Disconnect()
	if err := <-first; err == nil {
		t.Error("got an answer")
	}
}

func TestMonitorCommandEndsWithTheConnection(t *testing.T) {
	q, conn := newFakeQEMU(t, map[string]string{})
	go q.serve(greeting)
	m, err := newMonitor(t.Context(), conn, ignore)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() { result <- m.execute(t.Context(), "hangs", nil, nil) }()
	q.conn.Close()
	if err := <-result; err == nil {
		t.Error("got an answer")
	}
	if _, open := <-m.subscribe(t.Context()); open {
		t.Error("got an event")
	}
}

// Events that nobody reads are in nobody's way, and whoever must see each does.
func TestMonitorEvents(t *testing.T) {
	const many = 10 * pendingEvents
	flood := strings.Repeat(`{"event": "RESET", "data": {"guest": true}, "timestamp": {"seconds": 1, "microseconds": 2}}`+"\n", many)
	observed := make(chan qmp.Event, many)
	m := dialFake(t, map[string]string{"go": flood + `{"return": {}, "id": %d}`}, func(e qmp.Event) { observed <- e })
	ctx, cancel := context.WithCancel(t.Context())
	events := m.subscribe(ctx)
	if err := m.execute(t.Context(), "go", nil, nil); err != nil {
		t.Fatal(err)
	}
	if len(observed) != many {
		t.Errorf("observed %d events of %d", len(observed), many)
	}
	if e := <-events; e.Event != "RESET" || e.Data["guest"] != true || e.Timestamp.Microseconds != 2 {
		t.Errorf("got %+v", e)
	}
	cancel()
	for range events { // until it is closed
	}
}

func FuzzMonitor(f *testing.F) {
	f.Add([]byte(`{"return": {}, "id": 2}` + "\n"))
	f.Add([]byte(`{"event": "STOP", "data": null, "timestamp": {}}` + "\n{"))
	f.Add([]byte(`{"error": {}, "id": 2}` + "\n"))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		q, conn := newFakeQEMU(t, map[string]string{})
		go func() {
			io.WriteString(q.conn, greeting)
			r := bufio.NewReader(q.conn)
			r.ReadBytes('\n')
			io.WriteString(q.conn, `{"return": {}, "id": 1}`+"\n")
			r.ReadBytes('\n')
			q.conn.Write(sent)
			q.conn.Close()
		}()
		m, err := newMonitor(t.Context(), conn, ignore)
		if err != nil {
			t.Fatal(err)
		}
		var answer any
		m.execute(t.Context(), "query-status", nil, &answer)
		<-m.done
		m.Disconnect()
	})
}
