// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// State is what a machine's directory says about it.
type State struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Started   time.Time     `json:"started"`
	Grace     time.Duration `json:"grace"` // how long the guest may take to power down, in ns
	NetNS     string        `json:"netns"`
	PodIPs    []netip.Addr  `json:"podIPs"`
	Taps      []string      `json:"taps"`
	Serial    bool          `json:"serial"`         // whether it has a serial console
	Exit      *vm.Exit      `json:"exit,omitempty"` // the accident by which it ended
}

// fullName is how people tell the machine from one of another namespace.
func (s State) fullName() string { return s.Namespace + "/" + s.Name }

const stateFile = "vm.json"

// save replaces the record in one step, so that a crash leaves the old one or the new one.
func (h *home) save(s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("record the VM: %w", err)
	}
	path := filepath.Join(h.path, stateFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("record the VM: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("record the VM: %w", err)
	}
	return nil
}

// load reads the record of a VM. Returns an error wrapping fs.ErrNotExist when there is none.
func load(path string) (State, error) {
	var s State
	path = filepath.Join(path, stateFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s is damaged (%w): remove it, and by hand what it stood for", path, err)
	}
	return s, nil
}
