// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

// TestAwayServer: a server that starts, or is gone, is waited for; nobody waits longer than he is to.
func TestAwayServer(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte(`{"kind": "APIResourceList", "groupVersion": "kubevirt.io/v1", "resources": [{"name": "virtualmachines"}]}`))
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	if err := refuseKubeVirt(t.Context(), config); err != nil || asked < 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := refuseKubeVirt(ctx, config); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
