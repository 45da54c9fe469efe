// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// Zone transfers (RFC 5936, RFC 1995) are no queries: their answers are streams.
	typeIXFR = dnsmessage.Type(251)

	ttl = 5 // seconds; /etc/hosts may change at any time

	minUDPSize = 512  // what every client takes (RFC 1035)
	maxUDPSize = 1232 // what crosses the narrowest IPv6 path unfragmented (RFC 9715)
)

// A query is what had to be understood of a message in order to answer it.
type query struct {
	dnsmessage.Header
	dnsmessage.Question
	edns bool
	size int // of the longest UDP answer that the client takes
}

// answer is the answer to a message that came over a network, "udp" or "tcp"; nil where none is due.
func (s *Server) answer(ctx context.Context, network string, message []byte) []byte {
	q, code, ok := parse(message)
	if !ok {
		return nil
	}
	if code != dnsmessage.RCodeSuccess {
		return q.reply(network, code, nil)
	}
	if records, found := s.fromHosts(ctx, q.Question); found {
		return q.reply(network, dnsmessage.RCodeSuccess, records)
	}
	answer, err := forward(ctx, network, message)
	if err != nil {
		s.log.Debug("no name server of the host answered", "error", err)
		return q.reply(network, dnsmessage.RCodeServerFailure, nil)
	}
	return answer
}

// parse reads a query. What isn't even a DNS query gets no answer: ok is false. What can't be answered has
// a code that says so.
func parse(message []byte) (q query, code dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	var err error
	if q.Header, err = p.Start(message); err != nil || q.Response {
		return q, 0, false
	}
	if q.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, true
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, dnsmessage.RCodeFormatError, true
	}
	q.Question = questions[0]
	q.size = minUDPSize
	if q.Type == dnsmessage.TypeAXFR || q.Type == typeIXFR {
		return q, dnsmessage.RCodeRefused, true
	}
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, dnsmessage.RCodeFormatError, true
	}
	for {
		header, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return q, dnsmessage.RCodeSuccess, true
		}
		if err != nil || p.SkipAdditional() != nil {
			return q, dnsmessage.RCodeFormatError, true
		}
		if header.Type == dnsmessage.TypeOPT {
			q.edns = true
			q.size = min(max(int(header.Class), minUDPSize), maxUDPSize) // RFC 6891 section 6.2.3
		}
	}
}

// reply builds an answer of our own. One that is too long for UDP is cut to nothing, and says so: the
// client then asks by TCP.
func (q *query) reply(network string, code dnsmessage.RCode, records []dnsmessage.Resource) []byte {
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID:                 q.ID,
			Response:           true,
			OpCode:             q.OpCode,
			RecursionDesired:   q.RecursionDesired,
			RecursionAvailable: true,
			RCode:              code,
		},
		Answers: records,
	}
	if q.Name.Length > 0 {
		answer.Questions = []dnsmessage.Question{q.Question}
	}
	if q.edns {
		var header dnsmessage.ResourceHeader
		// The name of an OPT record is the root, which is always short enough.
		_ = header.SetEDNS0(maxUDPSize, code, false)
		answer.Additionals = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.OPTResource{}}}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil // no name that was parsed fails to pack
	}
	if network == "udp" && len(packed) > q.size {
		answer.Truncated, answer.Answers = true, nil
		packed, err = answer.Pack()
	}
	if err != nil || len(packed) > maxMessage {
		return nil
	}
	return packed
}
