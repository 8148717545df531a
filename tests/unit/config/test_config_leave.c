/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_leave.c - stages that are gone from the files work off what they have.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config *
load(const char *text)
{
	struct config *config;

	config_tree_put("x.conf", text);
	assert_int_equal(config_load("x.conf", NULL, 0, &config, NULL, NULL), OK);
	return config;
}

/* "p: a b (c d)": stages, and in brackets those that leave. */
static void
expect(const struct config *config, const char *wanted)
{
	struct buf out;

	buf_init(&out);
	for (size_t p = 0; p < config->n_pipelines; p++) {
		const struct config_pipeline *pipeline = &config->pipelines[p];

		buf_printf(&out, "%s%s:", p ? "; " : "", pipeline->name);
		for (size_t i = 0; i < pipeline->n_stages; i++)
			buf_printf(&out, pipeline->stages[i].onward ? " (%s)" : " %s",
			           pipeline->stages[i].name);
	}
	buf_adds(&out, "");
	assert_string_equal(out.data, wanted);
	buf_done(&out);
}

#define PIPELINE(name, stages) "{ name = \"" name "\"; stages = ( " stages " ); }"
#define ALL(pipelines) "pipelines = ( " pipelines " );\n"
#define ABCD                                                                                                               \
	PIPELINE(                                                                                                          \
	    "p",                                                                                                           \
	    "{ name = \"a\"; }, { name = \"b\"; limit_key = \"site\"; max_running_per_key = 2; routes: { bad = \"d\"; }; " \
	    "options: { x = 1; list = [ \"u\", \"v\" ]; }; }, "                                                            \
	    "{ name = \"c\"; }, { name = \"d\"; }")
#define Q PIPELINE("q", "{ name = \"x\"; }, { name = \"y\"; }")

static void
a_removed_stage_stays_and_leads_where_it_did(void **state)
{
	struct config *old = load(ALL(ABCD));
	struct config *new = load(ALL(PIPELINE("p", "{ name = \"a\"; }, { name = \"d\"; }")));
	const struct config_stage *b;

	(void)state;
	config_keep_leaving(new, old);
	config_free(old);
	expect(new, "p: a d (b) (c)");
	assert_string_equal(config_tree_leads(new, "p", "a", "done"),
	                    "d"); /* nothing leads to it */
	assert_string_equal(config_tree_leads(new, "p", "d", "done"), "end");
	assert_string_equal(config_tree_leads(new, "p", "b", "done"), "c");
	assert_string_equal(config_tree_leads(new, "p", "b", "bad"), "d");
	assert_string_equal(config_tree_leads(new, "p", "c", "done"), "d");
	b = &new->pipelines[0].stages[2];
	assert_string_equal(b->limit_key, "site");
	assert_int_equal(b->n_options, 2);
	assert_string_equal(b->options[1].items[1], "v");
	config_drop_leaving(new);
	expect(new, "p: a d");
	config_free(new);
}

static void
the_last_stage_leaves_to_the_end(void **state)
{
	struct config *old = load(ALL(ABCD)), *new = load(ALL(PIPELINE("p", "{ name = \"b\"; }")));

	(void)state;
	config_keep_leaving(new, old);
	config_free(old);
	expect(new, "p: b (a) (c) (d)");
	assert_string_equal(config_tree_leads(new, "p", "a", "done"), "b");
	assert_string_equal(config_tree_leads(new, "p", "b", "done"), "end");
	assert_string_equal(config_tree_leads(new, "p", "d", "done"), "end");
	config_free(new);
}

static void
a_removed_pipeline_stays_with_all_its_stages(void **state)
{
	struct config *old = load(ALL(ABCD ", " Q));
	struct config *new = load(ALL(ABCD));

	(void)state;
	config_keep_leaving(new, old);
	config_free(old);
	expect(new, "p: a b c d; q: (x) (y)");
	assert_string_equal(config_tree_leads(new, "q", "x", "done"), "y");
	assert_string_equal(config_tree_leads(new, "q", "y", "done"), "end");
	config_drop_leaving(new);
	expect(new, "p: a b c d");
	config_free(new);
}

static void
what_leaves_goes_on_leaving_over_reloads_and_may_come_back(void **state)
{
	struct config *one = load(ALL(ABCD));
	struct config *two = load(ALL(PIPELINE("p", "{ name = \"a\"; }, { name = \"d\"; }")));
	struct config *three = load(ALL(PIPELINE("p", "{ name = \"c\"; }, { name = \"d\"; }")));

	(void)state;
	config_keep_leaving(two, one);
	config_free(one);
	config_keep_leaving(three, two);
	config_free(two);
	expect(three, "p: c d (a) (b)");
	assert_string_equal(config_tree_leads(three, "p", "a", "done"), "d"); /* as it was last */
	assert_string_equal(config_tree_leads(three, "p", "b", "done"), "c");
	assert_string_equal(config_tree_leads(three, "p", "c", "done"), "d");
	config_free(three);
}

static void
what_leaves_is_no_difference(void **state)
{
	struct config *old = load(ALL(ABCD ", " Q));
	struct config *new = load(ALL(PIPELINE("p", "{ name = \"a\"; }")));
	struct config *same = load(ALL(PIPELINE("p", "{ name = \"a\"; }")));
	struct config_diff diff;

	(void)state;
	config_keep_leaving(new, old);
	config_diff(new, same, &diff);
	assert_int_equal(diff.n, 0);
	config_diff_done(&diff);
	config_free(old);
	config_free(new);
	config_free(same);
}

static void
settings_by_which_a_host_is_found_stay(void **state)
{
	struct config *running = load("name = \"one\"; run_dir = \"/run/one\"; workers = 3;");
	struct config *new = load("name = \"two\"; workers = 4;");

	(void)state;
	config_keep_fixed(new, running);
	assert_string_equal(new->set.name, "one");
	assert_string_equal(new->set.run_dir, "/run/one");
	assert_int_equal(new->set.workers, 4);
	config_free(running);
	config_free(new);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_removed_stage_stays_and_leads_where_it_did),
		TEST(the_last_stage_leaves_to_the_end),
		TEST(a_removed_pipeline_stays_with_all_its_stages),
		TEST(what_leaves_goes_on_leaving_over_reloads_and_may_come_back),
		TEST(what_leaves_is_no_difference),
		TEST(settings_by_which_a_host_is_found_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
