// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"crypto/x509"
	"maps"
	"testing"
	"time"
)

const serverName = "tapir-webhook.tapir-system.svc"

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func issued(t *testing.T, old map[string][]byte, now time.Time) (map[string][]byte, *serving) {
	t.Helper()
	data, err := issue(old, serverName, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := readServing(data, serverName, now)
	if err != nil {
		t.Fatal(err)
	}
	return data, s
}

func TestIssue(t *testing.T) {
	first, s := issued(t, nil, day)
	if left := s.renew.Sub(day); left < certificateLife/2 || left > certificateLife*3/4 {
		t.Errorf("the certificate is renewed after %v of %v", left, certificateLife)
	}
	second, _ := issued(t, first, s.renew)
	if !bytes.Equal(first[caKey], second[caKey]) {
		t.Error("a new certificate has a new authority, although the old one has years left")
	}

	// Near the authority's end there is another, and what the old one signed is still trusted.
	late := day.Add(authorityLife - certificateLife/2)
	before, _ := issued(t, first, day.Add(authorityLife-certificateLife-time.Hour))
	after, s := issued(t, before, late)
	if bytes.Equal(before[caKey], after[caKey]) {
		t.Error("the authority ends before the certificate")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.bundle)
	old, err := readServing(before, serverName, late)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: late}); err != nil {
		t.Errorf("the certificate before the change of authorities: %v", err)
	}
	// The bundle holds two and doesn't grow.
	again, _ := issued(t, after, late.Add(authorityLife))
	if n := bytes.Count(again[caKey], []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Errorf("the bundle has %d authorities, want 2", n)
	}
}

func TestReadServingRefuses(t *testing.T) {
	good, s := issued(t, nil, day)
	other, _ := issued(t, nil, day)
	with := func(key string, value []byte) map[string][]byte {
		data := maps.Clone(good)
		data[key] = value
		return data
	}
	for name, test := range map[string]struct {
		data   map[string][]byte
		server string
		now    time.Time
	}{
		"nothing":          {nil, serverName, day},
		"expired":          {good, serverName, s.certificate.Leaf.NotAfter.Add(time.Second)},
		"not yet valid":    {good, serverName, day.Add(-2 * clockSkew)},
		"another server":   {good, "tapir-webhook.elsewhere.svc", day},
		"another's key":    {with(keyKey, other[keyKey]), serverName, day},
		"no authority":     {with(caKey, nil), serverName, day},
		"other authority":  {with(caKey, other[caKey]), serverName, day},
		"damaged":          {with(certKey, good[certKey][:100]), serverName, day},
		"authority, no CA": {with(caKey, []byte("x")), serverName, day},
	} {
		if _, err := readServing(test.data, test.server, test.now); err == nil {
			t.Errorf("%s is accepted", name)
		}
		// Whatever was there, there is something good afterwards.
		issued(t, test.data, day)
	}
}
