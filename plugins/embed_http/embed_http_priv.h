/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed_http_priv.h - what the files of embed_http share.
 */
#ifndef EMBED_HTTP_PRIV_H
#define EMBED_HTTP_PRIV_H

#include "../chunk/passages.h"

#include <penstock.h>

#define BODY_MOST ((size_t)64 << 20) /* penstock.h: a body is at most 64 MiB */

/* How a job ends when it does not end well. */
struct verdict {
	enum ps_outcome outcome;
	int64_t delay_ms;
	char code[24];
	char message[640];
};

void __attribute__((format(printf, 4, 5)))
verdict_set(struct verdict *verdict, enum ps_outcome outcome, const char *code, const char *format,
            ...);

/* ---- answer.c: the JSON of both directions ---- */

/* Heading and text of the passages `index`. The caller frees it; NULL: *ret says why. */
char *question_make(const char *model, const struct passages *p, const uint32_t *index, uint32_t n,
                    struct verdict *ret);
/* Writes the n vectors of the answer to the places of the passages `index` in `out`, which holds
 * all_n passages. False: *ret says why, and some vectors may have been written. */
bool answer_read(const char *text, size_t len, const uint32_t *index, uint32_t n,
                 uint32_t dimensions, unsigned char *out, uint32_t all_n, struct verdict *ret);

/* ---- courier.c: the thread that talks with the server ---- */

struct courier_conf {
	const struct ps_host *host;
	const char *endpoint, *model;
	const char *key;     /* "": none is sent */
	const char *ca_file; /* "": the system's */
	uint32_t dimensions;
	uint32_t batch; /* passages of a request */
	uint32_t most;  /* requests out at once */
	int64_t timeout_ms;
};

struct courier;

/* conf is copied, its strings must outlive the courier. NULL: *ret_why says why. */
struct courier *courier_open(const struct courier_conf *conf, const char **ret_why);
/* Completes all that is still out with SNOOZE. */
void courier_close(struct courier *courier);

/* A job's work. The order is create, ps_later(), send: so that nothing can fail once there is a
 * token. */
struct work *work_create(void);
void work_free(struct work *work); /* one that was not sent */
/* From here on the courier completes the token and frees the work. `in` is the copy that came with
 * the token, and holds passages. [any] */
void courier_send(struct courier *courier, struct work *work, uint64_t token,
                  const struct ps_message *in);
/* Lets go of what was asked for this token, and completes it. [any] */
void courier_cancel(struct courier *courier, uint64_t token);

/* Since the last time it was asked; each is told once. [any] */
struct courier_counts {
	uint64_t requests, passages;
	uint32_t out; /* requests, now */
};
void courier_count(struct courier *courier, struct courier_counts *ret);

#endif
