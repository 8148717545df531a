/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_call.c - one statement, one round trip; and reading what came back.
 *
 * A statement is prepared once a session under a name made from its text's
 * address, unless a pooler changes sessions. Results are binary; the readers assert the column's
 * type, since a wrong one is a bug of ours and never bad luck.
 */
#include "db/db_priv.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Of pg_type, which PostgreSQL never renumbers. */
enum {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_OID = 26,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_TIMESTAMP = 1114,
	OID_TIMESTAMPTZ = 1184,
	OID_REGCLASS = 2205,
	OID_JSONB = 3802,
	OID_INT8MULTIRANGE = 4536
};

#define EPOCH_DIFFERENCE_US INT64_C(946684800000000) /* 2000-01-01, PostgreSQL's, after 1970's */

/* ---- statements of a session ---- */

struct db_statement *
db_statement_get(struct db *db, const char *sql)
{
	struct db_statement *s;

	for (size_t i = 0; i < db->n_statements; i++)
		if (db->statements[i].sql == sql)
			return &db->statements[i];
	if (db->n_statements == db->cap_statements) {
		db->cap_statements = db->cap_statements ? 2 * db->cap_statements : 32;
		db->statements = mem_array(db->statements, db->cap_statements,
		                           sizeof *db->statements);
	}
	s = &db->statements[db->n_statements++];
	s->sql = sql;
	s->prepared = false;
	snprintf(s->name, sizeof s->name, "penstock_%zx_%x", (size_t)(uintptr_t)sql & 0xffffffffff,
	         db->generation);
	return s;
}

void
db_forget_statements(struct db *db)
{
	db->n_statements = 0;
	db->generation++;
}

/* 26000: somebody said DEALLOCATE or DISCARD ALL. 0A000: "cached plan must not change result type",
 * after a migration. */
bool
db_is_stale(const struct fault *fault)
{
	return strcmp(fault->sqlstate, "26000") == 0 ||
	       (strcmp(fault->sqlstate, "0A000") == 0 && strstr(fault->text, "cached plan"));
}

enum status
db_ready(struct db *db, struct fault *fault)
{
	return db_alive(db) ? OK : db_conn_fault(db, fault);
}

/* ---- calls ---- */

static enum status
prepare(struct db *db, struct db_statement *s, const struct db_args *args, struct fault *fault)
{
	PGresult *r = PQprepare(db->conn, s->name, s->sql, args->n, args->types);
	enum status st = db_result_fault(db, r, fault);

	PQclear(r);
	s->prepared = st == OK;
	return st;
}

static enum status
take(struct db *db, PGresult *r, struct db_result **ret_result, struct fault *fault)
{
	enum status st = db_result_fault(db, r, fault);

	if (st == OK && ret_result)
		*ret_result = (struct db_result *)(void *)r;
	else
		PQclear(r);
	return st;
}

static enum status
call_once(struct db *db, const char *sql, const struct db_args *args, struct db_result **ret_result,
          struct fault *fault)
{
	struct db_statement *s;
	enum status st;

	if (db->unnamed)
		return take(db,
		            PQexecParams(db->conn, sql, args->n, args->types, args->values,
		                         args->lengths, args->formats, 1),
		            ret_result, fault);
	s = db_statement_get(db, sql);
	st = s->prepared ? OK : prepare(db, s, args, fault);
	if (st != OK)
		return st;
	return take(db,
	            PQexecPrepared(db->conn, s->name, args->n, args->values, args->lengths,
	                           args->formats, 1),
	            ret_result, fault);
}

enum status
db_call(struct db *db, const char *sql, const struct db_args *args, struct db_result **ret_result,
        struct fault *fault)
{
	static const struct db_args none;
	struct fault local = { 0 };
	enum status st;

	check(!db->pipe.open);
	if (!fault)
		fault = &local;
	st = db_ready(db, fault);
	if (st != OK)
		return st;
	st = call_once(db, sql, args ? args : &none, ret_result, fault);
	if (st == SQL && db_is_stale(fault)) {
		db_forget_statements(db);
		/* inside a transaction it is too late to try again */
		if (PQtransactionStatus(db->conn) == PQTRANS_IDLE) {
			*fault = (struct fault){ 0 };
			st = call_once(db, sql, args ? args : &none, ret_result, fault);
		}
	}
	return st;
}

enum status
db_call_int(struct db *db, const char *sql, const struct db_args *args, int64_t *ret,
            struct fault *fault)
{
	int64_t one = 0;
	enum status st = db_call_ints(db, sql, args, &one, 1, fault);

	if (st == OK)
		*ret = one;
	return st;
}

enum status
db_call_ints(struct db *db, const char *sql, const struct db_args *args, int64_t *ret, int n,
             struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql, args, &r, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < n && db_rows(r) > 0; i++)
		if (!db_null(r, 0, i))
			ret[i] = db_int(r, 0, i);
	db_result_free(r);
	return OK;
}

/* Not PQexec(): it gives the last result, and after a FATAL that is libpq's own, without the
 * reason. */
static enum status
exec(struct db *db, const char *sql, struct fault *fault)
{
	enum status st = OK;
	PGresult *r;

	if (PQsendQuery(db->conn, sql) != 1)
		return db_conn_fault(db, fault);
	while ((r = PQgetResult(db->conn)) != NULL) {
		ExecStatusType type = PQresultStatus(r);

		check(type != PGRES_COPY_IN && type != PGRES_COPY_OUT);
		if (st == OK)
			st = db_result_fault(db, r, fault);
		PQclear(r);
	}
	return st;
}

enum status
db_exec(struct db *db, const char *sql, struct fault *fault)
{
	enum status st = db_ready(db, fault);

	check(!db->pipe.open);
	return st == OK ? exec(db, sql, fault) : st;
}

enum status
db_query(struct db *db, const char *sql, const char *const *values, int n,
         struct db_result **ret_result, struct fault *fault)
{
	enum status st = db_ready(db, fault);

	check(!db->pipe.open);
	if (st != OK)
		return st;
	return take(db, PQexecParams(db->conn, sql, n, NULL, values, NULL, NULL, 1), ret_result,
	            fault);
}

/* ---- reading ---- */

int
db_rows(const struct db_result *r)
{
	return PQntuples(pg_of(r));
}

bool
db_null(const struct db_result *r, int row, int col)
{
	return PQgetisnull(pg_of(r), row, col);
}

static uint16_t
read_16(const char *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof v);
	return be16toh(v);
}

static uint32_t
read_32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return be32toh(v);
}

static uint64_t
read_64(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return be64toh(v);
}

int64_t
db_int(const struct db_result *r, int row, int col)
{
	const char *at = PQgetvalue(pg_of(r), row, col);

	if (db_null(r, row, col))
		return 0;
	switch (PQftype(pg_of(r), col)) {
	case OID_BOOL: return *at != 0;
	case OID_INT2: return (int16_t)read_16(at);
	case OID_INT4: return (int32_t)read_32(at);
	case OID_INT8: return (int64_t)read_64(at);
	case OID_OID:
	case OID_REGCLASS: return read_32(at);
	default: check_failed("the column is an integer", __FILE__, __LINE__);
	}
}

double
db_float(const struct db_result *r, int row, int col)
{
	const char *at = PQgetvalue(pg_of(r), row, col);
	uint32_t four;
	uint64_t eight;
	float f;
	double d;

	if (db_null(r, row, col))
		return 0;
	switch (PQftype(pg_of(r), col)) {
	case OID_FLOAT4:
		four = read_32(at);
		memcpy(&f, &four, sizeof f);
		return (double)f;
	case OID_FLOAT8:
		eight = read_64(at);
		memcpy(&d, &eight, sizeof d);
		return d;
	default: return (double)db_int(r, row, col);
	}
}

/* jsonb's binary form is its text behind one byte of version */
static size_t
prefix_of(const struct db_result *r, int col)
{
	return PQftype(pg_of(r), col) == OID_JSONB ? 1 : 0;
}

const char *
db_text(const struct db_result *r, int row, int col)
{
	/* libpq puts a NUL behind binary values as well */
	return db_null(r, row, col) ? "" : PQgetvalue(pg_of(r), row, col) + prefix_of(r, col);
}

const void *
db_bytes(const struct db_result *r, int row, int col, size_t *ret_len)
{
	size_t prefix = prefix_of(r, col);

	if (db_null(r, row, col)) {
		*ret_len = 0;
		return NULL;
	}
	*ret_len = (size_t)PQgetlength(pg_of(r), row, col) - prefix;
	return PQgetvalue(pg_of(r), row, col) + prefix;
}

int64_t
db_time_us(const struct db_result *r, int row, int col)
{
	int64_t v;

	check(PQftype(pg_of(r), col) == OID_TIMESTAMPTZ || PQftype(pg_of(r), col) == OID_TIMESTAMP);
	if (db_null(r, row, col))
		return 0;
	v = (int64_t)read_64(PQgetvalue(pg_of(r), row, col));
	/* infinity stays what it is */
	return v == INT64_MAX || v == INT64_MIN ? v : v + EPOCH_DIFFERENCE_US;
}

/* One range of a multirange: [lower, upper) with finite bounds, as PostgreSQL keeps those of
 * integers. 4 bytes of length, 1 of flags, and two bounds with their lengths. */
#define RANGE_SIZE 29
#define RANGE_LOWER_INCLUSIVE 0x02

static bool
read_range(const char *at, int64_t *ret_from, int64_t *ret_to)
{
	if (read_32(at) != RANGE_SIZE - 4 || at[4] != RANGE_LOWER_INCLUSIVE ||
	    read_32(at + 5) != 8 || read_32(at + 17) != 8)
		return false;
	*ret_from = (int64_t)read_64(at + 9);
	*ret_to = (int64_t)read_64(at + 21);
	return *ret_from < *ret_to;
}

#define IDS_MAX (INT64_C(1) << 24)

/* Counts, or fills when ids is not NULL. */
static enum status
walk_ranges(const char *bytes, size_t len, int64_t *ids, size_t *ret_n, struct fault *fault)
{
	size_t ranges = len >= 4 ? read_32(bytes) : 0;
	int64_t n = 0, from, to;

	if (len < 4 || (len - 4) / RANGE_SIZE != ranges || (len - 4) % RANGE_SIZE != 0)
		return fault_set(fault, INVALID, "a set of ids has an unbounded range");
	for (size_t i = 0; i < ranges; i++) {
		if (!read_range(bytes + 4 + i * RANGE_SIZE, &from, &to))
			return fault_set(fault, INVALID, "a set of ids has an unbounded range");
		if (to - from > IDS_MAX - n)
			return fault_set(fault, LIMIT, "a set of more than %lld ids",
			                 (long long)IDS_MAX);
		for (; ids && from < to; from++)
			ids[n++] = from;
		if (!ids)
			n += to - from;
	}
	*ret_n = (size_t)n;
	return OK;
}

enum status
db_ids(const struct db_result *r, int row, int col, struct arena *arena, struct db_ids *ret,
       struct fault *fault)
{
	size_t len, n;
	const char *bytes = db_bytes(r, row, col, &len);
	int64_t *ids;
	enum status st;

	check(PQftype(pg_of(r), col) == OID_INT8MULTIRANGE);
	*ret = (struct db_ids){ NULL, 0 };
	if (!bytes)
		return OK;
	st = walk_ranges(bytes, len, NULL, &n, fault);
	if (st != OK || n == 0)
		return st;
	ids = arena_alloc(arena, n * sizeof *ids);
	st = walk_ranges(bytes, len, ids, &n, fault);
	*ret = (struct db_ids){ ids, n };
	return st;
}

void
db_result_free(struct db_result *r)
{
	PQclear((PGresult *)(void *)r);
}

static void
free_result(void *r)
{
	PQclear(r);
}

void
db_result_keep(struct db_result *r, struct arena *arena)
{
	arena_on_reset(arena, free_result, r);
}
