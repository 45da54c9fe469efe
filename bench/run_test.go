// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// checkLeftovers looks at the host now and after the test.
func checkLeftovers(t *testing.T) {
	t.Helper()
	if _, err := datapath.Sweep(); err != nil { // makes the directories that stay
		t.Fatal(err)
	}
	leftovers.Check(t)
}

func short(datapaths []Datapath, loads ...Load) Plan {
	var entries []Entry
	for _, l := range loads {
		entries = append(entries, Entry{l, datapaths})
	}
	return Plan{
		Entries: entries,
		Rounds:  1, Duration: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
}

// Every load gets every figure of every datapath, and nothing is left.
func TestRun(t *testing.T) {
	for _, l := range []Load{
		tcpStream{in, 8, normalMTU}, tcpStream{out, 1, 9000}, tcpStream{in, 1, 576}, tcpRR{}, tcpCRR{},
		udpRate{in, 1000, 0}, udpRate{out, 1, 0}, udpSKB{}, udpCost{}, tcpConnections{800}, mixed{}, programCost{},
	} {
		t.Run(l.Name(), func(t *testing.T) {
			checkLeftovers(t)
			p := short(Datapaths(), l)
			r, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range Datapaths() {
				for _, m := range l.Metrics() {
					s := r.Find(l.Name(), d.Name(), m.Name)
					if !gives(d, l, m) {
						if s != nil && m.Unit != "1" {
							t.Errorf("%s has %s", d.Name(), m.Name)
						}
						continue
					}
					if s == nil || len(s.Samples) != p.Rounds || slices.Min(s.Samples) < 0 || m == l.Metrics()[0] && s.Min == 0 {
						t.Errorf("%s, %s: %+v", d.Name(), m.Name, s)
					}
				}
			}
		})
	}
}

// gives says whether every machine must measure something: not all have a counter of instructions.
func gives(d Datapath, l Load, m report.Metric) bool {
	if l.Name() == (programCost{}).Name() {
		return strings.HasPrefix(d.Name(), "tapir-") && m.Unit != "1"
	}
	return d != (direct{}) || !strings.HasPrefix(l.Name(), "udp-")
}

// Connections that a datapath forgets are not counted as held.
func TestConnectionsThatAreLost(t *testing.T) {
	network, err := lab.New(normalMTU)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	if network.Guest, err = (mirred{}).Join(network, Conditions{MTU: normalMTU}); err != nil {
		t.Fatal(err)
	}
	guest, err := network.Plug(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	err = guest.Run(func() error {
		_, err := listen(connectionsPort)
		return err
	})
	if err == nil {
		err = network.Peer.Run(func() (err error) {
			fds, err = open(t.Context(), 3)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer reset(fds)
	if working, err := try(t.Context(), fds); working != 3 || err != nil {
		t.Errorf("%d of 3 work, %v", working, err)
	}
	err = network.Pod.Run(func() error {
		nic, err := netlink.LinkByName(lab.NIC)
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(nic)
	})
	if err != nil {
		t.Fatal(err)
	}
	if working, err := try(t.Context(), fds); working != 0 || err != nil {
		t.Errorf("%d of 3 work over a link that is down, %v", working, err)
	}
}

// flaky works once.
type flaky struct {
	mirred
	joined bool
	then   Datapath
}

func (f *flaky) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	if f.joined {
		return f.then.Join(network, c)
	}
	f.joined = true
	return f.mirred.Join(network, c)
}

// cut joins nothing to its tap.
type cut struct{ mirred }

func (cut) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	guest := lab.Masqueraded
	return &guest, network.Pod.Run(func() error {
		_, err := lab.AddTap(c.MTU)
		return err
	})
}

// refusing can't be built.
type refusing struct{ mirred }

var errRefused = errors.New("refused")

func (refusing) Join(*lab.Network, Conditions) (*lab.Guest, error) { return nil, errRefused }

// What was measured before an error is kept and marked; namespaces, pins and settings are gone.
func TestRunKeepsWhatItHas(t *testing.T) {
	first, second := udpRate{in, 1, 0}, udpRate{out, 1, 0}
	for name, c := range map[string]struct {
		then Datapath
		want error
	}{
		"no packet passes":  {cut{}, errNothing},
		"it can't be built": {refusing{}, errRefused},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeftovers(t)
			p := short([]Datapath{tapirTC{}, &flaky{then: c.then}}, first, second)
			r, err := Run(t.Context(), p)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if r.Partial == "" || r.Find(first.Name(), "mirred", packetRate.Name) == nil {
				t.Errorf("partial: %q, with %d series; want the first load's", r.Partial, len(r.Series))
			}
		})
	}
}

func TestRunWithNothingToMeasure(t *testing.T) {
	if _, err := Run(t.Context(), short([]Datapath{direct{}}, udpRate{out, 1, 0})); !errors.Is(err, errUnfit) {
		t.Errorf("got %v, want %v", err, errUnfit)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	loads := []Load{mixed{}, tcpConnections{connectionCount}, udpCost{}, programCost{}}
	for _, e := range Quick() {
		loads = append(loads, e.Load)
	}
	for _, l := range loads {
		t.Run(l.Name(), func(t *testing.T) {
			checkLeftovers(t)
			ctx, cancel := context.WithCancel(t.Context())
			p := short([]Datapath{&interrupter{tapirTC{}, cancel}}, l)
			p.Duration = time.Hour
			if _, err := Run(ctx, p); !errors.Is(err, ErrInterrupted) {
				t.Errorf("got %v, want %v", err, ErrInterrupted)
			}
		})
	}
}

// interrupter ends the run once it is under way.
type interrupter struct {
	Datapath
	interrupt func()
}

func (d *interrupter) Join(network *lab.Network, c Conditions) (*lab.Guest, error) {
	time.AfterFunc(300*time.Millisecond, d.interrupt)
	return d.Datapath.Join(network, c)
}
