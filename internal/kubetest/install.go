// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Namespace is where Install installs.
const Namespace = "tapir-system"

// Install applies what `kubectl apply -k deploy/kustomize` does, without what needs nodes. The API server calls the webhooks
// on the given port of this machine.
func Install(t testing.TB, config *rest.Config, port int64) {
	t.Helper()
	Grant(t, config)
	install(t, config, func(object *unstructured.Unstructured) bool {
		switch object.GetKind() {
		case "Service":
			// There is no proxy; the API server looks up such a name itself.
			object.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": "localhost"}
		case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
			webhooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
			if err != nil {
				t.Fatal(err)
			}
			for _, webhook := range webhooks {
				if err := unstructured.SetNestedField(webhook.(map[string]any), port, "clientConfig", "service", "port"); err != nil {
					t.Fatal(err)
				}
			}
			object.Object["webhooks"] = webhooks
		case "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding":
		default:
			return false
		}
		return true
	})
}

// Grant applies the rights of an installation's components alone: Tapir's namespace and all roles.
func Grant(t testing.TB, config *rest.Config) {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}); err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	install(t, config, func(object *unstructured.Unstructured) bool {
		return object.GroupVersionKind().Group == rbacv1.GroupName
	})
}

// install creates the objects that pick picks, as it changes them.
func install(t testing.TB, config *rest.Config, pick func(*unstructured.Unstructured) bool) {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range installed(t) {
		if !pick(object) {
			continue
		}
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("install: %v", err)
		}
	}
}

// installed are the objects of the kustomization, definitions and namespace left out.
func installed(t testing.TB) []*unstructured.Unstructured {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "deploy", "kustomize", "tapir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects
}

// User is the name that a component of an installation has at the API server.
func User(component string) string {
	return "system:serviceaccount:" + Namespace + ":tapir-" + component
}

// As returns how a component of an installation gets in, with the rights that it has.
func As(config *rest.Config, component string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: User(component),
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace, "system:authenticated"},
	}
	return config
}
