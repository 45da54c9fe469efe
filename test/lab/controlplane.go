// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

const pollInterval = 100 * time.Millisecond

// startControlPlane returns when the API server is ready. The others follow by themselves.
func (l *Lab) startControlPlane(ctx context.Context) error {
	if err := l.startEtcd(); err != nil {
		return err
	}
	if err := l.StartAPIServer(ctx); err != nil {
		return err
	}
	pki := func(name string) string { return filepath.Join(l.config.certificates(), name) }
	common := func(name string) []string {
		config := l.kubeconfig(name)
		return []string{
			l.config.program(name), "--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1", "--leader-elect=false",
		}
	}
	// With the client limits that it has by default, the controller manager takes six seconds to its first service account.
	controllers := append(common("kube-controller-manager"),
		"--use-service-account-credentials=true", "--service-account-private-key-file="+pki("service-accounts.key"),
		"--root-ca-file="+pki("ca.crt"), "--kube-api-qps=200", "--kube-api-burst=400",
		"--node-monitor-grace-period=20s")
	for _, line := range [][]string{controllers, common("kube-scheduler")} {
		p, err := l.start(filepath.Base(line[0]), nil, 0, line...)
		if err != nil {
			return err
		}
		l.controlPlane = append(l.controlPlane, p)
	}
	return nil
}

func (l *Lab) startEtcd() error {
	p, err := l.start("etcd", nil, 0, l.config.program("etcd"),
		"--data-dir="+filepath.Join(l.config.run(), "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	l.controlPlane = append(l.controlPlane, p)
	return nil
}

// StopAPIServer kills the API server: the cluster goes on without it until [Lab.StartAPIServer].
func (l *Lab) StopAPIServer() error { return l.apiServer.kill() }

// StartAPIServer returns when the API server is ready.
func (l *Lab) StartAPIServer(ctx context.Context) error {
	pki := func(name string) string { return filepath.Join(l.config.certificates(), name) }
	p, err := l.start("kube-apiserver", nil, 0, l.config.program("kube-apiserver"),
		"--etcd-servers=http://127.0.0.1:2379", "--advertise-address="+l.plan.controlPlane()[0], "--secure-port=6443",
		"--client-ca-file="+pki("ca.crt"), "--tls-cert-file="+pki("kube-apiserver.crt"), "--tls-private-key-file="+pki("kube-apiserver.key"),
		"--kubelet-certificate-authority="+pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate="+pki("kubelet-client.crt"), "--kubelet-client-key="+pki("kubelet-client.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+pki("service-accounts.key"), "--service-account-signing-key-file="+pki("service-accounts.key"),
		"--requestheader-client-ca-file="+pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+pki("front-proxy-client.crt"), "--proxy-client-key-file="+pki("front-proxy-client.key"),
		"--authorization-mode=Node,RBAC", "--allow-privileged=true", "--service-cluster-ip-range="+strings.Join(l.plan.services(), ","),
		"--enable-aggregator-routing=true", // webhooks and aggregated APIs at their pods' addresses
	)
	if err != nil {
		return err
	}
	l.apiServer = p
	for {
		out, err := l.Kubectl(ctx, nil, "get", "--raw=/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("wait for the API server: %w (%s)", context.Cause(ctx), strings.TrimSpace(out))
		case <-time.After(pollInterval):
		}
	}
}
