// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// makeCredentials makes every certificate, key and kubeconfig of the cluster, and one for who comes by the machine's loopback.
func (l *Lab) makeCredentials() error {
	dir := l.config.certificates()
	ca, err := newAuthority(dir, "ca")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := frontProxy.issue("front-proxy-client", "front-proxy-client", ""); err != nil {
		return err
	}
	if _, err := newKey(filepath.Join(dir, "service-accounts.key")); err != nil {
		return err
	}
	hosts := append([]string{"127.0.0.1", apiService, "localhost", "kubernetes.default.svc"}, l.plan.controlPlane()...)
	if err := ca.issue("kube-apiserver", "kube-apiserver", "", hosts...); err != nil {
		return err
	}
	if err := ca.issue("kubelet-client", "kube-apiserver", "system:masters"); err != nil {
		return err
	}

	server := "https://" + l.plan.controlPlane()[0] + ":6443"
	for _, component := range []string{"kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		if err := ca.issue(component, "system:"+component, ""); err != nil {
			return err
		}
		if err := l.writeKubeconfig(l.kubeconfig(component), component, server); err != nil {
			return err
		}
	}
	for _, n := range l.nodes {
		if err := ca.issue(n.name, "system:node:"+n.name, "system:nodes", append(l.plan.node(n.number), n.name)...); err != nil {
			return err
		}
		if err := l.writeKubeconfig(filepath.Join(n.dir(), "kubeconfig"), n.name, server); err != nil {
			return err
		}
	}
	if err := ca.issue("admin", "admin", "system:masters"); err != nil {
		return err
	}
	return l.writeKubeconfig(l.config.Kubeconfig(), "admin", "https://"+l.entry.address())
}

// kubeconfig is the file by which a part of the cluster finds the API server.
func (l *Lab) kubeconfig(name string) string {
	return filepath.Join(l.config.certificates(), name+".kubeconfig")
}

var kubeconfig = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
clusters: [{name: lab, cluster: {server: "{{.Server}}", certificate-authority: "{{.Dir}}/ca.crt"}}]
users: [{name: lab, user: {client-certificate: "{{.Dir}}/{{.Name}}.crt", client-key: "{{.Dir}}/{{.Name}}.key"}}]
`))

func (l *Lab) writeKubeconfig(path, name, server string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", name, err)
	}
	defer file.Close()
	values := struct{ Server, Dir, Name string }{server, l.config.certificates(), name}
	if err := kubeconfig.Execute(file, values); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", name, err)
	}
	return file.Close()
}
