// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Masquerade: a guest with a private address behind the addresses of its pod. Theory of operation.
 *
 *            guest 10.0.2.2                                        pod 10.244.1.7
 *               |                                                      |
 *     virtio -- tap0 ---> tapir_tap_in ---------- redirect ---------> eth0 ---> tapir_nic_out (lets it pass)
 *               tap0 <-------------- redirect --- tapir_nic_in <----- eth0
 *               tap0 <-------------- redirect --- tapir_lo_out <----- lo     (a pod process that uses 127.0.0.1, ::1)
 *               tap0 ---> tapir_tap_in -- redirect (ingress) -------> lo
 *
 * Owns: everything between the tap and the pod NIC of one guest NIC. Each NIC has its own copy of the programs,
 * with its addresses as constants (config.h), and its own maps (maps.h).
 *
 * There is one guest behind a pod address, so a port stays what it is and translation is the same every time: what
 * the flow table holds (table.h) can be lost at any moment. What can't be derived again is kept apart: which side
 * used a port (owners.h), and the rare tuples where both want the same one (contested.h).
 *
 * The pod's stack sees of the guest what is meant for it: ARP, neighbour discovery, DHCP, pings to the gateway,
 * multicast, and undeclared ports of the pod's address. tapir_nic_out watches the pod's own connections, so that their answers are not taken for the guest's.
 *
 * Any mix of old and new programs of one NIC is correct, since they share through the pinned maps all that isn't a cache:
 * links may be replaced one by one under traffic.
 *
 * Limits: one guest address of each family. Protocols other than TCP, UDP and ICMP are translated by address only.
 * IP options and extension headers are carried, not looked into, beyond what finding the transport header takes.
 */
#include "skb.h"

#include "address.h"
#include "config.h"
#include "deliver.h"
#include "flow.h"
#include "fragment.h"
#include "nat.h"
#include "quoted.h"
#include "reply.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Keeps types in the BTF that only Go uses by name. */
const enum drop_reason *keep_drop_reason __attribute__((unused));
const enum event *keep_event __attribute__((unused));
const enum side *keep_side __attribute__((unused));
const enum direction *keep_direction __attribute__((unused));
const struct survey *keep_survey __attribute__((unused));

#include "tap_in.h"
#include "nic_in.h"
#include "nic_out.h"
#include "lo_out.h"

/* User space runs this on an entry of another flow table, to have it in this one, unless its flow is there already. */
SEC("tc")
int tapir_carry(struct __sk_buff *skb)
{
	struct flow_key key = {};
	struct flow entry;
	__u64 tuple;

	if (bpf_skb_load_bytes(skb, 0, &entry, sizeof(entry)) || !(entry.tuple & TUPLE_USED))
		return 0;
	key.remote = entry.remote;
	key.remote_port = entry.tuple;
	key.local_port = entry.tuple >> 16;
	key.class = class_in(entry.tuple);
	key.ipv6 = ipv6_in(entry.tuple);
	if (!flow_find(&key, &tuple))
		flow_put(&key, flow_room(flow_home(&key), clock_now()), &entry);
	return 0;
}

/*
 * User space runs this on a struct survey, again and again on the same, to count flows: in here that costs a twentieth of what
 * copying the table does. And to learn what time the table has.
 */
SEC("tc")
int tapir_survey(struct __sk_buff *skb)
{
	struct survey s;

	if (bpf_skb_load_bytes(skb, 0, &s, sizeof(s)))
		return -1;
	for (__u32 i = 0; i < SURVEY_STRETCH; i++) {
		struct flow *f = flow_at(s.slot + i);

		if (f)
			s.flows += tuple_read(f) / TUPLE_USED & 1;
	}
	s.slot += SURVEY_STRETCH;
	s.now = clock_now();
	return bpf_skb_store_bytes(skb, 0, &s, sizeof(s), 0);
}
