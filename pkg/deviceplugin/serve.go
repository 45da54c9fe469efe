// SPDX-License-Identifier: Apache-2.0

package deviceplugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

const (
	// KubeletDir is where the kubelet and its plugins have their sockets.
	KubeletDir = api.DevicePluginPath
	socket     = "tapir-kvm.sock"
	kubelet    = "kubelet.sock"
	// patience bounds the wait for a kubelet that is starting, and is the time between two tries.
	patience = 5 * time.Second
)

// errGone says that the kubelet has been started again.
var errGone = errors.New("the plugin's socket is gone")

// Serve offers KVM to the kubelet whose directory is dir until ctx ends, with the health that the verdict says. What goes wrong is tried
// again: without a kubelet there is nobody to tell.
func Serve(ctx context.Context, dir, verdict string, log *slog.Logger) {
	problem := handover.ReadKVM(verdict)
	if problem != nil {
		log.Warn("this node offers no KVM", "why", problem)
	}
	for ctx.Err() == nil {
		err := serveOnce(ctx, dir, problem == nil, log)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errGone):
			log.Info("the kubelet was started again: offering KVM anew")
		default:
			log.Warn("KVM can't be offered to the kubelet: trying again", "error", err)
			select {
			case <-time.After(patience):
			case <-ctx.Done():
			}
		}
	}
}

// serveOnce serves until the plugin's socket is gone, with errGone, or ctx ends.
func serveOnce(ctx context.Context, dir string, healthy bool, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	path := filepath.Join(dir, socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make room for the plugin's socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen for the kubelet: %w", err)
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, &plugin{healthy: healthy, ended: ctx.Done()})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		cancel()
		server.Stop()
		<-served
	}()
	// Watched before the kubelet is told: a kubelet that starts in between takes the socket away.
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the kubelet's directory: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(dir); err != nil {
		return fmt.Errorf("watch the kubelet's directory: %w", err)
	}
	if err := register(ctx, dir); err != nil {
		return err
	}
	log.Info("KVM is offered to the kubelet", "healthy", healthy)
	for {
		select {
		case event, ok := <-watcher.Events:
			if !ok || event.Name == path && event.Has(fsnotify.Remove) {
				return errGone
			}
		case err := <-watcher.Errors:
			return fmt.Errorf("watch the kubelet's directory: %w", err)
		case err := <-served:
			served <- err
			return fmt.Errorf("serve the kubelet: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// register tells the kubelet where to ask.
func register(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+filepath.Join(dir, kubelet), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to the kubelet: %w", err)
	}
	defer conn.Close()
	request := &api.RegisterRequest{Version: api.Version, Endpoint: socket, ResourceName: Resource, Options: &api.DevicePluginOptions{}}
	if _, err := api.NewRegistrationClient(conn).Register(ctx, request, grpc.WaitForReady(true)); err != nil {
		return fmt.Errorf("register with the kubelet: %w", err)
	}
	return nil
}
