// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigAsJSON(t *testing.T) {
	cfg := Config{NetNS: "/run/netns/pod", NIC: "eth0", Tap: "tap0", MAC: guestMAC, Ports: []Port{{"web", "tcp", 80}}}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{"with a MAC": cfg, "without": {Tap: "tap0"}} {
		raw, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.MAC != nil != strings.Contains(string(raw), `"guestMAC":"`+guestMAC.String()+`"`) {
			t.Errorf("%s: %s", name, raw)
		}
		var back Config
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cfg, back, byValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range []string{`{"guestMAC":"02:00"}`, `{"guestMAC":7}`, `{"cidr4":"10.0.2.0"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(Config)); err == nil {
			t.Errorf("%s is taken for a Config", bad)
		}
	}
}
