// SPDX-License-Identifier: Apache-2.0

package dhcp

import "testing"

func TestDomain(t *testing.T) {
	search := []string{"example", "corp.example"}
	for subdomain, want := range map[string]string{"": "", "web": "web.corp.example"} {
		if got := Domain(subdomain, search); got != want {
			t.Errorf("domain of subdomain %q is %q, want %q", subdomain, got, want)
		}
	}
	if got := Domain("web", nil); got != "" {
		t.Errorf("domain without search domains is %q", got)
	}
}
