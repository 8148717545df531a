/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reference.c - a queue with a row for each job, to measure against.
 *
 * What the row-per-job queues over PostgreSQL do, without anything that would
 * slow it down: SKIP LOCKED in batches over a partial index, completion in
 * batches, prepared statements, no work in the jobs, C all the way.
 *
 *   reference DSN setup
 *   reference DSN drain WORKERS BATCH STAGES    prints seconds
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char schema[] =
    "drop table if exists reference_job;"
    "create table reference_job ("
    " id bigint generated always as identity primary key,"
    " state smallint not null default 0," /* 0 ready, 1 running, 2 done */
    " stage smallint not null default 0,"
    " priority smallint not null default 0,"
    " attempt smallint not null default 0,"
    " run_at timestamptz not null default now(),"
    " created_at timestamptz not null default now(),"
    " attempted_at timestamptz, finished_at timestamptz,"
    " attributes json not null);"
    "create index reference_ready on reference_job (priority, run_at, id) where state = 0";
static const char fetch[] =
    "update reference_job set state = 1, attempt = attempt + 1, attempted_at = now()"
    " where id in (select id from reference_job where state = 0 and run_at <= now()"
    "              order by priority, run_at, id limit $1::int for update skip locked)"
    " returning id, stage, attributes";
static const char finish[] =
    "update reference_job set state = case when stage + 1 < $2::int then 0 else 2 end, stage = stage + 1,"
    " finished_at = now() where id = any ($1::bigint[])";

struct worker {
	pthread_t thread;
	PGconn *db;
	const char *batch, *stages;
	long jobs;
};

static void
die(PGconn *db, const char *what)
{
	fprintf(stderr, "reference: %s: %s", what, PQerrorMessage(db));
	exit(1);
}

static PGconn *
open_session(const char *dsn)
{
	PGconn *db = PQconnectdb(dsn);

	if (PQstatus(db) != CONNECTION_OK)
		die(db, "connect");
	PQclear(PQexec(db, "set jit = off"));
	return db;
}

static void
prepare(PGconn *db, const char *name, const char *sql)
{
	PGresult *r = PQprepare(db, name, sql, 0, NULL);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die(db, name);
	PQclear(r);
}

/* "{1,2,3}" of the ids in the result's first column; the caller frees. */
static char *
ids_of(const PGresult *r)
{
	int n = PQntuples(r);
	char *text = malloc((size_t)n * 21 + 3), *at = text;

	if (!text)
		exit(1);
	*at++ = '{';
	for (int i = 0; i < n; i++)
		at += sprintf(at, "%s%s", i ? "," : "", PQgetvalue(r, i, 0));
	strcpy(at, "}");
	return text;
}

static void
complete(struct worker *w, char *ids)
{
	const char *values[2] = { ids, w->stages };
	PGresult *r = PQexecPrepared(w->db, "finish", 2, values, NULL, NULL, 0);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die(w->db, "finish");
	PQclear(r);
	free(ids);
}

static void *
work(void *data)
{
	struct worker *w = data;

	for (int empty = 0; empty < 3;) {
		PGresult *r = PQexecPrepared(w->db, "fetch", 1, &w->batch, NULL, NULL, 0);

		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			die(w->db, "fetch");
		empty = PQntuples(r) == 0 ? empty + 1 : 0;
		w->jobs += PQntuples(r);
		if (PQntuples(r) > 0)
			complete(w, ids_of(r));
		PQclear(r);
	}
	return NULL;
}

static void
drain(const char *dsn, int n, const char *batch, const char *stages)
{
	struct worker *workers = calloc((size_t)n, sizeof *workers);
	struct timespec from, to;

	if (!workers)
		exit(1);
	for (int i = 0; i < n; i++) {
		workers[i] = (struct worker){ .db = open_session(dsn),
			                      .batch = batch,
			                      .stages = stages };
		prepare(workers[i].db, "fetch", fetch);
		prepare(workers[i].db, "finish", finish);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < n; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			exit(1);
	for (int i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.4f\n",
	       (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	for (int i = 0; i < n; i++)
		PQfinish(workers[i].db);
	free(workers);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "setup") == 0) {
		PGconn *db = open_session(argv[1]);
		PGresult *r = PQexec(db, schema);

		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die(db, "setup");
		PQclear(r);
		PQfinish(db);
		return 0;
	}
	if (argc == 6 && strcmp(argv[2], "drain") == 0 && atoi(argv[3]) > 0) {
		drain(argv[1], atoi(argv[3]), argv[4], argv[5]);
		return 0;
	}
	fputs("usage: reference DSN setup | DSN drain WORKERS BATCH STAGES\n", stderr);
	return 2;
}
