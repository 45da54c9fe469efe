// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// state is what another process must know to take a VM over: vm.json.
type state struct {
	Name         string       `json:"name"`
	PID          int          `json:"pid"`
	Start        uint64       `json:"start"` // see startTime
	Acceleration Acceleration `json:"acceleration"`
}

// writeState replaces the state as a whole: a writer that is killed leaves the old one, or none.
func (d runDir) writeState(s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path(newStateFile), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the VM's state: %w", err)
	}
	if err := os.Rename(d.path(newStateFile), d.path(stateFile)); err != nil {
		return fmt.Errorf("write the VM's state: %w", err)
	}
	return nil
}

// readState returns an error wrapping ErrNotRunning when there is none.
func (d runDir) readState() (state, error) {
	var s state
	b, err := os.ReadFile(d.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNotRunning
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", stateFile, err)
	}
	return s, nil
}
