/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_fault.c - what an error of libpq or of the server means for the caller.
 *
 * One table decides between "try again later" and "the statement is wrong".
 * No connection string ever gets into a fault.
 */
#include "db/db_priv.h"

#include <string.h>

/* Prefixes of SQLSTATEs that say nothing against the statement. */
static const struct {
	const char *prefix;
	bool lost; /* this session is of no more use */
} away_states[] = {
	{ "08", true },    /* connection exceptions */
	{ "57P0", true },  /* server stops, crashed, starts; database dropped; idle session */
	{ "25006", true }, /* read-only: a former primary after failover */
	{ "53", false },   /* disk full, out of memory, too many connections */
	{ "58030", false } /* I/O error */
};

static bool
is_fatal(const char *severity)
{
	return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

enum status
db_sqlstate_status(const char *sqlstate, const char *severity)
{
	if (is_fatal(severity))
		return AWAY;
	for (size_t i = 0; i < countof(away_states); i++)
		if (strncmp(sqlstate, away_states[i].prefix, strlen(away_states[i].prefix)) == 0)
			return AWAY;
	return SQL;
}

static bool
ends_session(const char *sqlstate, const char *severity)
{
	if (is_fatal(severity))
		return true;
	for (size_t i = 0; i < countof(away_states); i++)
		if (strncmp(sqlstate, away_states[i].prefix, strlen(away_states[i].prefix)) == 0)
			return away_states[i].lost;
	return false;
}

/* libpq's own texts end with a newline. */
static int
text_length(const char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	return (int)len;
}

/* Not asked: PQstatus(), which can be good for a while after the socket was closed. What libpq says
 * by itself is a lost connection or no memory; a new session cures either. */
enum status
db_conn_fault(struct db *db, struct fault *fault)
{
	const char *text = db->conn ? PQerrorMessage(db->conn) : "";

	db->lost = true;
	if (*text == '\0')
		text = "not connected";
	return fault_set(fault, AWAY, "%.*s", text_length(text), text);
}

/* A statement of ours that is unknown to the session, or was prepared by somebody else in it. */
static bool
is_mixed_up(const char *sqlstate, const char *text)
{
	return (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0) && text &&
	       strstr(text, "\"penstock_");
}

static enum status
server_fault(struct db *db, const PGresult *r, const char *sqlstate, struct fault *fault)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
	enum status st = db_sqlstate_status(sqlstate, severity);

	if (ends_session(sqlstate, severity))
		db->lost = true;
	fault_set(fault, st, "%s%s%s", primary ? primary : "no message", detail ? ": " : "",
	          detail ? detail : "");
	if (fault) {
		snprintf(fault->sqlstate, sizeof fault->sqlstate, "%s", sqlstate);
		if (hint)
			fault_hint(fault, "%s", hint);
		else if (is_mixed_up(sqlstate, primary))
			fault_hint(fault,
			           "is there a pooler in transaction mode in between? Then set "
			           "pooler = \"transaction\"");
	}
	return st;
}

enum status
db_result_fault(struct db *db, const PGresult *r, struct fault *fault)
{
	const char *sqlstate;

	if (!r)
		return db_conn_fault(db, fault);
	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
	case PGRES_PIPELINE_SYNC: return OK;
	case PGRES_PIPELINE_ABORTED: return fault_set(fault, SQL, "skipped");
	default: break;
	}
	sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	return sqlstate ? server_fault(db, r, sqlstate, fault) : db_conn_fault(db, fault);
}
