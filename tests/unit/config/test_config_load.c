/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_load.c - what is read from where, and which place wins.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
all_settings_have_their_defaults_when_the_file_is_empty(void **state)
{
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf", "");
	config = config_tree_load();
	assert_string_equal(config->set.database, "dbname=penstock");
	assert_int_equal(config->set.processes, 1);
	assert_int_equal(config->set.workers, 0);
	assert_string_equal(config->set.plugin_path, PENSTOCK_STAGEDIR);
	assert_string_equal(config->set.state_dir, "/var/lib/penstock");
	assert_string_equal(config->set.run_dir, "/run/penstock");
	assert_string_equal(config->set.name, "");
	assert_int_equal(config->set.lease_jobs, 4000);
	assert_int_equal(config->set.lease_bytes, 16 * MiB);
	assert_int_equal(config->set.lease_time, 200 * MSEC);
	assert_int_equal(config->set.heartbeat, 2 * SEC);
	assert_int_equal(config->set.lease_life, 10 * SEC);
	assert_int_equal(config->set.drain, 30 * SEC);
	assert_string_equal(config->set.log_level, "info");
	assert_true(config->set.strict_files);
	assert_int_equal(config->n_pipelines, 0);
	assert_string_equal(config->path, "penstock.conf");
}

static void
each_kind_of_value_is_read(void **state)
{
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf", "database = \"host=/run dbname=x\";\n"
	                                 "workers = 12;\n"
	                                 "lease_bytes = \"1.5MiB\";\n"
	                                 "drain = \"1 min\";\n"
	                                 "state_dir = \"/srv/state\";\n"
	                                 "strict_files = false;\n"
	                                 "lease_jobs = 0x10L;\n");
	config = config_tree_load();
	assert_string_equal(config->set.database, "host=/run dbname=x");
	assert_int_equal(config->set.workers, 12);
	assert_int_equal(config->set.lease_bytes, 3 * MiB / 2);
	assert_int_equal(config->set.drain, 60 * SEC);
	assert_string_equal(config->set.state_dir, "/srv/state");
	assert_false(config->set.strict_files);
	assert_int_equal(config->set.lease_jobs, 16);
}

static void
a_relative_path_is_taken_from_where_the_host_was_started(void **state)
{
	char *here = getcwd(NULL, 0), *wanted = mem_printf("%s/state", here);

	(void)state;
	config_tree_put("penstock.conf", "state_dir = \"state\";\n");
	assert_string_equal(config_tree_load()->set.state_dir, wanted);
	free(wanted);
	free(here);
}

static void
conf_d_is_read_after_the_file_in_the_order_of_names_and_the_last_one_wins(void **state)
{
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf", "workers = 1;\nlease_jobs = 1;\nprocesses = 3;\n");
	config_tree_put("conf.d/20.conf", "workers = 20;\n");
	config_tree_put("conf.d/10.conf", "workers = 10;\nlease_jobs = 10;\n");
	config = config_tree_load();
	assert_int_equal(config->set.workers, 20);
	assert_int_equal(config->set.lease_jobs, 10);
	assert_int_equal(config->set.processes, 3);
}

/* More files than a folder is likely to list in order by chance. */
static void
many_files_are_read_in_the_order_of_the_bytes_of_their_names(void **state)
{
	static const char letters[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
	size_t n = sizeof(letters) - 1;
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf", "");
	for (size_t i = 0; i < n; i++) {
		size_t k = i * 29 % n; /* 29 and 63 have no divisor in common: each once */
		char *path = mem_printf("pipelines.d/%c.conf", letters[k]);
		char *text = mem_printf(
		    "pipeline: { name = \"p%zu\"; stages = ( { name = \"s\"; } ); };", k);

		config_tree_put(path, text);
		free(path);
		free(text);
	}
	config = config_tree_load();
	assert_int_equal(config->n_pipelines, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(strtoul(config->pipelines[i].name + 1, NULL, 10), i);
}

static void
pipelines_d_is_read_after_conf_d(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("conf.d/99.conf", "workers = 9;\n");
	config_tree_put("pipelines.d/00.conf", "workers = 1;\n");
	assert_int_equal(config_tree_load()->set.workers, 1);
}

static void
pipelines_keep_the_order_in_which_they_are_read(void **state)
{
	static const char *const wanted[] = { "inline", "listed", "other", "ten", "nine" };
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf",
	                "pipeline: { name = \"inline\"; stages = ( { name = \"s\"; } ); };\n"
	                "pipelines = ( { name = \"listed\"; stages = ( { name = \"s\"; } ); },\n"
	                "  { name = \"other\"; stages = ( { name = \"s\"; } ); } );\n");
	config_tree_put("pipelines.d/9.conf",
	                "pipeline: { name = \"nine\"; stages = ( { name = \"s\"; } ); };\n");
	config_tree_put("pipelines.d/10.conf",
	                "pipeline: { name = \"ten\"; stages = ( { name = \"s\"; } ); };\n");
	config = config_tree_load();
	assert_int_equal(config->n_pipelines, countof(wanted));
	for (size_t i = 0; i < countof(wanted); i++)
		assert_string_equal(config->pipelines[i].name, wanted[i]);
	assert_ptr_equal(config_find(config, "ten"), &config->pipelines[3]);
	assert_null(config_find(config, "eleven"));
}

static void
files_of_editors_and_hidden_ones_are_passed_over(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "workers = 1;\n");
	config_tree_put("conf.d/10.conf~", "workers = 2;\n");
	config_tree_put("conf.d/.10.conf", "workers = 3;\n");
	config_tree_put("conf.d/10.conf.dpkg-old", "workers = 4;\n");
	config_tree_put("conf.d/.conf", "workers = 5;\n");
	config_tree_put("conf.d/README", "workers = 6;\n");
	assert_int_equal(config_tree_load()->set.workers, 1);
}

static void
the_environment_wins_over_files_and_flags_over_both(void **state)
{
	static const struct config_override over[] = { { "processes", "4" } };
	struct config *config = NULL;
	struct fault fault = { 0 };

	(void)state;
	config_tree_put("penstock.conf", "workers = 1;\nprocesses = 2;\nlease_jobs = 7;\n");
	setenv("PENSTOCK_WORKERS", "3", 1);
	setenv("PENSTOCK_PROCESSES", "3", 1);
	assert_int_equal(config_load("penstock.conf", over, countof(over), &config, NULL, &fault),
	                 OK);
	assert_int_equal(config->set.lease_jobs, 7);
	assert_int_equal(config->set.workers, 3);
	assert_int_equal(config->set.processes, 4);
	config_free(config);
}

static void
a_file_that_others_may_write_is_read_when_strictness_is_off(void **state)
{
	static const struct config_override over[] = { { "strict_files", "false" } };
	struct config *config = NULL;
	struct fault fault = { 0 };
	FILE *quiet = tmpfile();

	(void)state;
	log_open(fileno(quiet), LOG_INFO, LOG_TEXT);
	config_tree_put("penstock.conf", "workers = 5;\n");
	assert_int_equal(system("chmod 666 penstock.conf"), 0);
	assert_int_equal(config_load("penstock.conf", over, countof(over), &config, NULL, &fault),
	                 OK);
	assert_int_equal(config->set.workers, 5);
	assert_true(lseek(fileno(quiet), 0, SEEK_END) > 0); /* but not in silence */
	config_free(config);
	fclose(quiet);
	log_open(STDERR_FILENO, LOG_INFO, LOG_TEXT);
}

static void
the_environment_names_the_file_when_no_flag_does(void **state)
{
	struct config *config = NULL;
	struct fault fault = { 0 };

	(void)state;
	config_tree_put("elsewhere/my.conf", "workers = 5;\n");
	config_tree_put("elsewhere/conf.d/a.conf", "processes = 6;\n");
	setenv("PENSTOCK_CONF", "elsewhere/my.conf", 1);
	assert_int_equal(config_load(NULL, NULL, 0, &config, NULL, &fault), OK);
	assert_string_equal(config->path, "elsewhere/my.conf");
	assert_int_equal(config->set.workers, 5);
	assert_int_equal(config->set.processes, 6);
	config_free(config);
}

static void
an_included_file_counts_where_it_is_included(void **state)
{
	char *here = getcwd(NULL, 0);
	char *text = mem_printf("workers = 1;\n@include \"%s/more\"\n", here);

	(void)state;
	config_tree_put("penstock.conf", text);
	config_tree_put("more", "processes = 2; # the last line\n");
	assert_int_equal(config_tree_load()->set.workers, 1);
	assert_int_equal(config_tree_load()->set.processes, 2);
	free(text);
	free(here);
}

static void
numbers_in_comments_strings_and_names_are_no_numbers(void **state)
{
	(void)state;
	config_tree_put("penstock.conf",
	                "# 9999999999\n// 9999999999\n/* \n9999999999 */\n"
	                "name = \"a \\\" 9999999999\";\n"
	                "pipeline: { name = \"p\"; stages = ( { name = \"s\"; "
	                "options: { a9999999999 = 1; b-9999999999 = 2; "
	                "c = 9999999999.5; d = 9e9; e = 9999999999L; }; } ); };\n");
	assert_string_equal(config_tree_load()->set.name, "a \" 9999999999");
}

static void
a_stage_has_its_defaults(void **state)
{
	const struct config_stage *stage;

	(void)state;
	config_tree_put("penstock.conf",
	                "pipeline: { name = \"p\"; stages = (\n { name = \"detect\"; } ); };\n");
	stage = &config_tree_load()->pipelines[0].stages[0];
	assert_string_equal(stage->name, "detect");
	assert_string_equal(stage->plugin, "detect");
	assert_false(stage->durable);
	assert_int_equal(stage->max_attempts, 5);
	assert_int_equal(stage->max_lease, 0);
	assert_int_equal(stage->timeout_ns, 0);
	assert_int_equal(stage->backoff_ns, SEC);
	assert_int_equal(stage->backoff_max_ns, 3600 * SEC);
	assert_int_equal(stage->n_options, 0);
	assert_int_equal(stage->n_routes, 0);
	assert_string_equal(stage->file, "penstock.conf");
	assert_int_equal(stage->line, 2);
}

/* a has a route of its own and b's done goes back once more */
#define ROUTED                                                                                     \
	"pipeline: { name = \"p\"; stages = (\n"                                                   \
	"  { name = \"a\"; routes: { html = \"c\"; junk = \"end\"; }; },\n"                        \
	"  { name = \"b\"; routes: { again = \"a\"; }; },\n"                                       \
	"  { name = \"c\"; plugin = \"store\"; durable = true; max_attempts = 3; max_lease = 8;\n" \
	"    timeout = \"5s\"; backoff = \"100ms\"; backoff_max = \"1min\"; } ); };\n"

static void
routes_lead_where_they_say_and_all_others_to_the_next_stage(void **state)
{
	static const struct {
		size_t from;
		const char *route;
		int to;
	} ways[] = {
		{ 0, "html", 2 },  { 0, "junk", 3 }, { 0, "done", 1 }, { 0, "other", 1 },
		{ 1, "again", 0 }, { 1, "done", 2 }, { 2, "done", 3 },
	};
	const struct config_pipeline *p;

	(void)state;
	config_tree_put("penstock.conf", ROUTED);
	p = &config_tree_load()->pipelines[0];
	for (size_t i = 0; i < countof(ways); i++)
		assert_int_equal(config_next(p, ways[i].from, ways[i].route), ways[i].to);
}

static void
a_stage_is_read_with_all_that_it_says(void **state)
{
	const struct config_stage *c;

	(void)state;
	config_tree_put("penstock.conf", ROUTED);
	c = &config_tree_load()->pipelines[0].stages[2];
	assert_string_equal(c->plugin, "store");
	assert_true(c->durable);
	assert_int_equal(c->max_attempts, 3);
	assert_int_equal(c->max_lease, 8);
	assert_int_equal(c->timeout_ns, 5 * SEC);
	assert_int_equal(c->backoff_ns, 100 * MSEC);
	assert_int_equal(c->backoff_max_ns, 60 * SEC);
}

static void
options_text_is_the_same_in_whatever_order_and_layout_they_are_written(void **state)
{
	static const char *const ways[] = {
		"options: { z = true; a = 7; m = \"x \\\"y\\\"\"; l = [\"1\", \"2\"]; f = 0.1; e = (); };",
		"options: {\n e = []; f = 1e-1;\n l = (\"1\", \"2\"); a = 0x7L;\n m = \"x \" \"\\\"y\\\"\"; z = TRUE; };",
	};
	struct buf text;

	(void)state;
	buf_init(&text);
	for (size_t i = 0; i < countof(ways); i++) {
		char *file = mem_printf(
		    "pipeline: { name = \"p\"; stages = ( { name = \"s\"; %s } ); };", ways[i]);

		config_tree_put("penstock.conf", file);
		buf_reset(&text);
		config_options_text(&config_tree_load()->pipelines[0].stages[0], &text);
		assert_string_equal(text.data, "a=7\ne=[]\nf=0.10000000000000001\n"
		                               "l=[\"1\",\"2\"]\nm=\"x \\\"y\\\"\"\nz=true\n");
		free(file);
	}
	buf_done(&text);
}

static void
a_schedule_is_read_with_all_that_it_says(void **state)
{
	const struct config *config;
	const struct config_schedule *s;

	(void)state;
	config_tree_put(
	    "penstock.conf",
	    "pipeline: { name = \"p\"; stages = ( { name = \"a\"; } ); };\n"
	    "schedules = ( { name = \"short\"; pipeline = \"p\"; cron = \"@daily\"; },\n"
	    "{ name = \"long\"; pipeline = \"p\"; cron = \"0 4 * * sun\"; priority = -3;\n"
	    "time_zone = \"Asia/Kolkata\"; catch_up = \"all\"; attributes: { a = \"x\\\"\"; b = 7;\n"
	    "c = 0.5; d = true; e: { f = [ 1, 2 ]; g = ( \"h\", { i = 8L; } ); }; }; } );\n"
	    "schedule: { name = \"text\"; pipeline = \"p\"; cron = \"@hourly\";\n"
	    "attributes = \"{\\\"any key\\\": null}\"; };\n");
	config = config_tree_load();
	assert_int_equal(config->n_schedules, 3);
	s = config->schedules;
	assert_string_equal(s[0].name, "short");
	assert_string_equal(s[0].time_zone, "UTC");
	assert_string_equal(s[0].attributes, "{}");
	assert_string_equal(config_catch_up_name(s[0].catch_up), "one");
	assert_string_equal(s[0].file, "penstock.conf");
	assert_int_equal(s[0].line, 2);
	assert_string_equal(s[1].cron, "0 4 * * sun");
	assert_string_equal(s[1].time_zone, "Asia/Kolkata");
	assert_int_equal(s[1].priority, -3);
	assert_string_equal(config_catch_up_name(s[1].catch_up), "all");
	assert_string_equal(s[1].attributes, "{\"a\":\"x\\\"\",\"b\":7,\"c\":0.5,\"d\":true,"
	                                     "\"e\":{\"f\":[1,2],\"g\":[\"h\",{\"i\":8}]}}");
	assert_string_equal(s[2].attributes, "{\"any key\": null}");
}

static void
an_option_knows_its_file_and_line(void **state)
{
	const struct config_stage *stage;

	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/p.conf", "pipeline: { name = \"p\"; stages = (\n"
	                                      " { name = \"s\"; options: {\n"
	                                      "   first = 1;\n   second = 2; }; } ); };\n");
	stage = &config_tree_load()->pipelines[0].stages[0];
	assert_string_equal(stage->options[1].name, "second");
	assert_string_equal(stage->options[1].file, "./pipelines.d/p.conf");
	assert_int_equal(stage->options[1].line, 4);
}

/* ---- printing ---- */

static char *
printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out);
	fclose(out);
	return text;
}

/* "#name = value;" becomes "name = value;"; comments of words stay */
static void
uncomment(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++)
		if (*from != '#' || from[1] == ' ' || (from > text && from[-1] != '\n'))
			*to++ = *from;
	*to = '\0';
}

static void
the_sample_says_the_defaults_and_can_be_read_with_and_without_its_comments(void **state)
{
	char *text = printed(config_print_sample);
	const struct config *config;

	(void)state;
	config_tree_put("penstock.conf", text);
	assert_int_equal(config_tree_load()->set.lease_jobs, 4000);
	uncomment(text);
	assert_non_null(strstr(text, "\nlease_jobs = 4000;\n"));
	config_tree_put("penstock.conf", text);
	config = config_tree_load();
	assert_int_equal(config->set.lease_jobs, 4000);
	assert_int_equal(config->set.lease_bytes, 16 * MiB);
	assert_string_equal(config->set.plugin_path, PENSTOCK_STAGEDIR);
	assert_true(config->set.strict_files);
	free(text);
}

static void
every_setting_is_in_the_sample_and_in_the_manual(void **state)
{
	static const char *const names[] = {
#define SETTING(type, name, fallback, min, max, env, help) #name,
#include "config/settings.def"
#undef SETTING
	};
	char *sample = printed(config_print_sample), *manual = printed(config_print_manual);

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		char *in_sample = mem_printf("\n#%s = ", names[i]);
		char *in_manual = mem_printf("\n| `%s` | ", names[i]);

		assert_non_null(strstr(sample, in_sample));
		assert_non_null(strstr(manual, in_manual));
		free(in_sample);
		free(in_manual);
	}
	free(sample);
	free(manual);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_settings_have_their_defaults_when_the_file_is_empty),
		TEST(each_kind_of_value_is_read),
		TEST(a_relative_path_is_taken_from_where_the_host_was_started),
		TEST(conf_d_is_read_after_the_file_in_the_order_of_names_and_the_last_one_wins),
		TEST(many_files_are_read_in_the_order_of_the_bytes_of_their_names),
		TEST(pipelines_d_is_read_after_conf_d),
		TEST(pipelines_keep_the_order_in_which_they_are_read),
		TEST(files_of_editors_and_hidden_ones_are_passed_over),
		TEST(the_environment_wins_over_files_and_flags_over_both),
		TEST(a_file_that_others_may_write_is_read_when_strictness_is_off),
		TEST(the_environment_names_the_file_when_no_flag_does),
		TEST(an_included_file_counts_where_it_is_included),
		TEST(numbers_in_comments_strings_and_names_are_no_numbers),
		TEST(a_stage_has_its_defaults),
		TEST(routes_lead_where_they_say_and_all_others_to_the_next_stage),
		TEST(a_stage_is_read_with_all_that_it_says),
		TEST(options_text_is_the_same_in_whatever_order_and_layout_they_are_written),
		TEST(a_schedule_is_read_with_all_that_it_says),
		TEST(an_option_knows_its_file_and_line),
		TEST(the_sample_says_the_defaults_and_can_be_read_with_and_without_its_comments),
		TEST(every_setting_is_in_the_sample_and_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
