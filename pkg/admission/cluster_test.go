// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tapir-vm/tapir/internal/kubetest"
	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

// testCluster is an API server with an installation's objects, and two replicas of the webhooks with the controller's rights.
type testCluster struct {
	admin   client.Client
	config  *rest.Config // an administrator's
	log     string       // of the API server's requests
	options Options
	ports   []int // of the replicas; the API server calls the first
}

func startCluster(t *testing.T) *testCluster {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	environment := envtest.Environment{}
	log := kubetest.Audit(t, &environment)
	admin, _ := kubetest.StartWith(t, environment)
	port := freePort(t)
	kubetest.Install(t, admin, int64(port))
	direct, err := client.New(admin, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	c := &testCluster{admin: direct, config: admin, log: log, options: Options{
		Namespace:      kubetest.Namespace,
		Port:           port,
		Service:        "tapir-webhook",
		Configuration:  "tapir",
		ControllerUser: "system:serviceaccount:" + kubetest.Namespace + ":tapir-controller",
		FirstMAC:       DefaultFirstMAC,
		LastMAC:        DefaultLastMAC,
		Binding:        BindingMasquerade,
		Pods:           pod.Settings{Image: "launcher"},
	}}
	c.serve(t, c.options)
	other := c.options
	other.Port = freePort(t)
	c.serve(t, other)
	c.ports = []int{port, other.Port}
	return c
}

// serve runs a manager with the webhooks until the test ends.
func (c *testCluster) serve(t *testing.T, o Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := ctrl.NewManager(kubetest.As(c.config, "controller"), ctrl.Options{
		Scheme:                  scheme(),
		Metrics:                 server.Options{BindAddress: "0"},
		LeaderElection:          true,
		LeaderElectionID:        "tapir-controller",
		LeaderElectionNamespace: o.Namespace,
		Controller:              config.Controller{SkipNameValidation: new(true)}, // there are two
	})
	if err == nil {
		err = Setup(ctx, mgr, o)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})
	waitFor(t, "the webhooks to be served", func() error { return dial(o.Port) })
}

func dial(port int) error {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("localhost", strconv.Itoa(port)), time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// waitFor waits until there is no error any more.
func waitFor(t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// refused checks that the API server refuses something, with a text that is in its answer.
func refused(t *testing.T, err error, text string) {
	t.Helper()
	if status := apierrors.APIStatus(nil); !errors.As(err, &status) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want a refusal with %q", err, text)
	}
}
