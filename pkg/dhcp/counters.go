// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"errors"
	"maps"
	"sync"
)

// Stats counts the messages of a server since it was made. Each received message counts once: under its type
// where it was for us, else as Malformed or Ignored. Each sent one counts under its type, or as Failed. Types
// are the RFCs' names in lower case, such as "discover", "information-request" and "solicitation". They and
// the keys below are always present, so that a metric starts at zero.
type Stats map[string]uint64

// Keys of Stats that aren't message types.
const (
	Malformed = "malformed" // unreadable, or against its RFC: dropped
	Ignored   = "ignored"   // well-formed, not for this server: dropped
	Failed    = "failed"    // a reply that the socket didn't take
)

// Why a message gets no reply. What wraps them says more, for the log.
var (
	errMalformed = errors.New("malformed message")
	errIgnored   = errors.New("message for someone else")
)

// counters is the part of a server that counts.
type counters struct {
	mu     sync.Mutex
	counts Stats
}

func newCounters(types []string) counters {
	counts := Stats{Malformed: 0, Ignored: 0, Failed: 0}
	for _, t := range types {
		counts[t] = 0
	}
	return counters{counts: counts}
}

func (c *counters) add(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[key]++
}

// dropped counts a message by why it got no reply.
func (c *counters) dropped(why error) {
	if errors.Is(why, errIgnored) {
		c.add(Ignored)
	} else {
		c.add(Malformed)
	}
}

// Stats is a copy of the counters.
func (c *counters) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
