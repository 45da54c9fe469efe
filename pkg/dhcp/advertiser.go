// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
)

// RFC 4861 section 6.2.1's default, and section 10's constants.
const (
	maxInterval        = 600 * time.Second // MaxRtrAdvInterval
	maxInitialInterval = 16 * time.Second  // MAX_INITIAL_RTR_ADVERT_INTERVAL
	initialCount       = 3                 // MAX_INITIAL_RTR_ADVERTISEMENTS
	minDelay           = 3 * time.Second   // MIN_DELAY_BETWEEN_RAS
)

// Names of the advertiser's message types.
const (
	solicitation  = "solicitation"
	advertisement = "advertisement"
)

// Advertiser sends router advertisements (RFC 4861): by itself from time to time, and to who solicits them.
type Advertiser struct {
	counters
	message []byte
	source  net.IP
	longest time.Duration // between two that nobody asked for
	raw     net.PacketConn
	conn    *ipv6.PacketConn
	log     *slog.Logger
}

// solicitor is where a solicitation comes from.
type solicitor struct {
	address  netip.Addr
	hopLimit int
}

// NewAdvertiser makes an advertiser on a raw ICMPv6 socket that is bound to the guest's device and has joined
// ff02::2. The device must have the link-local address of c.ServerMAC, the source of all advertisements. It
// fails with the field that can't be told to a guest.
func NewAdvertiser(conn net.PacketConn, c ConfigRA, log *slog.Logger) (*Advertiser, error) {
	if conn == nil {
		return nil, fmt.Errorf("configuring router advertisements: %w", errNoSocket)
	}
	message, err := c.advertisement()
	if err != nil {
		return nil, fmt.Errorf("configuring router advertisements: %w", err)
	}
	a := &Advertiser{
		counters: newCounters([]string{solicitation, advertisement}),
		message:  message,
		source:   linkLocal(c.ServerMAC).AsSlice(),
		longest:  min(maxInterval, c.lifetime()/3),
		raw:      conn,
		conn:     ipv6.NewPacketConn(conn),
		log:      log.With("server", "ra"),
	}
	if err := a.conn.SetControlMessage(ipv6.FlagHopLimit, true); err != nil {
		return nil, fmt.Errorf("asking for hop limits on the router advertisement socket: %w", err)
	}
	// The pod's own kernel must not hear its gateway's advertisements.
	if err := a.conn.SetMulticastLoopback(false); err != nil {
		return nil, fmt.Errorf("turning off loopback on the router advertisement socket: %w", err)
	}
	return a, nil
}

// Serve advertises until ctx ends, and then returns nil, without a last word to the guest: its router stays. It
// fails when the socket can't be read.
func (a *Advertiser) Serve(ctx context.Context) error {
	asked := make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return receive(ctx, a.raw, a.read, func(message []byte, from solicitor) { a.handle(message, from, asked) })
	})
	group.Go(func() error {
		schedule(ctx, a.longest, asked, func() { a.send(allNodes) })
		return nil
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("serving router advertisements: %w", err)
	}
	return nil
}

func (a *Advertiser) read(buffer []byte) (int, solicitor, error) {
	n, control, from, err := a.conn.ReadFrom(buffer)
	if err != nil {
		return 0, solicitor{}, err
	}
	var s solicitor
	if control != nil {
		s.hopLimit = control.HopLimit
	}
	if ip, ok := from.(*net.IPAddr); ok {
		s.address, _ = netip.AddrFromSlice(ip.IP)
	}
	return n, s, nil
}

// handle answers a solicitation. RFC 4861 section 6.2.6 delays the answer for the sake of other routers, of
// which there are none here. A guest without an address yet is answered by the next multicast.
func (a *Advertiser) handle(message []byte, from solicitor, asked chan<- struct{}) {
	if err := checkSolicitation(message, from.address, from.hopLimit); err != nil {
		a.dropped(err)
		a.log.Debug("message dropped", "from", from.address, "error", err)
		return
	}
	a.add(solicitation)
	a.log.Debug("solicitation received", "from", from.address)
	if from.address.IsUnspecified() {
		select {
		case asked <- struct{}{}:
		default: // one is due already
		}
		return
	}
	a.send(from.address)
}

func (a *Advertiser) send(to netip.Addr) {
	control := &ipv6.ControlMessage{HopLimit: ndHopLimit, Src: a.source}
	if _, err := a.conn.WriteTo(a.message, control, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		a.add(Failed)
		a.log.Debug("advertisement not sent", "from", a.source, "to", to, "error", err)
		return
	}
	a.add(advertisement)
}

// schedule sends multicast advertisements until ctx ends: a few soon, then some now and then (RFC 4861 section
// 6.2.4), and one as soon as the minimal distance to the last allows when asked (section 6.2.6).
func schedule(ctx context.Context, longest time.Duration, asked <-chan struct{}, send func()) {
	for sent := 1; ; sent++ {
		select {
		case <-asked: // whoever asked until now hears this one
		default:
		}
		send()
		earliest := time.After(minDelay)
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval(sent, longest)):
		case <-asked:
			select {
			case <-ctx.Done():
				return
			case <-earliest:
			}
		}
	}
}

// interval is how long to wait after the sent-th advertisement: evenly spread from a third of the longest on.
func interval(sent int, longest time.Duration) time.Duration {
	wait := max(minDelay, longest/3+rand.N(longest-longest/3))
	if sent < initialCount {
		wait = min(wait, maxInitialInterval)
	}
	return wait
}
