/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stage_check.c - what a configuration asks of a plugin that the plugin
 * has not is told with the place in the configuration, before it is loaded.
 */
#include "stage/stage.h"
#include "support/config_tree.h"
#include "support/stage_bench.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *build;
static struct stage_manifest *manifest; /* of the sample stage that has an option of each type */

/* What stands in the group of the stage, from line 2 on, and all that is said of it. */
struct mistake {
	const char *sentence, *text, *report;
};

#define AT "./pipelines.d/p.conf:"

/* clang-format off */
static const struct mistake mistakes[] = {
	{ "an_option_that_the_plugin_has_not",
	  "options: { name = \"x\";\n tims = 3; };",
	  AT "3: the plugin options has no option 'tims'; did you mean 'times'?\n" },
	{ "an_option_that_must_be_given",
	  "options: { times = 3; };",
	  AT "2: option name is missing: must be given\n" },
	{ "a_string_for_a_number",
	  "options: { name = \"x\";\n times = \"3\"; };",
	  AT "3: option times must be a number, not a string\n" },
	{ "a_number_out_of_the_plugins_range",
	  "options: { name = \"x\";\n times = 11; };",
	  AT "3: option times is 11, allowed is 1 to 10\n" },
	{ "a_word_that_is_none_of_the_plugins",
	  "options: { name = \"x\";\n mode = \"slo\"; };",
	  AT "3: option mode is 'slo', not one of slow|fast|faster; did you mean 'slow'?\n" },
	{ "a_route_that_the_plugin_has_not",
	  "options: { name = \"x\"; };\n routes: {\n dome = \"end\"; };",
	  AT "4: the plugin options has no route 'dome'; did you mean 'done'?\n" },
	{ "all_mistakes_of_a_stage_at_once",
	  "options: { name = 1;\n times = 0; };\n routes: {\n odd = \"end\"; };",
	  AT "3: option times is 0, allowed is 1 to 10\n"
	  AT "2: option name must be a string, not an integer\n"
	  AT "5: the plugin options has no route 'odd'\n" },
};
/* clang-format on */

static const struct config_stage *
stage_with(const char *text)
{
	char *file = mem_printf(
	    "pipeline: { name = \"p\"; stages = (\n{ name = \"s\"; %s } ); };\n", text);

	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/p.conf", file);
	free(file);
	return &config_tree_load()->pipelines[0].stages[0];
}

static void
is_told(void **state)
{
	const struct mistake *row = *state;
	struct fault fault = { 0 };
	struct buf report;

	buf_init(&report);
	assert_int_equal(stage_check(manifest, stage_with(row->text), &report, &fault), INVALID);
	assert_string_equal(report.data, row->report);
	assert_memory_equal(fault.where, row->report, strlen(fault.where));
	assert_memory_equal(fault.text, row->report + strlen(fault.where) + 2, strlen(fault.text));
	buf_done(&report);
}

static void
options_that_the_plugin_has_are_fine(void **state)
{
	struct fault fault = { 0 };
	struct buf report;

	(void)state;
	buf_init(&report);
	if (stage_check(manifest,
	                stage_with("options: { name = \"x\"; times = 10; ratio = 1; loud = false; "
	                           "mode = \"slow\"; pause = \"1s\"; most = \"1kB\"; "
	                           "words = [ \"a\" ]; }; routes: { done = \"end\"; };"),
	                &report, &fault) != OK)
		fail_msg("%s", report.data);
	assert_int_equal(report.len, 0);
	buf_done(&report);
}

static void
a_plugin_that_is_not_there_is_told_with_its_folders_and_the_nearest_name(void **state)
{
	struct fault fault = { 0 };
	char *path = NULL;

	(void)state;
	config_tree_put("a/detect.so", "");
	config_tree_put("b/detect_more.so", "");
	assert_int_equal(stage_find("a:b", "detct", &path, &fault), NOT_FOUND);
	assert_string_equal(fault.text, "there is no plugin detct.so in a:b");
	assert_string_equal(fault.hint, "did you mean 'detect'?");
	assert_int_equal(stage_find("a:b", "other", &path, &fault), NOT_FOUND);
	assert_string_equal(fault.hint,
	                    "the setting plugin_path names the folders that are searched");
	assert_null(path);
}

static void
the_first_folder_that_has_the_plugin_wins(void **state)
{
	struct fault fault = { 0 };
	char *path = NULL;

	(void)state;
	config_tree_put("b/detect.so", "");
	config_tree_put("c/detect.so", "");
	assert_int_equal(stage_find("a::b:c", "detect", &path, &fault), OK);
	assert_string_equal(path, "b/detect.so");
	free(path);
}

/* ---- the pipeline as a whole, by what its plugins declare: route has left, right and back ---- */

static void
says_of(const char *pipelines, const char *wanted)
{
	const struct config *config;
	struct buf report;

	char *conf = mem_printf("plugin_path = \"%s/test/stages\"; strict_files = false;\n", build);

	config_tree_put("penstock.conf", conf);
	free(conf);
	config_tree_put("pipelines.d/p.conf", pipelines);
	config = config_tree_load();
	buf_init(&report);
	buf_adds(&report, "");
	for (size_t p = 0; p < config->n_pipelines; p++)
		stage_check_pipeline(&config->set, &config->pipelines[p], &report);
	assert_string_equal(report.data, wanted);
	buf_done(&report);
}

static void
a_stage_whose_plugin_knows_no_done_leads_by_its_own_routes(void **state)
{
	(void)state;
	says_of("pipeline: { name = \"p\"; stages = (\n"
	        "{ name = \"a\"; plugin = \"echo\"; },\n"
	        "{ name = \"b\"; plugin = \"route\"; routes: { left = \"a\"; right = \"b\"; back = "
	        "\"a\"; }; },\n"
	        "{ name = \"c\"; plugin = \"echo\"; } ); };\n",
	        AT "2: a job in stage a of pipeline p can never reach the end: done leads to b\n" AT
	           "3: a job in stage b of pipeline p can never reach the end: left leads to a, "
	           "right to b, back to a\n");
}

static void
a_route_that_is_declared_and_not_named_leads_on(void **state)
{
	(void)state;
	says_of("pipeline: { name = \"p\"; stages = (\n"
	        "{ name = \"b\"; plugin = \"route\"; routes: { left = \"b\"; back = \"b\"; }; },\n"
	        "{ name = \"c\"; plugin = \"echo\"; } ); };\n",
	        "");
}

static void
a_route_that_is_named_and_not_declared_is_told_alone(void **state)
{
	(void)state;
	says_of("pipeline: { name = \"p\"; stages = (\n"
	        "{ name = \"b\"; plugin = \"route\"; routes: {\n lefd = \"end\"; }; } ); };\n",
	        AT "3: the plugin route has no route 'lefd'; did you mean 'left'?\n");
}

static void
what_is_wrong_in_a_pipeline_that_is_used_is_told_once(void **state)
{
	(void)state;
	says_of("pipelines = ( { name = \"p\"; stages = (\n"
	        "{ name = \"u\"; pipeline = \"q\"; }, { name = \"v\"; pipeline = \"q\"; } ); },\n"
	        "{ name = \"q\"; stages = (\n"
	        "{ name = \"b\"; plugin = \"route\"; routes: {\n lefd = \"end\"; }; } ); } );\n",
	        AT "5: the plugin route has no route 'lefd'; did you mean 'left'?\n");
}

static void
a_use_whose_end_leads_back_is_looked_through(void **state)
{
	(void)state;
	says_of("pipelines = ( { name = \"p\"; stages = (\n"
	        "{ name = \"a\"; plugin = \"echo\"; },\n"
	        "{ name = \"u\"; pipeline = \"q\"; },\n"
	        "{ name = \"z\"; plugin = \"route\"; routes: { left = \"u\"; right = \"a\"; back = "
	        "\"u\"; }; } ); },\n"
	        "{ name = \"q\"; stages = (\n"
	        "{ name = \"s\"; plugin = \"echo\"; } ); } );\n",
	        AT
	        "2: a job in stage a of pipeline p can never reach the end: done leads to u.s\n" AT
	        "6: a job in stage u.s of pipeline p can never reach the end: done leads to "
	        "z\n" AT "4: a job in stage z of pipeline p can never reach the end: left leads "
	        "to u.s, right to a, back to u.s\n");
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest others[] = {
		TEST(options_that_the_plugin_has_are_fine),
		TEST(a_plugin_that_is_not_there_is_told_with_its_folders_and_the_nearest_name),
		TEST(the_first_folder_that_has_the_plugin_wins),
		TEST(a_stage_whose_plugin_knows_no_done_leads_by_its_own_routes),
		TEST(a_route_that_is_declared_and_not_named_leads_on),
		TEST(a_route_that_is_named_and_not_declared_is_told_alone),
		TEST(what_is_wrong_in_a_pipeline_that_is_used_is_told_once),
		TEST(a_use_whose_end_leads_back_is_looked_through),
	};
	struct CMUnitTest tests[countof(mistakes) + countof(others)];
	struct fault fault = { 0 };
	int failed;

	if (stage_manifest_read(STAGE_FILE("options"), &manifest, &fault) != OK) {
		fault_print(&fault, stderr);
		return 1;
	}
	build = realpath(TEST_BUILD_DIR, NULL);
	for (size_t i = 0; i < countof(mistakes); i++)
		tests[i] = (struct CMUnitTest){ mistakes[i].sentence, is_told, config_tree_enter,
			                        config_tree_leave,
			                        (void *)(uintptr_t)&mistakes[i] };
	memcpy(tests + countof(mistakes), others, sizeof(others));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	stage_manifest_free(manifest);
	free(build);
	return failed;
}
