// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// KVMVerdict is where, on the node, a launcher's image leaves whether KVM runs guests there, for the agent's device plugin.
const KVMVerdict = "/run/tapir/kvm.json"

// KVMDevice is, on the node, the device of KVM that launchers are given: a node of their user's own, beside /dev/kvm.
const KVMDevice = "/run/tapir/kvm"

// KVMCommand is what makes both: in an init container of the agent's pod, privileged, with the node's /dev/kvm and the verdict's directory.
func KVMCommand() []string { return []string{Launcher, "kvm", KVMVerdict} }

// kvmVerdict says whether KVM runs guests.
type kvmVerdict struct {
	Boot    string `json:"boot"`              // of the machine, when it was found
	Problem string `json:"problem,omitempty"` // why it doesn't
}

// bootID names the machine's boot: random(4).
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
}

// WriteKVM leaves a verdict, of this boot, in a file, in one step. problem is nil where KVM runs guests.
func WriteKVM(path string, problem error) error {
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("write whether KVM runs guests: %w", err)
	}
	v := kvmVerdict{Boot: boot}
	if problem != nil {
		v.Problem = problem.Error()
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return fmt.Errorf("write whether KVM runs guests: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write whether KVM runs guests: %w", err)
	}
	return nil
}

// ReadKVM returns nil when the file says that KVM runs guests, and else why it doesn't, or why that isn't known.
func ReadKVM(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("nobody has tried whether KVM runs guests here: tapir-launcher kvm does")
	}
	if err != nil {
		return fmt.Errorf("read whether KVM runs guests: %w", err)
	}
	var v kvmVerdict
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("read whether KVM runs guests: %s: %w", path, err)
	}
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("read whether KVM runs guests: %w", err)
	}
	switch {
	case v.Boot != boot:
		return errors.New("whether KVM runs guests was tried before this machine was booted")
	case v.Problem != "":
		return errors.New(v.Problem)
	}
	return nil
}
