// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Traffic: what the performance harness sends into a pod and counts out of it. Theory of operation.
 *
 *     tapir_gen (XDP, BPF_PROG_RUN with live frames) --- redirect ---> cni0 ==== the pod's NIC
 *        | XDP_PASS
 *       lo ---> tapir_gen_send (TC) ------------------ redirect ---> cni0 ==== the pod's NIC
 *                                                      tapir_count (TC) <-- cni0
 *
 * Generator and counter sit in the namespace on the CNI side of a pod. A frame from the generator leaves by the host
 * side of the pod's veth: as it is, so that the pod's NIC makes an skb of it where it must, as the driver of any NIC;
 * or as an skb that the loopback device made, as from a CNI's datapath in TC. The kernel recycles the generator's pages
 * with what the datapath wrote into them, so the header is written each time.
 *
 * Limits: one generator at a time for each copy of the programs; IPv4.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

#define PORTS_SHIFT 15 /* flows of one source address */
#define FIRST_PORT 1024

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

/* Ethernet, IPv4 and UDP header and the first bytes of the payload, in words so that copying is cheap. */
__u64 header[6];

/* What the two checksums cover besides source address and port, as sums of 16-bit words. */
__u32 ip_sum, udp_sum;

__u32 first_source; /* the first flow's address, in host order */
__u32 flows;
__u32 next_flow;

volatile const __u32 cni_ifindex;
volatile const _Bool as_skb;

__u64 counted;

static __always_inline __be16 checksum(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons((__u16)~sum);
}

SEC("xdp")
int tapir_gen(struct xdp_md *ctx)
{
	__u64 *words = (void *)(long)ctx->data;
	struct headers *h = (void *)words;

	if ((void *)(words + 6) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < 6; i++)
		words[i] = header[i];

	__u32 flow = next_flow;

	next_flow = flow + 1 >= flows ? 0 : flow + 1;

	__u32 source = first_source + (flow >> PORTS_SHIFT);
	__u32 port = FIRST_PORT + (flow & ((1 << PORTS_SHIFT) - 1));
	__u32 sum = (source >> 16) + (source & 0xffff);

	h->ip.saddr = bpf_htonl(source);
	h->ip.check = checksum(ip_sum + sum);
	h->udp.source = bpf_htons(port);
	h->udp.check = checksum(udp_sum + sum + port);
	return as_skb ? XDP_PASS : bpf_redirect(cni_ifindex, 0);
}

/* The frame has a right checksum: says so, as a NIC that verified it. */
SEC("tc")
int tapir_gen_send(struct __sk_buff *skb)
{
	bpf_csum_level(skb, BPF_CSUM_LEVEL_INC);
	return bpf_redirect(cni_ifindex, 0);
}

/* Counts and drops UDP; the rest is the stack's. */
SEC("tc")
int tapir_count(struct __sk_buff *skb)
{
	__u8 protocol;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &protocol, sizeof(protocol)) ||
	    protocol != IPPROTO_UDP)
		return TC_ACT_UNSPEC;
	__sync_fetch_and_add(&counted, 1);
	return TC_ACT_SHOT;
}
