/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Asks the kernel whether a socket of the pod is connected: the one thing about a flow that never gets lost. */
#pragma once

#include "config.h"
#include "packet.h"

/* Is a pod socket connected from local:local_port to remote:remote_port (or, if any, bound there)? TCP and UDP only. */
static __always_inline bool socket_holds(struct __sk_buff *skb, __u8 proto, bool ipv6, const union addr *remote,
					 __be16 remote_port, const union addr *local, __be16 local_port, bool any)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	__u32 size;
	bool found;

	if (ipv6) {
		__builtin_memcpy(t.ipv6.saddr, remote, sizeof(*remote));
		__builtin_memcpy(t.ipv6.daddr, local, sizeof(*local));
		t.ipv6.sport = remote_port;
		t.ipv6.dport = local_port;
		size = sizeof(t.ipv6);
	} else {
		t.ipv4.saddr = remote->word[0];
		t.ipv4.daddr = local->word[0];
		t.ipv4.sport = remote_port;
		t.ipv4.dport = local_port;
		size = sizeof(t.ipv4);
	}
	if (proto == IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(skb, &t, size, BPF_F_CURRENT_NETNS, 0);
	else if (proto == IPPROTO_UDP)
		sk = bpf_sk_lookup_udp(skb, &t, size, BPF_F_CURRENT_NETNS, 0);
	else
		return false;
	if (!sk)
		return false;
	found = sk->dst_port == remote_port || (any && proto == IPPROTO_UDP); /* 0 in listening and unconnected sockets */
	bpf_sk_release(sk);
	return found;
}

/* Does the pod's own stack hold this flow? An unconnected UDP socket may, if any. */
__noinline int pod_socket(struct __sk_buff *skb, const struct flow_key *key, __u32 any)
{
	union addr pod;

	if (!key)
		return false;
	pod = constant(&family_of(key->ipv6)->pod);
	return socket_holds(skb, key->proto, key->ipv6, &key->remote, key->remote_port, &pod, key->local_port, any);
}
