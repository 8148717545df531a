/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_pipeline.c - several statements, one round trip.
 *
 * What was sent waits in a queue of items until its answer is read; a
 * statement new to the session is preceded by its Parse in the same trip.
 * Never calls a lost transaction "not committed" once its sync may have
 * reached the server: see "Note on lost replies".
 */
#include "db/db_priv.h"

#include <string.h>

/* Note on lost replies. The server answers in order. An error in place of an answer says that the
 * statement did not finish, so nothing of its transaction committed, whatever becomes of the
 * connection afterwards: AWAY or SQL. What a pooler says when it lost the server is not the
 * server's word: it may come in the place of an answer that was under way. It is known by its
 * class, 08, which a server gives to a broken protocol only; where we know of a pooler, any FATAL
 * may be its. Two answers may be lost together with a commit that happened: that of COMMIT, and
 * that of the sync which commits an implicit transaction. So a connection that ends without an
 * error from the server before, or with a FATAL in place of one of these two, is UNKNOWN from the
 * moment when a sync, or a COMMIT, was handed to libpq: what does not fit into its buffer leaves
 * before all is sent. */

enum status
db_pipe_begin(struct db *db, struct fault *fault)
{
	struct db_pipe *p = &db->pipe;
	enum status st = db_ready(db, fault);

	check(!p->open);
	if (st != OK)
		return st;
	if (PQenterPipelineMode(db->conn) != 1)
		return db_conn_fault(db, fault);
	p->open = true;
	p->synced = p->refused = p->settled = false;
	p->n = p->next = 0;
	p->refusal = (struct fault){ 0 };
	return OK;
}

static void
push(struct db_pipe *p, enum pipe_kind kind, const char *sql)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->items = mem_array(p->items, p->cap, sizeof *p->items);
	}
	p->items[p->n++] = (struct pipe_item){ kind, sql };
}

static bool
prepare_is_under_way(const struct db_pipe *p, const char *sql)
{
	for (size_t i = p->next; i < p->n; i++)
		if (p->items[i].kind == PIPE_PREPARE && p->items[i].sql == sql)
			return true;
	return false;
}

static enum status
send_named(struct db *db, const char *sql, const struct db_args *args, struct fault *fault)
{
	struct db_statement *s = db_statement_get(db, sql);

	if (!s->prepared && !prepare_is_under_way(&db->pipe, sql)) {
		if (PQsendPrepare(db->conn, s->name, sql, args->n, args->types) != 1)
			return db_conn_fault(db, fault);
		push(&db->pipe, PIPE_PREPARE, sql);
	}
	if (PQsendQueryPrepared(db->conn, s->name, args->n, args->values, args->lengths,
	                        args->formats, 1) != 1)
		return db_conn_fault(db, fault);
	push(&db->pipe, PIPE_STATEMENT, sql);
	return OK;
}

static enum status
send_unnamed(struct db *db, const char *sql, const struct db_args *args, struct fault *fault)
{
	if (PQsendQueryParams(db->conn, sql, args->n, args->types, args->values, args->lengths,
	                      args->formats, 1) != 1)
		return db_conn_fault(db, fault);
	push(&db->pipe, PIPE_STATEMENT, sql);
	return OK;
}

enum status
db_pipe_send(struct db *db, const char *sql, const struct db_args *args, struct fault *fault)
{
	static const struct db_args none;

	check(db->pipe.open);
	if (!args)
		args = &none;
	return db->unnamed ? send_unnamed(db, sql, args, fault) : send_named(db, sql, args, fault);
}

enum status
db_pipe_commit(struct db *db, struct fault *fault)
{
	check(db->pipe.open);
	db->pipe.synced = true; /* the server obeys without waiting for a sync */
	if (PQsendQueryParams(db->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 1) != 1)
		return db_conn_fault(db, fault);
	push(&db->pipe, PIPE_COMMIT, NULL);
	return OK;
}

/* The connection is gone: what may the caller still believe? */
static enum status
lost(struct db *db, struct fault *fault)
{
	enum status st = db_conn_fault(db, fault);

	if (db->pipe.synced && !db->pipe.refused)
		st = UNKNOWN;
	if (fault)
		fault->status = st;
	return st;
}

enum status
db_pipe_sync(struct db *db, struct fault *fault)
{
	check(db->pipe.open);
	db->pipe.synced = true;
	if (PQpipelineSync(db->conn) != 1) {
		enum status st = db_conn_fault(db, fault);
		return st == AWAY
		           ? fault_set(fault, UNKNOWN, "the connection was lost with the request")
		           : st;
	}
	push(&db->pipe, PIPE_SYNC, NULL);
	return OK;
}

/* Every answer but that of a sync is followed by a NULL. */
static void
eat_end(struct db *db)
{
	PGresult *r;

	while ((r = PQgetResult(db->conn)) != NULL) {
		bool copy = PQresultStatus(r) == PGRES_COPY_IN ||
		            PQresultStatus(r) == PGRES_COPY_OUT ||
		            PQresultStatus(r) == PGRES_COPY_BOTH;

		PQclear(r);
		check(!copy); /* no COPY in a pipeline */
		if (PQstatus(db->conn) != CONNECTION_OK)
			break;
	}
}

static bool
from_server(const PGresult *r)
{
	return r && PQresultErrorField(r, PG_DIAG_SQLSTATE);
}

/* The transaction may be over, well or badly. */
static bool
from_pooler(const struct db *db, const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (!db->pipe.synced || db->pipe.refused)
		return false;
	return strncmp(PQresultErrorField(r, PG_DIAG_SQLSTATE), "08", 2) == 0 ||
	       (db->options.pooled && (!severity || strcmp(severity, "ERROR") != 0));
}

static enum status
refused(struct db *db, const struct pipe_item *item, const PGresult *r, struct fault *fault)
{
	enum status st;

	if (PQresultStatus(r) != PGRES_PIPELINE_ABORTED && !from_server(r))
		return lost(db, fault);
	st = db_result_fault(db, r, fault);
	if (st == AWAY && db->lost &&
	    (item->kind == PIPE_COMMIT || item->kind == PIPE_SYNC || from_pooler(db, r))) {
		if (fault)
			fault->status = UNKNOWN;
		return UNKNOWN;
	}
	db->pipe.refused = true;
	return st;
}

static enum status
next_prepare(struct db *db, const struct pipe_item *item)
{
	PGresult *r = PQgetResult(db->conn);
	enum status st = OK;

	if (r && PQresultStatus(r) == PGRES_COMMAND_OK)
		db_statement_get(db, item->sql)->prepared = true;
	else
		st = refused(db, item, r, &db->pipe.refusal);
	PQclear(r);
	if (db_alive(db))
		eat_end(db);
	return st;
}

/* Also of a commit: the tag tells whether it was one. */
static enum status
next_statement(struct db *db, const struct pipe_item *item, PGresult **ret, struct fault *fault)
{
	PGresult *r = PQgetResult(db->conn);
	ExecStatusType type = r ? PQresultStatus(r) : PGRES_FATAL_ERROR;
	enum status st = OK;

	if (type != PGRES_COMMAND_OK && type != PGRES_TUPLES_OK)
		st = refused(db, item, r, fault);
	else if (item->kind == PIPE_COMMIT && strcmp(PQcmdStatus(r), "COMMIT") != 0)
		st = fault_set(fault, SQL, "the transaction was rolled back at its COMMIT");
	if (st == OK) {
		*ret = r;
		if (item->kind == PIPE_COMMIT)
			db->pipe.refused = false;
	} else {
		PQclear(r);
	}
	if (db_alive(db))
		eat_end(db);
	return st;
}

/* An implicit transaction commits here, so this is where a deferred constraint speaks. */
static enum status
next_sync(struct db *db, const struct pipe_item *item, struct fault *fault)
{
	enum status st = OK;

	for (int nulls = 0; nulls < 3 && db_alive(db);) {
		PGresult *r = PQgetResult(db->conn);
		ExecStatusType type = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;

		if (r && type != PGRES_PIPELINE_SYNC && st == OK)
			st = refused(db, item, r, fault);
		PQclear(r);
		if (type == PGRES_PIPELINE_SYNC)
			return st;
		nulls = r ? 0 : nulls + 1;
	}
	/* no answer to the sync: the connection is gone */
	if (st != AWAY && st != UNKNOWN)
		st = lost(db, fault);
	return st;
}

enum status
db_pipe_next(struct db *db, struct db_result **ret_result, struct fault *fault)
{
	struct db_pipe *p = &db->pipe;
	PGresult *r = NULL;
	enum status st;

	check(p->open);
	if (ret_result)
		*ret_result = NULL;
	while (p->next < p->n && p->items[p->next].kind != PIPE_STATEMENT &&
	       p->items[p->next].kind != PIPE_COMMIT) {
		const struct pipe_item *item = &p->items[p->next++];

		if (!db_alive(db))
			return lost(db, fault);
		if (item->kind == PIPE_PREPARE) {
			st = next_prepare(db, item);
		} else {
			st = next_sync(db, item, &p->refusal);
			p->refused = false;
		}
		if (st != OK && st != SQL) {
			if (fault)
				*fault = p->refusal;
			return st;
		}
	}
	if (!db_alive(db)) /* perhaps since it was sending, and there is no item to wait for */
		return lost(db, fault);
	check(p->next < p->n); /* asked more often than sent */
	st = next_statement(db, &p->items[p->next++], &r, fault);
	if (st == SQL && p->refusal.status != OK) {
		/* it was skipped since its own prepare was refused */
		if (fault && fault->sqlstate[0] == '\0')
			*fault = p->refusal;
		p->refusal = (struct fault){ 0 };
	}
	if (ret_result)
		*ret_result = (struct db_result *)(void *)r;
	else
		PQclear(r);
	return st;
}

/* Reads what nobody asked for. The first thing that went wrong is reported. */
static enum status
finish(struct db *db, struct fault *fault)
{
	struct db_pipe *p = &db->pipe;
	enum status st = OK;
	struct fault local;

	while (p->next < p->n && st != AWAY && st != UNKNOWN) {
		const struct pipe_item *item = &p->items[p->next++];
		enum status got;
		PGresult *r = NULL;

		local = (struct fault){ 0 };
		if (!db_alive(db)) {
			got = lost(db, &local);
		} else if (item->kind == PIPE_SYNC) {
			got = next_sync(db, item, &local);
			if (got == OK || got == SQL)
				p->refused = false;
		} else if (item->kind == PIPE_PREPARE) {
			got = next_prepare(db, item);
			local = p->refusal;
		} else {
			got = next_statement(db, item, &r, &local);
			PQclear(r);
		}
		if (got != OK && (st == OK || got == AWAY || got == UNKNOWN)) {
			st = got;
			if (fault)
				*fault = local;
		}
	}
	return st;
}

enum status
db_pipe_end(struct db *db, struct fault *fault)
{
	struct db_pipe *p = &db->pipe;
	enum status st;

	check(p->open);
	/* left half-way through sending: without a sync the answers would not come */
	if (db_alive(db) && (p->n == 0 || p->items[p->n - 1].kind != PIPE_SYNC) &&
	    PQpipelineSync(db->conn) == 1)
		push(p, PIPE_SYNC, NULL);
	st = finish(db, fault);
	p->open = false;
	if (st == AWAY || st == UNKNOWN) {
		db->lost = true;
		return st;
	}
	if (PQexitPipelineMode(db->conn) != 1) {
		db->lost = true;
		return db_conn_fault(db, fault);
	}
	return st;
}
