/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_calls.c - the ring of last calls in a slot: one writer, any readers.
 *
 * Note on torn entries: the writer takes an entry's sequence away before it
 * changes it and gives the new one behind all of it. A reader that finds the
 * same sequence before and after its copy has copied one call; else the entry
 * is counted as lost. A writer that died between leaves an entry without a
 * sequence, and nobody waits for it. Values are stored with release and loaded
 * with acquire, which keeps both orders without a fence; on x86 these are
 * plain moves.
 */
#include "counters/counters.h"

#define COPY(to, from, member)                                                                     \
	__atomic_store_n(&(to)->member, __atomic_load_n(&(from)->member, __ATOMIC_ACQUIRE),        \
	                 __ATOMIC_RELEASE)

static void
copy_values(struct call_sample *to, const struct call_sample *from)
{
	COPY(to, from, ended_at);
	COPY(to, from, wall_ns);
	COPY(to, from, cpu_ns);
	COPY(to, from, db_ns);
	COPY(to, from, allocated);
	COPY(to, from, jobs);
	COPY(to, from, errors);
}

void
counter_call(struct counter_slot *slot, const struct call_sample *call)
{
	struct call_sample *entry;
	uint64_t sequence;

	if (!slot)
		return;
	sequence = slot->calls.written + 1;
	entry = &slot->calls.call[sequence % CALLS_KEPT];
	__atomic_store_n(&entry->sequence, 0, __ATOMIC_RELAXED);
	copy_values(entry, call);
	__atomic_store_n(&entry->sequence, sequence, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->calls.written, sequence, __ATOMIC_RELEASE);
}

static bool
copy_entry(const struct call_ring *ring, uint64_t sequence, struct call_sample *ret)
{
	const struct call_sample *entry = &ring->call[sequence % CALLS_KEPT];

	if (__atomic_load_n(&entry->sequence, __ATOMIC_ACQUIRE) != sequence)
		return false;
	copy_values(ret, entry);
	ret->sequence = sequence;
	return __atomic_load_n(&entry->sequence, __ATOMIC_RELAXED) == sequence;
}

size_t
counters_calls(const struct counter_slot *slot, uint64_t *seen, struct call_sample *ret,
               uint64_t *ret_lost)
{
	uint64_t written = __atomic_load_n(&slot->calls.written, __ATOMIC_ACQUIRE);
	size_t n = 0;

	if (written < *seen) /* another life of the slot */
		*seen = 0;
	if (written - *seen > CALLS_KEPT) {
		*ret_lost += written - *seen - CALLS_KEPT;
		*seen = written - CALLS_KEPT;
	}
	while (*seen < written) {
		if (copy_entry(&slot->calls, ++*seen, &ret[n]))
			n++;
		else
			++*ret_lost;
	}
	return n;
}
