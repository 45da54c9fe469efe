// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

const (
	// farewell bounds the wait for those who watch the status to read the last one.
	farewell = time.Second
	// maxRequest bounds what a probe asks for, in bytes.
	maxRequest = 1 << 20
)

// serve answers at the API's socket until ctx ends. Who may open it is for the permissions of its directory to say.
func (l *launcher) serve(ctx context.Context, listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+handover.StatusPath, l.getStatus)
	mux.HandleFunc("GET "+handover.EventsPath, l.getEvents)
	mux.HandleFunc("PUT "+handover.LinksPath, l.setLinks)
	mux.HandleFunc("POST "+handover.PingPath, l.ping)
	mux.HandleFunc("POST "+handover.ExecPath, l.exec)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.Log.Error("nobody can see the machine's status any more", "error", err)
		}
	}()
	<-ctx.Done()
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if server.Shutdown(goodbye) != nil {
		server.Close()
	}
	<-ended
}

// notRunning is the answer to who asks something of a machine before it runs.
const notRunning = "the machine doesn't run yet"

func (l *launcher) getStatus(w http.ResponseWriter, _ *http.Request) {
	status, _ := l.status.read()
	answer(w, status)
}

// getEvents shows each status until the last one. A reader that is slow misses some in between.
func (l *launcher) getEvents(w http.ResponseWriter, r *http.Request) {
	encoder, flush := json.NewEncoder(w), http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	for {
		status, changed := l.status.read()
		if encoder.Encode(status) != nil || flush.Flush() != nil || status.State == handover.Ended {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			// The launcher ends, or the agent has left. The last status comes before the launcher's end.
			if status, _ := l.status.read(); status.State == handover.Ended {
				encoder.Encode(status)
			}
			return
		}
	}
}

func (l *launcher) ping(w http.ResponseWriter, r *http.Request) {
	machine := l.guest(w, r)
	if machine == nil {
		return
	}
	if err := machine.PingAgent(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *launcher) exec(w http.ResponseWriter, r *http.Request) {
	var request handover.Exec
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		http.Error(w, "no request to run a command: "+err.Error(), http.StatusBadRequest)
		return
	}
	machine := l.guest(w, r)
	if machine == nil {
		return
	}
	result, err := machine.Exec(r.Context(), request.Command)
	var refusal *vm.CommandError
	switch {
	case errors.As(err, &refusal):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		answer(w, handover.ExecResult{ExitCode: result.ExitCode, Output: result.Output})
	}
}

// guest returns the machine if somebody in it listens to what its agent is asked; else it has answered, and returns nil.
func (l *launcher) guest(w http.ResponseWriter, r *http.Request) *vm.VM {
	machine, _ := l.status.running()
	if machine == nil {
		http.Error(w, notRunning, http.StatusServiceUnavailable)
		return nil
	}
	open, err := machine.AgentConnected(r.Context())
	if err == nil && !open {
		err = vm.ErrNoAgent
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return nil
	}
	return machine
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value) // fails when the reader has left
}
