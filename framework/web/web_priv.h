/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web_priv.h - what the files of web/ share.
 *
 * Note on threads: one of libmicrohttpd serves every connection; one reads the
 * queues, and may wait for a database that is away as long as that takes; the
 * first one waits for the end and for clients that are too slow. What they
 * share is guarded by web->lock, which is held for a few instructions.
 */
#ifndef PENSTOCK_WEB_PRIV_H
#define PENSTOCK_WEB_PRIV_H

#include <pthread.h>

#include "db/db.h"
#include "web/web.h"

#define WEB_HOSTS 32u
#define WEB_CODES 8u

struct web {
	const struct config *config;
	const struct segment *segment;
	char *hosts[WEB_HOSTS]; /* names that a request may ask for, in lower case */
	size_t n_hosts;
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	/* under lock */
	struct list clients; /* struct client of web_server.c */
	uint64_t n_clients;
	struct web_refusal refusals[WEB_CODES + 1];
	struct web_queue *queues;
	size_t n_queues;
	bool database_up;
	int64_t read_at;  /* mono; 0: never */
	int64_t asked_at; /* mono: the last scrape */
	bool stopping;
	pthread_cond_t asked;
};

/* web_server.c */
enum status web_serve(struct web *web, struct fault *fault);
void web_hurry(struct web *web); /* ends clients that are too slow */
void web_stop(struct web *web);

/* web_queue.c: the thread that reads the queues, at most once in http_interval and only while
 * somebody scrapes. */
enum status web_queue_start(struct web *web, struct fault *fault);
/* A copy for one page; the caller frees it with web_queue_free(). */
void web_queue_facts(struct web *web, struct web_facts *ret);
void web_queue_free(struct web_queue *queues, size_t n);

#endif
