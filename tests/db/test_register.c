/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_register.c - what a configuration says of limits and schedules stands in the database,
 * before any host runs.
 */
#include "support/cluster.h"
#include "support/config_tree.h"
#include "worker/worker.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char limits[] =
    "pipeline: { name = \"p\"; stages = (\n"
    "  { name = \"a\"; plugin = \"echo\"; max_attempts = 7; max_ready = 50; },\n"
    "  { name = \"b\"; plugin = \"echo\"; max_running = 3; rate = \"20/s\"; burst = 5; } ); };\n"
    "schedule: { name = \"nightly\"; pipeline = \"p\"; cron = \"0 3 * * *\"; };\n";
static const char without[] = "pipeline: { name = \"p\"; stages = (\n"
                              "  { name = \"a\"; plugin = \"echo\"; },\n"
                              "  { name = \"b\"; plugin = \"echo\"; } ); };\n";

static void
register_it(struct db *db, const char *text)
{
	struct fault fault = { 0 };

	config_tree_put("pipelines.d/p.conf", text);
	if (register_config(db, config_tree_load(), &fault) != OK)
		fail_msg("%s", fault.text);
}

static void
every_limit_and_schedule_is_registered_and_goes_with_its_line(void **state)
{
	struct db *db = cluster_open(cluster_migrated());

	(void)state;
	config_tree_put("penstock.conf", "name = \"here\";\n");
	register_it(db, limits);
	assert_string_equal(cluster_text(db,
	                                 "SELECT string_agg(concat_ws(' ', stage, max_attempts, "
	                                 "max_ready, max_running, rate, burst), ', ' ORDER BY "
	                                 "position) FROM penstock.lane"),
	                    "a 7 50, b 5 3 20 5");
	assert_string_equal(cluster_text(db, "SELECT name || ' ' || cron FROM penstock.schedule"),
	                    "nightly 0 3 * * *");
	register_it(db, without);
	assert_int_equal(cluster_int(db, "SELECT count(*) FROM penstock.lane WHERE max_running IS "
	                                 "NULL AND rate IS NULL AND max_ready IS NULL"),
	                 2);
	assert_int_equal(cluster_int(db, "SELECT count(*) FROM penstock.schedule"), 0);
	db_close(db);
}

/* Before a test goes to a folder of its own. */
static int
start_cluster(void **state)
{
	(void)state;
	return cluster_dsn() ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    every_limit_and_schedule_is_registered_and_goes_with_its_line,
		    config_tree_enter, config_tree_leave),
	};

	return cmocka_run_group_tests(tests, start_cluster, NULL);
}
