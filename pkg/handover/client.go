// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"bufio"
	"bytes"
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
	response, err := s.ask(ctx, http.MethodGet, EventsPath, nil)
	if err != nil {
		return fmt.Errorf("ask the launcher for its status: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the launcher for its status: %w", refusal(response))
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

// SetLinks has the launcher bring the links of its machine into line. Returns an error wrapping fs.ErrNotExist when the launcher is gone.
func (s *Sockets) SetLinks(ctx context.Context, links Links) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	body, err := json.Marshal(links)
	if err != nil {
		return err
	}
	response, err := s.ask(ctx, http.MethodPut, LinksPath, body)
	if err != nil {
		return fmt.Errorf("change links: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("change links: %w", refusal(response))
	}
	return nil
}

// ask sends a request of its own connection. No client does: a launcher has nothing to redirect to.
func (s *Sockets) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return s.dial(ctx, APISocket, "unix")
		},
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: maxMessage,
		DisableKeepAlives:      true,
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://launcher"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(request)
}

// refusal is an answer that isn't the one to a request that was done.
func refusal(response *http.Response) error {
	why, err := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	if err != nil {
		return fmt.Errorf("%w: HTTP status %d: %w", ErrProtocol, response.StatusCode, err)
	}
	return fmt.Errorf("%w: HTTP status %d: %.200q", ErrProtocol, response.StatusCode, bytes.TrimSpace(why))
}
