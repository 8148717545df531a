/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_listen.c - wait for a notification, a deadline or another file.
 *
 * Never blocks in libpq: what came is read when poll() says so.
 */
#include "db/db_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum status
db_listen(struct db *db, const char *channel, struct fault *fault)
{
	enum status st = db_ready(db, fault);
	char *quoted, *sql;

	if (st != OK)
		return st;
	quoted = PQescapeIdentifier(db->conn, channel, strlen(channel));
	if (!quoted)
		return db_conn_fault(db, fault);
	sql = mem_printf("LISTEN %s", quoted);
	PQfreemem(quoted);
	st = db_exec(db, sql, fault);
	free(sql);
	return st;
}

static bool
take_notification(struct db *db, char *payload, size_t size)
{
	PGnotify *n = PQnotifies(db->conn);

	if (!n)
		return false;
	if (payload && size > 0)
		snprintf(payload, size, "%s", n->extra);
	PQfreemem(n);
	return true;
}

static int
poll_ms(int64_t left_ns)
{
	int64_t ms = (left_ns + MSEC - 1) / MSEC;

	return ms < 0 ? 0 : ms > 3600000 ? 3600000 : (int)ms;
}

enum status
db_wait(struct db *db, int wake_fd, int64_t timeout_ns, char *payload, size_t payload_size,
        struct fault *fault)
{
	int64_t until = clock_mono() + timeout_ns;

	for (;;) {
		struct pollfd fds[2] = { { .fd = db_socket(db), .events = POLLIN },
			                 { .fd = wake_fd, .events = POLLIN } };
		enum status st = db_ready(db, fault);
		int64_t left = until - clock_mono();

		if (st != OK)
			return st;
		if (take_notification(db, payload, payload_size))
			return OK;
		if (poll(fds, 2, poll_ms(left)) < 0 && errno != EINTR)
			return fault_errno(fault, errno, "poll");
		if (fds[0].revents && PQconsumeInput(db->conn) != 1)
			return db_conn_fault(db, fault);
		if (take_notification(db, payload, payload_size))
			return OK;
		if (fds[1].revents || clock_mono() >= until)
			return EMPTY;
	}
}
