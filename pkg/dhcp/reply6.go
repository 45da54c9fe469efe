// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// maxDUID is the longest that RFC 8415 section 11.1 allows, in bytes with its type.
const maxDUID = 130

// preferred is the preference that makes a client take an ADVERTISE at once, without a second's wait for other
// servers (RFC 8415 section 18.2.1).
const preferred = 255

// types6 names the types of DHCPv6 messages between client and server.
var types6 = map[dhcpv6.MessageType]string{
	dhcpv6.MessageTypeSolicit:            "solicit",
	dhcpv6.MessageTypeAdvertise:          "advertise",
	dhcpv6.MessageTypeRequest:            "request",
	dhcpv6.MessageTypeConfirm:            "confirm",
	dhcpv6.MessageTypeRenew:              "renew",
	dhcpv6.MessageTypeRebind:             "rebind",
	dhcpv6.MessageTypeReply:              "reply",
	dhcpv6.MessageTypeRelease:            "release",
	dhcpv6.MessageTypeDecline:            "decline",
	dhcpv6.MessageTypeInformationRequest: "information-request",
}

// serverID says of each message that a client sends whether it names a server (RFC 8415 section 16).
var serverID = map[dhcpv6.MessageType]struct{ required, forbidden bool }{
	dhcpv6.MessageTypeSolicit:            {forbidden: true},
	dhcpv6.MessageTypeRequest:            {required: true},
	dhcpv6.MessageTypeConfirm:            {forbidden: true},
	dhcpv6.MessageTypeRenew:              {required: true},
	dhcpv6.MessageTypeRebind:             {forbidden: true},
	dhcpv6.MessageTypeRelease:            {required: true},
	dhcpv6.MessageTypeDecline:            {required: true},
	dhcpv6.MessageTypeInformationRequest: {},
}

// respond reads a client's message and makes the reply to it. An error, errMalformed or errIgnored, says why
// the message must not be answered.
func (l *lease6) respond(message []byte) (m, reply *dhcpv6.Message, err error) {
	if m, err = decode6(message); err != nil {
		return nil, nil, err
	}
	if err := l.check(m); err != nil {
		return nil, nil, err
	}
	reply, err = l.reply(m)
	return m, reply, err
}

// decode6 reads a message of a type that clients send.
func decode6(message []byte) (*dhcpv6.Message, error) {
	if err := checkLength(message); err != nil {
		return nil, err
	}
	if len(message) < dhcpv6.MessageHeaderSize {
		return nil, fmt.Errorf("%w: it has %d bytes, less than a header", errMalformed, len(message))
	}
	m := &dhcpv6.Message{MessageType: dhcpv6.MessageType(message[0]), TransactionID: [3]byte(message[1:4])}
	if _, ok := serverID[m.MessageType]; !ok {
		return nil, notFromClient(m.MessageType)
	}
	if err := m.Options.FromBytesWithParser(message[dhcpv6.MessageHeaderSize:], decodeOption6); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return m, nil
}

func notFromClient(t dhcpv6.MessageType) error {
	if t == dhcpv6.MessageTypeRelayForward || t == dhcpv6.MessageTypeRelayReply || types6[t] != "" {
		return fmt.Errorf("%w: it is a relay's or server's %v", errIgnored, t)
	}
	return fmt.Errorf("%w: type %d", errMalformed, t)
}

// decodeOption6 decodes what the server reads. Other options stay as they are: an odd one is no reason to leave
// a guest without address, and domain names are costly to decode.
func decodeOption6(code dhcpv6.OptionCode, value []byte) (dhcpv6.Option, error) {
	switch code {
	case dhcpv6.OptionClientID, dhcpv6.OptionServerID, dhcpv6.OptionIANA, dhcpv6.OptionIATA, dhcpv6.OptionIAPD:
		return dhcpv6.ParseOption(code, value)
	}
	return &dhcpv6.OptionGeneric{OptionCode: code, OptionData: value}, nil
}

// check holds a message against RFC 8415 section 16.
func (l *lease6) check(m *dhcpv6.Message) error {
	client := m.Options.ClientID()
	if client == nil && m.MessageType != dhcpv6.MessageTypeInformationRequest {
		return fmt.Errorf("%w: %v without a client identifier", errMalformed, m.MessageType)
	}
	if client != nil && len(client.ToBytes()) > maxDUID {
		return fmt.Errorf("%w: a client identifier of more than %d bytes", errMalformed, maxDUID)
	}
	server, rule := m.Options.ServerID(), serverID[m.MessageType]
	switch {
	case server == nil && rule.required:
		return fmt.Errorf("%w: %v without a server identifier", errMalformed, m.MessageType)
	case server != nil && rule.forbidden:
		return fmt.Errorf("%w: %v with a server identifier", errMalformed, m.MessageType)
	case server != nil && !server.Equal(l.server):
		return fmt.Errorf("%w: it names server %v", errIgnored, server)
	}
	return nil
}

// reply is what RFC 8415 section 18.3 answers to m.
func (l *lease6) reply(m *dhcpv6.Message) (*dhcpv6.Message, error) {
	r := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: m.TransactionID}
	if client := m.GetOneOption(dhcpv6.OptionClientID); client != nil {
		r.AddOption(client)
	}
	r.AddOption(dhcpv6.OptServerID(l.server))

	switch m.MessageType {
	case dhcpv6.MessageTypeSolicit:
		if m.GetOneOption(dhcpv6.OptionRapidCommit) != nil {
			dhcpv6.WithRapidCommit(r)
		} else {
			r.MessageType = dhcpv6.MessageTypeAdvertise
			r.AddOption(dhcpv6.OptPreference(preferred))
		}
		l.bind(r, m)
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		l.bind(r, m)
	case dhcpv6.MessageTypeConfirm:
		code, err := l.confirm(m)
		if err != nil {
			return nil, err
		}
		r.AddOption(status(code))
		return r, nil
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		l.unbind(r, m)
		return r, nil
	case dhcpv6.MessageTypeInformationRequest:
		if len(m.Options.IANA())+len(m.Options.IATA())+len(m.Options.IAPD()) > 0 {
			return nil, fmt.Errorf("%w: an information request for addresses", errMalformed)
		}
	}
	r.Options.Options = append(r.Options.Options, l.options...)
	return r, nil
}

// bind gives the lease to m's first IA_NA and nothing to other identity associations. A client that renews
// may come from elsewhere, and loses the address that it had there; one that requests names what we advertised.
func (l *lease6) bind(r, m *dhcpv6.Message) {
	for i, ia := range m.Options.IANA() {
		_, others := l.names(ia)
		switch {
		case i > 0:
			r.AddOption(withStatus(ia, iana.StatusNoAddrsAvail))
		case others && m.MessageType == dhcpv6.MessageTypeRequest:
			r.AddOption(withStatus(ia, iana.StatusNotOnLink))
		case others && m.MessageType != dhcpv6.MessageTypeSolicit:
			a := l.assign(ia)
			l.retire(a, ia)
			r.AddOption(a)
		default:
			r.AddOption(l.assign(ia))
		}
	}
	for _, ia := range m.Options.IATA() {
		refused := &dhcpv6.OptIATA{IaId: ia.IaId}
		refused.Options.Add(status(iana.StatusNoAddrsAvail))
		r.AddOption(refused)
	}
	for _, ia := range m.Options.IAPD() {
		refused := &dhcpv6.OptIAPD{IaId: ia.IaId}
		refused.Options.Add(status(iana.StatusNoPrefixAvail))
		r.AddOption(refused)
	}
}

// confirm says whether the addresses that a client holds are still right here.
func (l *lease6) confirm(m *dhcpv6.Message) (iana.StatusCode, error) {
	var ours, others bool
	for _, ia := range m.Options.IANA() {
		o, x := l.names(ia)
		ours, others = ours || o, others || x
	}
	switch {
	case others:
		return iana.StatusNotOnLink, nil
	case ours:
		return iana.StatusSuccess, nil
	}
	// RFC 8415 section 18.3.3 wants silence here.
	return 0, fmt.Errorf("%w: it asks to confirm no address", errIgnored)
}

// unbind acknowledges what a client gives back. The lease stays: nobody else is there to have it.
func (l *lease6) unbind(r, m *dhcpv6.Message) {
	r.AddOption(status(iana.StatusSuccess))
	for _, ia := range m.Options.IANA() {
		if ours, _ := l.names(ia); !ours {
			r.AddOption(withStatus(ia, iana.StatusNoBinding))
		}
	}
}
