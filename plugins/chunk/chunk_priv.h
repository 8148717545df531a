/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunk_priv.h - the units that a text is cut into, before they are packed.
 */
#ifndef CHUNK_PRIV_H
#define CHUNK_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A heading, a sentence, or a piece of one that is too long. */
struct unit {
	uint32_t start, end; /* bytes; no blanks at either end */
	uint32_t from, to;   /* the same in characters */
	uint32_t level;      /* of a heading, 1 to 6; 0: text */
	bool first_of_block;
};

struct units {
	struct unit *units;
	size_t n, room;
	bool failed; /* out of memory */
};

struct units_options {
	uint32_t most; /* characters of a unit */
	bool german;   /* "3. Oktober" */
};

/* UTF-8 without NUL: shortest forms only, no surrogates, up to U+10FFFF. */
bool text_valid(const char *text, size_t len);
/* Cuts a valid text. False: out of memory. The caller frees units->units either way. */
bool units_cut(const char *text, uint32_t len, const struct units_options *options,
               struct units *units);

#endif
