/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_transaction.c - transactions, the savepoint of a call, and cleaning up
 * after foreign code had the connection.
 *
 * COMMIT of a failed transaction is answered as a success whose tag reads
 * ROLLBACK: nothing here takes that for a commit.
 */
#include "db/db_priv.h"

#include <string.h>

#define SAVEPOINT "penstock_call"

/* Each may stand inside a transaction. Prepared statements of others go, since the next stage may
 * use the same name for another text; ours stay. */
#define RESETS                                                                                      \
	"RESET ROLE; RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; " \
	"SELECT pg_catalog.pg_advisory_unlock_all(); "                                              \
	"DO $$ DECLARE n text; BEGIN FOR n IN SELECT name FROM pg_catalog.pg_prepared_statements "  \
	"WHERE name OPERATOR(pg_catalog.!~) '^penstock_' LOOP "                                     \
	"EXECUTE pg_catalog.format('DEALLOCATE %I', n); END LOOP; END $$"
/* A pooler that follows this one setting must not give the database's own to the next client. */
#define POOLED_RESETS "; SET client_encoding = 'UTF8'"

enum db_transaction
db_transaction_state(const struct db *db)
{
	if (!db_alive(db))
		return DB_LOST;
	switch (PQtransactionStatus(db->conn)) {
	case PQTRANS_IDLE: return DB_IDLE;
	case PQTRANS_ACTIVE:
	case PQTRANS_INTRANS: return DB_IN_TRANSACTION;
	case PQTRANS_INERROR: return DB_FAILED;
	default: return DB_LOST;
	}
}

enum status
db_begin(struct db *db, struct fault *fault)
{
	return db_exec(db, "BEGIN ISOLATION LEVEL READ COMMITTED", fault);
}

enum status
db_begin_read(struct db *db, struct fault *fault)
{
	return db_exec(db, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", fault);
}

enum status
db_commit(struct db *db, struct fault *fault)
{
	enum status st = db_ready(db, fault);
	PGresult *r;

	if (st != OK)
		return st;
	r = PQexec(db->conn, "COMMIT");
	st = db_result_fault(db, r, fault);
	if (st == OK && strcmp(PQcmdStatus(r), "COMMIT") != 0)
		st = fault_set(fault, SQL, "the transaction was rolled back at its COMMIT");
	PQclear(r);
	if (st == AWAY && !db_alive(db)) {
		if (fault)
			fault->status = UNKNOWN;
		return UNKNOWN;
	}
	return st;
}

/* In one message: behind a pooler the next one may meet another session. */
enum status
db_rollback(struct db *db, struct fault *fault)
{
	const char *sql = !db->unclean         ? "ROLLBACK"
	                  : db->options.pooled ? "ROLLBACK; " RESETS POOLED_RESETS
	                                       : "ROLLBACK; " RESETS;
	enum status st = db_exec(db, sql, fault);

	if (st == OK)
		db->unclean = false;
	return st;
}

enum status
db_savepoint(struct db *db, struct fault *fault)
{
	return db_exec(db, "SAVEPOINT " SAVEPOINT, fault);
}

/* Outside of a transaction the server says 25P01: somebody ended it, and the savepoint with it. */
static enum status
gone(enum status st, struct fault *fault)
{
	if (st == SQL && fault && strcmp(fault->sqlstate, "25P01") == 0)
		memcpy(fault->sqlstate, "3B001", sizeof fault->sqlstate);
	return st;
}

enum status
db_savepoint_release(struct db *db, struct fault *fault)
{
	return gone(db_exec(db, "RELEASE SAVEPOINT " SAVEPOINT, fault), fault);
}

enum status
db_savepoint_rollback(struct db *db, struct fault *fault)
{
	enum status st = gone(db_exec(db, "ROLLBACK TO SAVEPOINT " SAVEPOINT, fault), fault);

	return st == OK && db->unclean ? db_scrub(db, fault) : st;
}

/* ---- after foreign code ---- */

static void
leave_copy_in(struct db *db)
{
	PQputCopyEnd(db->conn, "left open by a stage");
}

static void
leave_copy_out(struct db *db)
{
	char *row;

	while (PQgetCopyData(db->conn, &row, 0) > 0)
		PQfreemem(row);
}

/* NULL twice in a row: nothing is left, also not behind a statement of a pipeline. */
static void
eat_results(struct db *db)
{
	bool pipeline = PQpipelineStatus(db->conn) != PQ_PIPELINE_OFF;
	int nulls = 0;

	if (pipeline && PQpipelineSync(db->conn) != 1)
		return;
	while (nulls < 2 && PQstatus(db->conn) == CONNECTION_OK) {
		PGresult *r = PQgetResult(db->conn);
		ExecStatusType type = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;

		nulls = r ? 0 : nulls + 1;
		PQclear(r);
		if (r && type == PGRES_COPY_IN)
			leave_copy_in(db);
		else if (r && type == PGRES_COPY_OUT)
			leave_copy_out(db);
		else if (r && type == PGRES_COPY_BOTH)
			break;
	}
}

static enum status
leave_pipeline(struct db *db, struct fault *fault)
{
	PQsetnonblocking(db->conn, 0);
	eat_results(db);
	if (PQpipelineStatus(db->conn) != PQ_PIPELINE_OFF && PQexitPipelineMode(db->conn) != 1) {
		db->lost = true;
		return fault_set(fault, AWAY, "a stage left the connection unusable");
	}
	return db_ready(db, fault);
}

enum status
db_scrub(struct db *db, struct fault *fault)
{
	enum status st = db_ready(db, fault);

	check(!db->pipe.open);
	if (st == OK)
		st = leave_pipeline(db, fault);
	if (st != OK)
		return st;
	db->unclean = true;
	if (db_transaction_state(db) == DB_FAILED)
		return OK; /* the rollback comes back to it */
	st = db_exec(db, db->options.pooled ? RESETS POOLED_RESETS : RESETS, fault);
	if (st == OK)
		db->unclean = false;
	return st;
}
