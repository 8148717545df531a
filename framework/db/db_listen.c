/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_listen.c - wait for a notification, a deadline or another file.
 *
 * Never blocks in libpq: what came is read when poll() says so. Whether
 * anything comes is tried and not believed: some poolers take a LISTEN and
 * deliver nothing.
 */
#include "db/db_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* An own notification comes with the answer, unless the machine is very busy. */
#define ECHO_LIMIT (3 * SEC)

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

/* A channel of its own: nobody else is woken. */
enum status
db_listen_works(struct db *db, struct fault *fault)
{
	struct uuid uuid = uuid_random();
	char text[37], channel[64], *sql;
	enum status st;

	uuid_text(&uuid, text);
	snprintf(channel, sizeof channel, "penstock_%s", text);
	st = db_listen(db, channel, fault);
	if (st != OK)
		return st;
	sql = mem_printf("NOTIFY \"%s\"", channel);
	st = db_exec(db, sql, fault);
	free(sql);
	if (st == OK)
		st = db_wait(db, -1, ECHO_LIMIT, NULL, 0, fault);
	if (db_alive(db) && db_exec(db, "UNLISTEN *", st == OK ? fault : NULL) != OK)
		st = AWAY;
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
