/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_use.c - pipelines that are used as stages of others become
 * stages like any other, and lead where the use says.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PIPELINE(name, stages) "pipeline: { name = \"" name "\"; stages = (\n" stages "\n); };\n"

static const struct config *
load(const char *p, const char *q, const char *r)
{
	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/p.conf", p);
	config_tree_put("pipelines.d/q.conf", q);
	config_tree_put("pipelines.d/r.conf", r);
	return config_tree_load();
}

/* "a b.c": its stages. */
static void
has_stages(const struct config *config, const char *pipeline, const char *wanted)
{
	const struct config_pipeline *p = config_find(config, pipeline);
	struct buf names;

	buf_init(&names);
	for (size_t i = 0; i < p->n_stages; i++)
		buf_printf(&names, "%s%s", i ? " " : "", p->stages[i].name);
	assert_string_equal(names.data, wanted);
	buf_done(&names);
}

#define CLEAN                                                                                      \
	PIPELINE("clean",                                                                          \
	         "{ name = \"trim\"; routes: { empty = \"end\"; junk = \"end:job\"; again "        \
	         "= \"trim\"; }; options: { n = 3; }; },\n"                                        \
	         "{ name = \"fold\"; durable = true; max_running = 4; }")

static void
its_stages_stand_in_its_place_under_names_of_their_own(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs", "{ name = \"a\"; },\n{ name = \"c\"; pipeline = \"clean\"; },\n"
	                     "{ name = \"b\"; }"),
	    CLEAN, "");
	const struct config_stage *trim, *fold;

	(void)state;
	has_stages(config, "docs", "a c.trim c.fold b");
	has_stages(config, "clean", "trim fold"); /* stays one of its own */
	trim = &config_find(config, "docs")->stages[1];
	fold = trim + 1;
	assert_string_equal(trim->plugin, "trim");
	assert_string_equal(trim->options[0].name, "n");
	assert_string_equal(trim->from, "clean");
	assert_null(trim->uses);
	assert_false(trim->durable);
	assert_string_equal(trim->file, "./pipelines.d/q.conf");
	assert_int_equal(trim->line, 2);
	assert_true(fold->durable);
	assert_int_equal(fold->max_running, 4);
	assert_null(config_find(config, "clean")->stages[0].from);
}

static void
its_end_is_the_stage_behind_it(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs", "{ name = \"a\"; routes: { skip = \"b\"; }; },\n"
	                     "{ name = \"c\"; pipeline = \"clean\"; },\n{ name = \"b\"; "
	                     "routes: { again = \"c\"; done = \"end\"; }; }"),
	    CLEAN, "");

	(void)state;
	assert_string_equal(config_tree_leads(config, "docs", "a", "done"), "c.trim");
	assert_string_equal(config_tree_leads(config, "docs", "a", "skip"), "b");
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "done"), "c.fold");
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "again"), "c.trim");
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "empty"), "b");
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "junk"), "end");
	assert_string_equal(config_tree_leads(config, "docs", "c.fold", "done"), "b");
	assert_string_equal(config_tree_leads(config, "docs", "b", "again"), "c.trim");
	assert_string_equal(config_tree_leads(config, "clean", "trim", "empty"), "end");
	assert_string_equal(config_tree_leads(config, "clean", "trim", "junk"), "end");
}

static void
its_end_leads_where_the_use_says(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs",
	             "{ name = \"a\"; },\n{ name = \"c\"; pipeline = \"clean\"; durable = true; "
	             "routes: { end = \"z\"; }; },\n{ name = \"b\"; },\n{ name = \"z\"; }"),
	    CLEAN, "");

	(void)state;
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "empty"), "z");
	assert_string_equal(config_tree_leads(config, "docs", "c.fold", "done"), "z");
	assert_string_equal(config_tree_leads(config, "docs", "b", "done"), "z");
	assert_true(config_find(config, "docs")->stages[1].durable); /* before its first stage */
}

static void
the_last_stage_of_all_leads_to_the_end(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs", "{ name = \"a\"; },\n{ name = \"c\"; pipeline = \"clean\"; }"), CLEAN,
	    "");

	(void)state;
	assert_string_equal(config_tree_leads(config, "docs", "c.trim", "empty"), "end");
	assert_string_equal(config_tree_leads(config, "docs", "c.fold", "done"), "end");
}

static void
uses_within_uses(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs", "{ name = \"x\"; pipeline = \"mid\"; routes: { end = \"z\"; }; },\n"
	                     "{ name = \"b\"; },\n{ name = \"z\"; },\n{ name = \"y\"; pipeline = "
	                     "\"clean\"; }"),
	    CLEAN,
	    PIPELINE("mid",
	             "{ name = \"one\"; pipeline = \"clean\"; },\n{ name = \"m\"; routes: { bad = "
	             "\"one\"; }; },\n{ name = \"two\"; pipeline = \"clean\"; }"));

	(void)state;
	has_stages(config, "mid", "one.trim one.fold m two.trim two.fold");
	has_stages(config, "docs",
	           "x.one.trim x.one.fold x.m x.two.trim x.two.fold b z y.trim y.fold");
	assert_string_equal(config_tree_leads(config, "docs", "x.one.trim", "empty"), "x.m");
	assert_string_equal(config_tree_leads(config, "docs", "x.one.fold", "done"), "x.m");
	assert_string_equal(config_tree_leads(config, "docs", "x.m", "bad"), "x.one.trim");
	assert_string_equal(config_tree_leads(config, "docs", "x.m", "done"), "x.two.trim");
	assert_string_equal(config_tree_leads(config, "docs", "x.two.trim", "empty"), "z");
	assert_string_equal(config_tree_leads(config, "docs", "x.two.trim", "junk"), "end");
	assert_string_equal(config_tree_leads(config, "docs", "x.two.fold", "done"), "z");
	assert_string_equal(config_tree_leads(config, "docs", "z", "done"), "y.trim");
	assert_string_equal(config_tree_leads(config, "docs", "y.fold", "done"), "end");
}

static void
children_begin_where_a_route_leads_them_in_the_use(void **state)
{
	const struct config *config = load(
	    PIPELINE("docs", "{ name = \"c\"; pipeline = \"tree\"; },\n{ name = \"b\"; }"),
	    PIPELINE("tree", "{ name = \"split\"; routes: { part = \"part\"; far = "
	                     "\"pipeline:docs\"; }; },\n{ name = \"part\"; routes: { done = "
	                     "\"end:job\"; }; }"),
	    "");
	const struct config_pipeline *docs = config_find(config, "docs");
	size_t pipeline, stage;

	(void)state;
	assert_true(config_child(config, docs, 0, "part", &pipeline, &stage));
	assert_int_equal(pipeline, docs - config->pipelines);
	assert_int_equal(stage, 1);
	assert_true(config_child(config, docs, 0, "far", &pipeline, &stage));
	assert_int_equal(stage, 0);
	assert_string_equal(config_tree_leads(config, "docs", "c.part", "done"), "end");
}

/* ---- what changes when the pipeline that is used changes ---- */

static struct config *
loaded(const char *stages)
{
	char *text = mem_printf(
	    "pipelines = ( { name = \"docs\"; stages = ( { name = \"c\"; pipeline = \"clean\"; }, { "
	    "name = \"b\"; } ); }, { name = \"clean\"; stages = ( %s ); } );\n",
	    stages);
	struct config *config;

	config_tree_put("x.conf", text);
	assert_int_equal(config_load("x.conf", NULL, 0, &config, NULL, NULL), OK);
	free(text);
	return config;
}

static void
a_change_of_a_pipeline_is_one_of_all_that_use_it(void **state)
{
	struct config *old = loaded("{ name = \"t\"; options: { n = 1; }; }, { name = \"u\"; }");
	struct config *new = loaded(
	    "{ name = \"t\"; options: { n = 2; }; routes: { x = \"end\"; }; }");
	struct config_diff diff;
	struct buf text;

	(void)state;
	buf_init(&text);
	config_diff(old, new, &diff);
	for (size_t i = 0; i < diff.n; i++)
		buf_printf(&text, "%s/%s %s: %s to %s\n", diff.changes[i].pipeline,
		           diff.changes[i].stage ? diff.changes[i].stage : "", diff.changes[i].what,
		           diff.changes[i].before ? diff.changes[i].before : "nothing",
		           diff.changes[i].after ? diff.changes[i].after : "nothing");
	assert_string_equal(text.data, "docs/ stages: c.t, c.u, b to c.t, b\n"
	                               "docs/c.t option n: 1 to 2\n"
	                               "docs/c.u plugin: \"u\" to nothing\n"
	                               "clean/ stages: t, u to t\n"
	                               "clean/t option n: 1 to 2\n"
	                               "clean/u plugin: \"u\" to nothing\n"
	                               "docs/c.t route x: nothing to \"b\"\n"
	                               "clean/t route x: nothing to \"end\"\n");
	config_diff_done(&diff);
	buf_done(&text);

	config_keep_leaving(new, old); /* works off what it has, in both */
	assert_int_equal(config_find(new, "docs")->n_leaving, 1);
	assert_string_equal(config_tree_leads(new, "docs", "c.u", "done"), "b");
	assert_string_equal(config_tree_leads(new, "clean", "u", "done"), "end");
	config_free(new);
	config_free(old);
}

static void
a_stage_of_a_use_that_leaves_leads_where_the_use_said(void **state)
{
	struct config *old, *new;

	(void)state;
	config_tree_put(
	    "old.conf",
	    "pipelines = ( { name = \"docs\"; stages = ( { name = \"c\"; pipeline = "
	    "\"clean\"; routes: { end = \"z\"; }; }, { name = \"b\"; }, { name = \"z\"; } "
	    "); }, { name = \"clean\"; stages = ( { name = \"t\"; } ); } );\n");
	config_tree_put("new.conf",
	                "pipeline: { name = \"docs\"; stages = ( { name = \"b\"; }, { name "
	                "= \"z\"; } ); };\n");
	assert_int_equal(config_load("old.conf", NULL, 0, &old, NULL, NULL), OK);
	assert_int_equal(config_load("new.conf", NULL, 0, &new, NULL, NULL), OK);
	config_keep_leaving(new, old);
	assert_string_equal(config_tree_leads(new, "docs", "c.t", "done"), "z");
	config_free(new);
	config_free(old);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_stages_stand_in_its_place_under_names_of_their_own),
		TEST(its_end_is_the_stage_behind_it),
		TEST(its_end_leads_where_the_use_says),
		TEST(the_last_stage_of_all_leads_to_the_end),
		TEST(uses_within_uses),
		TEST(children_begin_where_a_route_leads_them_in_the_use),
		TEST(a_change_of_a_pipeline_is_one_of_all_that_use_it),
		TEST(a_stage_of_a_use_that_leaves_leads_where_the_use_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
