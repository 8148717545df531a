/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_join.c - routes to several stages: where their branches end,
 * and that nothing else leads into them or out of them.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PIPELINE(name, stages) "pipeline: { name = \"" name "\"; stages = (\n" stages "\n); };\n"

static const struct config *
load(const char *p, const char *q)
{
	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/p.conf", p);
	config_tree_put("pipelines.d/q.conf", q);
	return config_tree_load();
}

static size_t
at(const struct config_pipeline *p, const char *stage)
{
	int i = config_stage_index(p, stage);

	if (i < 0)
		fail_msg("no stage %s", stage);
	return (size_t)i;
}

static void
leads(const struct config *config, const char *stage, const char *route, const char *wanted)
{
	const struct config_pipeline *p = config_find(config, "p");
	int next = config_next(p, at(p, stage), route);

	assert_true(next >= 0);
	assert_string_equal((size_t)next == p->n_stages ? "end" : p->stages[next].name, wanted);
}

/* "x y" or NULL: the branches of a route. */
static void
branches(const struct config *config, const char *stage, const char *route, const char *wanted)
{
	const struct config_pipeline *p = config_find(config, "p");
	const struct config_route *r = config_branches(p, at(p, stage), route);
	struct buf text;

	if (!wanted) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	buf_init(&text);
	for (size_t i = 0; i < r->n_to; i++)
		buf_printf(&text, "%s%s", i ? " " : "", r->to[i]);
	assert_string_equal(text.data, wanted);
	buf_done(&text);
}

static bool
in_branch(const struct config *config, const char *stage)
{
	const struct config_pipeline *p = config_find(config, "p");

	return p->stages[at(p, stage)].branch;
}

#define FORK(to, then) "{ to = ( " to " ); then = \"" then "\"; }"

static void
branches_that_stand_behind_each_other_end_where_the_next_one_begins(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"a\"; routes: { done = " FORK(
	            "\"b\", \"c\"",
	            "z") "; }; },\n"
	                 "{ name = \"b\"; },\n{ name = \"b2\"; },\n{ name = \"c\"; routes: { odd = "
	                 "\"z\"; again = \"c\"; bad = \"end\"; }; },\n{ name = \"z\"; }"),
	    "");

	(void)state;
	branches(config, "a", "done", "b c");
	branches(config, "a", "other", NULL);
	leads(config, "a", "done", "z"); /* the job itself, when they ended */
	leads(config, "a", "other", "z");
	leads(config, "b", "done", "b2");
	leads(config, "b2", "done", "end");
	leads(config, "c", "done", "end");
	leads(config, "c", "odd", "end");
	leads(config, "c", "bad", "end");
	leads(config, "c", "again", "c");
	leads(config, "z", "done", "end");
	assert_false(in_branch(config, "a"));
	assert_true(in_branch(config, "b"));
	assert_true(in_branch(config, "b2"));
	assert_true(in_branch(config, "c"));
	assert_false(in_branch(config, "z"));
	assert_false(config_find(config, "p")->stages[0].routes[0].any);
}

static void
branches_may_stand_anywhere_in_the_list(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"first\"; },\n{ name = \"b\"; },\n{ name = \"a\"; routes: { split = { "
	        "to = [ \"c\", \"b\" ]; then = \"end\"; join = \"any\"; }; }; },\n{ name = "
	        "\"other\"; },\n{ name = \"c\"; }"),
	    "");

	(void)state;
	branches(config, "a", "split", "c b");
	leads(config, "first", "done", "a");
	leads(config, "a", "done", "other");
	leads(config, "a", "split", "end");
	leads(config, "other", "done", "end");
	leads(config, "b", "done", "end");
	leads(config, "c", "done", "end");
	assert_true(config_find(config, "p")->stages[2].routes[0].any);
}

static void
branches_within_branches(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"a\"; routes: { done = " FORK(
	            "\"b\", \"c\"",
	            "z") "; }; },\n"
	                 "{ name = \"b\"; routes: { done = " FORK("\"x\", \"y\"", "m") "; skip = " FORK(
	                     "\"u\", \"v\"",
	                     "z") "; }; },\n"
	                          "{ name = \"x\"; },\n{ name = \"y\"; },\n{ name = "
	                          "\"u\"; },\n{ name = \"v\"; },\n{ name = \"m\"; },\n{ "
	                          "name = \"c\"; },\n{ name = \"z\"; }"),
	    "");

	(void)state;
	leads(config, "b", "done", "m"); /* the child waits, and goes on in its branch */
	leads(config, "b", "skip", "end");
	leads(config, "b", "other", "m");
	leads(config, "x", "done", "end");
	leads(config, "y", "done", "end");
	leads(config, "u", "done", "end");
	leads(config, "v", "done", "end");
	leads(config, "m", "done", "end");
	leads(config, "c", "done", "end");
}

static void
a_stage_behind_whose_routes_are_named_leads_past_branches(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"a\"; routes: { left = " FORK(
	            "\"b\", \"c\"",
	            "z") "; right = "
	                 "\"x\"; }; },\n{ name = \"b\"; },\n{ name = \"c\"; },\n{ name = \"x\"; },\n{ "
	                 "name = \"z\"; }"),
	    "");

	(void)state;
	leads(config, "a", "back", "x");
	leads(config, "c", "done", "end"); /* x is of another way */
	leads(config, "x", "done", "z");
}

static void
a_branch_may_be_a_pipeline_that_is_used(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"a\"; routes: { done = " FORK(
	            "\"b\", \"c\"",
	            "u") "; }; },\n"
	                 "{ name = \"b\"; pipeline = \"q\"; },\n{ name = \"c\"; pipeline = \"q\"; routes: { "
	                 "end = \"u\"; }; },\n{ name = \"u\"; pipeline = \"q\"; }"),
	    PIPELINE("q",
	             "{ name = \"s\"; routes: { done = " FORK(
	                 "\"m\", \"n\"",
	                 "t") "; bad = \"end\"; }; "
	                      "},\n{ name = \"m\"; },\n{ name = \"n\"; },\n{ name = \"t\"; }"));

	(void)state;
	branches(config, "a", "done", "b.s c.s");
	leads(config, "a", "done", "u.s");
	branches(config, "b.s", "done", "b.m b.n");
	leads(config, "b.s", "done", "b.t");
	leads(config, "b.m", "done", "end");
	leads(config, "b.t", "done", "end");
	leads(config, "b.s", "bad", "end");
	leads(config, "c.t", "done", "end");
	leads(config, "u.s", "bad", "end");
	assert_true(in_branch(config, "b.s"));
	assert_true(in_branch(config, "c.t"));
	assert_true(in_branch(config, "u.m"));
	assert_false(in_branch(config, "u.t"));
}

static void
a_join_within_a_pipeline_that_is_used_goes_on_behind_it(void **state)
{
	const struct config *config = load(
	    PIPELINE("p", "{ name = \"u\"; pipeline = \"q\"; },\n{ name = \"z\"; }"),
	    PIPELINE("q", "{ name = \"s\"; routes: { done = " FORK(
	                      "\"m\", \"n\"", "end") "; }; },\n{ name = "
	                                             "\"m\"; },\n{ name = \"n\"; }"));

	(void)state;
	branches(config, "u.s", "done", "u.m u.n");
	leads(config, "u.s", "done", "z");
	leads(config, "u.m", "done", "end"); /* of the child alone */
	leads(config, "u.n", "done", "end");
}

static void
no_child_that_a_stage_makes_goes_by_such_a_route(void **state)
{
	const struct config *config = load(
	    PIPELINE(
	        "p",
	        "{ name = \"a\"; routes: { done = " FORK(
	            "\"b\", \"c\"",
	            "z") "; part = "
	                 "\"z\"; }; },\n{ name = \"b\"; },\n{ name = \"c\"; },\n{ name = \"z\"; }"),
	    "");
	size_t pipeline, stage;

	(void)state;
	assert_false(config_child(config, config_find(config, "p"), 0, "done", &pipeline, &stage));
	assert_true(config_child(config, config_find(config, "p"), 0, "part", &pipeline, &stage));
}

static void
what_leads_to_a_stage(void **state)
{
	const struct config *config = load(
	    PIPELINE("p", "{ name = \"a\"; routes: { done = " FORK(
	                      "\"b\", \"c\"",
	                      "z") "; }; },\n"
	                           "{ name = \"b\"; },\n{ name = \"c\"; },\n{ name = \"z\"; }"),
	    "");
	const struct config_pipeline *p = config_find(config, "p");

	(void)state;
	for (size_t to = 1; to < 4; to++)
		assert_true(config_leads(p, 0, to));
	for (size_t from = 1; from < 4; from++)
		assert_false(config_leads(p, from, 3));
}

static void
a_change_is_told_as_the_file_would_write_it(void **state)
{
	struct config *old, *new;
	struct config_diff diff;

	(void)state;
	config_tree_put("old.conf",
	                PIPELINE("p", "{ name = \"a\"; },\n{ name = \"b\"; },\n{ name = \"c\"; }"));
	config_tree_put("new.conf",
	                PIPELINE("p", "{ name = \"a\"; routes: { done = " FORK(
	                                  "\"b\", \"c\"", "end") "; }; },\n{ name = \"b\"; },\n{ "
	                                                         "name = \"c\"; }"));
	assert_int_equal(config_load("old.conf", NULL, 0, &old, NULL, NULL), OK);
	assert_int_equal(config_load("new.conf", NULL, 0, &new, NULL, NULL), OK);
	config_diff(old, new, &diff);
	assert_int_equal(diff.n, 4);
	assert_string_equal(diff.changes[0].what, "other routes");
	assert_string_equal(diff.changes[1].what, "route done");
	assert_string_equal(diff.changes[1].after,
	                    "{ to = ( \"b\", \"c\" ); then = \"end\"; join = \"all\"; }");
	assert_string_equal(diff.changes[2].stage, "b");
	assert_string_equal(diff.changes[2].after, "\"end\"");
	config_diff_done(&diff);
	config_keep_leaving(new, old);
	config_free(new);
	config_free(old);
}

static void
a_stage_with_branches_that_leaves_keeps_them(void **state)
{
	struct config *old, *new;
	const struct config_route *route;

	(void)state;
	config_tree_put("old.conf", PIPELINE("p", "{ name = \"a\"; routes: { done = " FORK(
	                                              "\"b\", \"c\"",
	                                              "z") "; }; },\n{ name = \"b\"; },\n{ name "
	                                                   "= \"c\"; },\n{ name = \"z\"; }"));
	config_tree_put("new.conf", PIPELINE("p", "{ name = \"z\"; }"));
	assert_int_equal(config_load("old.conf", NULL, 0, &old, NULL, NULL), OK);
	assert_int_equal(config_load("new.conf", NULL, 0, &new, NULL, NULL), OK);
	config_keep_leaving(new, old);
	config_free(old);
	route = config_branches(config_find(new, "p"), 1, "done");
	assert_string_equal(route->to[1], "c");
	leads(new, "a", "done", "z");
	leads(new, "b", "done", "end");
	assert_true(in_branch(new, "b"));
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
		TEST(branches_that_stand_behind_each_other_end_where_the_next_one_begins),
		TEST(branches_may_stand_anywhere_in_the_list),
		TEST(branches_within_branches),
		TEST(a_stage_behind_whose_routes_are_named_leads_past_branches),
		TEST(a_branch_may_be_a_pipeline_that_is_used),
		TEST(a_join_within_a_pipeline_that_is_used_goes_on_behind_it),
		TEST(no_child_that_a_stage_makes_goes_by_such_a_route),
		TEST(what_leads_to_a_stage),
		TEST(a_change_is_told_as_the_file_would_write_it),
		TEST(a_stage_with_branches_that_leaves_keeps_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
