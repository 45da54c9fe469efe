// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/containernetworking/plugins/pkg/ns"
)

// An entry is the way into the lab: a socket on the machine's loopback, each of whose connections is carried on to the API server.
type entry struct {
	listener net.Listener
	dial     func() (net.Conn, error)

	carried sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]bool // nil once it is closed
}

func (l *Lab) openEntry() (*entry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the way to the API server: %w", err)
	}
	e := &entry{listener: listener, open: map[net.Conn]bool{}}
	e.dial = func() (net.Conn, error) { return l.Dial("tcp", net.JoinHostPort(l.plan.controlPlane()[0], "6443")) }
	e.carried.Go(e.accept)
	return e, nil
}

func (e *entry) address() string { return e.listener.Addr().String() }

func (e *entry) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return // closed
		}
		e.carried.Go(func() { e.carry(conn) })
	}
}

// carry returns when both sides have said all, or one has gone.
func (e *entry) carry(outside net.Conn) {
	defer outside.Close()
	inside, err := e.dial()
	if err != nil {
		return // the API server is away, as it is to whoever is within
	}
	defer inside.Close()
	if !e.add(outside, inside) {
		return
	}
	defer e.remove(outside, inside)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{outside, inside}, {inside, outside}} {
		both.Go(func() {
			io.Copy(way[0], way[1])
			way[0].(*net.TCPConn).CloseWrite()
		})
	}
	both.Wait()
}

func (e *entry) add(conns ...net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		return false
	}
	for _, conn := range conns {
		e.open[conn] = true
	}
	return true
}

func (e *entry) remove(conns ...net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, conn := range conns {
		delete(e.open, conn)
	}
}

// close hangs up on everybody.
func (e *entry) close() {
	e.listener.Close()
	e.mu.Lock()
	for conn := range e.open {
		conn.Close()
	}
	e.open = nil
	e.mu.Unlock()
	e.carried.Wait()
}

// Dial connects from within the lab, where the API server is, to an address: a pod's, for example. The host is an IP address.
func (l *Lab) Dial(network, address string) (net.Conn, error) {
	var conn net.Conn
	err := l.thread.netns.Do(func(ns.NetNS) (err error) {
		conn, err = net.DialTimeout(network, address, dialTimeout)
		return err
	})
	return conn, err
}
