/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_manual.c - what docs/configuration.md and conf/penstock.conf
 * show does work, and the mistakes it shows are told in those words.
 *
 * An example is a block that begins with "```conf FILE"; a block "```says"
 * behind it holds all that is said of it.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf manual, sample;

/* The text of the block that begins at *at, which is left behind its end. */
static char *
take_block(const char **at)
{
	const char *begin = strchr(*at, '\n') + 1, *end = strstr(begin, "\n```\n");

	assert_non_null(end);
	*at = end + strlen("\n```\n");
	return mem_dupn(begin, (size_t)(end + 1 - begin));
}

/* One example; returns whether it was one of a mistake. */
static bool
try_example(const char **at)
{
	const char *name = *at + strlen("```conf ");
	char *file = mem_dupn(name, strcspn(name, "\n")), *text = take_block(at), *says = NULL;

	print_message("example %s\n", file);
	assert_int_equal(system("rm -rf penstock.conf pipelines.d"), 0);
	config_tree_put("penstock.conf", "");
	config_tree_put(file, text);
	*at += strspn(*at, "\n");
	if (strncmp(*at, "```says\n", strlen("```says\n")) == 0) {
		says = take_block(at);
		assert_string_equal(config_tree_report(NULL, 0), says);
	} else {
		config_tree_load();
	}
	free(file);
	free(text);
	free(says);
	return says != NULL;
}

static void
every_example_of_the_manual_is_read_and_every_mistake_is_told_as_shown(void **state)
{
	const char *at = manual.data;
	int n = 0, mistakes = 0;

	(void)state;
	while ((at = strstr(at, "```conf "))) {
		mistakes += try_example(&at);
		n++;
	}
	assert_true(n >= 6);
	assert_true(mistakes >= 2);
}

enum {
	N_STAGE_KEYS = 0
#define STAGE_KEY(name, fallback, help) +1
#include "config/stage_keys.def"
#undef STAGE_KEY
};

static void
every_key_of_a_stage_that_the_manual_names_is_one(void **state)
{
	const char *at = strstr(manual.data, "### Keys of a stage");
	const char *end = strstr(at, "\n### ");
	int n = 0;

	(void)state;
	while ((at = strstr(at, "\n| `")) && at < end) {
		char *key = mem_dupn(at + 4, strcspn(at + 4, "`"));
		char *text = mem_printf("pipeline: { name = \"p\"; stages = ( { %s = 0L; } ); };",
		                        key);

		at += 4;
		config_tree_put("penstock.conf", text);
		assert_null(strstr(config_tree_report(NULL, 0), "unknown key"));
		free(text);
		free(key);
		n++;
	}
	assert_int_equal(n, N_STAGE_KEYS);
}

static void
the_sample_is_read(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", sample.data);
	assert_int_equal(config_tree_load()->set.lease_jobs, 4000);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_example_of_the_manual_is_read_and_every_mistake_is_told_as_shown),
		TEST(every_key_of_a_stage_that_the_manual_names_is_one),
		TEST(the_sample_is_read),
	};
	struct fault fault = { 0 };
	int failed;

	if (file_read("docs/configuration.md", (size_t)MiB, &manual, &fault) != OK ||
	    file_read("conf/penstock.conf", (size_t)MiB, &sample, &fault) != OK) {
		fault_print(&fault, stderr);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&manual);
	buf_done(&sample);
	return failed;
}
