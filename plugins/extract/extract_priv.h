/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * extract_priv.h - what the files of extract share.
 */
#ifndef EXTRACT_PRIV_H
#define EXTRACT_PRIV_H

#include <stdbool.h>
#include <stddef.h>

/* ---- blocks.c: the text that comes out: blocks with a blank line between, headings by '#' ---- */

struct blocks {
	char *bytes; /* malloc(); NUL-terminated */
	size_t len, room, most;
	bool full;   /* `most` was reached: what came after is not there */
	bool fresh;  /* nothing of the present block is written yet */
	bool space;  /* a blank is due before the next word */
	int heading; /* level of the present block; 0: none */
	char first_heading[256];
};
void blocks_init(struct blocks *b, size_t most);
void blocks_done(struct blocks *b);
void blocks_end(struct blocks *b);                /* the next text begins a block */
void blocks_heading(struct blocks *b, int level); /* the next text is a heading, 1 to 6 */
/* Words: runs of white space become one blank. */
void blocks_words(struct blocks *b, const char *text, size_t len);
/* As it stands, lines kept; no line of it is taken for a heading. */
void blocks_lines(struct blocks *b, const char *text, size_t len);

/* ---- the readers: from a document in UTF-8 to its blocks ---- */

struct found {
	char title[512];
	char language[16]; /* "de"; "" unknown */
};
enum reading { READ_OK, READ_NO_MEMORY, READ_TOO_COMPLEX }; /* the last: see html.c */
/* Once, before there are threads that read. */
void html_init(void);
enum reading html_read(const char *html, size_t len, struct blocks *b, struct found *found);
enum reading markdown_read(const char *text, size_t len, struct blocks *b, struct found *found);
void man_read(const char *text, size_t len, struct blocks *b, struct found *found);

/* ---- charset.c ---- */

/* The text in UTF-8: *ret is `text` itself or new memory (*ret_owned). False: no such encoding or
 * no memory. html: what a meta element or an XML declaration says is followed. */
bool charset_to_utf8(const char *text, size_t len, bool html, const char *fallback, char **ret,
                     size_t *ret_len, bool *ret_owned);
bool charset_is_utf8(const char *text, size_t len);
/* The share of control characters says that this is no text. */
bool charset_is_binary(const char *text, size_t len);

/* ---- unzip.c ---- */

enum unzip { UNZIP_OK, UNZIP_TRUNCATED, UNZIP_CORRUPT, UNZIP_TOO_LARGE, UNZIP_NO_MEMORY };
bool unzip_is_gzip(const char *bytes, size_t len);
enum unzip unzip_all(const char *bytes, size_t len, size_t most, char **ret, size_t *ret_len);

/* ---- language.c ---- */

/* By the most frequent words: "en", "de", "fr", "es", "it", "nl", "pt"; "" when unsure. */
const char *language_guess(const char *text, size_t len);

#endif
