// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const prometheusPort = "9090"

// A Prometheus in the cluster scrapes the agents and knows how much a guest has received.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "restricted")
	s.kubectl("apply", "--filename=../../examples/cluster/vm.yaml")
	s.fetch(s.startClients()[0], s.field("service/fedora-0", ".spec.clusterIP")[0], "/hello.txt")
	server := s.startPrometheus()
	query := fmt.Sprintf(`kubevirt_vmi_network_receive_bytes_total{namespace=%q,name="fedora-0",interface="default",pod=%q}`,
		s.name, strings.TrimPrefix(s.launcher("fedora-0"), "pod/"))
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Second) {
		bytes, err := ask(server, query)
		if err == nil && bytes > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v (%v)", query, bytes, err)
		}
	}
}

// startPrometheus runs Debian's Prometheus on the first node, which scrapes the agents every second, and returns where it is asked.
func (s *space) startPrometheus() string {
	s.Helper()
	node := cluster.Nodes()[0]
	agents := s.kubectl("--namespace="+tapirNamespace, "get", "pods", "--selector=app.kubernetes.io/component=agent",
		`--output=jsonpath={range .items[*]}"{.status.podIP}:{.spec.containers[0].ports[?(@.name=="metrics")].containerPort}",{end}`)
	config := fmt.Sprintf("scrape_configs: [{job_name: tapir-agent, scrape_interval: 1s, static_configs: [{targets: [%s]}]}]", agents)
	program, err := filepath.Abs("../../build/lab/bin/prometheus")
	if err != nil {
		s.Fatal(err)
	}
	cmd := node.Command(session, "bash", "-c", `mkdir -p /run/prometheus && echo "$0" >/run/prometheus/config.yaml &&
		exec "$1" --config.file=/run/prometheus/config.yaml --storage.tsdb.path=/run/prometheus --web.listen-address=:"$2"`,
		config, program, prometheusPort)
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if out, err := node.Command(session, "pkill", "-x", "prometheus").CombinedOutput(); err != nil {
			s.Errorf("end Prometheus: %v: %s", err, out)
		}
		cmd.Wait() // killed
	})
	address := s.field("node/"+node.Name(), `.status.addresses[?(@.type=="InternalIP")].address`)[0]
	return net.JoinHostPort(address, prometheusPort)
}

// ask is the value of a query that has one answer.
func ask(server, query string) (float64, error) {
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		return cluster.Dial(network, address)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: limit}
	response, err := client.Get("http://" + server + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Result []struct{ Value []any }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("%w: %s", err, text)
	}
	if len(answer.Data.Result) != 1 || len(answer.Data.Result[0].Value) != 2 {
		return 0, fmt.Errorf("no single answer: %s", strings.TrimSpace(string(text)))
	}
	return strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
}
