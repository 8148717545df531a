/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pace.c - calls a statement at a steady rate, whatever comes back: for bench/queue.
 *
 *   pace DSN RATE SECONDS STATEMENT    $1 of the statement is {"t": now in ns}, by CLOCK_MONOTONIC
 *
 * Each call has its time, so that a slow one does not put off those behind
 * it for longer than it takes. Prints how long each took, in ns.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
sleep_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static void
must(PGconn *db, PGresult *r, ExecStatusType wanted)
{
	if (PQresultStatus(r) != wanted) {
		fprintf(stderr, "pace: %s", PQerrorMessage(db));
		exit(1);
	}
	PQclear(r);
}

static int64_t
call(PGconn *db)
{
	char payload[40];
	const char *values[] = { payload };
	int64_t begun = now_ns();

	snprintf(payload, sizeof payload, "{\"t\": %lld}", (long long)begun);
	must(db, PQexecPrepared(db, "call", 1, values, NULL, NULL, 0), PGRES_TUPLES_OK);
	return now_ns() - begun;
}

int
main(int argc, char **argv)
{
	double rate;
	int64_t start, n;
	PGconn *db;

	if (argc != 5) {
		fputs("usage: pace DSN RATE SECONDS STATEMENT\n", stderr);
		return 2;
	}
	rate = strtod(argv[2], NULL);
	n = (int64_t)(rate * strtod(argv[3], NULL));
	db = PQconnectdb(argv[1]);
	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "pace: %s", PQerrorMessage(db));
		return 1;
	}
	must(db, PQprepare(db, "call", argv[4], 1, NULL), PGRES_COMMAND_OK);
	start = now_ns();
	for (int64_t i = 0; i < n; i++) {
		sleep_until(start + (int64_t)((double)i * 1e9 / rate));
		printf("%lld\n", (long long)call(db));
	}
	PQfinish(db);
	return 0;
}
