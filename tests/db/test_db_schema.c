/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_db_schema.c - migrations: up, down, edited, unknown, killed, in a race.
 */
#include "db/db.h"
#include "support/cluster.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct db_schema_source core = { "penstock", NULL };
static char folder[64];
static struct db_schema_source sample = { "sample", folder };
static const char *conninfo;
static struct db *db;
static struct fault fault;

static void
put(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), OK);
}

static void
take_away(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(unlink(path), 0);
}

static int
set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/penstock-schema.XXXXXX");
	assert_non_null(mkdtemp(folder));
	put("0001_one.sql", "CREATE TABLE one (a int); CREATE TABLE one_more ();");
	put("0001_one.down.sql", "DROP TABLE one, one_more");
	put("0002_two.sql", "ALTER TABLE one ADD b int; INSERT INTO one VALUES (1, 2)");
	put("0002_two.down.sql", "ALTER TABLE one DROP b");
	conninfo = cluster_database();
	db = cluster_open(conninfo);
	fault = (struct fault){ 0 };
	return 0;
}

static int
tear_down(void **state)
{
	char *command = mem_printf("rm -r %s", folder);
	int st = system(command);

	(void)state;
	free(command);
	db_close(db);
	return st;
}

static enum status
up(const struct db_schema_source *source)
{
	fault = (struct fault){ 0 };
	return db_schema_up(db, source, 1, NULL, NULL, &fault);
}

static int64_t
applied(void)
{
	return cluster_int(db, "SELECT count(*) FROM penstock.migration WHERE version > 0");
}

static void
note(void *data, const struct db_migration *m, bool done, int64_t took_ns)
{
	assert_true(took_ns >= 0);
	buf_printf(data, "%s%d ", done ? "done " : "", m->version);
}

static void
missing_migrations_are_applied_in_order_and_told(void **state)
{
	struct buf told;

	(void)state;
	buf_init(&told);
	assert_int_equal(db_schema_up(db, &sample, 1, note, &told, &fault), OK);
	assert_string_equal(told.data, "1 done 1 2 done 2 ");
	assert_int_equal(cluster_int(db, "SELECT sum(b) FROM one"), 2);
	buf_reset(&told);
	put("0007_seven.sql", "CREATE TABLE seven ()");
	assert_int_equal(db_schema_up(db, &sample, 1, note, &told, &fault), OK);
	assert_string_equal(told.data, "7 done 7 ");
	buf_done(&told);
	assert_int_equal(applied(), 3);
}

static void
an_edited_migration_is_refused_with_its_file_and_both_checksums(void **state)
{
	char was[65], is[65];
	struct sha256 sum;

	(void)state;
	assert_int_equal(up(&sample), OK);
	snprintf(was, sizeof was, "%s",
	         cluster_text(db, "SELECT checksum FROM penstock.migration WHERE version = 2"));
	put("0002_two.sql", "SELECT 'something else'");
	put("0003_three.sql", "CREATE TABLE three ()");
	sha256_of("SELECT 'something else'", 23, &sum);
	sha256_hex(&sum, is);
	assert_int_equal(up(&sample), REFUSED);
	assert_non_null(strstr(fault.text, "0002_two.sql"));
	assert_non_null(strstr(fault.text, was));
	assert_non_null(strstr(fault.text, is));
	assert_int_equal(db_schema_down(db, &sample, 0, NULL, NULL, &fault), REFUSED);
	assert_int_equal(applied(), 2);
	assert_int_equal(cluster_int(db, "SELECT to_regclass('three') IS NULL"), 1);
}

static void
a_migration_that_we_do_not_know_is_refused(void **state)
{
	(void)state;
	assert_int_equal(up(&sample), OK);
	take_away("0002_two.sql");
	take_away("0002_two.down.sql");
	assert_int_equal(up(&sample), REFUSED);
	assert_non_null(strstr(fault.text, "0002_two"));
	assert_non_null(strstr(fault.text, "newer"));
}

static void
a_migration_that_comes_too_late_is_refused(void **state)
{
	(void)state;
	put("0004_four.sql", "SELECT 4");
	assert_int_equal(up(&sample), OK);
	put("0003_three.sql", "CREATE TABLE three ()");
	assert_int_equal(up(&sample), REFUSED);
	assert_non_null(strstr(fault.text, "0003_three.sql"));
}

static void
a_failing_migration_leaves_nothing_and_names_its_file(void **state)
{
	(void)state;
	put("0003_three.sql", "CREATE TABLE three (); SELECT 1 / 0; CREATE TABLE three_more ()");
	assert_int_equal(up(&sample), SQL);
	assert_string_equal(fault.sqlstate, "22012");
	assert_non_null(strstr(fault.where, "0003_three.sql"));
	assert_int_equal(applied(), 2);
	assert_int_equal(cluster_int(db, "SELECT to_regclass('three') IS NULL"), 1);
	put("0003_three.sql", "CREATE TABLE three ()");
	assert_int_equal(up(&sample), OK);
}

static void
a_migration_that_commits_is_refused(void **state)
{
	static const char *const bad[] = { "CREATE TABLE half (); COMMIT", "COMMIT; BEGIN",
		                           "ROLLBACK; BEGIN" };
	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		put("0003_three.sql", bad[i]);
		assert_int_equal(up(&sample), INVALID);
		assert_non_null(strstr(fault.where, "0003_three.sql"));
		assert_int_equal(applied(), 2);
	}
}

static void
migrations_are_taken_back_newest_first(void **state)
{
	struct buf told;

	(void)state;
	buf_init(&told);
	assert_int_equal(up(&sample), OK);
	assert_int_equal(db_schema_down(db, &sample, 1, note, &told, &fault), OK);
	assert_int_equal(applied(), 1);
	assert_int_equal(up(&sample), OK);
	assert_int_equal(db_schema_down(db, &sample, 0, note, &told, &fault), OK);
	assert_string_equal(told.data, "2 done 2 2 done 2 1 done 1 ");
	buf_done(&told);
	assert_int_equal(applied(), 0);
	assert_int_equal(cluster_int(db, "SELECT to_regclass('one') IS NULL"), 1);
}

static void
a_migration_without_a_way_back_is_refused(void **state)
{
	(void)state;
	put("0003_three.sql", "CREATE TABLE three ()");
	assert_int_equal(up(&sample), OK);
	assert_int_equal(db_schema_down(db, &sample, 0, NULL, NULL, &fault), REFUSED);
	assert_non_null(strstr(fault.text, "0003_three.down.sql"));
	assert_int_equal(applied(), 3);
}

static void
the_list_tells_what_is_applied_what_is_not_and_what_is_unknown(void **state)
{
	struct db_migration *list;
	size_t n;

	(void)state;
	assert_int_equal(db_schema_list(db, &sample, 1, &list, &n, &fault), OK);
	assert_int_equal(n, 2);
	assert_false(list[0].applied);
	db_schema_list_free(list, n);
	assert_int_equal(up(&sample), OK);
	take_away("0001_one.sql");
	take_away("0001_one.down.sql");
	put("0003_three.sql", "");
	assert_int_equal(db_schema_list(db, &sample, 1, &list, &n, &fault), OK);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].version, 2);
	assert_true(list[0].applied && list[0].applied_at_us > INT64_C(1600000000000000));
	assert_int_equal(list[1].version, 3);
	assert_false(list[1].applied);
	assert_string_equal(list[2].name, "one");
	assert_true(list[2].applied);
	db_schema_list_free(list, n);
}

static void *
up_in_a_thread(void *data)
{
	struct db *own = cluster_open(conninfo);
	enum status *st = data;

	*st = db_schema_up(own, &core, 1, NULL, NULL, NULL);
	db_close(own);
	return NULL;
}

static void
four_at_once_apply_each_migration_once(void **state)
{
	pthread_t threads[4];
	enum status st[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, up_in_a_thread, &st[i]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(st[i], OK);
	assert_int_equal(db_schema_check(db, NULL, &fault), OK);
}

/* ---- killed at each statement ---- */

#define AT_LEDGER (-1)

static void
arm_killer(void)
{
	assert_int_equal(db_schema_up(db, NULL, 0, NULL, NULL, &fault), OK); /* the ledger alone */
	cluster_exec(
	    db,
	    "CREATE SCHEMA killer; GRANT USAGE ON SCHEMA killer TO public;"
	    "CREATE SEQUENCE killer.n; CREATE TABLE killer.plan (k int);"
	    "INSERT INTO killer.plan VALUES (0);"
	    "CREATE FUNCTION killer.strike() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$"
	    "BEGIN IF nextval('killer.n') = (SELECT k FROM killer.plan) THEN"
	    " PERFORM pg_terminate_backend(pg_backend_pid()); END IF; END $$;"
	    "CREATE FUNCTION killer.ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$"
	    "BEGIN PERFORM killer.strike(); END $$;"
	    "CREATE FUNCTION killer.row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
	    "BEGIN IF (SELECT k FROM killer.plan) = -1 THEN"
	    " PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
	    " PERFORM killer.strike(); RETURN coalesce(new, old); END $$;"
	    "CREATE TRIGGER killer BEFORE INSERT OR DELETE ON penstock.migration"
	    " FOR EACH ROW EXECUTE FUNCTION killer.row();"
	    "CREATE EVENT TRIGGER killer_end ON ddl_command_end EXECUTE FUNCTION killer.ddl();"
	    "CREATE EVENT TRIGGER killer_drop ON sql_drop EXECUTE FUNCTION killer.ddl()");
}

static void
aim(struct db *other, int k)
{
	char sql[128];

	snprintf(
	    sql, sizeof sql,
	    "BEGIN; SELECT setval('killer.n', 1, false); UPDATE killer.plan SET k = %d; COMMIT", k);
	cluster_exec(other, sql);
}

static void
nothing_is_half_done(struct db *other)
{
	assert_int_equal(
	    cluster_int(other, "SELECT (to_regclass('penstock.job') IS NULL) = "
	                       "NOT EXISTS (SELECT FROM penstock.migration WHERE version = 1) "
	                       "AND (to_regclass('penstock.dead') IS NULL) = "
	                       "NOT EXISTS (SELECT FROM penstock.migration WHERE version = 1)"),
	    1);
}

/* The statement to be killed at after the k-th. With LONG=1 it is each one; else ever fewer, so
 * that the work grows with the number of statements, not with its square. */
static int
next_after(int k)
{
	if (k == AT_LEDGER)
		return 1;
	return getenv("LONG") ? k + 1 : k + 1 + k / 4;
}

/* Kills at the ledger's row, the last statement of a migration, and at the 1st, 2nd … statement;
 * each time that one more transaction has committed, from there again. */
static int
kill_everywhere(struct db *other, enum status (*run)(void))
{
	int64_t rows = cluster_int(other, "SELECT count(*) FROM penstock.migration"), now = rows;
	int kills = 0;

	for (int k = AT_LEDGER;; k = now == rows ? next_after(k) : AT_LEDGER, rows = now) {
		enum status st;

		aim(other, k);
		st = run();
		if (st == OK)
			return kills;
		assert_true(st == AWAY || st == UNKNOWN);
		kills++;
		nothing_is_half_done(other);
		assert_int_equal(db_reconnect(db, &fault), OK);
		now = cluster_int(other, "SELECT count(*) FROM penstock.migration");
	}
}

static enum status
run_up(void)
{
	return up(&core);
}

static enum status
run_down(void)
{
	return db_schema_down(db, &core, 0, NULL, NULL, &fault);
}

static void
killed_at_any_statement_it_runs_again(void **state)
{
	struct db *other = cluster_open(conninfo);
	int ups, downs;

	(void)state;
	arm_killer();
	ups = kill_everywhere(other, run_up);
	assert_int_equal(db_schema_check(db, NULL, &fault), OK);
	downs = kill_everywhere(other, run_down);
	assert_int_equal(cluster_int(other, "SELECT to_regclass('penstock.job') IS NULL"), 1);
	aim(other, 0);
	assert_int_equal(run_up(), OK);
	assert_int_equal(db_schema_check(db, NULL, &fault), OK);
	print_message("killed %d times on the way up, %d times on the way back\n", ups, downs);
	assert_true(ups > 30);
	assert_true(downs > 2);
	db_close(other);
}

/* ---- the public API ---- */

static void
an_empty_database_is_refused_with_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(db_schema_check(db, NULL, &fault), REFUSED);
	assert_non_null(strstr(fault.hint, "migrate"));
}

static void
what_is_no_longer_in_the_api_goes_and_the_rest_stays_callable(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	cluster_exec(db,
	             "CREATE FUNCTION penstock.of_old(int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
	             "CREATE FUNCTION penstock.needed() RETURNS int LANGUAGE sql AS 'SELECT 1';"
	             "CREATE TABLE uses_it (a int DEFAULT penstock.needed());"
	             "CREATE VIEW penstock.of_old AS SELECT 1 AS a;"
	             "CREATE VIEW penstock.on_top AS SELECT * FROM penstock.of_old");
	/* unchanged: nothing is done */
	assert_int_equal(up(&core), OK);
	assert_int_equal(cluster_int(db, "SELECT to_regproc('penstock.of_old') IS NOT NULL"), 1);
	cluster_exec(db, "UPDATE penstock.migration SET checksum = 'other' WHERE version = 0");
	assert_int_equal(db_schema_check(db, NULL, &fault), REFUSED);
	assert_int_equal(up(&core), OK);
	assert_int_equal(cluster_int(db, "SELECT to_regproc('penstock.of_old') IS NULL"), 1);
	assert_int_equal(cluster_int(db, "SELECT to_regclass('penstock.on_top') IS NULL"), 1);
	assert_int_equal(cluster_int(db, "SELECT to_regproc('penstock.needed') IS NOT NULL"), 1);
	assert_int_equal(cluster_int(db, "SELECT to_regproc('penstock.enqueue') IS NOT NULL"), 1);
	assert_int_equal(db_schema_check(db, NULL, &fault), OK);
}

static void
a_view_of_the_users_on_ours_stops_the_upgrade_and_is_named(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	cluster_exec(
	    db,
	    "CREATE VIEW penstock.ours AS SELECT 1 AS a; CREATE VIEW theirs AS SELECT * FROM penstock.ours;"
	    "UPDATE penstock.migration SET checksum = 'other' WHERE version = 0");
	assert_int_equal(up(&core), SQL);
	assert_string_equal(fault.sqlstate, "2BP01");
	assert_non_null(strstr(fault.text, "theirs"));
}

static void
a_newer_api_is_good_enough_to_work_with_and_is_never_replaced(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	cluster_exec(
	    db,
	    "UPDATE penstock.migration SET checksum = 'other', name = '99.1.2' WHERE version = 0");
	assert_int_equal(db_schema_check(db, NULL, &fault), OK);
	assert_int_equal(up(&core), REFUSED);
	cluster_exec(db, "UPDATE penstock.migration SET name = '0.0.9' WHERE version = 0");
	assert_int_equal(db_schema_check(db, NULL, &fault), REFUSED);
	assert_int_equal(up(&core), OK);
}

static void
a_newer_schema_is_refused(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	cluster_exec(db, "INSERT INTO penstock.migration VALUES ('penstock', 9999, 'future', 'x')");
	assert_int_equal(db_schema_check(db, NULL, &fault), REFUSED);
	assert_non_null(strstr(fault.text, "9999_future"));
}

/* A migration of the future, which serves programs whose newest is `less` before ours. */
static void
come_from_the_future(int less)
{
	char sql[256];

	snprintf(
	    sql, sizeof sql,
	    "DELETE FROM penstock.migration WHERE version = 9999;"
	    "INSERT INTO penstock.migration (component, version, name, checksum, serves) "
	    "SELECT 'penstock', 9999, 'future', 'x', max(version) - %d FROM penstock.migration",
	    less);
	cluster_exec(db, sql);
}

static void
a_newer_schema_that_serves_this_program_is_worked_on_and_never_changed(void **state)
{
	bool newer = false;

	(void)state;
	assert_int_equal(up(&core), OK);
	assert_int_equal(db_schema_check(db, &newer, &fault), OK);
	assert_false(newer);
	come_from_the_future(0);
	assert_int_equal(db_schema_check(db, &newer, &fault), OK);
	assert_true(newer);
	come_from_the_future(3);
	assert_int_equal(db_schema_check(db, &newer, &fault), OK);
	assert_true(newer);
	cluster_exec(db, "UPDATE penstock.migration SET checksum = 'other' WHERE version = 0");
	assert_int_equal(db_schema_check(db, &newer, &fault), OK);
	assert_int_equal(up(&core), REFUSED);
	assert_non_null(strstr(fault.text, "9999_future"));
	assert_int_equal(db_schema_down(db, &core, 0, NULL, NULL, &fault), REFUSED);
	assert_int_equal(cluster_int(db, "SELECT count(*) FROM penstock.migration WHERE version "
	                                 "IN (0, 9999)"),
	                 2);
	come_from_the_future(-1);
	assert_int_equal(db_schema_check(db, &newer, &fault), REFUSED);
	assert_non_null(strstr(fault.text, "9999_future"));
	assert_non_null(strstr(fault.hint, "it serves hosts that know migration"));
}

static void
a_schema_that_serves_but_lacks_one_of_ours_is_refused(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	come_from_the_future(0);
	cluster_exec(db, "DELETE FROM penstock.migration WHERE version = 3");
	assert_int_equal(db_schema_check(db, NULL, &fault), REFUSED);
}

static void
a_migration_says_which_programs_it_serves(void **state)
{
	(void)state;
	put("0003_three.sql", "-- SPDX-License-Identifier: BSD-2-Clause\n-- serves: 0001\n"
	                      "CREATE TABLE three ();");
	put("0004_four.sql", "-- says nothing\nCREATE TABLE four (); -- serves: 0003\n");
	assert_int_equal(up(&sample), OK);
	assert_string_equal(cluster_text(db, "SELECT string_agg(coalesce(serves::text, '-'), ' ' "
	                                     "ORDER BY version) FROM penstock.migration "
	                                     "WHERE component = 'sample'"),
	                    "- - 1 -");
	put("0005_five.sql", "-- serves: 0005\nCREATE TABLE five ();");
	assert_int_equal(up(&sample), INVALID);
	assert_non_null(strstr(fault.text, "0005_five.sql"));
	put("0005_five.sql", "-- serves: the last one\nCREATE TABLE five ();");
	assert_int_equal(up(&sample), INVALID);
}

static void
a_ledger_without_the_column_for_it_is_read_and_gets_it(void **state)
{
	struct db_migration *list;
	size_t n;

	(void)state;
	assert_int_equal(up(&sample), OK);
	cluster_exec(db, "ALTER TABLE penstock.migration DROP serves");
	assert_int_equal(db_schema_list(db, &sample, 1, &list, &n, &fault), OK);
	assert_int_equal(n, 2);
	assert_int_equal(list[1].serves, 0);
	db_schema_list_free(list, n);
	put("0003_three.sql", "-- serves: 0002\nCREATE TABLE three ();");
	assert_int_equal(up(&sample), OK);
	assert_int_equal(cluster_int(db, "SELECT serves FROM penstock.migration WHERE version = 3"),
	                 2);
}

static void
up_makes_blocks_ahead(void **state)
{
	(void)state;
	assert_int_equal(up(&core), OK);
	assert_true(
	    cluster_int(
	        db,
	        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'penstock.job'::regclass") >=
	    2);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(missing_migrations_are_applied_in_order_and_told),
		T(an_edited_migration_is_refused_with_its_file_and_both_checksums),
		T(a_migration_that_we_do_not_know_is_refused),
		T(a_migration_that_comes_too_late_is_refused),
		T(a_failing_migration_leaves_nothing_and_names_its_file),
		T(a_migration_that_commits_is_refused),
		T(migrations_are_taken_back_newest_first),
		T(a_migration_without_a_way_back_is_refused),
		T(the_list_tells_what_is_applied_what_is_not_and_what_is_unknown),
		T(four_at_once_apply_each_migration_once),
		T(killed_at_any_statement_it_runs_again),
		T(an_empty_database_is_refused_with_what_to_do),
		T(what_is_no_longer_in_the_api_goes_and_the_rest_stays_callable),
		T(a_view_of_the_users_on_ours_stops_the_upgrade_and_is_named),
		T(a_newer_api_is_good_enough_to_work_with_and_is_never_replaced),
		T(a_newer_schema_is_refused),
		T(a_newer_schema_that_serves_this_program_is_worked_on_and_never_changed),
		T(a_schema_that_serves_but_lacks_one_of_ours_is_refused),
		T(a_migration_says_which_programs_it_serves),
		T(a_ledger_without_the_column_for_it_is_read_and_gets_it),
		T(up_makes_blocks_ahead),
	};

	return cmocka_run_group_tests_name("db_schema", tests, NULL, NULL);
}
