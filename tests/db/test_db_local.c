/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_db_local.c - the private cluster: made, stopped, orphaned, refused.
 */
#include "db/db.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64], folder[192];
static struct fault fault;

static int
set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof top, "/tmp/penstock-local.XXXXXX");
	if (!mkdtemp(top) || chmod(top, 0755) != 0)
		return -1;
	snprintf(folder, sizeof folder, "%s/cluster", top);
	fault = (struct fault){ 0 };
	return 0;
}

static int
tear_down(void **state)
{
	char *command = mem_printf("rm -r %s", top);
	int st = system(command);

	(void)state;
	free(command);
	return st;
}

static struct db_local *
start(void)
{
	struct db_local *l = NULL;

	if (db_local_start(folder, false, &l, &fault) != OK)
		fail_msg("%s %s", fault.where, fault.text);
	return l;
}

static void
exec(const char *conninfo, const char *sql)
{
	const struct db_options options = { .conninfo = conninfo };
	struct db *db;

	if (db_open(&options, &db, &fault) != OK || db_exec(db, sql, &fault) != OK)
		fail_msg("%s: %s", conninfo, fault.text);
	db_close(db);
}

static void
a_cluster_is_made_and_started_again_with_what_it_held(void **state)
{
	struct db_local *l = start();

	(void)state;
	exec(db_local_admin(l), "CREATE TABLE kept (a int)");
	db_local_stop(l);
	l = start();
	exec(db_local_admin(l), "SELECT a FROM kept");
	db_local_stop(l);
}

static void
the_host_role_can_log_in_after_migrate(void **state)
{
	const struct db_schema_source core = { "penstock", NULL };
	struct db_local *l = start();
	const struct db_options options = { .conninfo = db_local_admin(l) };
	struct db *db;

	(void)state;
	assert_int_equal(db_open(&options, &db, &fault), OK);
	if (db_schema_up(db, &core, 1, NULL, NULL, &fault) != OK)
		fail_msg("%s", fault.text);
	db_close(db);
	assert_int_equal(db_local_roles(l, &fault), OK);
	assert_int_equal(db_local_roles(l, &fault), OK);
	exec(db_local_host(l), "SELECT count(*) FROM penstock.job");
	db_local_stop(l);
}

static void
it_listens_on_a_socket_only_that_others_cannot_reach(void **state)
{
	struct db_local *l = start();
	char *data = mem_printf("%s/data", folder);
	struct stat s;

	(void)state;
	exec(db_local_admin(l),
	     "DO $$ BEGIN ASSERT current_setting('listen_addresses') = ''; END $$");
	assert_int_equal(stat(data, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0700);
	if (geteuid() == 0)
		assert_int_not_equal(s.st_uid, 0);
	free(data);
	db_local_stop(l);
}

static void
a_long_folder_gets_a_short_socket(void **state)
{
	struct db_local *l;

	(void)state;
	snprintf(folder, sizeof folder, "%s/%060d", top, 7);
	l = start();
	assert_non_null(strstr(db_local_admin(l), "host='/tmp/penstock-"));
	exec(db_local_admin(l), "SELECT 1");
	db_local_stop(l);
}

static void
a_folder_with_other_files_is_refused_and_left_alone(void **state)
{
	struct db_local *l;
	char *mine = mem_printf("%s/mine", folder);

	(void)state;
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(file_write(mine, "x", 1, 0644, NULL), OK);
	assert_int_equal(db_local_start(folder, false, &l, &fault), REFUSED);
	assert_int_equal(access(mine, F_OK), 0);
	free(mine);
}

static void
a_second_start_of_a_running_one_is_refused(void **state)
{
	struct db_local *l = start(), *second;

	(void)state;
	assert_int_equal(db_local_start(folder, false, &second, &fault), REFUSED);
	assert_non_null(strstr(fault.text, "in use"));
	exec(db_local_admin(l), "SELECT 1");
	db_local_stop(l);
}

static void
an_initdb_that_was_killed_is_begun_again(void **state)
{
	struct db_local *l = start();
	char *command = mem_printf("mv %s/data %s/data.new && rm %s/data.new/PG_VERSION", folder,
	                           folder, folder);

	(void)state;
	db_local_stop(l);
	assert_int_equal(system(command), 0);
	free(command);
	l = start();
	exec(db_local_admin(l), "SELECT 1");
	db_local_stop(l);
}

/* A process that starts the cluster and waits to be killed; gives the postmaster's pid. */
static pid_t
start_in_a_process(pid_t *ret_pid)
{
	int ready[2];
	pid_t master = 0;

	assert_int_equal(pipe(ready), 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		struct db_local *l;
		char *path = mem_printf("%s/data/postmaster.pid", folder);
		FILE *f;

		if (db_local_start(folder, false, &l, NULL) != OK)
			_exit(1);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%d", &master) != 1 ||
		    write(ready[1], &master, sizeof master) != sizeof master)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &master, sizeof master), sizeof master);
	close(ready[0]);
	return master;
}

static bool
alive(pid_t pid)
{
	char path[64], stat[256];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(stat, 1, sizeof stat - 1, f);
	fclose(f);
	stat[n] = '\0';
	return n > 0 && strrchr(stat, ')')[2] != 'Z';
}

static void
the_server_ends_when_its_starter_is_killed(void **state)
{
	const struct timespec pause_ts = { .tv_nsec = 10 * MSEC };
	int64_t until = clock_mono() + 120 * SEC;
	pid_t starter, master = start_in_a_process(&starter);

	(void)state;
	assert_true(alive(master));
	kill(starter, SIGKILL);
	waitpid(starter, NULL, 0);
	while (alive(master) && clock_mono() < until)
		nanosleep(&pause_ts, NULL);
	assert_false(alive(master));
}

static void
a_server_that_outlived_its_starter_is_ended_at_the_next_start(void **state)
{
	pid_t starter, master = start_in_a_process(&starter);
	struct db_local *l;

	(void)state;
	kill(master, SIGSTOP); /* it cannot follow its starter yet */
	kill(starter, SIGKILL);
	waitpid(starter, NULL, 0);
	assert_true(alive(master));
	kill(master, SIGCONT);
	l = start();
	assert_false(alive(master));
	exec(db_local_admin(l), "SELECT 1");
	db_local_stop(l);
}

static void
a_server_that_was_killed_is_started_again(void **state)
{
	pid_t starter, master = start_in_a_process(&starter);
	struct db_local *l;

	(void)state;
	kill(master, SIGKILL);
	kill(starter, SIGKILL);
	waitpid(starter, NULL, 0);
	l = start();
	exec(db_local_admin(l), "SELECT 1");
	db_local_stop(l);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_cluster_is_made_and_started_again_with_what_it_held),
		T(the_host_role_can_log_in_after_migrate),
		T(it_listens_on_a_socket_only_that_others_cannot_reach),
		T(a_long_folder_gets_a_short_socket),
		T(a_folder_with_other_files_is_refused_and_left_alone),
		T(a_second_start_of_a_running_one_is_refused),
		T(an_initdb_that_was_killed_is_begun_again),
		T(the_server_ends_when_its_starter_is_killed),
		T(a_server_that_outlived_its_starter_is_ended_at_the_next_start),
		T(a_server_that_was_killed_is_started_again),
	};

	return cmocka_run_group_tests_name("db_local", tests, NULL, NULL);
}
