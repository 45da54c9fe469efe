// SPDX-License-Identifier: Apache-2.0

package deviceplugin

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

const (
	// Resource is what pods ask for: KubeVirt's.
	Resource = "devices.kubevirt.io/kvm"
	// count is how many pods of a node may have the device: KubeVirt's number.
	count  = 1000
	device = "/dev/kvm"
)

// plugin answers the kubelet.
type plugin struct {
	api.UnimplementedDevicePluginServer
	healthy bool
	ended   <-chan struct{} // closed when the server is to end
}

// ListAndWatch lists the devices; nothing changes while an agent lives.
func (p *plugin) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	health := api.Unhealthy
	if p.healthy {
		health = api.Healthy
	}
	list := &api.ListAndWatchResponse{}
	for i := range count {
		list.Devices = append(list.Devices, &api.Device{ID: fmt.Sprintf("kvm%d", i), Health: health})
	}
	if err := stream.Send(list); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-stream.Context().Done():
	}
	return nil
}

// Allocate tells what goes into a container.
func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	if !p.healthy {
		return nil, status.Error(codes.FailedPrecondition, "KVM doesn't run guests on this node")
	}
	answer := &api.AllocateResponse{}
	for range request.ContainerRequests {
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{
			Devices: []*api.DeviceSpec{{HostPath: handover.KVMDevice, ContainerPath: device, Permissions: "rw"}},
		})
	}
	return answer, nil
}

// GetDevicePluginOptions wants nothing special.
func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}
