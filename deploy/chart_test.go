// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

//go:generate go test -run ^TestKustomize$ . -write

var write = flag.Bool("write", false, "write kustomize/tapir.yaml instead of checking it")

const chart = "charts/tapir"

// helm runs the Helm of the end-to-end lab, and returns what it prints.
func helm(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	program := "../build/lab/bin/helm"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("find helm: %v: run hack/lab.sh", err)
	}
	out, err := exec.Command(program, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(out), errors.New(string(exit.Stderr))
	}
	return string(out), err
}

func render(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "tapir", chart, "--namespace", "tapir-system"}, args...)...)
}

func TestKustomize(t *testing.T) {
	const file = "kustomize/tapir.yaml"
	text, err := render(t, "--set", "definitions.install=false")
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("# Code generated from charts/tapir by go generate ./deploy. DO NOT EDIT.\n" + text)
	if *write {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (%v): run go generate ./deploy", file, err)
	}
}

func TestLint(t *testing.T) {
	for _, values := range []string{
		"podMonitor.enabled=false",
		"webhooks.certManager=true,podMonitor.enabled=true,podMonitor.labels.release=prometheus",
		"aggregateRoles=false,controller.replicas=1,definitions.install=false,image.tag=v1",
	} {
		if _, err := helm(t, "lint", "--strict", chart, "--set", values); err != nil {
			t.Errorf("%s: %v", values, err)
		}
		text, err := render(t, "--set", values)
		if err != nil {
			t.Fatalf("%s: %v", values, err)
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			object := map[string]any{}
			if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
				t.Errorf("%s: %v in\n%s", values, err, document)
			}
		}
	}
}

func TestInvalidValues(t *testing.T) {
	for _, values := range []string{
		"machines.defaultBinding=slirp",
		"machines.defaultEvictionStrategy=Never",
		"machines.macAddresses.first=03:00:00:00:00:00",
		"machines.macAddresses.last=02:00",
		"machines.allowEmulations=true",
		"controller.replicas=0",
		"image.pullPolicy=Sometimes",
		"agent.kubeletDir=var/lib/kubelet",
		"podMonitor.interval=often",
	} {
		if _, err := render(t, "--set", values); err == nil {
			t.Errorf("%s is accepted", values)
		}
	}
}

// Where KubeVirt is, nothing is installed, as `helm install` finds out by itself.
func TestRefusesKubeVirt(t *testing.T) {
	config, environment := kubetest.StartWith(t, envtest.Environment{})
	admin, err := environment.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := admin.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	install := func() error { // the definitions are there, and aren't Helm's
		_, err := helm(t, "install", "tapir", chart, "--kubeconfig="+kubeconfig, "--dry-run=server", "--set=definitions.install=false")
		return err
	}
	if err := install(); err != nil {
		t.Errorf("in a cluster without KubeVirt: %v", err)
	}
	_, err = envtest.InstallCRDs(config, envtest.CRDInstallOptions{CRDs: []*apiextensions.CustomResourceDefinition{{
		ObjectMeta: metav1.ObjectMeta{Name: "kubevirts.kubevirt.io"},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: "kubevirt.io", Scope: apiextensions.NamespaceScoped,
			Names: apiextensions.CustomResourceDefinitionNames{Plural: "kubevirts", Kind: "KubeVirt"},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
				Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{Type: "object"}},
			}},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := install(); err == nil || !strings.Contains(err.Error(), "there is a KubeVirt in this cluster") {
		t.Errorf("beside KubeVirt: %v", err)
	}
}

// The release keeps what machines are made of, and CRDs are Helm's to update.
func TestDefinitionsStay(t *testing.T) {
	text, err := render(t)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text, "helm.sh/resource-policy: keep"); n != 3 {
		t.Errorf("%d objects are kept, want the 3 definitions", n)
	}
}
