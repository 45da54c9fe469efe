// SPDX-License-Identifier: Apache-2.0

package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

// buildAgent builds tapir-agent as its image has it, and returns where it is.
func buildAgent(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tapir-agent")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", path, "../../../cmd/tapir-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tapir-agent: %v\n%s", err, out)
	}
	return path
}

// runAgent runs a tapir-agent as a process of its own, which is killed at the end of the test or by the returned function.
func (r *rig) runAgent(t testing.TB, path, metrics string) (process *os.Process, kill func()) {
	t.Helper()
	own, kubeconfig := kubetest.As(r.config, "agent"), filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"c": {Server: own.Host, CertificateAuthorityData: own.CAData}},
		AuthInfos: map[string]*api.AuthInfo{"u": {
			ClientCertificateData: own.CertData, ClientKeyData: own.KeyData,
			Impersonate: own.Impersonate.UserName, ImpersonateGroups: own.Impersonate.Groups,
		}},
		Contexts:       map[string]*api.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "--node="+nodeName, "--pods="+r.pods, "--device-plugins="+r.plugins, "--kvm="+filepath.Join(t.TempDir(), "none"),
		"--metrics-address="+metrics, "--health-address=127.0.0.1:0")
	command.Env = []string{"KUBECONFIG=" + kubeconfig}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command.Wait()
	}()
	kill = func() {
		command.Process.Kill()
		<-ended
	}
	t.Cleanup(kill)
	return command.Process, kill
}
