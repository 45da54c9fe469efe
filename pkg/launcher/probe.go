// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// Ping returns nil when the agent in the guest answers. It is for another process in the launcher's container, as Exec is.
func Ping(ctx context.Context, root string) error {
	_, err := post(ctx, root, handover.PingPath, nil)
	return err
}

// Exec runs a command in the guest and returns how it ended.
func Exec(ctx context.Context, root string, command []string) (*handover.ExecResult, error) {
	answer, err := post(ctx, root, handover.ExecPath, handover.Exec{Command: command})
	if err != nil {
		return nil, err
	}
	result := new(handover.ExecResult)
	if err := json.Unmarshal(answer, result); err != nil {
		return nil, fmt.Errorf("read the launcher's answer: %w", err)
	}
	return result, nil
}

// post asks the launcher whose pod this is.
func post(ctx context.Context, root, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(root, handover.SocketsDir, handover.APISocket)
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://launcher"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask the launcher: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the launcher: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s", strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
