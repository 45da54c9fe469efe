/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps of one NIC. User space sets the size of flows; all are pinned, so that programs can be replaced. */
#pragma once

#include "types.h"
#include "drop.h"

#define CONTESTED_ENTRIES 4096
#define FRAGMENT_ENTRIES 1024
#define PORTS_WORDS (65536 / 64)
#define OWNER_SLOTS 8 /* per word, see owners.h */
#define OWNER_WORDS (65536 / OWNER_SLOTS)

/* See table.h. Memory that can be mapped begins at a page, so that each entry is a cache line, and not parts of two. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONTESTED_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* nearly always empty */
	__type(key, struct flow_key);
	__type(value, struct contest);
} contested SEC(".maps");

/* Indexed by family, class and slot / 8. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * CLASSES * OWNER_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} owners SEC(".maps");

/* Declared ports, a bit each, indexed by bank, class (TCP, UDP) and port / 64. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * 2 * PORTS_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENT_ENTRIES);
	__type(key, struct frag_key);
	__type(value, __u32); /* epoch << 2 | enum side */
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nic_state);
} state SEC(".maps");

/* Forwarded between guest and outside, by enum direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* Indexed by reason * 2 + direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS * 2);
	__type(key, __u32);
	__type(value, struct counter);
} drops SEC(".maps");

/* Events that are not drops, by enum event. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");
