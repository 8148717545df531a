/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_doctor_judge.c - what the doctor makes of figures, at the borders of each judgement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/doctor_priv.h"

static int
set_up(void **state)
{
	struct doctor_report *r = mem_alloc(sizeof *r);

	r->check = "test";
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	doctor_report_done(*state);
	free(*state);
	return 0;
}

/* The worst of what was said since the last call, -1 when nothing was; and all of it is dropped. */
static int
worst(struct doctor_report *r)
{
	int level = -1;

	for (size_t i = 0; i < r->n; i++) {
		struct doctor_finding *f = &r->findings[i];

		level = (int)f->level > level ? (int)f->level : level;
		assert_true(f->text[0] != '\0');
		if (f->level != DOCTOR_OK)
			assert_non_null(f->advice); /* no complaint without what to do */
	}
	doctor_report_done(r);
	r->check = "test";
	return level;
}

/* Something said so far contains the text. */
static bool
says(const struct doctor_report *r, const char *text)
{
	for (size_t i = 0; i < r->n; i++)
		if (strstr(r->findings[i].text, text) ||
		    (r->findings[i].advice && strstr(r->findings[i].advice, text)))
			return true;
	return false;
}

static void
every_check_has_a_name_of_its_own(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct doctor_check *c = doctor_checks; c->name; c++, n++) {
		assert_non_null(c->look);
		for (const struct doctor_check *other = doctor_checks; other != c; other++) {
			assert_string_not_equal(other->name, c->name);
			assert_true(other->look != c->look);
		}
	}
	assert_true(n >= 18);
}

static void
servers_from_14_to_18_are_well(void **state)
{
	struct doctor_report *r = *state;

	judge_version(r, 130012);
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
	judge_version(r, 140000);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_version(r, 180003);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_version(r, 190000);
	assert_int_equal(worst(r), DOCTOR_WARNING);
}

static void
settings_are_judged_by_their_rows(void **state)
{
	static const struct {
		struct setting_fact fact;
		enum doctor_level level;
	} rows[] = {
		{ { "fsync", "on", 0 }, DOCTOR_OK },
		{ { "fsync", "off", 0 }, DOCTOR_PROBLEM },
		{ { "full_page_writes", "off", 0 }, DOCTOR_PROBLEM },
		{ { "synchronous_commit", "off", 0 }, DOCTOR_PROBLEM },
		{ { "synchronous_commit", "local", 0 }, DOCTOR_OK },
		{ { "synchronous_commit", "remote_apply", 0 }, DOCTOR_OK },
		{ { "autovacuum", "off", 0 }, DOCTOR_PROBLEM },
		{ { "track_counts", "off", 0 }, DOCTOR_PROBLEM },
		{ { "track_activities", "off", 0 }, DOCTOR_WARNING },
		{ { "track_io_timing", "off", 0 }, DOCTOR_OK },
		{ { "shared_buffers", "16384", 128 * MiB }, DOCTOR_OK },
		{ { "shared_buffers", "16383", 128 * MiB - 8192 }, DOCTOR_WARNING },
		{ { "max_wal_size", "1024", 1024 * MiB }, DOCTOR_OK },
		{ { "max_wal_size", "1023", 1023 * MiB }, DOCTOR_WARNING },
		{ { "statement_timeout", "0", 0 }, DOCTOR_OK },
		{ { "statement_timeout", "29999", 29999 }, DOCTOR_WARNING },
		{ { "statement_timeout", "30000", 30000 }, DOCTOR_OK },
		{ { "transaction_timeout", "1000", 1000 }, DOCTOR_WARNING },
		{ { "idle_session_timeout", "60000", 60000 }, DOCTOR_WARNING },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_settings(r, &rows[i].fact, 1);
		assert_true(says(r, rows[i].fact.name));
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
all_that_is_well_is_one_line(void **state)
{
	const struct setting_fact facts[] = { { "fsync", "on", 0 },
		                              { "autovacuum", "off", 0 },
		                              { "shared_buffers", "65536", 512 * MiB } };
	struct doctor_report *r = *state;

	judge_settings(r, facts, countof(facts));
	assert_int_equal(r->n, 2);
	assert_true(says(r, "autovacuum is off"));
	assert_true(says(r, "fsync on, shared_buffers 512"));
	assert_int_equal(doctor_count(r, DOCTOR_PROBLEM), 1);
	assert_int_equal(doctor_count(r, DOCTOR_OK), 1);
}

static void
poolers_are_judged_by_what_they_break_and_by_the_setting(void **state)
{
	static const struct {
		struct db_session_fact fact;
		bool pooled;
		enum doctor_level level;
		const char *text;
	} rows[] = {
		{ { 10, 10, true, false, false }, false, DOCTOR_OK, "no pooler" },
		{ { 99, 10, true, false, false }, false, DOCTOR_WARNING, "it said process 99" },
		{ { 99, 10, true, true, false }, false, DOCTOR_PROBLEM, "was gone in its next" },
		{ { 99, 10, true, false, true }, false, DOCTOR_PROBLEM, "was seen by another" },
		{ { 99, 10, true, false, true },
		  false,
		  DOCTOR_PROBLEM,
		  "set pooler = \"transaction\"" },
		{ { 10, 10, true, false, true }, false, DOCTOR_PROBLEM, "was seen by another" },
		{ { 99, 10, false, false, false }, false, DOCTOR_PROBLEM, "jit off" },
		{ { 10, 10, false, false, false }, false, DOCTOR_PROBLEM, "jit off" },
		{ { 99, 10, true, false, true }, true, DOCTOR_OK, "hosts poll" },
		{ { 99, 10, true, true, false }, true, DOCTOR_OK, "hosts poll" },
		{ { 99, 10, true, false, false }, true, DOCTOR_WARNING, "it said process 99" },
		{ { 10, 10, true, false, false }, true, DOCTOR_WARNING, "no pooler is in between" },
		{ { 99, 10, false, false, true }, true, DOCTOR_WARNING, "set jit = off" },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_session(r, &rows[i].fact, rows[i].pooled);
		assert_true(says(r, rows[i].text));
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
a_server_without_notifications_is_a_warning(void **state)
{
	struct doctor_report *r = *state;

	judge_listen(r, OK);
	assert_int_equal(worst(r), -1);
	judge_listen(r, EMPTY);
	assert_true(says(r, "no notification comes"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
	judge_listen(r, SQL);
	assert_true(says(r, "refuses LISTEN"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
}

static void
clocks_may_differ_by_a_second_and_the_trip(void **state)
{
	struct doctor_report *r = *state;

	judge_clock(r, 900 * MSEC, MSEC);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_clock(r, -1400 * MSEC, SEC); /* the trip hides it */
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_clock(r, -1400 * MSEC, MSEC);
	assert_true(says(r, "behind"));
	assert_true(says(r, "due late"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
	judge_clock(r, 61 * SEC, MSEC);
	assert_true(says(r, "ahead of"));
	assert_true(says(r, "due early"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
}

static void
a_host_needs_its_connections(void **state)
{
	static const struct {
		struct connections_fact fact;
		enum doctor_level level;
	} rows[] = {
		{ { .most = 97, .used = 10, .hosts = 5, .need = 5 }, DOCTOR_OK },
		{ { .most = 97, .used = 88, .need = 5 }, DOCTOR_OK },
		{ { .most = 97, .used = 89, .need = 5 }, DOCTOR_WARNING },
		{ { .most = 97, .used = 93, .need = 5 }, DOCTOR_PROBLEM },
		/* what it needs is among the used already */
		{ { .most = 97, .used = 93, .hosts = 5, .need = 5, .here = true }, DOCTOR_WARNING },
		{ { .most = 97, .used = 97, .hosts = 5, .need = 5, .here = true }, DOCTOR_PROBLEM },
		{ { .most = 4, .used = 0, .need = 5, .here = true }, DOCTOR_PROBLEM },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_connections(r, &rows[i].fact);
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
roles_are_there_and_held(void **state)
{
	struct role_fact roles[] = { { "penstock_owner", true, false, false },
		                     { "penstock_host", true, true, true } };
	struct doctor_report *r = *state;

	judge_roles(r, roles, 2, "penstock", false);
	assert_true(says(r, "penstock is in penstock_host"));
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_roles(r, roles, 2, "postgres", true);
	assert_true(says(r, "superuser postgres"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
	roles[1].usage = false;
	judge_roles(r, roles, 2, "penstock", false);
	assert_true(says(r, "does not inherit"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
	roles[1].member = false;
	judge_roles(r, roles, 2, "penstock", false);
	assert_true(says(r, "grant penstock_host to penstock"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
	roles[0].present = false;
	judge_roles(r, roles, 2, "postgres", true);
	assert_true(says(r, "penstock_owner is missing"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
}

static void
partitions_reach_ahead(void **state)
{
	struct doctor_report *r = *state;

	judge_blocks(r, 7, 4, 1000);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_blocks(r, 7, 2, 1000);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_blocks(r, 7, 1, 1000);
	assert_int_equal(worst(r), DOCTOR_WARNING);
	judge_blocks(r, 7, -1, 1000);
	assert_true(says(r, "block 7"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
}

static void
what_is_held_is_old_by_time_or_by_transactions(void **state)
{
	(void)state;
	assert_int_equal(judge_held(9999, 59.9), DOCTOR_OK);
	assert_int_equal(judge_held(0, 60), DOCTOR_WARNING);
	assert_int_equal(judge_held(10000, 0), DOCTOR_WARNING);
	assert_int_equal(judge_held(10000, -1), DOCTOR_WARNING); /* a time that may not be seen */
	assert_int_equal(judge_held(0, 3600), DOCTOR_PROBLEM);
	assert_int_equal(judge_held(1000000, -1), DOCTOR_PROBLEM);
	assert_int_equal(judge_held(-1, -1), DOCTOR_OK);
}

static void
a_snapshot_is_named_with_what_may_be_seen(void **state)
{
	struct snapshot_fact f = { .pid = 4711,
		                   .application = "psql",
		                   .role = "anna",
		                   .state = "idle in transaction",
		                   .kind = "client backend",
		                   .query = "select 1",
		                   .transactions = 5,
		                   .seconds = 59 };
	struct doctor_report *r = *state;

	judge_snapshot(r, &f);
	assert_int_equal(worst(r), -1);
	f.seconds = 1500;
	judge_snapshot(r, &f);
	assert_true(says(r, "process 4711 of psql, role anna, idle in transaction has held"));
	assert_true(says(r, "25 min and 5 transactions"));
	assert_true(says(r, "select 1"));
	assert_true(says(r, "pg_terminate_backend(4711)"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
	f.kind = "walsender";
	f.transactions = 1000000;
	judge_snapshot(r, &f);
	assert_true(says(r, "on the standby"));
	assert_false(says(r, "pg_terminate_backend"));
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
	f = (struct snapshot_fact){ .pid = 4711, .transactions = 10000, .seconds = -1 };
	judge_snapshot(r, &f);
	assert_true(says(r, "process 4711 has held a snapshot for 10 000 transactions"));
	assert_true(says(r, "pg_read_all_stats"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
}

static void
slots_are_judged_by_readers_and_by_what_they_keep(void **state)
{
	static const struct {
		struct slot_fact fact;
		int level;
	} rows[] = {
		{ { "s", "physical", true, -1, -1, 0 }, -1 },
		{ { "s", "physical", true, 9999, -1, 1024 * MiB }, -1 },
		{ { "s", "physical", true, 10000, -1, 0 }, DOCTOR_WARNING },
		{ { "s", "logical", true, -1, 1000000, 0 }, DOCTOR_PROBLEM },
		{ { "s", "logical", true, -1, 5, 4096 * MiB }, DOCTOR_WARNING },
		{ { "s", "logical", false, -1, 5, 0 }, DOCTOR_WARNING },
		{ { "s", "logical", false, -1, 5, 1024 * MiB }, DOCTOR_PROBLEM },
		{ { "s", "physical", false, -1, -1, -1 }, DOCTOR_WARNING },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_slot(r, &rows[i].fact);
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
dead_rows_are_many_beside_the_living(void **state)
{
	static const struct {
		struct table_fact fact;
		int level;
	} rows[] = {
		{ { "parcel", 0, 49999, 0, 5, false }, -1 },
		{ { "parcel", 0, 50000, 0, 5, false }, DOCTOR_WARNING },
		{ { "parcel", 10001, 50000, 0, 5, false }, -1 },
		{ { "parcel", 0, 1000000, 0, -1, false }, DOCTOR_PROBLEM },
		{ { "parcel", 1000000, 1000000, 0, -1, false }, -1 },
		{ { "parcel", 0, 0, 0, -1, true }, DOCTOR_PROBLEM },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_table(r, &rows[i].fact);
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
hosts_beat_and_are_of_one_version(void **state)
{
	char one[] = "one", two[] = "two", here[] = "here", old[] = "0.0.1",
	     ours[] = PENSTOCK_VERSION;
	struct doctor_host hosts[] = {
		{ .id = 1, .name = one, .machine = here, .version = ours, .alive = true },
		{ .id = 2, .name = two, .machine = here, .version = ours, .alive = true },
	};
	struct doctor_report *r = *state;

	judge_hosts(r, hosts, 0, SEC);
	assert_int_equal(worst(r), DOCTOR_OK);
	judge_hosts(r, hosts, 2, SEC);
	assert_int_equal(worst(r), DOCTOR_OK);
	hosts[1].version = old;
	judge_hosts(r, hosts, 2, SEC);
	assert_true(says(r, "two on here runs penstock 0.0.1"));
	assert_int_equal(worst(r), DOCTOR_WARNING);
	hosts[1].alive = false;
	hosts[1].running = 7;
	judge_hosts(r, hosts, 2, SEC);
	assert_true(says(r, "did not beat"));
	assert_int_equal(worst(r), DOCTOR_WARNING); /* the other takes its jobs over */
	hosts[0].alive = false;
	judge_hosts(r, hosts, 2, SEC);
	assert_int_equal(worst(r), DOCTOR_PROBLEM);
	judge_hosts(r, hosts, 1, SEC); /* it holds nothing */
	assert_int_equal(worst(r), DOCTOR_WARNING);
}

static void
leases_come_back_while_somebody_lives(void **state)
{
	static const struct {
		struct lease_fact fact;
		size_t others;
		int level;
	} rows[] = {
		{ { .seconds = 9999, .listed = true, .alive = true }, 0, -1 },
		{ { .seconds = 29, .listed = true }, 1, -1 },
		{ { .seconds = 30, .listed = true }, 1, DOCTOR_PROBLEM },
		{ { .seconds = 30 }, 1, DOCTOR_PROBLEM },
		{ { .seconds = 0 }, 0, DOCTOR_PROBLEM },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_lease(r, &rows[i].fact, rows[i].others, 10);
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
lanes_are_served(void **state)
{
	static const struct {
		struct lane_fact fact;
		size_t living;
		int level;
	} rows[] = {
		{ { "p", "s", 0, 0, 0, 0, true, -1, 0, true }, 0, -1 },
		{ { "p", "s", 0, 5, 0, 9999, true, -1, 5, true },
		  1,
		  -1 }, /* a backlog is no illness */
		{ { "p", "s", 0, 5, 0, 59, true, -1, 5, false }, 0, DOCTOR_WARNING },
		{ { "p", "s", 0, 5, 0, 60, true, -1, 5, false }, 0, DOCTOR_PROBLEM },
		{ { "p", "s", 0, 5, 0, 59, false, -1, 5, false }, 1, -1 },
		{ { "p", "s", 0, 5, 0, 60, false, -1, 5, false }, 1, DOCTOR_WARNING },
		{ { "p", "s", 0, 5, 0, 60, true, -1, 5, false }, 1, DOCTOR_WARNING },
		{ { "p", "s", 0, 5, 0, 60, false, -1, 5, true }, 1, -1 },
		{ { "p", "s", -1, 5, 0, 59, false, -1, 5, false }, 1, DOCTOR_WARNING },
		{ { "p", "s", -1, 5, 0, 60, false, -1, 5, false }, 1, DOCTOR_PROBLEM },
		{ { "p", "s", -1, 5, 0, 60, false, 3, 5, false }, 1, DOCTOR_PROBLEM },
		{ { "p", "s", -1, 0, 0, 0, false, -1, 7, false },
		  1,
		  DOCTOR_WARNING }, /* deferred ones */
		{ { "p", "s", -1, 5, 0, 60, false, -1, 5, true }, 1, DOCTOR_WARNING }, /* leaves */
		{ { "p", "s", -1, 0, 0, 0, false, -1, 0, false }, 1, -1 },
		{ { "p", "s", 0, 5, 0, 9999, true, 3, 5, false },
		  0,
		  DOCTOR_WARNING }, /* paused: on purpose */
		{ { "p", "s", 0, 0, 0, 0, true, 3, 0, true }, 1, -1 },
		{ { "p", "s", 0, 0, 3, 0, true, -1, 0, true }, 1, DOCTOR_WARNING },
	};
	struct doctor_report *r = *state;

	for (size_t i = 0; i < countof(rows); i++) {
		judge_lane(r, &rows[i].fact, rows[i].living);
		assert_int_equal(worst(r), rows[i].level);
	}
}

static void
what_others_wrote_is_harmless_for_a_terminal(void **state)
{
	struct doctor_report *r = *state;

	doctor_say(r, DOCTOR_WARNING, "of %s", "evil\033[2Jname\nfake");
	doctor_advise(r, "end %s", "\033]0;x\007");
	assert_null(strchr(r->findings[0].text, '\033'));
	assert_null(strchr(r->findings[0].text, '\n'));
	assert_null(strchr(r->findings[0].advice, '\033'));
	assert_true(says(r, "name"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_check_has_a_name_of_its_own),
		TEST(servers_from_14_to_18_are_well),
		TEST(settings_are_judged_by_their_rows),
		TEST(all_that_is_well_is_one_line),
		TEST(poolers_are_judged_by_what_they_break_and_by_the_setting),
		TEST(a_server_without_notifications_is_a_warning),
		TEST(clocks_may_differ_by_a_second_and_the_trip),
		TEST(a_host_needs_its_connections),
		TEST(roles_are_there_and_held),
		TEST(partitions_reach_ahead),
		TEST(what_is_held_is_old_by_time_or_by_transactions),
		TEST(a_snapshot_is_named_with_what_may_be_seen),
		TEST(slots_are_judged_by_readers_and_by_what_they_keep),
		TEST(dead_rows_are_many_beside_the_living),
		TEST(hosts_beat_and_are_of_one_version),
		TEST(leases_come_back_while_somebody_lives),
		TEST(lanes_are_served),
		TEST(what_others_wrote_is_harmless_for_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
