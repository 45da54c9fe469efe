// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/internal/kubetest"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

const (
	fullNode       = 50               // NICs
	idle           = time.Minute      // in which the agent sweeps once
	scrapeInterval = 15 * time.Second // Prometheus' usual one
)

// BenchmarkIdle prints what an agent takes on a node with 50 NICs that do nothing: of a core, of memory, and of the API server while
// nobody asks it anything; then the same, at most, while its metrics are scraped; the most memory before, while it attached them; and the
// memory of the maps of a NIC.
func BenchmarkIdle(b *testing.B) {
	r := newRig(b)
	r.ctx = b.Context() // this takes longer than any test
	startKubelet(b, r.plugins)
	metrics := freeAddress(b)
	agent, _ := r.runAgent(b, buildAgent(b), metrics)
	var machines []*kubevirt.VirtualMachineInstance
	for i := range fullNode {
		vmi, launcher := r.machine(b, fmt.Sprintf("vm-%d", i))
		launcher.StartHollow(b)
		machines = append(machines, vmi)
	}
	for _, vmi := range machines {
		r.wait(b, vmi, "running", phase(kubevirt.Running))
	}
	for b.Loop() {
		asked := kubetest.Requests(b, r.log, "agent")
		b.ReportMetric(coreShare(b, agent.Pid, func() { time.Sleep(idle) }), "%core")
		b.ReportMetric(float64(kubetest.Requests(b, r.log, "agent")-asked), "requests")
		b.ReportMetric(statusMiB(b, agent.Pid, "VmRSS"), "MiB")
		b.ReportMetric(statusMiB(b, agent.Pid, "RssAnon"), "MiB-anonymous")
		b.ReportMetric(statusMiB(b, agent.Pid, "RssFile"), "MiB-file")
		b.ReportMetric(statusMiB(b, agent.Pid, "VmHWM"), "MiB-attaching")
		var most float64
		b.ReportMetric(coreShare(b, agent.Pid, func() {
			for range idle / scrapeInterval {
				scrape(b, metrics)
				most = max(most, statusMiB(b, agent.Pid, "VmRSS"))
				time.Sleep(scrapeInterval)
			}
		}), "%core-scraped")
		b.ReportMetric(most, "MiB-scraped")
		b.ReportMetric(mapMiB(b), "MiB-maps/NIC")
		b.ReportMetric(0, "ns/op")
	}
	for _, vmi := range machines {
		if err := r.Delete(r.ctx, vmi); err != nil {
			b.Fatal(err)
		}
	}
	r.eventually(b, "detached", func() bool { return len(attached(b)) == 0 })
}

// kubelet is one that can be offered devices.
type kubelet struct {
	deviceplugin.UnimplementedRegistrationServer
}

func (kubelet) Register(context.Context, *deviceplugin.RegisterRequest) (*deviceplugin.Empty, error) {
	return &deviceplugin.Empty{}, nil
}

// startKubelet gives the agent what every node has: without it, it would try to register again and again.
func startKubelet(t testing.TB, dir string) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	deviceplugin.RegisterRegistrationServer(server, kubelet{})
	go server.Serve(listener)
	t.Cleanup(server.Stop)
}

// freeAddress is one that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// scrape asks for the metrics of all NICs.
func scrape(t testing.TB, address string) {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if n := strings.Count(string(text), "\ntapir_network_flows{"); err != nil || n != fullNode {
		t.Fatalf("scrape: %v: metrics of %d NICs, want %d", err, n, fullNode)
	}
}

// mapMiB is what the maps of the NICs take, each.
func mapMiB(t testing.TB) float64 {
	t.Helper()
	nics, err := datapath.List()
	if err != nil || len(nics) != fullNode {
		t.Fatalf("%d NICs, want %d: %v", len(nics), fullNode, err)
	}
	var sum uint64
	for _, n := range nics {
		s, err := n.Status()
		if err != nil || !s.Healthy {
			t.Errorf("%s: healthy %v: %v", n.Config().Name, s.Healthy, err)
		}
		sum += s.MapBytes
		n.Close()
	}
	return float64(sum) / (1 << 20) / float64(len(nics))
}
