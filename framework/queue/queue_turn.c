/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_turn.c - one round trip of a worker: [settle] [COMMIT] [claim] [messages].
 *
 * Settlement and claim are one implicit transaction, unless a stage's own is
 * open: then that one commits in the middle and the claim has the next. The
 * messages are read by a statement of their own, whose snapshot is newer than
 * the claim's, so that every job of the lease is visible to it.
 */
#include <string.h>

#include "queue/queue_priv.h"

/* ---- arguments ---- */

static void
claim_args(struct db_args *args, struct arena *arena, const struct queue_claim *claim)
{
	int16_t *priorities = arena_alloc(arena, (claim->n_heads + 1) * sizeof *priorities);
	int64_t *from = arena_alloc(arena, (claim->n_heads + 1) * sizeof *from);

	for (size_t i = 0; i < claim->n_heads; i++) {
		priorities[i] = claim->heads[i].priority;
		from[i] = claim->heads[i].from;
	}
	db_args_init(args);
	db_arg_uuid(args, &claim->token);
	db_arg_int8(args, claim->host);
	db_arg_int4(args, claim->lane);
	db_arg_int4(args, claim->want);
	db_arg_int8(args, claim->want_bytes);
	db_arg_int4(args, claim->lock);
	db_arg_int2s(args, arena, priorities, claim->n_heads);
	db_arg_int8s(args, arena, from, claim->n_heads);
	if (claim->key_room > 0)
		db_arg_int4(args, claim->key_room);
}

static void
messages_args(struct db_args *args, const struct queue_claim *claim)
{
	db_args_init(args);
	db_arg_uuid(args, &claim->token);
	db_arg_int4(args, (int32_t)claim->inline_bytes);
}

/* One array for each column of the sets. */
static void
set_args(struct db_args *args, struct arena *arena, const struct settle *s)
{
	size_t n = s->n_sets;
	int16_t *kind = arena_alloc(arena, (n + 1) * 5 * sizeof *kind);
	int16_t *hop = kind + n, *input_hop = hop + n, *attempt = input_hop + n,
	        *hold = attempt + n;
	int32_t *lane = arena_alloc(arena, (n + 1) * sizeof *lane);
	int64_t *delay = arena_alloc(arena, (n + 1) * 2 * sizeof *delay), *bytes = delay + n;
	struct db_ids *jobs = arena_alloc(arena, (n + 1) * sizeof *jobs);

	for (size_t i = 0; i < n; i++) {
		const struct settle_set *set = &s->sets[i];

		kind[i] = (int16_t)set->kind;
		lane[i] = set->lane;
		delay[i] = set->delay_ms;
		hop[i] = set->hop;
		input_hop[i] = set->input_hop;
		attempt[i] = set->attempt;
		hold[i] = set->hold;
		bytes[i] = set->bytes;
		jobs[i] = set->jobs;
	}
	db_arg_int2s(args, arena, kind, n);
	db_arg_int4s(args, arena, lane, n);
	db_arg_int8s(args, arena, delay, n);
	db_arg_int2s(args, arena, hop, n);
	db_arg_int2s(args, arena, input_hop, n);
	db_arg_int2s(args, arena, attempt, n);
	db_arg_int2s(args, arena, hold, n);
	db_arg_int8s(args, arena, bytes, n);
	db_arg_multiranges(args, arena, jobs, n);
}

static void
output_args(struct db_args *args, struct arena *arena, const struct settle *s)
{
	size_t n = s->n_outputs;
	int64_t *job = arena_alloc(arena, (n + 1) * sizeof *job);
	int16_t *hop = arena_alloc(arena, (n + 1) * sizeof *hop);
	struct db_bytes *attributes = arena_alloc(arena, (n + 1) * 2 * sizeof *attributes);
	struct db_bytes *body = attributes + n;

	for (size_t i = 0; i < n; i++) {
		const struct settle_output *o = &s->outputs[i];

		job[i] = o->job;
		hop[i] = o->hop;
		attributes[i] = (struct db_bytes){ o->attributes, o->attributes_len };
		body[i] = (struct db_bytes){ o->body, o->body_len };
	}
	db_arg_int8s(args, arena, job, n);
	db_arg_int2s(args, arena, hop, n);
	db_arg_jsons(args, arena, attributes, n);
	db_arg_byteas(args, arena, body, n);
}

static struct db_bytes
text_of(const char *text)
{
	return (struct db_bytes){ text, text ? strlen(text) : 0 };
}

static void
failure_args(struct db_args *args, struct arena *arena, const struct settle *s)
{
	size_t n = s->n_failures;
	int64_t *job = arena_alloc(arena, (n + 1) * sizeof *job);
	int32_t *lane = arena_alloc(arena, (n + 1) * sizeof *lane);
	int16_t *attempt = arena_alloc(arena, (n + 1) * sizeof *attempt);
	struct db_bytes *code = arena_alloc(arena, (n + 1) * 3 * sizeof *code);
	struct db_bytes *message = code + n, *release = message + n;

	for (size_t i = 0; i < n; i++) {
		const struct settle_failure *f = &s->failures[i];

		job[i] = f->job;
		lane[i] = f->lane;
		attempt[i] = f->attempt;
		code[i] = text_of(f->code);
		message[i] = text_of(f->message);
		release[i] = text_of(f->release);
	}
	db_arg_int8s(args, arena, job, n);
	db_arg_int4s(args, arena, lane, n);
	db_arg_int2s(args, arena, attempt, n);
	db_arg_texts(args, arena, code, n);
	db_arg_texts(args, arena, message, n);
	db_arg_texts(args, arena, release, n);
}

static void
child_args(struct db_args *args, struct arena *arena, const struct settle *s)
{
	size_t n = s->n_children;
	int64_t *parent = arena_alloc(arena, (n + 1) * sizeof *parent);
	int32_t *lane = arena_alloc(arena, (n + 1) * sizeof *lane);
	struct db_bytes *attributes = arena_alloc(arena, (n + 1) * 2 * sizeof *attributes);
	struct db_bytes *body = attributes + n;

	for (size_t i = 0; i < n; i++) {
		const struct settle_child *c = &s->children[i];

		parent[i] = c->parent;
		lane[i] = c->lane;
		attributes[i] = (struct db_bytes){ c->attributes, c->attributes_len };
		body[i] = (struct db_bytes){ c->body, c->body_len };
	}
	db_arg_int8s(args, arena, parent, n);
	db_arg_int4s(args, arena, lane, n);
	db_arg_jsons(args, arena, attributes, n);
	db_arg_byteas(args, arena, body, n);
}

static void
settle_args(struct db_args *args, struct arena *arena, const struct uuid *token,
            const struct settle *s)
{
	db_args_init(args);
	db_arg_uuid(args, token);
	set_args(args, arena, s);
	output_args(args, arena, s);
	failure_args(args, arena, s);
	child_args(args, arena, s);
}

/* ---- answers ---- */

static void
read_job(const struct db_result *r, int row, struct queue_job *job)
{
	size_t len;

	job->id = db_int(r, row, 0);
	job->attributes = db_bytes(r, row, 1, &job->attributes_len);
	if (!db_null(r, row, 2))
		job->body_len = (size_t)db_int(r, row, 2);
	if (!db_null(r, row, 3))
		job->body = db_bytes(r, row, 3, &len);
	if (!db_null(r, row, 4))
		job->traceparent = db_text(r, row, 4);
}

/* The lease's own row; the jobs come with the messages. */
static struct lease *
read_claim(struct arena *arena, const struct db_result *r, struct queue_turn *turn)
{
	struct lease *lease = arena_alloc(arena, sizeof *lease);

	lease->token = turn->claim->token;
	lease->lane = turn->claim->lane;
	lease->attempt = (int16_t)db_int(r, 0, 0);
	lease->hop = (int16_t)db_int(r, 0, 1);
	lease->input_hop = (int16_t)db_int(r, 0, 2);
	lease->priority = (int16_t)db_int(r, 0, 3);
	lease->hold = (int16_t)db_int(r, 0, 4);
	lease->n = (size_t)db_int(r, 0, 5);
	lease->bytes = db_int(r, 0, 6);
	turn->last = db_int(r, 0, 7);
	turn->parcels = (int32_t)db_int(r, 0, 8);
	if (turn->claim->key_room > 0 && !db_null(r, 0, 9))
		lease->key_room = (int32_t)db_int(r, 0, 9);
	return lease;
}

/* Jobs whose rows somebody deleted stay in the lease: the others must not suffer for them. */
static void
read_messages(struct arena *arena, struct db_result *r, struct lease *lease)
{
	size_t n = (size_t)db_rows(r);

	if (n != lease->n)
		log_line(LOG_ERROR,
		         "jobs of a lease have no row in penstock.job: run penstock verify", NULL);
	lease->n = n;
	lease->jobs = arena_alloc(arena, (n + 1) * sizeof *lease->jobs);
	for (size_t i = 0; i < n; i++)
		read_job(r, (int)i, &lease->jobs[i]);
	db_result_keep(r, arena);
}

/* ---- the turn ---- */

/* Then it need not wait for the disk: a lease that a crash of the server takes back was nobody's
 * loss. A settlement that commits with it must. */
static bool
claims_alone(const struct queue_turn *turn)
{
	return turn->claim && !turn->settle;
}

static enum status
send_turn(struct db *db, struct arena *arena, struct queue_turn *turn)
{
	struct db_args args;
	enum status st = OK;

	if (turn->settle) {
		settle_args(&args, arena, turn->token, turn->settle);
		st = db_pipe_send(db, sql_queue_settle, &args, &turn->fault);
		if (st == OK && turn->in_transaction)
			st = db_pipe_commit(db, &turn->fault);
	}
	if (st == OK && claims_alone(turn))
		st = db_pipe_send(db, sql_queue_claim_lightly, NULL, &turn->fault);
	if (st == OK && turn->claim) {
		claim_args(&args, arena, turn->claim);
		st = db_pipe_send(
		    db, turn->claim->key_room > 0 ? sql_queue_claim_counted : sql_queue_claim,
		    &args, &turn->fault);
		messages_args(&args, turn->claim);
		if (st == OK)
			st = db_pipe_send(db, sql_queue_messages, &args, &turn->fault);
	}
	return st == OK ? db_pipe_sync(db, &turn->fault) : st;
}

static enum status
receive_settled(struct db *db, struct queue_turn *turn)
{
	struct db_result *r = NULL;
	enum status st = db_pipe_next(db, &r, &turn->fault);

	if (st == OK)
		turn->lease_ended = db_int(r, 0, 0) == 0;
	db_result_free(r);
	if (st == OK && turn->in_transaction)
		st = db_pipe_next(db, NULL, &turn->fault);
	return queue_meaning(st, &turn->fault);
}

static enum status
receive_claimed(struct db *db, struct arena *arena, struct queue_turn *turn, struct fault *fault)
{
	struct db_result *r = NULL, *messages = NULL;
	enum status st = claims_alone(turn) ? db_pipe_next(db, NULL, fault) : OK;

	if (st == OK)
		st = db_pipe_next(db, &r, fault);
	if (st == OK && db_rows(r) > 0)
		turn->lease = read_claim(arena, r, turn);
	db_result_free(r);
	if (st == OK)
		st = db_pipe_next(db, &messages, fault);
	if (st != OK)
		return st;
	if (turn->lease)
		read_messages(arena, messages, turn->lease);
	else
		db_result_free(messages);
	return turn->lease ? OK : EMPTY;
}

/* What the end of the pipeline says about a part that had looked well so far. */
static enum status
confirm(enum status so_far, enum status end)
{
	return so_far == OK || so_far == EMPTY ? (end == OK ? so_far : end) : so_far;
}

/* True: the settlement went down with the claim, and nothing else was wrong with it. */
static bool
take_turn(struct db *db, struct arena *arena, struct queue_turn *turn)
{
	struct fault claim_fault = { 0 }, end_fault = { 0 };
	enum status st, end;
	bool separate = turn->settle && turn->in_transaction;

	turn->settled = turn->claimed = st = db_pipe_begin(db, &turn->fault);
	if (st != OK)
		return false;
	st = send_turn(db, arena, turn);
	if (turn->settle)
		turn->settled = receive_settled(db, turn);
	if (turn->claim)
		turn->claimed = receive_claimed(db, arena, turn, &claim_fault);
	end = db_pipe_end(db, &end_fault);
	if (turn->settle && !separate)
		turn->settled = confirm(turn->settled,
		                        turn->claim && turn->claimed == SQL ? SQL : end);
	if (turn->claim)
		turn->claimed = confirm(turn->claimed, end);
	if (!turn->fault.status)
		turn->fault = claim_fault.status ? claim_fault : end_fault;
	if (turn->claimed != OK)
		turn->lease = NULL;
	(void)st; /* what could not be sent shows in what is received */
	return turn->settle && turn->claim && !separate && turn->claimed == SQL &&
	       claim_fault.sqlstate[0] != '\0';
}

void
queue_turn(struct db *db, struct arena *arena, struct queue_turn *turn)
{
	struct queue_turn again = { .token = turn->token, .settle = turn->settle };

	check(turn->settle || turn->claim);
	if (take_turn(db, arena, turn)) {
		log_fault(LOG_WARNING, "a claim failed", &turn->fault);
		take_turn(db, arena, &again);
		turn->settled = again.settled;
		turn->lease_ended = again.lease_ended;
		if (again.settled != OK) /* otherwise the claim's stays */
			turn->fault = again.fault;
	}
	if (turn->in_transaction && turn->settled != OK && db_alive(db) &&
	    db_transaction_state(db) != DB_IDLE)
		db_rollback(db, NULL);
}
