// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// Collector turns samples of NICs into metrics whenever it is scraped.
type Collector struct {
	node string
	read func() ([]Sample, error)
}

var _ prometheus.Collector = (*Collector)(nil)

// nicLabels are those of every series of a NIC; Identity.labels has their values.
var nicLabels = []string{"node", "namespace", "name", "interface", "pod"}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append(nicLabels[:len(nicLabels):len(nicLabels)], labels...), nil)
}

var (
	receiveBytes    = desc("kubevirt_vmi_network_receive_bytes_total", "Bytes that the guest received.")
	transmitBytes   = desc("kubevirt_vmi_network_transmit_bytes_total", "Bytes that the guest sent.")
	receivePackets  = desc("kubevirt_vmi_network_receive_packets_total", "Packets that the guest received.")
	transmitPackets = desc("kubevirt_vmi_network_transmit_packets_total", "Packets that the guest sent.")
	receiveErrors   = desc("kubevirt_vmi_network_receive_errors_total", "Errors on the way into the guest.")
	transmitErrors  = desc("kubevirt_vmi_network_transmit_errors_total", "Errors on the way out of the guest.")
	receiveDropped  = desc("kubevirt_vmi_network_receive_packets_dropped_total", "Packets dropped on the way into the guest.")
	transmitDropped = desc("kubevirt_vmi_network_transmit_packets_dropped_total", "Packets dropped on the way out of the guest.")

	dropped    = desc("tapir_network_dropped_packets_total", "Packets that the datapath dropped.", "direction", "reason")
	flows      = desc("tapir_network_flows", "Flows in the flow table. An entry is a cache: losing one breaks no connection.")
	pressure   = desc("tapir_network_flow_table_pressure_ratio", "Share of the flow table that is in use.")
	portRemaps = desc("tapir_network_port_remaps_total", "Flows that got another source port because theirs was taken.")
)

// Describe sends nothing: which NICs there are changes from scrape to scrape.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of every NIC. What can't be read makes the scrape say so; the rest is still sent.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	samples, err := c.read()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	seen := map[Identity]bool{}
	for _, s := range samples {
		if !seen[s.Identity] {
			seen[s.Identity] = true
			c.collect(ch, s)
		}
	}
}

func (c *Collector) collect(ch chan<- prometheus.Metric, s Sample) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, append(s.labels(c.node), labels...)...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		send(d, prometheus.CounterValue, float64(v), labels...)
	}
	drops := map[string]uint64{}
	for _, d := range s.Drops {
		count(dropped, d.Packets, d.Direction, d.Reason)
		drops[d.Direction] += d.Packets
	}
	count(receiveBytes, s.Tap.Receive.Bytes)
	count(receivePackets, s.Tap.Receive.Packets)
	count(receiveErrors, s.Tap.ReceiveErrors)
	count(receiveDropped, s.Tap.ReceiveDropped+drops["receive"])
	count(transmitBytes, s.Tap.Transmit.Bytes)
	count(transmitPackets, s.Tap.Transmit.Packets)
	count(transmitErrors, s.Tap.TransmitErrors)
	count(transmitDropped, s.Tap.TransmitDropped+drops["transmit"])
	count(portRemaps, s.Counters.Remaps)
	send(flows, prometheus.GaugeValue, float64(s.Flows))
	send(pressure, prometheus.GaugeValue, float64(s.Flows)/float64(max(s.Table, 1)))
}

// Sample is what one NIC has to say at one scrape.
type Sample struct {
	Identity
	Tap      datapath.LinkCounters
	Drops    []datapath.Drop
	Counters datapath.Counters
	Flows    int
	Table    int // how many flows there is room for
}

// read samples every attached NIC of this machine.
func read() ([]Sample, error) {
	nics, err := datapath.List()
	errs := []error{err}
	var samples []Sample
	for _, nic := range nics {
		s, err := sample(nic)
		nic.Close()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		samples = append(samples, s)
	}
	return samples, errors.Join(errs...)
}

// sample reads just what is shown: the NIC's whole Status takes several times as long.
func sample(nic *datapath.NIC) (s Sample, err error) {
	s.Identity, s.Table = IdentityOf(nic.Config()), nic.Config().Flows
	if s.Tap, err = nic.LinkCounters(); err != nil {
		return s, err
	}
	if s.Drops, err = nic.Drops(); err != nil {
		return s, err
	}
	if s.Counters, err = nic.Counters(); err != nil {
		return s, err
	}
	s.Flows, err = nic.FlowCount()
	return s, err
}
