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

	"github.com/tapir-vm/tapir/bench/lab"
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
		udpRate{in, 1000, 0}, udpRate{out, 1, roomyTable},
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
					needsTap := strings.HasPrefix(l.Name(), "udp-")
					if needsTap && d == (direct{}) {
						if s != nil {
							t.Errorf("direct has %s, without a tap", m.Name)
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

func TestRunEndsWithItsContext(t *testing.T) {
	for _, l := range Quick() {
		t.Run(l.Name(), func(t *testing.T) {
			checkLeftovers(t)
			ctx, cancel := context.WithCancel(t.Context())
			p := short([]Datapath{&interrupter{tapirTC{}, cancel}}, l.Load)
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
