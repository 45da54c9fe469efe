// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	echoPort  = "7"
	beatEvery = 50 * time.Millisecond
)

// A stream is a TCP connection to a guest's echo, from outside of all nodes, on which something is always said.
type stream struct {
	conn  net.Conn
	done  chan struct{} // closed when it has ended
	beats chan struct{} // one for each answer, if somebody listens

	mu      sync.Mutex
	problem error
	longest time.Duration // that an answer took
}

// openStream returns when the guest behind a pod has answered for the first time.
func (s *space) openStream(pod string) *stream {
	s.Helper()
	address := net.JoinHostPort(s.field(pod, ".status.podIP")[0], echoPort)
	deadline := time.Now().Add(limit)
	for {
		conn, err := cluster.Dial("tcp", address)
		if err == nil {
			c := &stream{conn: conn, done: make(chan struct{}), beats: make(chan struct{})}
			if err = c.beat(); err == nil {
				s.Cleanup(c.close)
				go c.run()
				return c
			}
			conn.Close()
		}
		if time.Now().After(deadline) {
			s.Fatalf("the guest doesn't answer at %s: %v", address, err)
		}
		time.Sleep(beatEvery)
	}
}

// beat says something and hears it.
func (c *stream) beat() error {
	said, heard := []byte("tapir\n"), make([]byte, len("tapir\n"))
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := c.conn.Write(said); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.conn, heard); err != nil {
		return err
	}
	if string(heard) != string(said) {
		return fmt.Errorf("the echo of %q is %q", said, heard)
	}
	return nil
}

func (c *stream) run() {
	defer close(c.done)
	for {
		begin := time.Now()
		err := c.beat()
		c.mu.Lock()
		c.problem, c.longest = err, max(c.longest, time.Since(begin))
		c.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case c.beats <- struct{}{}:
		default:
		}
		time.Sleep(beatEvery)
	}
}

// listen returns after n more answers, or says why there are none.
func (c *stream) listen(n int) error {
	for range n {
		select {
		case <-c.beats:
		case <-c.done:
			c.mu.Lock()
			defer c.mu.Unlock()
			return fmt.Errorf("the connection to the guest has ended: %w", c.problem)
		}
	}
	return nil
}

// silence is the longest since it was last asked for.
func (c *stream) silence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest := c.longest
	c.longest = 0
	return longest
}

func (c *stream) close() {
	c.conn.Close()
	<-c.done
}
