/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed_priv.h - the vector of a text, by feature hashing.
 */
#ifndef EMBED_PRIV_H
#define EMBED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counts features; used for text after text. */
struct features {
	struct feature *slots; /* open addressing */
	uint32_t *used;        /* which of them are taken, in order of coming */
	size_t n_used;
	size_t room; /* a power of two; of both */
};

/* Adds what is in the text to `features`, which has been zeroed or used before. False: out of
 * memory. What follows the first 128 KiB of a text is not looked at. */
bool features_clear(struct features *features, size_t text_len);
void features_count(struct features *features, const char *text, size_t len);
/* The unit vector of all that was counted; zeros when that is nothing. */
void features_vector(const struct features *features, double *vector, uint32_t dimensions);
void features_done(struct features *features);

#endif
