/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_transaction.c - a stage's SQL in the transaction that settles it.
 *
 * The transaction opens at the first ps_db() of the lease and commits with the
 * settlement (worker_settle.c). Each call has a savepoint: it stands only when
 * every job of the call ended DONE and no SQL failed; otherwise the call is
 * undone and its jobs run one by one, and the effects of DONE jobs alone stay.
 */
#include <string.h>

#include "worker/worker_priv.h"

struct pg_conn *
transaction_db(void *data)
{
	struct worker *w = data;
	struct fault fault = { 0 };
	enum status st = OK;

	if (w->lost)
		return NULL;
	if (!w->in_transaction) {
		st = db_begin(w->db, &fault);
		w->in_transaction = st == OK;
	}
	if (st == OK && !w->in_savepoint) {
		st = db_savepoint(w->db, &fault);
		w->in_savepoint = st == OK;
	}
	if (st != OK) {
		log_fault(LOG_WARNING, "cannot open a stage's transaction", &fault);
		w->lost = db_transaction_state(w->db) == DB_LOST;
		return NULL;
	}
	return db_conn(w->db);
}

void
transaction_abandon(struct worker *w)
{
	struct fault fault = { 0 };

	if (w->in_transaction && db_alive(w->db) && db_rollback(w->db, &fault) != OK)
		log_fault(LOG_WARNING, "cannot roll back", &fault);
	w->in_transaction = w->in_savepoint = false;
}

static bool
all_done(const struct stage_call *call)
{
	for (size_t i = 0; i < call->n; i++)
		if (!stage_did(call->jobs[i]->ps.outcome))
			return false;
	return true;
}

static void
fail_all(struct stage_call *call, const char *code, const char *message)
{
	for (size_t i = 0; i < call->n; i++) {
		struct ps_job *job = &call->jobs[i]->ps;

		job->outcome = PS_RETRY;
		job->delay_ms = -1;
		job->code = code;
		job->message = message;
		call->jobs[i]->changed = false;
	}
}

/* The savepoint is not ours any more: the plugin ended the transaction, and what it wrote stays.
 * The jobs retry, so that it is seen and not believed. */
static void
breached(struct worker *w, struct stage_call *call, const struct fault *fault)
{
	log_fault(LOG_ERROR, "a stage ended the transaction that it was lent", fault);
	fail_all(call, "TRANSACTION_ENDED", "the stage committed or rolled back by itself");
	transaction_abandon(w);
}

/* Undoes what the call wrote. False: that cannot be done, the lease is lost or breached. */
static bool
undo(struct worker *w, struct stage_call *call)
{
	struct fault fault = { 0 };

	if (!w->in_savepoint)
		return true;
	w->in_savepoint = false;
	if (db_savepoint_rollback(w->db, &fault) == OK)
		return true;
	if (db_transaction_state(w->db) == DB_LOST)
		w->lost = true;
	else
		breached(w, call, &fault);
	return false;
}

/* How one run of a call ended. */
struct attempt {
	bool stands; /* every job is DONE and its SQL is kept */
	bool used;   /* ps_db() was called */
	bool sql_failed;
	bool ended; /* the transaction is not ours any more; outcomes are set */
};

static void
close_savepoint(struct worker *w, struct stage_call *call, struct attempt *a)
{
	struct fault fault = { 0 };
	enum status st = db_scrub(w->db, &fault);
	enum db_transaction state = db_transaction_state(w->db);

	if (st == AWAY || state == DB_LOST) {
		w->lost = true;
		return;
	}
	a->sql_failed = state == DB_FAILED;
	if (a->stands && state == DB_IN_TRANSACTION) {
		w->in_savepoint = false;
		if (db_savepoint_release(w->db, &fault) == OK)
			return;
		if (db_transaction_state(w->db) == DB_LOST) {
			w->lost = true; /* an outage: nobody is charged */
			return;
		}
		a->ended = true;
	}
	a->stands = false;
	if (a->ended || state == DB_IDLE) {
		a->ended = true;
		w->in_savepoint = false;
		breached(w, call, &fault);
		return;
	}
	a->ended = !undo(w, call);
}

static struct attempt
attempt(struct worker *w, struct stage_call *call)
{
	struct attempt a = { 0 };

	call->provisional = true;
	stage_call_run(call);
	a.stands = all_done(call);
	a.used = w->in_savepoint;
	if (a.used)
		close_savepoint(w, call, &a);
	if (call->n == 1 || a.stands || !a.used || a.ended || w->lost)
		stage_call_stands(call); /* else it runs again, and counts then */
	return a;
}

/* A stage that says DONE over failed SQL is mistaken: its effects are gone. */
static void
attempt_one(struct worker *w, struct stage_call *call)
{
	struct attempt a = attempt(w, call);

	if (a.sql_failed && !a.ended && !w->lost && stage_did(call->jobs[0]->ps.outcome))
		fail_all(call, "SQL_ERROR", "SQL failed, though the stage said DONE");
}

void
transaction_call(struct worker *w, struct stage_call *call)
{
	struct attempt whole;

	if (call->n == 1) {
		attempt_one(w, call);
		return;
	}
	whole = attempt(w, call);
	if (whole.stands || !whole.used || whole.ended || w->lost)
		return;
	counter_add(call->slot, COUNTER_rollbacks, 1);
	for (size_t i = 0; i < call->n && !w->lost; i++) {
		struct stage_call one = *call;

		one.jobs = &call->jobs[i];
		one.n = 1;
		one.id = ++w->calls;
		attempt_one(w, &one);
	}
}
