/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_schema_api.c - the public functions and views, made anew as one whole.
 *
 * One transaction replaces every function in place, so that applications that
 * call them meanwhile see the old or the new one and never none; views are
 * dropped and made again; what is no longer in the texts goes. Which API is
 * installed stands in the ledger as version 0 of the core.
 */
#include "db/db_priv.h"

#include "sql_text.h"

#include <stdlib.h>
#include <string.h>

/* Names count as well: they give the order. */
static void
api_checksum(char out[65])
{
	struct sha256 sum;
	struct buf all;

	buf_init(&all);
	for (const struct sql_file *f = sql_api; f->name; f++) {
		buf_add(&all, f->name, strlen(f->name) + 1);
		buf_add(&all, f->text, f->size + 1);
	}
	sha256_of(all.data ? all.data : "", all.len, &sum);
	buf_done(&all);
	sha256_hex(&sum, out);
}

/* Dotted numbers; what is not a number counts as 0. */
static int
compare_versions(const char *a, const char *b)
{
	while (*a || *b) {
		char *end_a, *end_b;
		long va = strtol(a, &end_a, 10), vb = strtol(b, &end_b, 10);

		if (va != vb)
			return va < vb ? -1 : 1;
		a = *end_a == '.' ? end_a + 1 : "";
		b = *end_b == '.' ? end_b + 1 : "";
	}
	return 0;
}

enum status
schema_api_check(const struct db_migration *m, struct fault *fault)
{
	char checksum[65];

	api_checksum(checksum);
	if (m &&
	    (strcmp(m->checksum, checksum) == 0 || compare_versions(m->name, PENSTOCK_VERSION) > 0))
		return OK;
	fault_set(fault, REFUSED, "the database has %s public functions", m ? "other" : "no");
	fault_hint(fault, "run `penstock migrate up`");
	return REFUSED;
}

/* Runs the statement that a query of ours made: a row of one text, null when there is nothing to
 * do. */
static enum status
run_made(struct db *db, const char *sql, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql, NULL, &r, fault);

	if (st != OK)
		return st;
	if (db_rows(r) > 0 && !db_null(r, 0, 0))
		st = db_exec(db, db_text(r, 0, 0), fault);
	db_result_free(r);
	return st;
}

enum status
schema_api_drop(struct db *db, struct fault *fault)
{
	enum status st = run_made(db, sql_schema_drop_views, fault);

	return st == OK ? run_made(db, sql_schema_drop_functions, fault) : st;
}

static enum status
create_all(struct db *db, struct fault *fault)
{
	/* bodies name functions that come later */
	enum status st = db_exec(db, "SET LOCAL check_function_bodies = off", fault);

	for (const struct sql_file *f = sql_api; f->name && st == OK; f++) {
		st = db_exec(db, f->text, fault);
		if (st != OK)
			fault_where(fault, "framework/sql/api/%s.sql", f->name);
	}
	return st;
}

static enum status
installed(struct db *db, const char *checksum, bool *ret_same, bool *ret_newer, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql_schema_api, NULL, &r, fault);

	if (st != OK)
		return st;
	*ret_same = db_rows(r) > 0 && strcmp(db_text(r, 0, 1), checksum) == 0;
	*ret_newer = db_rows(r) > 0 && compare_versions(db_text(r, 0, 0), PENSTOCK_VERSION) > 0;
	db_result_free(r);
	return OK;
}

/* Inside the transaction, under the lock. */
static enum status
make_api(struct db *db, const char *checksum, struct fault *fault)
{
	bool same = false, newer = false;
	enum status st = installed(db, checksum, &same, &newer, fault);

	if (st != OK || same)
		return st;
	if (newer)
		return fault_set(fault, REFUSED,
		                 "the public functions in the database are of a newer version of "
		                 "penstock than this program (" PENSTOCK_VERSION ")");
	st = run_made(db, sql_schema_drop_views, fault);
	if (st == OK)
		st = create_all(db, fault);
	if (st == OK)
		st = run_made(db, sql_schema_drop_leftovers, fault);
	return st == OK ? schema_note(db, SCHEMA_CORE, 0, PENSTOCK_VERSION, checksum, 0, fault)
	                : st;
}

enum status
schema_api_up(struct db *db, struct fault *fault)
{
	char checksum[65];
	enum status st;

	api_checksum(checksum);
	st = schema_begin(db, SCHEMA_CORE, fault);
	if (st == OK)
		st = make_api(db, checksum, fault);
	st = schema_finish(db, st, fault);
	return st == OK ? db_call(db, sql_queue_make_blocks, NULL, NULL, fault) : st;
}
