// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/runner"
)

func metricsFlag(cmd *cobra.Command, addr *string) {
	cmd.Flags().StringVar(addr, "metrics-addr", "", "serve Prometheus metrics at http://HOST:PORT/metrics")
}

// newMetrics makes the registry of this process, and serves it where addr isn't empty.
func newMetrics(ctx context.Context, addr string, w io.Writer) (*metrics.Registry, error) {
	node, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find this host's name for metrics: %w", err)
	}
	registry := metrics.New(node)
	if addr == "" {
		return registry, nil
	}
	listening, err := metrics.Serve(ctx, addr, registry)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "metrics are at http://%s/metrics\n", listening)
	return registry, nil
}

// attachAndServe attaches, and gives the guest its addresses until the user ends it. The datapath stays then,
// but not when serving can't even begin and it wasn't attached before.
func (o *attachOptions) attachAndServe(cmd *cobra.Command, out format) (err error) {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	registry, err := newMetrics(ctx, o.metricsAddr, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	before, err := datapath.Open(o.NetNS, o.Tap)
	attached := err == nil
	if attached {
		before.Close()
	}
	begin := time.Now()
	nic, err := datapath.Attach(o.Config)
	if err != nil {
		return err
	}
	defer nic.Close()
	registry.Attached(time.Since(begin))
	var lease dhcp.Config4
	lease.DNS, lease.Search = runner.PodResolver(o.NetNS)
	servers, sockets, err := runner.ServeDHCP(nic, lease, watch(cmd.ErrOrStderr()))
	if err != nil && !attached {
		if e := datapath.Detach(o.NetNS, o.Tap); e != nil {
			err = fmt.Errorf("%w; and then: %w", err, e)
		}
	}
	if err != nil {
		return err
	}
	defer sockets.Close()
	registry.AddDHCP(metrics.IdentityOf(nic.Config()), servers)
	if err := printNIC(cmd, nic, out); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "serving addresses to the guest; Ctrl-C ends that, the datapath stays")
	return servers.Serve(ctx)
}
