/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_priv.h - what the files of counters/ share.
 */
#ifndef PENSTOCK_COUNTERS_PRIV_H
#define PENSTOCK_COUNTERS_PRIV_H

#include "counters/counters.h"

enum directory_op { CHANGE_NONE = 0, CHANGE_ADD = 1 };

/* Cut to fit, the rest zeros. */
void counters_copy_name(char *to, size_t size, const char *from);
void directory_init(struct directory *directory);

/* Addition of all that a slot has to another one, a word at a time, so that it can be done again
 * from the word that was under way. */
#define SLOT_WORDS (COUNTER_N + HISTOGRAM_BUCKETS + COUNTERS_OWN)
/* What `into` has in this word. */
uint64_t slot_word(const struct counter_slot *into, const struct counter_slot *from, uint32_t word);
/* into's word, which was `was`, becomes the sum of it and from's. Doing it again changes nothing.
 */
void slot_add_word(struct counter_slot *into, const struct counter_slot *from, uint32_t word,
                   uint64_t was);
/* Ends a change that was left at `step` in copies of its two slots. */
void slot_finish_add(struct counter_slot *into, const struct counter_slot *from, uint32_t step,
                     uint64_t was);

#endif
