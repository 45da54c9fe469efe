// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// times runs schedule in fake time until a moment and returns when it sent, asked at the given moments.
func times(t *testing.T, longest, until time.Duration, ask ...time.Duration) []time.Duration {
	t.Helper()
	var sent []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), until)
		defer cancel()
		start := time.Now()
		asked := make(chan struct{}, 1)
		for _, moment := range ask {
			time.AfterFunc(moment, func() {
				select {
				case asked <- struct{}{}:
				default:
				}
			})
		}
		schedule(ctx, longest, asked, func() { sent = append(sent, time.Since(start)) })
	})
	return sent
}

// TestUnaskedAdvertisements: RFC 4861 section 6.2.4, for a day of the guest's.
func TestUnaskedAdvertisements(t *testing.T) {
	sent := times(t, maxInterval, 24*time.Hour)
	if sent[0] != 0 {
		t.Errorf("the first came after %v, want it at once", sent[0])
	}
	for i := 1; i < len(sent); i++ {
		least, most := maxInterval/3, maxInterval
		if i < initialCount {
			least, most = minDelay, maxInitialInterval
		}
		if wait := sent[i] - sent[i-1]; wait < least || wait > most {
			t.Errorf("advertisement %d came after %v, want %v to %v", i, wait, least, most)
		}
	}
	if n := len(sent); n < 24*6 || n > 24*18+initialCount {
		t.Errorf("%d advertisements in a day", n)
	}
}

// TestShortestInterval: with the shortest router lifetime three advertisements still fit into one.
func TestShortestInterval(t *testing.T) {
	sent := times(t, minRouterLifetime/3, time.Hour)
	for i := 1; i < len(sent); i++ {
		if wait := sent[i] - sent[i-1]; wait < minDelay || wait > minRouterLifetime/3 {
			t.Errorf("advertisement %d came after %v, want %v to %v", i, wait, minDelay, minRouterLifetime/3)
		}
	}
}

// TestAskedAdvertisements: RFC 4861 section 6.2.6, for guests that have no address to be answered at.
func TestAskedAdvertisements(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name string
		ask  []time.Duration
		want []time.Duration
	}{
		{"at once after a while", []time.Duration{10 * second}, []time.Duration{0, 10 * second}},
		{"not too soon", []time.Duration{second}, []time.Duration{0, 3 * second}},
		{"once for many", []time.Duration{second, 2 * second, 2500 * time.Millisecond}, []time.Duration{0, 3 * second}},
		{"a flood", flood(11 * second), []time.Duration{0, 3 * second, 6 * second, 9 * second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := times(t, maxInterval, 11*second, test.ask...)
			if len(got) != len(test.want) {
				t.Fatalf("sent at %v, want %v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("sent at %v, want %v", got, test.want)
				}
			}
		})
	}
}

func flood(until time.Duration) (moments []time.Duration) {
	for moment := time.Millisecond; moment < until; moment += 10 * time.Millisecond {
		moments = append(moments, moment)
	}
	return moments
}
