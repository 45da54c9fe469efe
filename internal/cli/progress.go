// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// progress is a slog.Handler for people who watch: "demo: guest has its address address=10.0.2.2/24".
// The attribute "vm" leads the line.
type progress struct {
	mu    *sync.Mutex
	w     io.Writer
	vm    string
	attrs []slog.Attr
}

var _ slog.Handler = progress{}

// watch returns a logger that shows progress on w.
func watch(w io.Writer) *slog.Logger {
	return slog.New(progress{mu: &sync.Mutex{}, w: w})
}

func (p progress) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (p progress) Handle(_ context.Context, r slog.Record) error {
	var line bytes.Buffer
	if p.vm != "" {
		fmt.Fprintf(&line, "%s: ", p.vm)
	}
	if r.Level > slog.LevelInfo {
		fmt.Fprintf(&line, "%s: ", r.Level)
	}
	line.WriteString(r.Message)
	for _, a := range p.attrs {
		fmt.Fprintf(&line, " %s", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, " %s", a)
		return true
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintln(p.w, printable(line.String()))
	return err
}

func (p progress) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := p.attrs[:len(p.attrs):len(p.attrs)]
	for _, a := range attrs {
		if a.Key == "vm" {
			p.vm = a.Value.String()
		} else {
			own = append(own, a)
		}
	}
	p.attrs = own
	return p
}

// WithGroup is not used by any package here: a group's attributes read well without its name.
func (p progress) WithGroup(string) slog.Handler { return p }
