/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_notify.c - what systemd is told, in its own few words.
 *
 * The protocol is a datagram of lines; that needs no library. Nothing here may
 * keep the supervisor from its work: a message that cannot be sent is lost.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/host_priv.h"

static void
send_to(const char *path, const char *text, size_t len)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t path_len = strlen(path);
	int fd;

	if (path_len >= sizeof at.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(at.sun_path, path, path_len);
	if (path[0] == '@')
		at.sun_path[0] = '\0'; /* abstract: its length is its end */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&at,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len));
	close(fd);
}

void
host_notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct buf text;
	va_list args;

	if (!path || !path[0])
		return;
	buf_init(&text);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	send_to(path, text.data, text.len);
	buf_done(&text);
}

int64_t
host_watchdog_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	struct fault ignored = { 0 };
	int64_t us = 0, for_pid = 0;

	if (!usec || text_int(usec, 1, INT64_MAX / 1000, &us, &ignored) != OK)
		return 0;
	if (pid && text_int(pid, 1, INT64_MAX, &for_pid, &ignored) == OK && for_pid != getpid())
		return 0;
	return us * 1000 / 2;
}

/* ---- does it move? ---- */

/* The janitor's rounds and all that its workers did. A janitor that waits for the database goes
 * round too, so an outage stops nobody. */
static uint64_t
pulse_of(const struct supervisor *s, const struct generation *g, uint32_t i)
{
	uint64_t pulse = atomic_load(&g->shared[i].line.rounds) +
	                 atomic_load(&g->shared[i].line.phase);

	for (uint32_t w = g->first + i * g->workers; w < g->first + (i + 1) * g->workers; w++)
		pulse += __atomic_load_n(&s->segment->worker[w].moved, __ATOMIC_RELAXED);
	return pulse;
}

/* Nothing of it moved for a whole interval of the watchdog. One that does not work yet is not
 * judged: it may load for long, and waits for the others. */
static bool
stands_still(const struct supervisor *s, struct generation *g, uint32_t i, int64_t now)
{
	struct child *child = &g->child[i];
	enum pool_phase phase = generation_phase(g, i);
	uint64_t pulse = pulse_of(s, g, i);

	if (!child->pid || phase < POOL_READY || pulse != child->pulse) {
		child->pulse = pulse;
		child->beat_at = now;
		return false;
	}
	return now - child->beat_at >= 2 * s->watchdog;
}

bool
host_moves(struct supervisor *s, int64_t now)
{
	struct generation *const all[] = { s->now, s->next, s->old };
	bool moves = true;

	for (size_t k = 0; k < countof(all); k++)
		for (uint32_t i = 0; all[k] && i < all[k]->n; i++)
			moves &= !stands_still(s, all[k], i, now);
	return moves;
}
