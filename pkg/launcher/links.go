// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/spec"
)

// linksDown lists the interfaces that a machine is started with without a carrier.
func linksDown(v *spec.VM) (down []string) {
	for _, n := range v.NICs {
		if n.Device.LinkDown {
			down = append(down, n.Device.Name)
		}
	}
	return down
}

// interfaces lists the names of a machine's interfaces, in the order of its NICs.
func interfaces(v *spec.VM) []string {
	names := make([]string, len(v.NICs))
	for i, n := range v.NICs {
		names[i] = n.Device.Name
	}
	return names
}

// setLinks plugs and unplugs the guest's cables. Where QEMU refuses half-way the status is that from before: asking again does the rest.
func (l *launcher) setLinks(w http.ResponseWriter, r *http.Request) {
	var wanted handover.Links
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&wanted); err != nil {
		http.Error(w, "no states of links: "+err.Error(), http.StatusBadRequest)
		return
	}
	machine, interfaces := l.status.running()
	if machine == nil {
		http.Error(w, notRunning, http.StatusServiceUnavailable)
		return
	}
	for _, name := range wanted.Down {
		if !slices.Contains(interfaces, name) {
			http.Error(w, fmt.Sprintf("the machine has no interface %q", name), http.StatusUnprocessableEntity)
			return
		}
	}
	// The status must be what QEMU was told last.
	l.links.Lock()
	defer l.links.Unlock()
	for i, name := range interfaces {
		if err := machine.SetLink(r.Context(), i, !slices.Contains(wanted.Down, name)); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	l.status.change(func(s *handover.Status) { s.Down = wanted.Down })
	w.WriteHeader(http.StatusNoContent)
}
