/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burden_db.c - keeps the database busy for each job: rows that the server
 * counts, a pause inside of the transaction, and a row that all jobs update.
 */
#include <penstock.h>

#include <libpq-fe.h>

PS_OPTIONS(burden_db, PS_INT(rows, 0, 0, 100000000, "counted by the server for each job"),
           PS_FLOAT(db_ms, 0, 0, 10000, "asleep in the server for each job"),
           PS_BOOL(lock, false, "update the one row of table burden first"))

static bool
run(struct ps_call *call, const char *sql)
{
	PGconn *db = ps_db(call);
	PGresult *result;
	bool good;

	if (!db)
		return false;
	result = PQexec(db, sql);
	good = PQresultStatus(result) == PGRES_COMMAND_OK ||
	       PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	return good;
}

static bool
take(struct ps_call *call, const struct burden_db_options *opt)
{
	bool good = true;

	if (opt->lock)
		good = run(call, "update burden set n = n + 1");
	if (good && opt->rows > 0)
		good = run(call, ps_printf(call, "select count(*) from generate_series(1, %lld)",
		                           (long long)opt->rows));
	if (good && opt->db_ms > 0)
		good = run(call, ps_printf(call, "select pg_sleep(%.6f)", opt->db_ms / 1000));
	return good;
}

static int
burden_db_process(void *instance, void *thread, struct ps_call *call)
{
	const struct burden_db_options *opt = ps_options(call, burden_db);

	(void)instance, (void)thread;
	for (uint32_t i = 0; i < call->n; i++) {
		struct ps_job *job = ps_job_at(call, i);

		if (take(call, opt))
			ps_done(call, job, NULL);
		else
			ps_retry(call, job, -1, "SQL", "a statement failed");
	}
	return 0;
}

PS_STAGE(burden_db, "1.0.0", "Keeps the database as busy as it is told", PS_TRANSACTIONAL)
