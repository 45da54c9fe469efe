// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	f, err := parse([]string{"--launcher-image=l:1", "--namespace=tapir-system", "--allow-emulation=true", "--default-binding=bridge",
		"--default-eviction-strategy=LiveMigrate", "--first-mac=02:00:00:00:01:00", "--last-mac=02:00:00:00:02:00"})
	if err != nil {
		t.Fatal(err)
	}
	o := f.admission
	if o.Pods.Image != "l:1" || !o.Pods.Emulation || o.Pods.HostDisks || o.Binding != "bridge" || o.EvictionStrategy != "LiveMigrate" ||
		o.FirstMAC.String() != "02:00:00:00:01:00" || o.LastMAC.String() != "02:00:00:00:02:00" ||
		o.ControllerUser != "system:serviceaccount:tapir-system:tapir-controller" {
		t.Errorf("got %+v", f)
	}
	for _, wrong := range []struct{ args, words string }{
		{"--namespace=x", "--launcher-image is missing"},
		{"--launcher-image=x", "--namespace is missing"},
		{"--launcher-image=x --namespace=x more", "unexpected argument"},
		{"--launcher-image=x --namespace=x --first-mac=0", "invalid MAC address"},
	} {
		t.Setenv("POD_NAMESPACE", "")
		if _, err := parse(strings.Fields(wrong.args)); err == nil || !strings.Contains(err.Error(), wrong.words) {
			t.Errorf("%s: got %v, want %q", wrong.args, err, wrong.words)
		}
	}
}
