// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// serverTimeout is for one server. Clients commonly ask again after 5 s: by then, a second server has had its
// turn.
const serverTimeout = 2 * time.Second

// forward asks the host's name servers in turn and returns the first useful answer, or else the last one.
func forward(ctx context.Context, network string, message []byte) ([]byte, error) {
	servers, err := servers()
	if err != nil {
		return nil, err
	}
	var answer []byte
	var errs []error
	for _, server := range servers {
		got, err := exchange(ctx, network, server, message)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		answer = got
		switch dnsmessage.RCode(got[3] & 0xf) {
		case dnsmessage.RCodeServerFailure, dnsmessage.RCodeRefused, dnsmessage.RCodeNotImplemented:
			continue // as the C library does
		}
		return got, nil
	}
	if answer != nil {
		return answer, nil
	}
	return nil, errors.Join(errs...)
}

// exchange asks one server. The answer has a whole header.
func exchange(ctx context.Context, network string, server netip.AddrPort, message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	if network == "tcp" {
		if err := writeMessage(conn, message); err != nil {
			return nil, err
		}
		answer, err := readMessage(conn)
		if err == nil && !answers(message, answer) {
			err = fmt.Errorf("%s answered something else", server)
		}
		return answer, err
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	for buffer := make([]byte, maxMessage); ; {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, err
		}
		if answers(message, buffer[:n]) {
			return buffer[:n], nil
		}
		// Forged: a client that waits on, as if it had not come, can't be made to miss the answer.
	}
}

// answers says whether a message is a response with the ID of the query.
func answers(query, message []byte) bool {
	const headerSize = 12
	return len(message) >= headerSize && message[0] == query[0] && message[1] == query[1] && message[2]&0x80 != 0
}
