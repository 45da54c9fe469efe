// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"
)

const (
	port = 53

	maxQueries     = 64
	maxConnections = 16
)

// A Server answers on sockets of one device.
type Server struct {
	addresses   []netip.Addr
	udp         []net.PacketConn
	tcp         []net.Listener
	log         *slog.Logger
	queries     *semaphore.Weighted
	connections *semaphore.Weighted
}

// Listen opens the sockets, on addresses of a device. Serve closes them.
func Listen(ctx context.Context, device string, addresses []netip.Addr, log *slog.Logger) (*Server, error) {
	s := &Server{
		addresses:   addresses,
		log:         log,
		queries:     semaphore.NewWeighted(maxQueries),
		connections: semaphore.NewWeighted(maxConnections),
	}
	config := net.ListenConfig{Control: bindTo(device)}
	for _, address := range addresses {
		at := netip.AddrPortFrom(address, port).String()
		udp, err := config.ListenPacket(ctx, "udp", at)
		if err == nil {
			s.udp = append(s.udp, udp)
			var tcp net.Listener
			if tcp, err = config.Listen(ctx, "tcp", at); err == nil {
				s.tcp = append(s.tcp, tcp)
			}
		}
		if errors.Is(err, unix.EADDRINUSE) {
			err = fmt.Errorf("%w: a DNS server of this host listens on every address; "+
				"have it listen on its own ones only", err)
		}
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen for DNS queries on %s: %w", device, err)
		}
	}
	return s, nil
}

func bindTo(device string) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) })
		return errors.Join(controlErr, err)
	}
}

func (s *Server) close() {
	for _, socket := range s.udp {
		socket.Close()
	}
	for _, listener := range s.tcp {
		listener.Close()
	}
}

// Serve answers until the context ends, and waits for what it has begun.
func (s *Server) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, s.close)()
	defer s.close()
	for _, socket := range s.udp {
		group.Go(func() error { return s.serveUDP(ctx, group, socket) })
	}
	for _, listener := range s.tcp {
		group.Go(func() error { return s.serveTCP(ctx, group, listener) })
	}
	return group.Wait()
}
