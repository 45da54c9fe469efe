// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const limit = 5 * time.Minute

func testConfig(log *slog.Logger) Config {
	return Config{Dir: "../../build/lab", Nodes: 2, DualStack: true, Log: log}
}

// A rig is a lab with pods in it.
type rig struct {
	*testing.T
	lab *Lab
	ctx context.Context
}

func newRig(t *testing.T) *rig {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	l, err := Up(ctx, testConfig(slog.New(slog.NewTextHandler(t.Output(), nil))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Errorf("take the lab down: %v", err)
		}
	})
	return &rig{t, l, ctx}
}

// kubectl is what a command prints, which must succeed.
func (r *rig) kubectl(arguments ...string) string {
	r.Helper()
	out, err := r.lab.Kubectl(r.ctx, nil, arguments...)
	if err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (r *rig) apply(manifest string) {
	r.Helper()
	if _, err := r.lab.Kubectl(r.ctx, strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		r.Fatal(err)
	}
}

// web is a page server on each node, with its pod's name as page, behind a Service of both families.
const web = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: localhost/busybox:1
          command: [sh, -c, "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www"]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ipFamilyPolicy: RequireDualStack, ports: [{port: 80, targetPort: http}]}
`

func (r *rig) waitForWeb() { r.kubectl("rollout", "status", "daemonset/web") }

// podOn is the page server's pod on a node.
func (r *rig) podOn(node string) string {
	return r.kubectl("get", "pods", "--selector=app=web", "--field-selector=spec.nodeName="+node, "--output=name")
}

// TestLab goes through what tests and users expect of a cluster, and of its end.
func TestLab(t *testing.T) {
	before, err := saveSysctls()
	if err != nil {
		t.Fatal(err)
	}
	loops := boundLoops(t)
	t.Cleanup(func() { // after the lab's own clean-up
		checkNothingLeft(t, before)
		if after := boundLoops(t); !slices.Equal(loops, after) {
			t.Errorf("loop devices in use were %q and are %q", loops, after)
		}
	})

	r := newRig(t)
	r.apply(web)
	r.waitForWeb()
	t.Run("pods reach each other and Services", func(t *testing.T) { r.with(t).testReach() })
	t.Run("the API server reaches webhooks", func(t *testing.T) { r.with(t).testWebhook() })
	t.Run("volumes", func(t *testing.T) { r.with(t).testVolumes() })
	t.Run("port-forward", func(t *testing.T) { r.with(t).testPortForward() })
	t.Run("one lab at a time", func(t *testing.T) {
		if l, err := Up(r.ctx, r.lab.config); err == nil || l != nil || !strings.Contains(err.Error(), "make lab-down") {
			t.Errorf("a second lab came up, or the error doesn't say how to mend it: %v", err)
		}
	})
	t.Run("a node loses its power and boots again", func(t *testing.T) { r.with(t).testPower() })
	t.Run("the API server goes away and comes back", func(t *testing.T) { r.with(t).testAPIServer() })
}

func (r *rig) with(t *testing.T) *rig { return &rig{t, r.lab, r.ctx} }

func (r *rig) testReach() {
	hosts := strings.Fields(r.kubectl("get", "pods", "--output=jsonpath={.items[*].status.podIPs[*].ip}"))
	if len(hosts) != 4 {
		r.Fatalf("two pods of two families have the addresses %q", hosts)
	}
	for i := range hosts {
		hosts[i] += ":8080"
		if strings.Count(hosts[i], ":") > 1 {
			hosts[i] = "[" + strings.TrimSuffix(hosts[i], ":8080") + "]:8080"
		}
	}
	services := r.kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIPs[0]} [{.spec.clusterIPs[1]}]")
	hosts = append(hosts, strings.Fields(services)...)
	for _, n := range r.lab.Nodes() {
		pod := r.podOn(n.Name())
		for _, host := range hosts {
			if page := r.kubectl("exec", pod, "--", "wget", "-qO-", "http://"+host+"/"); !strings.HasPrefix(page, "web-") {
				r.Errorf("%s at %s: %q", pod, host, page)
			}
		}
	}
}

// webhook has the API server ask the page server's Service about ConfigMaps of a certain name.
const webhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: web}
webhooks:
  - name: web.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    matchConditions: [{name: name, expression: object.metadata.name == "asked-about"}]
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    clientConfig: {service: {namespace: default, name: web, port: 80}}
`

// testWebhook goes by what the API server says of a webhook that turns out to speak HTTP without TLS.
func (r *rig) testWebhook() {
	r.apply(webhook)
	for {
		_, err := r.lab.Kubectl(r.ctx, nil, "create", "configmap", "asked-about")
		if err != nil {
			if !strings.Contains(err.Error(), "HTTP response to HTTPS client") {
				r.Error(err)
			}
			return
		}
		r.kubectl("delete", "configmap", "asked-about") // the API server didn't know of the webhook yet
	}
}

// testPortForward fetches a page through kubectl on the machine's loopback.
func (r *rig) testPortForward() {
	pod := r.podOn(r.lab.Nodes()[0].Name())
	address, stop, err := r.lab.PortForward(r.ctx, "default", pod, 8080)
	if err != nil {
		r.Fatal(err)
	}
	defer stop()
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || "pod/"+strings.TrimSpace(string(page)) != pod {
		r.Errorf("the page of %s is %q (%v)", pod, page, err)
	}
}

func (r *rig) testPower() {
	node := r.lab.Nodes()[1]
	before := r.restarts(node)
	if err := node.PowerOff(); err != nil {
		r.Fatal(err)
	}
	r.kubectl("wait", "--for=condition=Ready=Unknown", "--timeout=2m", "node/"+node.Name())
	if err := node.PowerOn(); err != nil {
		r.Fatal(err)
	}
	r.kubectl("wait", "--for=condition=Ready", "--timeout=2m", "node/"+node.Name())
	r.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}="+before, "--timeout=2m", r.podOn(node.Name()))
	r.waitForWeb()
}

// restarts is how often the page server of a node will have been started when it is once more.
func (r *rig) restarts(n *Node) string {
	if count := r.kubectl("get", r.podOn(n.Name()), "--output=jsonpath={.status.containerStatuses[0].restartCount}"); count != "0" {
		r.Fatalf("the pod was started again already, %s times", count)
	}
	return "1"
}

func (r *rig) testAPIServer() {
	if err := r.lab.StopAPIServer(); err != nil {
		r.Fatal(err)
	}
	if out, err := r.lab.Kubectl(r.ctx, nil, "get", "--raw=/readyz"); err == nil {
		r.Fatalf("an API server answers %q", out)
	}
	if err := r.lab.StartAPIServer(r.ctx); err != nil {
		r.Fatal(err)
	}
	r.waitForWeb()
}

// checkNothingLeft looks for what the lab's doc.go says is removed.
func checkNothingLeft(t *testing.T, before sysctls) {
	for _, pattern := range []string{filepath.Join(cgroupRoot, cgroup), filepath.Join(cgroupRoot, "*", cgroup), "../../build/lab/run"} {
		if found, err := filepath.Glob(pattern); err != nil || found != nil {
			t.Errorf("%q is left (%v)", found, err)
		}
	}
	after, err := saveSysctls()
	if err != nil {
		t.Fatal(err)
	}
	for path, value := range before {
		if string(after[path]) != string(value) {
			t.Errorf("%s was %s and is %s", path, value, after[path])
		}
	}
	if running := runningPrograms(t); len(running) > 0 {
		t.Errorf("%q still run", running)
	}
}

// runningPrograms are the processes of the lab's programs, outside and inside of nodes.
func runningPrograms(t *testing.T) []string {
	t.Helper()
	program, err := os.Stat("../../build/lab/bin/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	executables, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var running []string
	for _, path := range executables {
		if other, err := os.Stat(path); err == nil && os.SameFile(program, other) {
			running = append(running, path)
		}
	}
	return running
}
