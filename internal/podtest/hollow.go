// SPDX-License-Identifier: Apache-2.0

package podtest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// hollow tells a pod's launcher that it has no machine to run.
const hollow = "TAPIR_TEST_HOLLOW"

// StartHollow starts a launcher that takes a plan and says that its machine runs, without one: enough for an agent, and so little
// that a node can be full of them.
func (p *Pod) StartHollow(t testing.TB) {
	t.Helper()
	p.start(t, hollow+"=1")
}

// pretend is the process of a hollow launcher.
func pretend(ctx context.Context, root string, log *slog.Logger) error {
	dir := filepath.Join(root, handover.SocketsDir)
	api, err := handover.ListenAPI(dir)
	if err != nil {
		return err
	}
	agents, err := handover.Listen(dir, log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+handover.EventsPath, func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(handover.Status{State: handover.Running})
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	go http.Serve(api, mux) // as long as the process lives
	var files []handover.Files
	err = agents.Serve(ctx, func(_ *handover.Plan, f []handover.Files) { files = f })
	runtime.KeepAlive(files) // open taps, as QEMU has them
	return err
}
