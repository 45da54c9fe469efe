// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/tapir-vm/tapir/test/lab"
)

// clients is a pod on each node that can fetch pages.
const clients = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: client
          image: localhost/busybox:1
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// startClients returns the names of their pods, node1's first.
func (s *space) startClients() []string {
	s.Helper()
	s.apply(clients)
	s.kubectl("rollout", "status", "daemonset/client", "--timeout="+limit.String())
	var pods []string
	for _, n := range cluster.Nodes() {
		pods = append(pods, s.kubectl("get", "pods", "--selector=app=client", "--field-selector=spec.nodeName="+n.Name(), "--output=name"))
	}
	return pods
}

// fetch fetches a page from within a pod, trying until somebody serves it.
func (s *space) fetch(pod, host, path string) string {
	s.Helper()
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	return s.kubectl("exec", pod, "--", "sh", "-c", "until timeout 3 wget -qO- http://"+host+path+" 2>/dev/null; do sleep 0.2; done")
}

// field is what a JSONPath finds in an object, word by word.
func (s *space) field(object, path string) []string {
	s.Helper()
	return strings.Fields(s.kubectl("get", object, "--output=jsonpath={"+path+"}"))
}

// launcher is the pod of an instance.
func (s *space) launcher(vmi string) string {
	s.Helper()
	return s.kubectl("get", "pods", "--selector=vm.kubevirt.io/name="+vmi, "--output=name")
}

// nodeOf is the node that a pod runs on.
func (s *space) nodeOf(pod string) *lab.Node {
	s.Helper()
	name := s.field(pod, ".spec.nodeName")[0]
	for _, n := range cluster.Nodes() {
		if n.Name() == name {
			return n
		}
	}
	s.Fatalf("%s runs on %q, which is no node", pod, name)
	return nil
}

// inNetNS is what a command prints that runs on a pod's node, in the pod's network namespace.
func (s *space) inNetNS(pod string, line ...string) string {
	s.Helper()
	const find = `for netns in /run/netns/*; do
		if nsenter --net="$netns" ip -4 -o address | grep -qF " $0/"; then exec nsenter --net="$netns" "$@"; fi
	done; echo "no network namespace on $HOSTNAME has $0" >&2; exit 1`
	address := s.field(pod, ".status.podIP")[0]
	out, err := s.nodeOf(pod).Command(session, append([]string{"bash", "-c", find, address}, line...)...).CombinedOutput()
	if err != nil {
		s.Fatalf("%q in %s: %v: %s", line, pod, err, out)
	}
	return strings.TrimSpace(string(out))
}

// forwarded fetches a page of a pod through kubectl port-forward.
func (s *space) forwarded(pod string, port int, path string) string {
	s.Helper()
	address, stop, err := cluster.PortForward(session, s.name, pod, port)
	if err != nil {
		s.Fatal(err)
	}
	defer stop()
	client := http.Client{Timeout: limit}
	response, err := client.Get("http://" + address + path)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.Fatalf("%s of %s: %s (%v)", path, pod, response.Status, err)
	}
	return strings.TrimSpace(string(page))
}
