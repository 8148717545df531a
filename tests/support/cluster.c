/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cluster.c - drive tests/support/cluster.sh, and make databases.
 *
 * The core's schema is migrated once, into a template; each test gets a copy.
 */
#include "support/cluster.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static char folder[64];
static char *dsn;
static bool have_template;
static struct buf lines;
static int databases;
static pid_t starter;

static int
script(const char *command, const char *arguments, char *answer, size_t size)
{
	char *line = mem_printf("exec tests/support/cluster.sh %s %s %s", command, folder,
	                        arguments ? arguments : "");
	FILE *f = popen(line, "r");
	size_t got;

	free(line);
	if (!f)
		fail_msg("popen failed");
	got = fread(answer, 1, size - 1, f);
	answer[got] = '\0';
	while (got > 0 && answer[got - 1] == '\n')
		answer[--got] = '\0';
	return pclose(f);
}

static void
stop(void)
{
	char answer[256];

	/* a forked child of the test leaves the cluster to its parent */
	if (dsn && getpid() == starter)
		script("stop", NULL, answer, sizeof answer);
	free(dsn);
	dsn = NULL;
	buf_done(&lines);
}

void
cluster_configure(const char *line, ...)
{
	va_list args;

	assert_null(dsn);
	va_start(args, line);
	for (; line; line = va_arg(args, const char *))
		buf_printf(&lines, " \"%s\"", line);
	va_end(args);
}

const char *
cluster_dsn(void)
{
	char answer[256], owner[16];

	if (dsn)
		return dsn;
	starter = getpid();
	snprintf(folder, sizeof folder, "/tmp/penstock-db.%d.%llx", (int)starter,
	         (unsigned long long)clock_mono());
	snprintf(owner, sizeof owner, "%d", (int)starter);
	setenv("CLUSTER_OWNER", owner, 1); /* it ends with us, also where we are killed */
	if (script("start", lines.data, answer, sizeof answer) != 0 || !answer[0])
		fail_msg("the test's cluster did not start (run from the top of the tree)");
	dsn = mem_dup(answer);
	atexit(stop);
	return dsn;
}

struct db *
cluster_open(const char *conninfo)
{
	const struct db_options options = { .conninfo = conninfo, .application = "penstock test" };
	struct fault fault = { 0 };
	struct db *db;

	if (db_open(&options, &db, &fault) != OK)
		fail_msg("cannot open %s: %s", conninfo, fault.text);
	return db;
}

void
cluster_exec(struct db *db, const char *sql)
{
	struct fault fault = { 0 };

	if (db_exec(db, sql, &fault) != OK)
		fail_msg("%s: %s %s", sql, fault.sqlstate, fault.text);
}

static const char *
create_database(const char *template)
{
	static char kept[128][160];
	struct db *db = cluster_open(cluster_dsn());
	char *sql = mem_printf("CREATE DATABASE t%d %s%s", databases, template ? "TEMPLATE " : "",
	                       template ? template : "");
	char *at = kept[databases % 128];

	cluster_exec(db, sql);
	db_close(db);
	free(sql);
	/* the later keyword wins */
	snprintf(at, sizeof kept[0], "%s dbname=t%d", dsn, databases++);
	return at;
}

const char *
cluster_database(void)
{
	return create_database(NULL);
}

static void
make_template(void)
{
	const struct db_schema_source core = { "penstock", NULL };
	struct db *db = cluster_open(cluster_dsn());
	struct fault fault = { 0 };
	char *to;

	cluster_exec(db, "CREATE DATABASE migrated");
	db_close(db);
	to = mem_printf("%s dbname=migrated", dsn);
	db = cluster_open(to);
	if (db_schema_up(db, &core, 1, NULL, NULL, &fault) != OK)
		fail_msg("migrate: %s: %s %s", fault.where, fault.sqlstate, fault.text);
	db_close(db);
	free(to);
	have_template = true;
}

const char *
cluster_migrated(void)
{
	cluster_dsn();
	if (!have_template)
		make_template();
	return create_database("migrated");
}

const char *
cluster_as(const char *conninfo, const char *role)
{
	static char kept[8][200];
	static int n;
	char *at = kept[n++ % 8];

	snprintf(at, sizeof kept[0], "%s user=%s", conninfo, role);
	return at;
}

void
cluster_restart(const char *mode)
{
	char answer[256];

	assert_int_equal(script("restart", mode, answer, sizeof answer), 0);
}

void
cluster_kill9(void)
{
	char answer[256];

	assert_int_equal(script("kill9", NULL, answer, sizeof answer), 0);
}

/* Not db_call(): it prepares a text by its address, and a test's text may be a passing one. */
static PGresult *
query(struct db *db, const char *sql)
{
	PGresult *r = PQexec(db_conn(db), sql);

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQresultErrorMessage(r));
	if (PQntuples(r) == 0)
		fail_msg("%s: no row", sql);
	return r;
}

int64_t
cluster_int(struct db *db, const char *sql)
{
	PGresult *r = query(db, sql);
	const char *text = PQgetvalue(r, 0, 0);
	int64_t v = strcmp(text, "t") == 0 ? 1 : strtoll(text, NULL, 10);

	PQclear(r);
	return v;
}

const char *
cluster_text(struct db *db, const char *sql)
{
	static char text[4096];
	PGresult *r = query(db, sql);

	snprintf(text, sizeof text, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return text;
}

void
cluster_wait_until(struct db *db, const char *sql)
{
	const struct timespec pause = { .tv_nsec = 5 * MSEC };
	int64_t until = clock_mono() + 120 * SEC;

	while (!cluster_int(db, sql)) {
		if (clock_mono() > until)
			fail_msg("waited in vain for: %s", sql);
		nanosleep(&pause, NULL);
	}
}
