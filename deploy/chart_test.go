// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
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
