/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web.c - the life of the process that serves HTTP.
 */
#include <poll.h>
#include <string.h>

#include "web/web_priv.h"

#define TICK_MS 100 /* how exactly slow clients are found */

enum status
web_run(const struct config *config, const struct segment *segment, int stop_fd,
        struct fault *fault)
{
	/* static: the thread that reads the queues may live until the process ends */
	static struct web web;
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
	enum status st;

	memset(&web, 0, sizeof web);
	web.config = config;
	web.segment = segment;
	pthread_mutex_init(&web.lock, NULL);
	list_init(&web.clients);
	st = web_queue_start(&web, fault);
	if (st == OK)
		st = web_serve(&web, fault);
	if (st != OK)
		return st;
	log_line(LOG_INFO, "metrics are served", "http", config->set.http, NULL);
	while (poll(&stop, 1, TICK_MS) == 0)
		web_hurry(&web);
	web_stop(&web);
	pthread_mutex_lock(&web.lock);
	web.stopping = true;
	pthread_cond_signal(&web.asked);
	pthread_mutex_unlock(&web.lock);
	return OK;
}
