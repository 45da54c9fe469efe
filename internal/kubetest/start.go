// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Start runs an API server that knows Tapir's kinds until the test ends, and returns how an administrator gets in.
func Start(t testing.TB) *rest.Config {
	t.Helper()
	config, _ := StartWith(t, envtest.Environment{})
	return config
}

// StartWith is Start for a test that has more to say about the environment, such as its webhooks.
func StartWith(t testing.TB, environment envtest.Environment) (*rest.Config, *envtest.Environment) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..")
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		environment.BinaryAssetsDirectory = filepath.Join(root, "build", "lab", "bin")
		if _, err := os.Stat(filepath.Join(environment.BinaryAssetsDirectory, "kube-apiserver")); err != nil {
			t.Fatalf("find the API server: %v: run hack/lab.sh, or set KUBEBUILDER_ASSETS", err)
		}
	}
	// As OpenShift has it: who makes a finalizer of an owner wait must have the right to.
	environment.ControlPlane.GetAPIServer().Configure().Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")
	environment.CRDDirectoryPaths = append(environment.CRDDirectoryPaths, filepath.Join(root, "deploy", "crds"))
	environment.ErrorIfCRDPathMissing = true
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("start an API server: %v", err)
	}
	return config, &environment
}
