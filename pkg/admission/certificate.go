// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Keys of the Secret that holds certificates. The first two are those of type kubernetes.io/tls.
const (
	certKey  = "tls.crt"
	keyKey   = "tls.key"
	caKey    = "ca.crt" // the authority in force, and before a change of authorities the one before it
	caKeyKey = "ca.key"
)

const (
	authorityLife   = 5 * 365 * 24 * time.Hour
	certificateLife = 90 * 24 * time.Hour
	// clockSkew is how much an API server's clock may be behind.
	clockSkew = time.Hour
)

// serving is what the webhook server needs of a Secret, taken apart.
type serving struct {
	certificate tls.Certificate
	bundle      []byte    // PEM: the authorities to be trusted
	renew       time.Time // when the certificate is to be replaced: with a third of its life left
}

// readServing checks a Secret's content as of now. Its error says why the webhooks can't be served with it.
func readServing(data map[string][]byte, name string, now time.Time) (*serving, error) {
	pair, err := tls.X509KeyPair(data[certKey], data[keyKey])
	if err != nil {
		return nil, fmt.Errorf("read the webhooks' certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data[caKey]) {
		return nil, errors.New("the webhooks' Secret has no authority")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
		return nil, fmt.Errorf("the webhooks' certificate: %w", err)
	}
	life := pair.Leaf.NotAfter.Sub(pair.Leaf.NotBefore)
	return &serving{certificate: pair, bundle: data[caKey], renew: pair.Leaf.NotAfter.Add(-life / 3)}, nil
}

// issue returns a Secret's content with a new certificate for name. The authority of the old content goes on when it
// outlives the certificate; else a new one joins it, so that whoever serves with an old certificate is trusted until it has the new.
func issue(old map[string][]byte, name string, now time.Time) (map[string][]byte, error) {
	authority, bundle, err := readAuthority(old, now)
	if err != nil {
		if authority, bundle, err = newAuthority(old[caKey], now); err != nil {
			return nil, fmt.Errorf("make an authority for the webhooks: %w", err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for the webhooks: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{name},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := sign(template, authority.Leaf, key, authority.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for the webhooks: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	authorityKey, err := encodeKey(authority.PrivateKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{certKey: certificate, keyKey: keyPEM, caKey: bundle, caKeyKey: authorityKey}, nil
}

// readAuthority returns the authority in force, if it outlives a certificate that is made now, and the bundle that it is in.
func readAuthority(data map[string][]byte, now time.Time) (*tls.Certificate, []byte, error) {
	pair, err := tls.X509KeyPair(data[caKey], data[caKeyKey])
	if err != nil {
		return nil, nil, err
	}
	if !pair.Leaf.IsCA || now.Before(pair.Leaf.NotBefore) || pair.Leaf.NotAfter.Before(now.Add(certificateLife)) {
		return nil, nil, errors.New("the authority is near its end")
	}
	return &pair, data[caKey], nil
}

// newAuthority makes one, and puts it before the newest of the bundle, if there is any.
func newAuthority(old []byte, now time.Time) (*tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		// The time makes the name another one, by which a client finds the right one of two authorities.
		Subject:               pkix.Name{CommonName: "tapir webhooks " + now.UTC().Format(time.RFC3339)},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	bundle, err := sign(template, template, key, key)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(bundle, keyPEM)
	if err != nil {
		return nil, nil, err
	}
	if block, _ := pem.Decode(old); block != nil {
		bundle = append(bytes.Clone(bundle), pem.EncodeToMemory(block)...)
	}
	return &pair, bundle, nil
}

// sign returns a certificate in PEM.
func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer any) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func encodeKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key of the webhooks: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
