// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"time"
)

// record is what is remembered of an attached NIC, in stateDir. It is written before Attach changes anything, so that
// what is left of an Attach that was killed can be detached, or attached again.
type record struct {
	Config      Config         `json:"config"`
	Constants   constants      `json:"constants"`
	Programs    string         `json:"programs"`            // digest of the BPF code; empty until all of it hangs
	Tap         *tapState      `json:"tapBefore,omitempty"` // nil: Attach makes the tap, so Detach removes it
	Given       []netip.Prefix `json:"given"`               // addresses that the tap has from Attach
	Sysctls     []sysctl       `json:"sysctlsBefore"`       // of the pod, from before Attach
	LoopbackMTU int            `json:"loopbackMTUBefore"`   // of the pod, from before Attach
	Qdiscs      []int          `json:"qdiscs,omitempty"`    // indexes of devices that have their clsact qdisc from Attach
	GRO         *bool          `json:"groBefore,omitempty"` // of the pod NIC, from before it had the fast path; nil: it never had
	Attached    time.Time      `json:"attached"`
	TookMS      float64        `json:"tookMilliseconds"` // the last Attach
}

func recordPath(key string) string { return filepath.Join(stateDir, key+".json") }

func readRecord(key string) (*record, error) {
	raw, err := os.ReadFile(recordPath(key))
	if err != nil {
		return nil, fmt.Errorf("reading what was attached: %w", err)
	}
	var r record
	err = json.Unmarshal(raw, &r)
	if err == nil && r.Constants.Addresses == nil {
		err = errors.New("it has no addresses")
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was attached: %s is damaged: delete it, then attach and detach again: %w", recordPath(key), err)
	}
	return &r, nil
}

// write replaces the record as a whole, so that a reader or a crash never meets half of it.
func (r *record) write(key string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding what is attached: %w", err)
	}
	tmp := recordPath(key) + ".new"
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing what is attached: %w", errors.Join(err, os.RemoveAll(tmp)))
	}
	if err := os.Rename(tmp, recordPath(key)); err != nil {
		return fmt.Errorf("writing what is attached: %w", err)
	}
	return nil
}

func removeRecord(key string) error {
	if err := os.Remove(recordPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the record of what was attached: %w", err)
	}
	return nil
}

// runs tells whether the programs that r tells of are those that wanted asks for, and in place.
func (r *record) runs(key string, wanted *record) bool {
	return r.Programs == programsDigest() && r.Config.Flows == wanted.Config.Flows &&
		reflect.DeepEqual(r.Constants, wanted.Constants) && allHang(pinDir(key), &r.Constants)
}

// fallBack is what holds after an attempt to change was into r has failed.
func (r *record) fallBack(was *record) *record {
	back := *r
	back.Config, back.Constants, back.TookMS = was.Config, was.Constants, was.TookMS
	back.Constants.TapIndex = r.Constants.TapIndex
	return &back
}
