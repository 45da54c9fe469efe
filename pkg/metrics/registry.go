// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// Registry holds the metrics of this machine's NICs, and those of this process's own doing.
type Registry struct {
	*prometheus.Registry
	attach prometheus.Histogram
	dhcp   *dhcpCollector
}

// New makes a registry; node is this machine's name.
func New(node string) *Registry {
	r := &Registry{
		Registry: prometheus.NewRegistry(),
		attach: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tapir_attach_duration_seconds",
			Help:    "How long it took to attach the datapath of a NIC.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1},
		}),
		dhcp: &dhcpCollector{node: node, servers: map[Identity]Server{}},
	}
	r.MustRegister(&Collector{node, read}, r.attach, r.dhcp)
	return r
}

// Attached notes that a datapath was attached.
func (r *Registry) Attached(took time.Duration) { r.attach.Observe(took.Seconds()) }

// Server counts messages, by the versions "v4", "v6" and "ra": *dhcp.Servers.
type Server interface {
	Stats() map[string]dhcp.Stats
}

// AddDHCP shows the messages of the servers of a NIC until remove is called.
func (r *Registry) AddDHCP(id Identity, s Server) (remove func()) {
	r.dhcp.set(id, s)
	return func() { r.dhcp.set(id, nil) }
}

// dhcpCollector turns the counters of the DHCP servers of this process into metrics.
type dhcpCollector struct {
	node    string
	mu      sync.Mutex
	servers map[Identity]Server
}

var _ prometheus.Collector = (*dhcpCollector)(nil)

var dhcpMessages = desc("tapir_dhcp_messages_total",
	"DHCPv4 (v4), DHCPv6 (v6) and router discovery (ra) messages from and to the guest, and what became of those without an answer.", "version", "type")

func (c *dhcpCollector) set(id Identity, s Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil {
		delete(c.servers, id)
	} else {
		c.servers[id] = s
	}
}

// Describe sends nothing: which NICs there are changes from scrape to scrape.
func (c *dhcpCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the counters of every server.
func (c *dhcpCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, server := range c.servers {
		for version, stats := range server.Stats() {
			for kind, n := range stats {
				ch <- prometheus.MustNewConstMetric(dhcpMessages, prometheus.CounterValue, float64(n),
					append(id.labels(c.node), version, kind)...)
			}
		}
	}
}
