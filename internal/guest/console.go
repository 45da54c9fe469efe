// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// prefix starts each line that the guest means for us.
const prefix = "TAPIR-GUEST "

// ended is the line after a command's output.
var ended = regexp.MustCompile(`^TAPIR-END-(\d+) (\d+)$`)

// Console reads a guest's console and types into it. It keeps all that it has read.
type Console struct {
	conn io.ReadWriteCloser

	run  sync.Mutex // one command at a time
	runs int

	mu        sync.Mutex
	lines     []string
	forgotten int           // so many lines
	arrived   chan struct{} // closed and made anew with each line, and at the end
	err       error         // why reading has ended
}

// NewConsole takes over a connection to a guest's console.
func NewConsole(conn io.ReadWriteCloser) *Console {
	c := &Console{conn: conn, arrived: make(chan struct{})}
	go c.read()
	return c
}

// Close lets another connect to the console.
func (c *Console) Close() error { return c.conn.Close() }

func (c *Console) read() {
	r := bufio.NewReader(c.conn)
	for {
		line, err := r.ReadString('\n')
		c.mu.Lock()
		if line = strings.Trim(line, "\r\n"); line != "" {
			c.lines = append(c.lines, line)
		}
		c.err = err
		close(c.arrived)
		c.arrived = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// find returns the first line from number from on that ok takes, and its number.
func (c *Console) find(ctx context.Context, from int, ok func(line string) bool) (string, int, error) {
	for i := from; ; {
		c.mu.Lock()
		for ; i < len(c.lines); i++ {
			if ok(c.lines[i]) {
				line := c.lines[i]
				c.mu.Unlock()
				return line, i, nil
			}
		}
		arrived, err := c.arrived, c.err
		c.mu.Unlock()
		if err != nil {
			return "", 0, fmt.Errorf("console: %w", err)
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return "", 0, context.Cause(ctx)
		}
	}
}

// Wait returns the rest of the first line that the guest has announced with word, or will: of "TAPIR-GUEST lease4 10.0.2.2/24 …" and
// "lease4" all after it.
func (c *Console) Wait(ctx context.Context, word string) (string, error) {
	c.mu.Lock()
	from := c.forgotten
	c.mu.Unlock()
	line, _, err := c.find(ctx, from, func(line string) bool {
		_, announced, ok := strings.Cut(line, prefix)
		return ok && (announced == word || strings.HasPrefix(announced, word+" "))
	})
	if err != nil {
		return "", fmt.Errorf("wait for the guest's %q: %w; it said:\n%s", word, err, c)
	}
	_, rest, _ := strings.Cut(line, prefix+word)
	return strings.TrimSpace(rest), nil
}

// Run runs a line of shell in the guest, of less than 900 bytes. Returns what it printed, without blank lines, and its exit code.
func (c *Console) Run(ctx context.Context, command string) (output string, code int, err error) {
	c.run.Lock()
	defer c.run.Unlock()
	c.runs++
	c.mu.Lock()
	from := len(c.lines)
	c.mu.Unlock()

	// The shell echoes what is typed; there the marks must not look like themselves. The end's is on a line of its own
	// even where the output's last has no end.
	line := fmt.Sprintf("echo TAPIR-''BEGIN-%d; { %s; }; echo -e \\\\nTAPIR-''END-%[1]d $?", c.runs, command)
	if err := c.Type(line); err != nil {
		return "", 0, err
	}
	_, first, err := c.find(ctx, from, func(line string) bool { return line == fmt.Sprintf("TAPIR-BEGIN-%d", c.runs) })
	if err != nil {
		return "", 0, fmt.Errorf("run %q in the guest: %w; it said:\n%s", command, err, c)
	}
	last, end, err := c.find(ctx, first, ended.MatchString)
	if err != nil {
		return "", 0, fmt.Errorf("run %q in the guest: %w; it said:\n%s", command, err, c)
	}
	code, err = strconv.Atoi(ended.FindStringSubmatch(last)[2])
	return c.text(first+1, end), code, err
}

// Type types a line, whatever becomes of it.
func (c *Console) Type(line string) error {
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		return fmt.Errorf("type %q: %w", line, err)
	}
	return nil
}

// Forget has Wait see only what comes from now on, as after a reboot.
func (c *Console) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = len(c.lines)
}

// text is what was printed from line first to before line end, without the guest's announcements.
func (c *Console) text(first, end int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []string
	for _, line := range c.lines[first:end] {
		if !strings.Contains(line, prefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// String is all that was read.
func (c *Console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, "\n")
}
