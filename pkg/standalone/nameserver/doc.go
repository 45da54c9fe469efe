// SPDX-License-Identifier: Apache-2.0

// Package nameserver answers the DNS queries of one pod with what its host resolves.
//
// # Theory of operation
//
// Sockets are bound to the host's end of the pod's veth and to the gateway addresses on it, port 53, UDP and
// TCP: nobody but this pod can reach them, and they take nothing from name servers on the host's other
// devices.
//
// A query for an address, or for the name of one, is looked up in /etc/hosts first. Where the host's name
// stands for the host itself (127.0.1.1), the pod is told the gateway, by which it reaches the host. All
// other queries go as they are to the servers of /etc/resolv.conf, in turn, and the first useful answer comes
// back as it is: nothing is cached or rewritten, so DNSSEC, EDNS and unknown types pass. Both files are read
// afresh, so that a host may change networks.
//
// # Limits
//
// Queries are hostile input. At most maxQueries are worked on at once, and maxConnections TCP connections
// served; more wait in the kernel's buffers, where UDP ones are lost. What isn't a query with one question is
// refused, and so are zone transfers. Names that the host knows by other means (mDNS, LDAP, NSS modules) are
// not known here.
package nameserver
