// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

// Whatever becomes of the Secret and the configurations, machines are soon admitted again.
func (c *testCluster) testCertificate(t *testing.T) {
	secret := func() *corev1.Secret {
		t.Helper()
		s := &corev1.Secret{}
		if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: kubetest.Namespace, Name: SecretName}, s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	name := c.options.Service + "." + c.options.Namespace + ".svc"
	for what, spoil := range map[string]func() error{
		"expired": func() error {
			s := secret()
			expired, err := issue(nil, name, time.Now().Add(-2*certificateLife))
			if err != nil {
				return err
			}
			s.Data = expired
			return c.admin.Update(t.Context(), s)
		},
		"damaged": func() error {
			s := secret()
			s.Data[certKey] = []byte("x")
			return c.admin.Update(t.Context(), s)
		},
		"deleted": func() error { return c.admin.Delete(t.Context(), secret()) },
		"not trusted": func() error {
			configuration := &admissionregistration.ValidatingWebhookConfiguration{}
			if err := c.admin.Get(t.Context(), client.ObjectKey{Name: c.options.Configuration}, configuration); err != nil {
				return err
			}
			for i := range configuration.Webhooks {
				configuration.Webhooks[i].ClientConfig.CABundle = nil
			}
			return c.admin.Update(t.Context(), configuration)
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		waitFor(t, what+": a good Secret that is trusted", func() error {
			s := &corev1.Secret{}
			if err := c.admin.Get(t.Context(), client.ObjectKey{Namespace: kubetest.Namespace, Name: SecretName}, s); err != nil {
				return err
			}
			if _, err := readServing(s.Data, name, time.Now()); err != nil {
				return err
			}
			configuration := &admissionregistration.ValidatingWebhookConfiguration{}
			if err := c.admin.Get(t.Context(), client.ObjectKey{Name: c.options.Configuration}, configuration); err != nil {
				return err
			}
			if !bytes.Equal(configuration.Webhooks[0].ClientConfig.CABundle, s.Data[caKey]) {
				return errTest
			}
			for _, port := range c.ports {
				if err := trusted(port, name, s.Data[caKey]); err != nil {
					return err
				}
			}
			return c.admin.Create(t.Context(), withMAC(t, "certified", ""), client.DryRunAll)
		})
	}
}

// trusted connects to a replica as the API server does.
func trusted(port int, name string, bundle []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	conn, err := tls.Dial("tcp", net.JoinHostPort("localhost", strconv.Itoa(port)), &tls.Config{RootCAs: roots, ServerName: name})
	if err != nil {
		return err
	}
	return conn.Close()
}

// Replicas that start together serve with the same certificate.
func TestRotatorsAtOnce(t *testing.T) {
	config := kubetest.Start(t)
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	made := make([]*serving, 8)
	for i := range made {
		group.Go(func() {
			r := &rotator{client: c, options: &Options{Namespace: "default", Service: "tapir-webhook"}, now: time.Now}
			s, err := r.ensure(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = s
		})
	}
	group.Wait()
	for _, s := range made {
		if s == nil || !s.certificate.Leaf.Equal(made[0].certificate.Leaf) {
			t.Fatal("they have certificates of their own")
		}
	}
}
