// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxStatus bounds a Status, in bytes of JSON. A launcher keeps far below; what its guest says of itself has bounds of its own.
const maxStatus = 1 << 20

// Watch calls changed with the launcher's status, and at each change of it, until ctx ends, the launcher does, or changed returns an
// error. It never returns nil: io.EOF says that the launcher has ended.
func (s *Sockets) Watch(ctx context.Context, changed func(*Status) error) error {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return s.dial(ctx, APISocket, "unix")
		},
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: maxMessage,
		DisableKeepAlives:      true,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://launcher"+EventsPath, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request) // no client: a launcher has nothing to redirect to
	if err != nil {
		return fmt.Errorf("ask the launcher for its status: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the launcher for its status: %w: HTTP status %d", ErrProtocol, response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxStatus)
	for lines.Scan() {
		status := new(Status)
		if err := json.Unmarshal(lines.Bytes(), status); err != nil {
			return fmt.Errorf("read the launcher's status: %w: %w", ErrProtocol, err)
		}
		if err := changed(status); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the launcher's status: %w", err)
	}
	return io.EOF
}
