// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// SecretName is that of the Secret with the webhooks' certificate.
const SecretName = "tapir-webhook-certificate"

// rotator keeps certificate and CA bundles in order. Each replica has one: the Secret's resource version decides which
// of them makes a certificate, and the others take it over.
type rotator struct {
	client  client.Client // not from a cache: what is decided here must not be decided on what was
	options *Options
	now     func() time.Time
	current atomic.Pointer[tls.Certificate]
}

// name is what the API server calls the webhooks' server.
func (r *rotator) name() string { return r.options.Service + "." + r.options.Namespace + ".svc" }

// certificate is for a tls.Config.
func (r *rotator) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := r.current.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// Reconcile implements reconcile.Reconciler.
func (r *rotator) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	s, err := r.ensure(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	// The bundle first: it is trusted before it is needed.
	if err := r.inject(ctx, s.bundle); err != nil {
		return reconcile.Result{}, err
	}
	r.current.Store(&s.certificate)
	return reconcile.Result{RequeueAfter: max(s.renew.Sub(r.now()), time.Second)}, nil
}

// ensure returns what is in the Secret, after having put something good there if needed.
func (r *rotator) ensure(ctx context.Context) (*serving, error) {
	secret := &corev1.Secret{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.options.Namespace, Name: SecretName}, secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read the webhooks' Secret: %w", err)
	}
	missing := err != nil
	now := r.now()
	s, err := readServing(secret.Data, r.name(), now)
	if err == nil && now.Before(s.renew) {
		return s, nil
	}
	log.FromContext(ctx).Info("make a new certificate for the webhooks", "because", reason(err, missing))

	data, err := issue(secret.Data, r.name(), now)
	if err != nil {
		return nil, err
	}
	secret.Data = data
	if missing {
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: r.options.Namespace, Name: SecretName, Labels: map[string]string{partOf: "tapir"}}
		secret.Type = corev1.SecretTypeTLS
		err = r.client.Create(ctx, secret)
	} else {
		err = r.client.Update(ctx, secret)
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		return r.ensure(ctx) // another replica was faster: its certificate is good
	}
	if err != nil {
		return nil, fmt.Errorf("write the webhooks' Secret: %w", err)
	}
	return readServing(secret.Data, r.name(), now)
}

// partOf is the label by which everything of an installation is found.
const partOf = "app.kubernetes.io/part-of"

func reason(err error, missing bool) string {
	switch {
	case missing:
		return "there is none"
	case err != nil:
		return err.Error()
	}
	return "it ends soon"
}

// inject puts the bundle into the webhook configurations, where it isn't there already.
func (r *rotator) inject(ctx context.Context, bundle []byte) error {
	key := client.ObjectKey{Name: r.options.Configuration}
	mutating := &admissionregistration.MutatingWebhookConfiguration{}
	if err := r.client.Get(ctx, key, mutating); err != nil {
		return fmt.Errorf("read the mutating webhooks' configuration: %w", err)
	}
	changed := false
	for i := range mutating.Webhooks {
		changed = trust(&mutating.Webhooks[i].ClientConfig, bundle) || changed
	}
	if changed {
		if err := r.client.Update(ctx, mutating); err != nil {
			return fmt.Errorf("write the mutating webhooks' authority: %w", err)
		}
	}
	validating := &admissionregistration.ValidatingWebhookConfiguration{}
	if err := r.client.Get(ctx, key, validating); err != nil {
		return fmt.Errorf("read the validating webhooks' configuration: %w", err)
	}
	changed = false
	for i := range validating.Webhooks {
		changed = trust(&validating.Webhooks[i].ClientConfig, bundle) || changed
	}
	if changed {
		if err := r.client.Update(ctx, validating); err != nil {
			return fmt.Errorf("write the validating webhooks' authority: %w", err)
		}
	}
	return nil
}

// trust sets the authorities that a webhook's server is known by, and tells whether they were others.
func trust(config *admissionregistration.WebhookClientConfig, bundle []byte) bool {
	changed := !bytes.Equal(config.CABundle, bundle)
	config.CABundle = bundle
	return changed
}
