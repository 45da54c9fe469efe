// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a launcher puts in the place of its socket leads the agent nowhere else.
func TestSocketThatIsNone(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "s")
	l, err := listen(elsewhere, "unixpacket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tests := map[string]struct {
		make func(path string) error
		want error
	}{
		"nothing": {func(string) error { return nil }, fs.ErrNotExist},
		"a link":  {func(path string) error { return os.Symlink(elsewhere, path) }, unix.ELOOP},
		"a file":  {func(path string) error { return os.WriteFile(path, nil, 0o600) }, ErrStranger},
		"a FIFO":  {func(path string) error { return unix.Mkfifo(path, 0o600) }, ErrStranger},
		"a dead one": {func(path string) error {
			l := listenAs(t, UID, filepath.Dir(path), HandoverSocket)
			l.SetUnlinkOnClose(false)
			return l.Close()
		}, fs.ErrNotExist},
		"root's": {func(path string) error { listenAs(t, 0, filepath.Dir(path), HandoverSocket); return nil }, ErrStranger},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pods, dir := newPod(t)
			if err := tt.make(filepath.Join(dir, HandoverSocket)); err != nil {
				t.Fatal(err)
			}
			if _, err := Connect(soon(t), open(t, pods)); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestVolumeThatIsNone(t *testing.T) {
	pods, dir := newPod(t)
	for _, uid := range []string{"", ".", "..", "../" + podUID, "a/b", "gone"} {
		if s, err := OpenSockets(pods, uid); err == nil {
			s.Close()
			t.Errorf("pod %q has sockets", uid)
		}
	}
	if err := errors.Join(os.Remove(dir), os.Symlink("/", dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSockets(pods, podUID); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link for a volume: %v", err)
	}
}

// pair connects two ends.
func pair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { conn.Close() })
	}
	return ends[0], ends[1]
}

// sayRaw sends bytes and descriptors as they are.
func sayRaw(t *testing.T, conn *net.UnixConn, body string, files ...*os.File) {
	t.Helper()
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix([]byte(body), rights, nil); err != nil {
		t.Fatal(err)
	}
}

func TestHelloThatIsNone(t *testing.T) {
	f := marked(t, "x")
	tests := map[string]struct {
		body  string
		files []*os.File
		want  error
	}{
		"no namespace":    {`{"version":1}`, nil, ErrProtocol},
		"two":             {`{"version":1}`, []*os.File{f, f}, ErrProtocol},
		"as many as go":   {`{"version":1}`, repeat(f, 253), ErrProtocol},
		"no JSON":         {"hello", []*os.File{f}, ErrProtocol},
		"another version": {`{"version":2}`, []*os.File{f}, ErrVersion},
		"too long":        {`{"version":1,"x":"` + strings.Repeat("x", maxMessage) + `"}`, []*os.File{f}, ErrProtocol},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pods, dir := newPod(t)
			l := listenAs(t, UID, dir, HandoverSocket)
			go func() {
				conn, err := l.AcceptUnix()
				if err != nil {
					return
				}
				sayRaw(t, conn, tt.body, tt.files...)
				t.Cleanup(func() { conn.Close() })
			}()
			sockets := open(t, pods)
			if _, err := Connect(soon(t), sockets); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func repeat(f *os.File, n int) (files []*os.File) {
	for range n {
		files = append(files, f)
	}
	return files
}

// A launcher that says nothing holds nobody up for longer than ctx.
func TestSilence(t *testing.T) {
	pods, dir := newPod(t)
	listenAs(t, UID, dir, HandoverSocket)
	ctx, cancel := context.WithCancel(t.Context())
	sockets := open(t, pods)
	ended := make(chan error)
	go func() {
		_, err := Connect(ctx, sockets)
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		t.Error("connected to silence")
	}
}

func TestPlanOnlyFromRoot(t *testing.T) {
	pods, dir := newPod(t)
	launch(t, dir, func(*Plan, []Files) {})
	if err := os.Chmod(filepath.Join(dir, HandoverSocket), 0o777); err != nil {
		t.Fatal(err)
	}
	sockets := open(t, pods)
	var err error
	as(65534, func() { _, err = Connect(soon(t), sockets) })
	if err == nil {
		t.Error("the launcher greets anyone")
	}
}

// No plan that isn't one leaves a descriptor open.
func TestPlanThatIsNone(t *testing.T) {
	good, files := newPlan(t)
	document, err := good.file()
	if err != nil {
		t.Fatal(err)
	}
	defer document.Close()
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	large := marked(t, "x")
	if err := large.Truncate(maxPlan + 1); err != nil {
		t.Fatal(err)
	}
	tests := map[string][]*os.File{
		"no descriptor":         nil,
		"too few":               append([]*os.File{document}, files[0].Taps...),
		"too many":              append(repeat(document, 200), repeat(document, 50)...),
		"no JSON":               {marked(t, "plan")},
		"no machine":            {marked(t, `{"nics":[]}`)},
		"a pipe":                {pipe},
		"too large":             {large},
		"queues without number": {marked(t, `{"vmi":{},"nics":[{"queues":-1}]}`)},
		"queues without end":    {marked(t, fmt.Sprintf(`{"vmi":{},"nics":[{"queues":%d,"vhost":true}]}`, 1<<62))},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			agent, launcher := pair(t)
			before := openFiles(t)
			sayRaw(t, agent, `{"version":1}`, files...)
			if _, _, err := receivePlan(launcher); !errors.Is(err, ErrProtocol) {
				t.Errorf("%v, want %v", err, ErrProtocol)
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d descriptors are left open", after-before)
			}
		})
	}
}

// Nor does a plan without end.
func TestEndlessPlan(t *testing.T) {
	agent, launcher := pair(t)
	before := openFiles(t)
	f := marked(t, "x")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for send(agent, part{current, true}, repeat(f, maxFiles)...) == nil {
		}
	}()
	if _, _, err := receivePlan(launcher); !errors.Is(err, ErrProtocol) {
		t.Errorf("%v, want %v", err, ErrProtocol)
	}
	launcher.Close() // and what is in it
	<-ended
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors are left open", after-before)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"version":1,"waiting":true}`))
	f.Add([]byte(`{"version":1,"more":true}`))
	f.Add([]byte(`[1]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 || len(body) > 2*maxMessage {
			return
		}
		a, b := pair(t)
		defer a.Close()
		defer b.Close()
		sayRaw(t, a, string(body))
		var m hello
		if _, err := receive(b, &m, 1); err == nil && m.Version != Version {
			t.Errorf("%q was taken for a hello", body)
		}
	})
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"vmi":{},"nics":[{"name":"default","queues":1,"guest4":"10.0.2.2/24","guest6":"fd10::2"}]}`), 5)
	f.Add([]byte(`{"vmi":{}}`), 0)
	f.Fuzz(func(t *testing.T, text []byte, count int) {
		if count < 0 || count > maxPlanFiles {
			return
		}
		fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(fd), "plan")
		defer file.Close()
		if _, err := file.Write(text); err != nil {
			t.Fatal(err)
		}
		p, err := readPlan(file)
		if err != nil {
			return
		}
		split, err := p.split(make([]*os.File, count))
		if err == nil && len(split) != len(p.NICs) {
			t.Errorf("%d NICs, the descriptors of %d", len(p.NICs), len(split))
		}
	})
}
