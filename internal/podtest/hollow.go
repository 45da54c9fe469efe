// SPDX-License-Identifier: Apache-2.0

package podtest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// pretence tells a pod's launcher what it only looks like.
const (
	pretence = "TAPIR_TEST_PRETENCE"
	hollow   = "hollow"
	silent   = "silent"
)

// StartHollow starts a launcher that takes a plan and says that its machine runs, without one: enough for an agent, and so little
// that a node can be full of them.
func (p *Pod) StartHollow(t testing.TB) {
	t.Helper()
	p.start(t, pretence+"="+hollow)
}

// beHollow is the process of a hollow launcher.
func beHollow(ctx context.Context, root string, log *slog.Logger) error {
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

// StartSilent starts a launcher that lets the agent connect and says nothing.
func (p *Pod) StartSilent(t testing.TB) {
	t.Helper()
	p.start(t, pretence+"="+silent)
}

// visited is there once the agent has connected to a silent launcher.
const visited = handover.PrivateDir + "/visited"

// Visited tells whether the agent has connected to a silent launcher.
func (p *Pod) Visited() bool {
	_, err := os.Stat(p.Path(visited))
	return err == nil
}

// beSilent is the process of a silent launcher.
func beSilent(ctx context.Context, root string) error {
	agents, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(root, handover.SocketsDir, handover.HandoverSocket), Net: "unixpacket"})
	if err != nil {
		return err
	}
	defer agents.Close()
	agent, err := agents.Accept()
	if err != nil {
		return err
	}
	defer agent.Close()
	if err := os.WriteFile(filepath.Join(root, visited), nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
