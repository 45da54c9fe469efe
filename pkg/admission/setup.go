// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Where the webhooks are served.
const (
	PathMutateMachine     = "/mutate/virtualmachines"
	PathMutateInstance    = "/mutate/virtualmachineinstances"
	PathValidateMachine   = "/validate/virtualmachines"
	PathValidateInstance  = "/validate/virtualmachineinstances"
	PathValidateMigration = "/validate/virtualmachineinstancemigrations"
)

// DefaultPort is where the webhooks are served if nobody says otherwise.
const DefaultPort = 9443

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kubevirt.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("admission: kinds that collide: %v", err))
		}
	}
	return s
}

// Setup adds the webhooks, and what keeps their certificates and the reservations of addresses in order, to a manager. It makes
// the certificate and has the API server trust it before it returns, so it needs the webhook configurations to be there.
// The manager's readiness is not reached before the webhooks are served.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	if err := o.validate(); err != nil {
		return err
	}
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: scheme()})
	if err != nil {
		return fmt.Errorf("set up admission: %w", err)
	}
	own, err := ownCache(mgr, &o)
	if err != nil {
		return err
	}

	server := webhook.Options{Port: o.Port, CertDir: o.CertDir}
	if o.CertDir == "" {
		r := &rotator{client: direct, options: &o, now: time.Now}
		if _, err := r.Reconcile(ctx, reconcile.Request{}); err != nil {
			return fmt.Errorf("set up the webhooks' certificate: %w", err)
		}
		if err := watchCertificates(mgr, own, r); err != nil {
			return err
		}
		server.TLSOpts = append(server.TLSOpts, func(c *tls.Config) { c.GetCertificate = r.certificate })
	}
	macs := &reservations{client: direct, machines: mgr.GetClient(), namespace: o.Namespace}
	if err := watchAddresses(ctx, mgr, own, macs); err != nil {
		return err
	}
	return serve(mgr, webhook.NewServer(server), &o, direct, macs)
}

// ownCache watches what only admission does, and nothing beyond: the manager's own would watch all Secrets of the cluster. It is
// the cache of a cluster, since a manager starts those in every replica.
func ownCache(mgr ctrl.Manager, o *Options) (cache.Cache, error) {
	named := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	secret := named(SecretName)
	secret.Namespaces = map[string]cache.Config{o.Namespace: {}}
	addresses, err := labels.Parse(macLabel)
	if err != nil {
		return nil, err
	}
	own, err := cluster.New(mgr.GetConfig(), func(c *cluster.Options) {
		c.Scheme = scheme()
		c.Cache.ByObject = map[client.Object]cache.ByObject{
			&corev1.Secret{}: secret,
			&admissionregistration.MutatingWebhookConfiguration{}:   named(o.Configuration),
			&admissionregistration.ValidatingWebhookConfiguration{}: named(o.Configuration),
			&coordination.Lease{}: {Label: addresses, Namespaces: map[string]cache.Config{o.Namespace: {}}},
		}
	})
	if err != nil {
		return nil, fmt.Errorf("set up admission: %w", err)
	}
	return own.GetCache(), mgr.Add(own)
}

// watchCertificates runs the rotator whenever what it keeps in order changes, in every replica: each serves.
func watchCertificates(mgr ctrl.Manager, own cache.Cache, r *rotator) error {
	everything := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: SecretName}}}
	})
	err := ctrl.NewControllerManagedBy(mgr).Named("webhook-certificate").
		WithOptions(controller.Options{NeedLeaderElection: new(false)}).
		WatchesRawSource(source.Kind[client.Object](own, &corev1.Secret{}, everything)).
		WatchesRawSource(source.Kind[client.Object](own, &admissionregistration.MutatingWebhookConfiguration{}, everything)).
		WatchesRawSource(source.Kind[client.Object](own, &admissionregistration.ValidatingWebhookConfiguration{}, everything)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the rotation of the webhooks' certificate: %w", err)
	}
	return nil
}

// watchAddresses keeps the reservations in line with the machines, in the replica that leads.
func watchAddresses(ctx context.Context, mgr ctrl.Manager, own cache.Cache, macs *reservations) error {
	for _, kind := range []client.Object{&kubevirt.VirtualMachine{}, &kubevirt.VirtualMachineInstance{}} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, kind, macIndex, leasesOf); err != nil {
			return fmt.Errorf("index %T by MAC address: %w", kind, err)
		}
	}
	ofMachine := handler.EnqueueRequestsFromMapFunc(macs.ofMachine)
	err := ctrl.NewControllerManagedBy(mgr).Named("mac-addresses").
		WatchesRawSource(source.Kind[client.Object](own, &coordination.Lease{}, &handler.EnqueueRequestForObject{})).
		Watches(&kubevirt.VirtualMachine{}, ofMachine).
		Watches(&kubevirt.VirtualMachineInstance{}, ofMachine).
		Complete(reconcile.Func(macs.release))
	if err != nil {
		return fmt.Errorf("set up the reservations of MAC addresses: %w", err)
	}
	return nil
}

func serve(mgr ctrl.Manager, server webhook.Server, o *Options, direct client.Client, macs *reservations) error {
	s := scheme()
	j := &judge{options: o, client: direct}
	server.Register(PathMutateMachine, decodable(admission.WithDefaulter(s, &machines{o, macs})))
	server.Register(PathMutateInstance, decodable(admission.WithDefaulter(s, &instances{o, macs})))
	server.Register(PathValidateMachine, admission.WithValidator(s, machineValidator{j}))
	server.Register(PathValidateInstance, admission.WithValidator(s, instanceValidator{j}))
	server.Register(PathValidateMigration, admission.WithValidator(s, migrationValidator{}))
	if err := mgr.Add(server); err != nil {
		return fmt.Errorf("set up the webhooks: %w", err)
	}
	if err := mgr.AddReadyzCheck("webhooks", server.StartedChecker()); err != nil {
		return fmt.Errorf("set up the webhooks: %w", err)
	}
	return nil
}
