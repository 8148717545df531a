/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web.h - HTTP: what a host tells of itself to monitoring.
 *
 * Runs in a process of its own below the supervisor, which has no threads and
 * no libpq, and beside the host processes, whose plugins must not take it down
 * and which it must not slow. It reads the counters' segment and one statement
 * about the queues, and changes nothing anywhere. The only folder that includes
 * microhttpd.h.
 */
#ifndef PENSTOCK_WEB_H
#define PENSTOCK_WEB_H

#include "base/base.h"
#include "config/config.h"
#include "counters/counters.h"

/* Serves until stop_fd becomes readable. SYSTEM: the address cannot be had. */
enum status web_run(const struct config *config, const struct segment *segment, int stop_fd,
                    struct fault *fault);

/* ---- the text of /metrics ---- */

struct web_queue {
	char *pipeline, *stage;
	int64_t ready, running, deferred, waiting, dead;
	double oldest_s; /* negative: none */
};
/* What is told besides the segment. */
struct web_facts {
	bool database_up;
	int64_t read_age_ns; /* of the queues; negative: they were never read */
	const struct web_queue *queues;
	size_t n_queues;
	uint64_t connections;
	const struct web_refusal {
		unsigned code;
		uint64_t n;
	} * refusals; /* up to a code 0 */
};
/* Appends the page, as Prometheus' text or as OpenMetrics. False: the segment's directory never
 * stood still; what was appended is no page. */
bool web_metrics(const struct segment *segment, const struct web_facts *facts, bool openmetrics,
                 struct buf *out);

#endif
