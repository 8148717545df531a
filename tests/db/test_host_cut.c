/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_cut.c - a whole host loses a connection at every message of a job's life.
 *
 * A schedule is one cut: of the workers' or the janitor's connection, before, within or after its
 * n-th message from either side. The load goes through a stage, one that retries behind a durable
 * border, one that promises its jobs and a transactional one, or through these as branches; a job
 * is due later, and two come from a host that is gone. After each schedule every job has ended once
 * with its effect once, and verify finds nothing.
 *
 * A sample by default, a larger one with LONG=1. HOST_CUT="life host server 17" tries all whose
 * name begins so; HOST_CUT_PART=2/4 the third quarter of them. Most of the time goes
 * by until a host counts as dead, so that parts run well side by side.
 */
#include "support/cluster.h"
#include "support/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (90 * SEC) /* under load; whatever waits so long waits for ever */
#define LOOK_MOST (16 * MSEC)
#define JOBS 7
#define HOSTS_MAX 2
#define WORKER "penstock worker"
#define JANITOR "penstock host"

static const char configuration[] =
    "plugin_path = \"%s/test/stages\"; state_dir = \"%s/state\"; run_dir = \"%s/run\";\n"
    "workers = 1; heartbeat = \"100ms\"; lease_life = \"500ms\"; reap_interval = \"100ms\";\n"
    "poll_most = \"200ms\"; retention = \"1h\";\n";
static const char pipeline[] =
    "pipeline: { name = \"cut\"; stages = (\n"
    "  { name = \"first\"; plugin = \"echo\"; },\n"
    "  { name = \"again\"; plugin = \"retry_once\"; durable = true; max_attempts = 3; },\n"
    "  { name = \"promise\"; plugin = \"later\"; timeout = \"600s\"; },\n"
    "  { name = \"write\"; plugin = \"insert\"; max_attempts = 3; } ); };\n"
    "pipelines = ( { name = \"fork\"; stages = (\n"
    "  { name = \"first\"; plugin = \"echo\"; routes: { done = {\n"
    "    to = ( \"again\", \"promise\", \"side\" ); then = \"write\"; }; }; },\n"
    "  { name = \"again\"; plugin = \"retry_once\"; max_attempts = 3; },\n"
    "  { name = \"promise\"; plugin = \"later\"; timeout = \"600s\"; },\n"
    "  { name = \"side\"; plugin = \"insert\"; max_attempts = 3;\n"
    "    options: { statement = \"insert into effect (job) select parent from penstock.job where id = $1\"; }; },\n"
    "  { name = \"write\"; plugin = \"insert\"; max_attempts = 3; } ); } );\n";

/* Four jobs at once, the last with a body that a stage must fetch, one that is due later, two that
 * a dead host holds: one that is still in the list, or one that is gone already (0). */
static const char load[] =
    "SELECT penstock.enqueue_many('%1$s', array_fill('{}'::json, array[4]), "
    "array[null, null, null, convert_to(repeat('x', 100000), 'UTF8')]);"
    "SELECT penstock.enqueue('%1$s', '{}', run_at => clock_timestamp() + interval '30 ms');"
    "SELECT penstock.enqueue_many('%1$s', array_fill('{}'::json, array[2]));"
    "WITH p AS (DELETE FROM penstock.parcel WHERE n = 2 RETURNING *) "
    "INSERT INTO penstock.lease (token, host, lane, priority, attempt, hop, input_hop, hold, n, "
    "bytes, jobs) SELECT gen_random_uuid(), %2$lld, lane, priority, 1, hop, input_hop, hold, n, "
    "bytes, jobs FROM p";

static const char at_rest[] = "SELECT NOT EXISTS (SELECT FROM penstock.parcel) AND "
                              "NOT EXISTS (SELECT FROM penstock.lease) AND "
                              "NOT EXISTS (SELECT FROM penstock.deferred) AND "
                              "NOT EXISTS (SELECT FROM penstock.waiting)";
static const char forget[] = "DELETE FROM penstock.settled; DELETE FROM penstock.output; "
                             "DELETE FROM penstock.failure; DELETE FROM penstock.job; "
                             "DELETE FROM effect";

struct host {
	pid_t pid;
	char name[8];
};

static struct {
	char folder[64];
	struct proxy *proxy;
	struct db *db;
	struct host hosts[HOSTS_MAX];
	int schedules, cut; /* tried; how many of them came to pass */
	char at[64];        /* the schedule at hand */
	const char *pipeline;
	int branches; /* of each job */
} t;

struct schedule {
	const char *series;
	const char *application;
	enum proxy_side side;
	enum proxy_place place;
	int nth;
};

/* ---- hosts ---- */

static void
put(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", t.folder, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

_Noreturn static void
become_host(const char *name)
{
	char *log = mem_printf("%s/log", t.folder),
	     *conf = mem_printf("%s/penstock.conf", t.folder);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(fd, 1);
	dup2(fd, 2);
	setenv("PENSTOCK_NAME", name, 1);
	setenv("PENSTOCK_DATABASE", cluster_as(proxy_conninfo(t.proxy), "worker"), 1);
	execl(TEST_BUILD_DIR "/penstock", "penstock", "run", "-c", conf, NULL);
	_exit(127);
}

static void
start_host(int i)
{
	struct host *h = &t.hosts[i];

	snprintf(h->name, sizeof h->name, "%s", i == 0 ? "one" : "two");
	fflush(NULL);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0)
		become_host(h->name);
}

static void
show_log(void)
{
	char *line = mem_printf("tail -n 25 %s/log", t.folder);

	print_message("%s: the host's log ends with\n", t.at);
	fflush(NULL);
	if (system(line) != 0)
		print_message("there is none\n");
	free(line);
}

/* Where the jobs are that do not end, and what the server does. */
static void
show_sets(void)
{
	static const char sets[] =
	    "SELECT string_agg(x, E'\n') FROM ("
	    "SELECT 'ready ' || p::text AS x FROM penstock.parcel p UNION ALL "
	    "SELECT 'running ' || l::text FROM penstock.lease l UNION ALL "
	    "SELECT 'deferred ' || d::text FROM penstock.deferred d UNION ALL "
	    "SELECT 'host ' || h::text FROM penstock.host h UNION ALL "
	    "SELECT concat_ws(' ', application_name, state, wait_event, query) "
	    "FROM pg_stat_activity WHERE datname = current_database()) x";

	print_message("%s\n", cluster_text(t.db, sets));
}

/* Until the query gives true, as long as the hosts live. */
static void
wait_until(const char *sql)
{
	struct timespec pause = { .tv_nsec = 1 * MSEC };
	int64_t until = clock_mono() + PATIENCE;

	while (!cluster_int(t.db, sql)) {
		for (int i = 0; i < HOSTS_MAX; i++)
			if (t.hosts[i].pid && waitpid(t.hosts[i].pid, NULL, WNOHANG) != 0) {
				t.hosts[i].pid = 0;
				show_log();
				fail_msg("%s: the host ended", t.at);
			}
		if (clock_mono() > until) {
			show_log();
			show_sets();
			fail_msg("%s: waited in vain for: %s", t.at, sql);
		}
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < LOOK_MOST) /* looks must not be what keeps the machine busy */
			pause.tv_nsec *= 2;
	}
}

static void
wait_connected(int hosts)
{
	char sql[512];

	snprintf(sql, sizeof sql,
	         "SELECT count(*) FILTER (WHERE application_name = '" WORKER "') = %d AND "
	         "count(*) FILTER (WHERE application_name = '" JANITOR "') = %d AND "
	         "(SELECT count(*) >= %d FROM penstock.host WHERE beat > 0) "
	         "FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'",
	         hosts, hosts, hosts);
	wait_until(sql);
}

/* It drains, whatever became of its connections. */
static void
stop_host(int i)
{
	const struct timespec pause = { .tv_nsec = 3 * MSEC };
	int64_t until = clock_mono() + PATIENCE;
	pid_t pid = t.hosts[i].pid;
	int status;

	if (!pid)
		return;
	kill(pid, SIGTERM);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono() > until) {
			show_log();
			kill(pid, SIGKILL);
			fail_msg("%s: the host does not stop", t.at);
		}
		nanosleep(&pause, NULL);
	}
	t.hosts[i].pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		show_log();
		fail_msg("%s: the host ended with status %#x", t.at, (unsigned)status);
	}
}

/* ---- a schedule ---- */

static int64_t
dead_host(void)
{
	return cluster_int(t.db, "SELECT penstock.host_register(gen_random_uuid(), 'gone', 'm', 1, "
	                         "'1', 0)");
}

static void
enqueue(bool listed)
{
	char sql[sizeof load + 40];

	snprintf(sql, sizeof sql, load, t.pipeline, (long long)(listed ? dead_host() : 0));
	cluster_exec(t.db, sql);
}

/* Whose machine stands still for longer than lease_life loses its leases to another host, which may
 * charge a job that runs alone: before its failure, or in place of it. */
static const char look_alive[] =
    "CREATE TEMP TABLE IF NOT EXISTS alive (id bigint); TRUNCATE alive; "
    "INSERT INTO alive SELECT id FROM penstock.host";

static const char order[] =
    "WITH stood AS (SELECT count(*) > 0 AS still FROM alive a WHERE NOT EXISTS "
    "(SELECT FROM penstock.host h WHERE h.id = a.id)) "
    "SELECT concat_ws(', ', "
    "'jobs ' || (SELECT count(*) FROM penstock.job), "
    "'completed ' || (SELECT coalesce(sum(n), 0) FROM penstock.settled WHERE outcome = 2), "
    "'ended ' || (SELECT coalesce(sum(n), 0) FROM penstock.settled), "
    "(SELECT 'effects ' || count(*) || ', of jobs ' || count(DISTINCT job) FROM effect), "
    "(SELECT 'failed attempts ' || CASE WHEN s.still THEN count(DISTINCT f.job) "
    "ELSE count(*) FILTER (WHERE f.code = 'FIRST') END || ', of the innocent ' "
    "|| count(*) FILTER (WHERE f.code <> 'FIRST' AND NOT (s.still AND f.code = 'LOST')) "
    "FROM stood s LEFT JOIN penstock.failure f ON true GROUP BY s.still), "
    "(SELECT 'kept of branches ' || count(DISTINCT o.job) FROM penstock.output o "
    "JOIN penstock.job j ON j.id = o.job WHERE j.parent IS NULL AND o.attributes->>'kept' = 'true' "
    "AND EXISTS (SELECT FROM penstock.job k WHERE k.parent = j.id)), "
    "'violations ' || (SELECT coalesce(sum(violations), 0) FROM penstock.verify()))";

static void
expect_order(void)
{
	const int all = JOBS * (1 + t.branches);
	char want[256];
	const char *found = cluster_text(t.db, order);

	snprintf(want, sizeof want,
	         "jobs %d, completed %d, ended %d, effects %d, of jobs %d, failed attempts %d, of "
	         "the innocent 0, kept of branches %d, violations 0",
	         all, all, all, JOBS * (t.branches > 0 ? 2 : 1), JOBS, JOBS,
	         t.branches > 0 ? JOBS : 0);
	if (strcmp(found, want) == 0)
		return;
	show_log();
	fail_msg("%s: %s; expected %s", t.at, found, want);
}

static const char *const sides[] = { [PROXY_CLIENT] = "client", [PROXY_SERVER] = "server" };
static const char *const places[] = {
	[PROXY_BEFORE] = "before", [PROXY_WITHIN] = "within", [PROXY_AFTER] = "after"
};

/* By the message and not by a number of the schedule: parts that found another number of messages
 * leave none out between them. */
static bool
in_part(const struct schedule *s)
{
	const char *text = getenv("HOST_CUT_PART");
	int part = 0, parts = 1;

	if (text)
		assert_int_equal(sscanf(text, "%d/%d", &part, &parts), 2);
	return (3 * s->nth + (int)s->place + 7 * (int)s->side) % parts == part;
}

static bool
wanted(const struct schedule *s)
{
	const char *only = getenv("HOST_CUT");

	snprintf(t.at, sizeof t.at, "%s %s %s %d %s", s->series,
	         strcmp(s->application, WORKER) == 0 ? "worker" : "host", sides[s->side], s->nth,
	         places[s->place]);
	return (!only || strncmp(only, t.at, strlen(only)) == 0) && in_part(s);
}

/* Hosts are at work and at rest in turn: the message comes, if not of a job's life, then of the
 * looks that follow. */
static void
cut_in_life(const struct schedule *s, int hosts)
{
	if (!wanted(s))
		return;
	cluster_exec(t.db, look_alive);
	proxy_cut_of(t.proxy, s->application, s->side, s->nth, s->place);
	enqueue(strcmp(s->application, JANITOR) == 0);
	wait_until(at_rest);
	for (int64_t until = clock_mono() + PATIENCE; !proxy_was_cut(t.proxy);) {
		if (clock_mono() > until)
			fail_msg("%s: the message never came", t.at);
		wait_until("SELECT pg_sleep(0.003) IS NOT NULL");
	}
	wait_connected(hosts);
	wait_until(at_rest);
	expect_order();
	cluster_exec(t.db, forget);
	t.schedules++;
	t.cut += proxy_cut_done(t.proxy);
}

/* A host from its first message to its last. Its number of looks varies, so that the last messages
 * of one life may be too many for another. */
static void
cut_in_whole_life(const struct schedule *s)
{
	if (!wanted(s))
		return;
	enqueue(true);
	proxy_cut_of(t.proxy, s->application, s->side, s->nth, s->place);
	start_host(0);
	wait_until(at_rest);
	stop_host(0);
	expect_order();
	cluster_exec(t.db, forget);
	cluster_exec(t.db, "DELETE FROM penstock.host");
	t.schedules++;
	t.cut += proxy_cut_done(t.proxy);
}

/* ---- all of them ---- */

struct series {
	const char *name;
	int hosts; /* that run all the while; 0: one that is started and stopped in each schedule */
	int in_sample;
	int most[2][2]; /* messages of the worker, the janitor, by side */
};

static void
count_messages(struct series *s)
{
	for (int role = 0; role < 2; role++)
		for (int side = 0; side < 2; side++) {
			int n = proxy_count_of(t.proxy, role ? JANITOR : WORKER,
			                       (enum proxy_side)side);

			if (n > s->most[role][side])
				s->most[role][side] = n;
		}
}

/* What the load costs without a cut: the most messages of a few lives. */
static void
measure(struct series *s)
{
	snprintf(t.at, sizeof t.at, "%s, uncut", s->name);
	for (int i = 0; i < 4; i++) {
		count_messages(&(struct series){ 0 });
		enqueue(true);
		if (s->hosts == 0)
			start_host(0);
		wait_until(at_rest);
		if (s->hosts == 0)
			stop_host(0);
		if (i > 0) /* the first prepares its statements */
			count_messages(s);
		expect_order();
		cluster_exec(t.db, forget);
		if (s->hosts == 0)
			cluster_exec(t.db, "DELETE FROM penstock.host");
	}
}

/* The i-th of all schedules of a series. */
static struct schedule
schedule_at(const struct series *s, int i)
{
	for (int role = 0; role < 2; role++)
		for (int side = 0; side < 2; side++) {
			int n = 3 * s->most[role][side];

			if (i < n)
				return (struct schedule){ s->name, role ? JANITOR : WORKER,
					                  (enum proxy_side)side,
					                  (enum proxy_place)(i % 3), i / 3 + 1 };
			i -= n;
		}
	fail_msg("there is no schedule %d", i);
	return (struct schedule){ 0 };
}

static void
try_all(struct series *s)
{
	int all = 0, asked = 0, step, begun;
	const char *only = getenv("HOST_CUT");
	bool sample = !only;

	if (only && strncmp(only, s->name, strcspn(only, " ")) != 0)
		skip();
	if (getenv("LONG"))
		s->in_sample *= 10;
	for (int i = 0; i < HOSTS_MAX && (i < s->hosts || i == 0); i++)
		start_host(i);
	wait_connected(s->hosts ? s->hosts : 1);
	if (s->hosts == 0) /* it has registered the pipeline */
		stop_host(0);
	cluster_exec(t.db, look_alive);
	measure(s);
	for (int i = 0; i < 4; i++)
		all += 3 * s->most[i / 2][i % 2];
	/* not a multiple of three, or every place would be the same */
	step = sample ? all / s->in_sample : 1;
	step += step > 1 && step % 3 == 0;
	begun = sample ? step / 2 : 0;
	for (int i = begun; i < all; i += step) {
		struct schedule at = schedule_at(s, i);

		asked += wanted(&at);
		if (s->hosts > 0)
			cut_in_life(&at, s->hosts);
		else
			cut_in_whole_life(&at);
	}
	for (int i = 0; i < s->hosts; i++)
		stop_host(i);
	print_message("%s: %d of %d schedules (of %d in all): each of %d jobs ended once, lost 0, "
	              "doubled effects 0; %d cuts\n",
	              s->name, t.schedules, asked, all, JOBS, t.cut);
	assert_int_equal(t.schedules, asked);
}

static void
at_every_cut_in_a_jobs_life_it_ends_once(void **state)
{
	struct series s = { "life", .hosts = 1, .in_sample = 36 };

	(void)state;
	try_all(&s);
	assert_int_equal(t.cut, t.schedules);
}

static void
at_every_cut_in_a_hosts_life_each_job_ends_once(void **state)
{
	struct series s = { "start", .hosts = 0, .in_sample = 12 };

	(void)state;
	try_all(&s);
	assert_true(t.cut >= t.schedules * 2 / 3);
}

static void
at_every_cut_beside_another_host_each_job_ends_once(void **state)
{
	struct series s = { "two", .hosts = 2, .in_sample = 12 };

	(void)state;
	try_all(&s);
	assert_int_equal(t.cut, t.schedules);
}

static void
at_every_cut_each_job_has_each_of_its_branches_once(void **state)
{
	struct series s = { "branches", .hosts = 1, .in_sample = 15 };

	(void)state;
	t.pipeline = "fork";
	t.branches = 3;
	try_all(&s);
	assert_int_equal(t.cut, t.schedules);
}

/* ---- a claim that commits behind the back of its host ---- */

/* Whoever writes a lease waits for this lock, and so does what would commit with it. */
static const char gate[] = "CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS "
                           "'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN new; END'; "
                           "CREATE TRIGGER gate BEFORE INSERT ON penstock.lease "
                           "FOR EACH ROW EXECUTE FUNCTION public.gate(); "
                           "SELECT pg_advisory_lock(7)";

/* It stands at the gate, its connection is lost, its token is looked for in vain and taken for
 * void: and then the gate opens, and the claim is there. */
static void
a_claim_that_commits_long_after_its_connection_was_lost_strands_no_job(void **state)
{
	(void)state;
	snprintf(t.at, sizeof t.at, "late claim");
	start_host(0);
	wait_connected(1);
	cluster_exec(t.db, look_alive);
	cluster_exec(t.db, gate);
	cluster_exec(t.db, "SELECT penstock.enqueue_many('cut', array_fill('{}'::json, array[7]))");
	wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory' "
	           "AND application_name = '" WORKER "'");
	proxy_drop(t.proxy, WORKER);
	/* the worker is back, and the janitor has been through all its duties */
	wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'ClientRead' "
	           "AND application_name = '" WORKER "'");
	cluster_exec(t.db, "CREATE TEMP TABLE seen AS SELECT beat FROM penstock.host");
	wait_until("SELECT h.beat > s.beat + 5 FROM penstock.host h, seen s");
	cluster_exec(t.db, "SELECT pg_advisory_unlock(7)");
	wait_until(at_rest);
	expect_order();
	stop_host(0);
}

/* ---- before and after ---- */

static int
set_up(void **state)
{
	const char *dsn = cluster_migrated();
	char *text, *build = realpath(TEST_BUILD_DIR, NULL);

	(void)state;
	memset(&t, 0, sizeof t);
	snprintf(t.at, sizeof t.at, "set-up");
	t.pipeline = "cut";
	t.db = cluster_open(dsn);
	cluster_exec(t.db, "CREATE TABLE effect (job bigint); "
	                   "DO $$ BEGIN IF to_regrole('worker') IS NULL THEN "
	                   "CREATE ROLE worker LOGIN IN ROLE penstock_host; END IF; END $$; "
	                   "GRANT INSERT ON effect TO worker");
	t.proxy = proxy_start(dsn);
	snprintf(t.folder, sizeof t.folder, "/tmp/penstock-cut.XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	text = mem_printf("%s/pipelines.d", t.folder);
	assert_int_equal(mkdir(text, 0755), 0);
	free(text);
	text = mem_printf(configuration, build, t.folder, t.folder);
	put("penstock.conf", text);
	put("pipelines.d/cut.conf", pipeline);
	free(text);
	free(build);
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
tear_down(void **state)
{
	(void)state;
	cluster_exec(t.db, "SELECT pg_advisory_unlock_all()");
	for (int i = 0; i < HOSTS_MAX; i++)
		if (t.hosts[i].pid) { /* after a failure */
			kill(t.hosts[i].pid, SIGTERM);
			waitpid(t.hosts[i].pid, NULL, 0);
		}
	proxy_stop(t.proxy);
	db_close(t.db);
	return nftw(t.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_claim_that_commits_long_after_its_connection_was_lost_strands_no_job),
		T(at_every_cut_in_a_jobs_life_it_ends_once),
		T(at_every_cut_in_a_hosts_life_each_job_ends_once),
		T(at_every_cut_beside_another_host_each_job_ends_once),
		T(at_every_cut_each_job_has_each_of_its_branches_once),
	};

	return cmocka_run_group_tests_name("host_cut", tests, NULL, NULL);
}
