// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}`

// Audit has the API server of an environment write down all requests, in the file that is returned.
func Audit(t testing.TB, environment *envtest.Environment) string {
	t.Helper()
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.json"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	environment.ControlPlane.GetAPIServer().Configure().Set("audit-policy-file", policy).Set("audit-log-path", log)
	return log
}

// CheckRights checks in what Audit's file says that a component was refused nothing and has used all that roles, cluster-wide or
// of Tapir's namespace, let it do.
func CheckRights(t testing.TB, log, component string, roles ...string) {
	t.Helper()
	used := map[right]bool{}
	for _, request := range requests(t, log, User(component)) {
		r := right{request.Verb, request.ObjectRef.APIGroup, request.ObjectRef.Resource}
		if request.ObjectRef.Subresource != "" {
			r.resource += "/" + request.ObjectRef.Subresource
		}
		used[r] = true
		if r.verb == "watch" {
			// An API server that can't begin a watch with what there is (WatchList) is asked for a list first.
			used[right{"list", r.group, r.resource}] = true
		}
		if request.Annotations["authorization.k8s.io/decision"] == "forbid" {
			t.Errorf("%s may not %v %s", component, r, request.ObjectRef.Name)
		}
	}
	for _, object := range installed(t) {
		if kind := object.GetKind(); kind != "ClusterRole" && kind != "Role" || !slices.Contains(roles, object.GetName()) {
			continue
		}
		role := &rbacv1.ClusterRole{}
		if err := apiruntime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			t.Fatal(err)
		}
		for _, r := range rights(role.Rules) {
			// Rights on finalizers are looked up by the admission plugin that StartWith turns on, without a request of its own. That an
			// Event is told twice, which changes it, happens when a cache is late, or not at all.
			if !used[r] && !strings.HasSuffix(r.resource, "/finalizers") && r != (right{"patch", "events.k8s.io", "events"}) {
				t.Errorf("%s %s lets %s %v, which it doesn't do", object.GetKind(), object.GetName(), component, r)
			}
		}
	}
}

// Requests counts what a component has asked the API server for until now.
func Requests(t testing.TB, log, component string) (n int) {
	t.Helper()
	for _, request := range requests(t, log, User(component)) {
		if request.Stage == "RequestReceived" { // each has others, too
			n++
		}
	}
	return n
}

// right is one thing that one may do.
type right struct{ verb, group, resource string }

func rights(rules []rbacv1.PolicyRule) []right {
	var all []right
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all = append(all, right{verb, group, resource})
				}
			}
		}
	}
	return all
}

// request is what is of interest of audit.k8s.io/v1's Event.
type request struct {
	Stage, Verb      string
	ImpersonatedUser struct{ Username string }
	ObjectRef        struct{ APIGroup, Resource, Subresource, Name string }
	Annotations      map[string]string
}

// requests are those for objects that a user has made, with and without success.
func requests(t testing.TB, log, user string) []request {
	t.Helper()
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		// The last line may be in the making.
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.ObjectRef.Resource != "" && r.ImpersonatedUser.Username == user {
			found = append(found, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
