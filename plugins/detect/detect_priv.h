/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detect_priv.h - what the files of detect share.
 */
#ifndef DETECT_PRIV_H
#define DETECT_PRIV_H

#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>

#include <penstock.h>

/* Why a path gave no document. */
struct refusal {
	enum ps_outcome outcome; /* PS_FAIL or PS_RETRY */
	const char *code;
	const char *message; /* the lease's memory */
};

struct document {
	char path[PATH_MAX]; /* without symbolic links */
	struct stat info;
	const char *bytes; /* the lease's memory */
	size_t len;
	unsigned char sum[crypto_hash_sha256_BYTES];
	char sum_hex[2 * crypto_hash_sha256_BYTES + 1];
};

/* document.c: reads the file at `path`, which must lie below one of the roots once links are
 * followed. roots are absolute and without links. True, or *ret_refusal says why not. [call] */
bool document_read(struct ps_call *call, const char *path, const struct ps_list *roots,
                   int64_t most, struct document *ret, struct refusal *ret_refusal);

enum known { KNOWN_NOT, KNOWN_UNCHANGED, KNOWN_DUPLICATE };

/* known.c: which of the documents are stored already, in one round trip. False: the database is
 * away. Without the tables of the store nothing is known. [call] */
bool known_look_up(struct ps_call *call, const struct document *const *documents, uint32_t n,
                   enum known *ret);

#endif
