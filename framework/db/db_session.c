/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_session.c - what kind of session of the server is behind a connection.
 *
 * A pooler gives itself away by the process id that it invents for its
 * clients. Whether it also changes sessions between transactions, a mark
 * tells: one that another session of ours sees, or that is gone later.
 */
#include "db/db_priv.h"
#include "sql_text.h"

#include <string.h>

/* A busy pooler may by chance give both of us back what we had. */
#define ROUNDS 8

bool
db_session_changes(const struct db_session_fact *fact)
{
	return fact->lost || fact->shared;
}

static enum status
set_mark(struct db *db, const char *mark, struct db_session_fact *f, struct fault *fault)
{
	struct db_result *rows;
	struct db_args args;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, mark);
	st = db_call(db, sql_session_mark, &args, &rows, fault);
	if (st != OK)
		return st;
	f->pid_of_protocol = db_backend_pid(db);
	f->pid_of_server = (int)db_int(rows, 0, 0);
	f->kept = db_int(rows, 0, 2) != 0;
	db_result_free(rows);
	return OK;
}

static enum status
bears(struct db *db, const char *mark, bool *ret, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(db, sql_session_read, NULL, &rows, fault);

	if (st != OK)
		return st;
	*ret = strcmp(db_text(rows, 0, 1), mark) == 0;
	db_result_free(rows);
	return OK;
}

static enum status
look_once(struct db *first, struct db *second, struct db_session_fact *f, struct fault *fault)
{
	struct uuid uuid = uuid_random();
	bool own = true, other = false;
	char mark[37];
	enum status st;

	uuid_text(&uuid, mark);
	st = set_mark(first, mark, f, fault);
	if (st == OK)
		st = bears(second, mark, &other, fault);
	if (st == OK)
		st = bears(first, mark, &own, fault);
	if (st == OK) {
		f->lost = !own;
		f->shared = other;
	}
	return st;
}

enum status
db_session_look(struct db *db, struct db_session_fact *ret, struct fault *fault)
{
	struct db_session_fact f = { .kept = true };
	struct db *second;
	enum status st = db_open(&db->options, &second, fault);
	bool pooler = true;

	if (st != OK)
		return st;
	/* a name that one session prepared is unknown to the next, or known already */
	db->unnamed = second->unnamed = true;
	for (int i = 0; i < ROUNDS && st == OK && pooler && !db_session_changes(&f); i++) {
		st = look_once(db, second, &f, fault);
		pooler = f.pid_of_protocol != f.pid_of_server;
	}
	db->unnamed = db->options.pooled;
	db_close(second);
	if (st == OK)
		*ret = f;
	return st;
}
