/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_diff.c - what is said of two configurations, and what it takes to go from one to the
 * other.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One change a line: pipeline.stage what: before -> after (reload|restart) */
static char *
differ(const char *before, const char *after)
{
	struct config *old, *new;
	struct config_diff diff;
	struct buf out;

	config_tree_put("old.conf", before);
	config_tree_put("new.conf", after);
	assert_int_equal(config_load("old.conf", NULL, 0, &old, NULL, NULL), OK);
	assert_int_equal(config_load("new.conf", NULL, 0, &new, NULL, NULL), OK);
	buf_init(&out);
	config_diff(old, new, &diff);
	for (size_t i = 0; i < diff.n; i++) {
		const struct config_change *c = &diff.changes[i];

		buf_printf(&out, "%s.%s %s: %s -> %s (%s)\n", c->pipeline ? c->pipeline : "",
		           c->stage ? c->stage : "", c->what, c->before ? c->before : "none",
		           c->after ? c->after : "none", c->restart ? "restart" : "reload");
	}
	config_diff_done(&diff);
	config_free(old);
	config_free(new);
	buf_addc(&out, '\0');
	return buf_steal(&out);
}

static void
expect(const char *before, const char *after, const char *wanted)
{
	char *found = differ(before, after);

	assert_string_equal(found, wanted);
	free(found);
}

#define PIPELINE(stages) "pipeline: { name = \"p\"; stages = ( " stages " ); };\n"

static void
the_same_values_written_otherwise_are_no_difference(void **state)
{
	(void)state;
	expect("", "", "");
	expect("drain = \"60s\"; lease_bytes = \"1MiB\"; workers = 16;",
	       "workers = 0x10; lease_bytes = \"1024KiB\"; drain = \"1min\";", "");
	expect(PIPELINE("{ name = \"a\"; backoff = \"1000ms\"; options: { x = 1; y = 2; }; }"),
	       PIPELINE("{ name = \"a\"; plugin = \"a\"; options: { y = 2; x = 1; }; }"), "");
}

static void
a_schedule_that_differs_is_told_whole(void **state)
{
#define CLOCK(cron) "schedule: { name = \"s\"; pipeline = \"p\"; cron = \"" cron "\"; };\n"
	(void)state;
	expect(PIPELINE("{ name = \"a\"; }"), PIPELINE("{ name = \"a\"; }") CLOCK("@daily"),
	       "p. schedule s: none -> \"@daily\" UTC, one, priority 0, {} (reload)\n");
	expect(PIPELINE("{ name = \"a\"; }") CLOCK("@daily"),
	       PIPELINE("{ name = \"a\"; }") CLOCK("@hourly"),
	       "p. schedule s: \"@daily\" UTC, one, priority 0, {} -> "
	       "\"@hourly\" UTC, one, priority 0, {} (reload)\n");
#undef CLOCK
}

static void
a_reload_takes_settings_but_those_by_which_a_host_is_found(void **state)
{
	(void)state;
	expect("workers = 4;", "workers = 8; heartbeat = \"1500ms\"; lease_bytes = \"1.5MiB\";",
	       ". workers: 4 -> 8 (reload)\n"
	       ". lease_bytes: \"16MiB\" -> \"1536KiB\" (reload)\n"
	       ". heartbeat: \"2s\" -> \"1500ms\" (reload)\n");
	expect("drain = \"0s\";", "drain = \"1ns\"; strict_files = false;",
	       ". drain: \"0s\" -> \"1ns\" (reload)\n"
	       ". strict_files: true -> false (reload)\n");
	expect("", "name = \"x\"; run_dir = \"/x\";",
	       ". run_dir: \"/run/penstock\" -> \"/x\" (restart)\n"
	       ". name: \"\" -> \"x\" (restart)\n");
}

static void
settings_of_every_kind_are_compared(void **state)
{
	static const struct {
		const char *name, *line;
	} others[] = {
		{ "database", "database = \"dbname=other\";" },
		{ "processes", "processes = 2;" },
		{ "plugin_path", "plugin_path = \"/other\";" },
		{ "state_dir", "state_dir = \"/other\";" },
		{ "run_dir", "run_dir = \"/other\";" },
		{ "name", "name = \"other\";" },
		{ "log_level", "log_level = \"debug\";" },
		{ "retention", "retention = \"5d\";" },
	};

	(void)state;
	for (size_t i = 0; i < countof(others); i++) {
		char *found = differ("", others[i].line),
		     *start = mem_printf(". %s: ", others[i].name);

		assert_int_equal(strncmp(found, start, strlen(start)), 0);
		assert_ptr_equal(strchr(found, '\n'), found + strlen(found) - 1);
		free(start);
		free(found);
	}
}

static void
a_password_is_not_told(void **state)
{
	(void)state;
	expect("database = \"dbname=x password=old\";", "database = \"postgres://u:new@h/x\";",
	       ". database: (not shown: there may be a password) -> "
	       "(not shown: there may be a password) (reload)\n");
	expect("database = \"dbname=x\";", "database = \"dbname=x password=old\";",
	       ". database: \"dbname=x\" -> (not shown: there may be a password) (reload)\n");
}

static void
a_stage_that_differs_is_taken_by_a_reload(void **state)
{
	(void)state;
	expect(PIPELINE("{ name = \"a\"; options: { x = 1; gone = true; }; }"),
	       PIPELINE("{ name = \"a\"; plugin = \"b\"; durable = true; timeout = \"2s\";"
	                " max_lease = 3; options: { x = 1.5; new = [ \"u\", \"v\" ]; };"
	                " routes: { bad = \"end\"; }; }"),
	       "p.a plugin: \"a\" -> \"b\" (reload)\n"
	       "p.a durable: false -> true (reload)\n"
	       "p.a option x: 1 -> 1.5 (reload)\n"
	       "p.a option gone: true -> none (reload)\n"
	       "p.a timeout: none -> \"2s\" (reload)\n"
	       "p.a max_lease: none -> 3 (reload)\n"
	       "p.a option new: none -> [\"u\",\"v\"] (reload)\n"
	       "p.a route bad: none -> \"end\" (reload)\n");
}

static void
the_order_of_stages_counts(void **state)
{
	(void)state;
	expect(PIPELINE("{ name = \"a\"; }, { name = \"b\"; }"),
	       PIPELINE("{ name = \"b\"; }, { name = \"a\"; }"),
	       "p. stages: a, b -> b, a (reload)\n");
}

static void
what_a_pipeline_keeps_is_compared(void **state)
{
	(void)state;
	expect("pipeline: { name = \"p\"; outputs = \"last\"; stages = ( { name = \"a\"; } ); };",
	       PIPELINE("{ name = \"a\"; }"), "");
	expect("pipeline: { name = \"p\"; outputs = \"all\"; stages = ( { name = \"a\"; } ); };",
	       PIPELINE("{ name = \"a\"; }"), "p. outputs: \"all\" -> \"last\" (reload)\n");
}

static void
a_stage_that_comes_or_goes_is_told_once_and_not_key_by_key(void **state)
{
	const char *one = PIPELINE("{ name = \"a\"; }");
	const char *two = PIPELINE(
	    "{ name = \"a\"; }, { name = \"b\"; plugin = \"x\"; durable = true; }");

	(void)state;
	expect(one, two,
	       "p. stages: a -> a, b (reload)\n"
	       "p.b plugin: none -> \"x\" (reload)\n");
	expect(two, one,
	       "p. stages: a, b -> a (reload)\n"
	       "p.b plugin: \"x\" -> none (reload)\n");
}

static void
a_pipeline_that_comes_or_goes_is_told_once(void **state)
{
	const char *one = PIPELINE("{ name = \"a\"; }, { name = \"b\"; }");

	(void)state;
	expect("", one, "p. stages: none -> a, b (reload)\n");
	expect(one, "", "p. stages: a, b -> none (reload)\n");
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_values_written_otherwise_are_no_difference),
		TEST(a_schedule_that_differs_is_told_whole),
		TEST(a_reload_takes_settings_but_those_by_which_a_host_is_found),
		TEST(settings_of_every_kind_are_compared),
		TEST(a_password_is_not_told),
		TEST(a_stage_that_differs_is_taken_by_a_reload),
		TEST(the_order_of_stages_counts),
		TEST(what_a_pipeline_keeps_is_compared),
		TEST(a_stage_that_comes_or_goes_is_told_once_and_not_key_by_key),
		TEST(a_pipeline_that_comes_or_goes_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
