/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * known.c - is a document stored already?
 *
 * One statement for a whole call. A document whose path is stored with other
 * bytes is a new version, also when those bytes are known from another path.
 */
#include "detect_priv.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static const char look_up[] =
    "select k.n, bool_or(d.path = k.path),"
    " exists (select from documents.document o where o.path = k.path)"
    " from unnest($1::text[], $2::text[]) with ordinality as k(sum, path, n)"
    " join documents.document d on d.sha256 = decode(k.sum, 'hex')"
    " group by k.n, k.path";

/* ---- text arrays ---- */

struct array {
	char *at;
};

static void
put_quoted(struct array *a, const char *text)
{
	*a->at++ = '"';
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			*a->at++ = '\\';
		*a->at++ = *p;
	}
	*a->at++ = '"';
}

static char *
array_of(struct ps_call *call, const struct document *const *documents, uint32_t n, bool sums)
{
	size_t size = 3;
	struct array a;
	char *text;

	for (uint32_t i = 0; i < n; i++)
		size += 3 + 2 * strlen(sums ? documents[i]->sum_hex : documents[i]->path);
	a.at = text = ps_alloc(call, size);
	*a.at++ = '{';
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			*a.at++ = ',';
		put_quoted(&a, sums ? documents[i]->sum_hex : documents[i]->path);
	}
	*a.at++ = '}';
	*a.at = '\0';
	return text;
}

/* ---- the answer ---- */

static bool
is_true(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col)[0] == 't';
}

static void
take(const PGresult *r, enum known *ret)
{
	for (int row = 0; row < PQntuples(r); row++) {
		long n = strtol(PQgetvalue(r, row, 0), NULL, 10);

		if (is_true(r, row, 1))
			ret[n - 1] = KNOWN_UNCHANGED;
		else if (!is_true(r, row, 2))
			ret[n - 1] = KNOWN_DUPLICATE;
	}
}

/* No such table or schema: the store keeps its documents elsewhere, or was not migrated yet. */
static bool
no_tables(const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return state && (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0);
}

bool
known_look_up(struct ps_call *call, const struct document *const *documents, uint32_t n,
              enum known *ret)
{
	const char *values[2] = { array_of(call, documents, n, true),
		                  array_of(call, documents, n, false) };
	PGconn *db = ps_db_read(call);
	bool answered = true;
	PGresult *r;

	memset(ret, 0, n * sizeof *ret);
	if (!db)
		return false;
	r = PQexecParams(db, look_up, 2, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(r) == PGRES_TUPLES_OK) {
		take(r, ret);
	} else if (no_tables(r)) {
		ps_log(call, PS_LOG_WARNING,
		       "there is no table documents.document: duplicates are not looked for");
	} else {
		ps_log(call, PS_LOG_WARNING, "cannot look for duplicates: %s",
		       PQresultErrorMessage(r));
		answered = false;
	}
	PQclear(r);
	return answered;
}
