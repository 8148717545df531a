/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * extract_pdf_priv.h - what the files of extract_pdf share.
 */
#ifndef EXTRACT_PDF_PRIV_H
#define EXTRACT_PDF_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include <poppler.h>

/* ---- lines.c: pages to blocks with a blank line between, headings by '#' ---- */

struct text {
	char *bytes; /* malloc(); NUL-terminated */
	size_t len, room, most;
	bool full;      /* `most` was reached */
	bool no_memory; /* what came after is not there, as well */
	char first_heading[256];
};
void text_init(struct text *text, size_t most);
void text_done(struct text *text);
/* Adds what poppler says of a page: its characters in the order of reading, and the box of each. */
void text_add_page(struct text *text, const char *page, const PopplerRectangle *boxes,
                   guint n_boxes);

/* ---- unpacked.c ---- */

/* True: its compressed streams hold more than `most` bytes together. Reads no further than needed,
 * whatever the document says of itself. */
bool unpacks_beyond(const char *bytes, size_t len, size_t most);

/* ---- ../extract/language.c ---- */

const char *language_guess(const char *text, size_t len);

#endif
