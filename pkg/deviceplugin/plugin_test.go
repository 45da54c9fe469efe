// SPDX-License-Identifier: Apache-2.0

package deviceplugin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// registry is the kubelet's side.
type registry struct {
	api.UnimplementedRegistrationServer
	requests chan *api.RegisterRequest
}

func (r *registry) Register(_ context.Context, request *api.RegisterRequest) (*api.Empty, error) {
	r.requests <- request
	return &api.Empty{}, nil
}

// startKubelet makes a kubelet as it starts: it takes all sockets away.
func startKubelet(t *testing.T, dir string) *registry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(dir, kubelet))
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{requests: make(chan *api.RegisterRequest, 1)}
	server := grpc.NewServer()
	api.RegisterRegistrationServer(server, r)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return r
}

func (r *registry) wait(t *testing.T) *api.RegisterRequest {
	t.Helper()
	select {
	case request := <-r.requests:
		return request
	case <-time.After(time.Minute):
		t.Fatal("the plugin doesn't register")
		return nil
	}
}

// short is a directory for sockets.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kubelet-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func serve(t *testing.T, dir, verdict string) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Serve(ctx, dir, verdict, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// ask does what the kubelet does with a plugin that has registered.
func ask(t *testing.T, dir string, request *api.RegisterRequest) (*api.ListAndWatchResponse, api.DevicePluginClient) {
	t.Helper()
	if request.ResourceName != "devices.kubevirt.io/kvm" || request.Version != api.Version {
		t.Errorf("registered %v", request)
	}
	conn, err := grpc.NewClient("unix://"+filepath.Join(dir, request.Endpoint), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := api.NewDevicePluginClient(conn)
	stream, err := client.ListAndWatch(t.Context(), &api.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Devices) != count {
		t.Errorf("%d devices", len(list.Devices))
	}
	return list, client
}

func TestKubeletStartedAgain(t *testing.T) {
	dir, verdict := short(t), filepath.Join(t.TempDir(), "kvm.json")
	if err := handover.WriteKVM(verdict, nil); err != nil {
		t.Fatal(err)
	}
	first := startKubelet(t, dir)
	serve(t, dir, verdict)
	list, client := ask(t, dir, first.wait(t))
	if list.Devices[0].Health != api.Healthy {
		t.Errorf("the devices are %s", list.Devices[0].Health)
	}
	answer, err := client.Allocate(t.Context(), &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: []string{"kvm7"}}}})
	if err != nil || len(answer.ContainerResponses) != 1 || answer.ContainerResponses[0].Devices[0].ContainerPath != "/dev/kvm" ||
		answer.ContainerResponses[0].Devices[0].HostPath != handover.KVMDevice {
		t.Errorf("allocated %v, %v", answer, err)
	}
	second := startKubelet(t, dir)
	ask(t, dir, second.wait(t))
}

// What isn't known to be good is bad.
func TestUnhealthy(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"not tried":       func(string) error { return nil },
		"tried in vain":   func(path string) error { return handover.WriteKVM(path, errors.New("a test guest hung")) },
		"an earlier boot": func(path string) error { return os.WriteFile(path, []byte(`{"boot":"x"}`), 0o644) },
		"damaged":         func(path string) error { return os.WriteFile(path, []byte(`{`), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, verdict := short(t), filepath.Join(t.TempDir(), "kvm.json")
			if err := write(verdict); err != nil {
				t.Fatal(err)
			}
			if handover.ReadKVM(verdict) == nil {
				t.Error("it is taken for good")
			}
			kubelet := startKubelet(t, dir)
			serve(t, dir, verdict)
			list, client := ask(t, dir, kubelet.wait(t))
			for _, d := range list.Devices {
				if d.Health != api.Unhealthy {
					t.Fatalf("device %s is %s", d.ID, d.Health)
				}
			}
			request := &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: []string{"kvm0"}}}}
			if _, err := client.Allocate(t.Context(), request); err == nil {
				t.Error("a device is given away")
			}
		})
	}
}
