/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insert.c - one SQL statement for each job on the connection that the host
 * lends; $1 is the job's id. Attributes make it fail: "sql": "bad", "do": "fail".
 */
#include <penstock.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

PS_OPTIONS(insert, PS_STRING(statement, "insert into effect (job) values ($1)", "run for each job"))

static int
insert_process(void *instance, void *thread, struct ps_call *call)
{
	const struct insert_options *opt = ps_options(call, insert);

	(void)instance, (void)thread;
	for (uint32_t i = 0; i < call->n; i++) {
		struct ps_job *job = ps_job_at(call, i);
		bool bad = strcmp(ps_get_string(call, job->in, "sql", ""), "bad") == 0;
		const char *values[1] = { ps_printf(call, "%lld", (long long)job->id) };
		PGconn *db = ps_db(call);
		PGresult *result;

		if (!db) {
			ps_retry(call, job, -1, "NO_DATABASE", "no connection was lent");
			continue;
		}
		result = PQexecParams(db, bad ? "select 1 / 0" : opt->statement, bad ? 0 : 1, NULL,
		                      values, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		    PQresultStatus(result) != PGRES_TUPLES_OK)
			ps_fail(call, job, "SQL",
			        ps_printf(call, "%s", PQresultErrorMessage(result)));
		else if (strcmp(ps_get_string(call, job->in, "do", ""), "fail") == 0)
			ps_fail(call, job, "TOLD", "told to fail after its statement");
		else
			ps_done(call, job, NULL);
		PQclear(result);
	}
	return 0;
}

PS_STAGE(insert, "1.0.0", "Runs a statement for each job", PS_TRANSACTIONAL)
