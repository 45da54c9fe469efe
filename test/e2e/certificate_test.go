// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

const certificateSecret = "secret/tapir-webhook-certificate"

// A certificate that has expired, as that of an installation that was switched off for long, is replaced, and so is one that is gone.
func (s *space) testCertificateExpired(*bystander) {
	system := &space{s.T, tapirNamespace}
	expired, key := selfSigned(s.T, time.Now().Add(-time.Hour))
	data := map[string][]byte{"tls.crt": expired, "tls.key": key, "ca.crt": expired, "ca.key": key}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		s.Fatal(err)
	}
	for _, outage := range [][]string{
		{"patch", certificateSecret, "--type=merge", "--patch=" + string(patch)},
		{"delete", certificateSecret},
	} {
		system.kubectl(outage...)
		system.wait(certificateSecret, "create")
		for certificate := expired; !valid(s.T, certificate); {
			text := system.kubectl("get", certificateSecret, `--output=jsonpath={.data.tls\.crt}`)
			if certificate, err = base64.StdEncoding.DecodeString(text); err != nil {
				s.Fatal(err)
			}
		}
		s.insist(instance{name: "judged"}.manifest(), "--dry-run=server")
	}
}

// valid is whether a certificate has more than a day left.
func valid(t *testing.T, text []byte) bool {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate: %q", text)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().Add(24 * time.Hour).Before(certificate.NotAfter)
}

// selfSigned is a certificate for the webhooks that is valid up to a moment, and its key.
func selfSigned(t *testing.T, end time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host := "tapir-webhook." + tapirNamespace + ".svc"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: end.Add(-24 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}
