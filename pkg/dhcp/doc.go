// SPDX-License-Identifier: Apache-2.0

// Package dhcp gives one guest its addresses: a DHCPv4 server, a DHCPv6 server and a router advertiser,
// each with a single lease.
//
// # Theory of operation
//
// There is one guest behind a NIC and one address for it in each family, fixed before it boots. So a lease
// needs no state: [Server4] and [Server6] are pure functions from a message to its reply, wrapped in a loop
// over a socket. A server that is ended and started again, even in another process, goes on as if nothing had
// been, and two that run at once say the same. RELEASE and DECLINE are counted and change nothing: the address
// has nobody else to go to.
//
// DHCPv4 follows RFC 2131 and is authoritative: an address that isn't the guest's gets a NAK, so that a guest
// which moved here with an old lease asks anew at once. DHCPv6 follows RFC 8415 (one IA_NA; temporary addresses
// and prefixes are refused by status). DHCPv6 can give neither a default route nor an on-link prefix: these come
// from [Advertiser], which follows RFC 4861 and points the guest to DHCPv6 with the M and O flags.
//
// # Advertisements and restarts
//
// The router that the advertisements speak of is the datapath, which forwards without any process. So the
// advertiser never sends the zero-lifetime advertisement with which RFC 4861 section 6.2.5 lets a router
// retire: an end of the advertiser isn't an end of the router, and would cut the guest's default route. For the
// same reason the router lifetime is by default the longest that RFC 8319 allows.
//
// # Sockets
//
// The servers are handed their sockets and close none. Each socket must be bound to the guest's device, for it
// alone decides who is answered. [Open] makes such sockets, which takes privilege; serving from them takes
// none, so that an agent can open them and an unprivileged launcher inherit them ([Files]).
//
// # Limits
//
// A message of more than 1500 bytes, one that its codec can't read and one that breaks a rule of its RFC is
// malformed: counted, dropped, never answered. A well-formed one that isn't for the server (another client's MAC, another
// server's identifier, relayed, plain BOOTP) is ignored, and counted too. Replies go to the client port of
// the guest's device only, whatever source a message claims.
package dhcp
