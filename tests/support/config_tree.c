/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_tree.c - a folder of configuration files of a test's own.
 */
#include "support/config_tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	char folder[32];
	int home;
	struct config *config;
	struct buf report;
} tree;

static void
forget_environment(void)
{
	extern char **environ;

	for (char **e = environ; *e;) {
		char *name = NULL;

		if (strncmp(*e, "PENSTOCK_", 9) != 0) {
			e++;
			continue;
		}
		name = mem_dupn(*e, strcspn(*e, "="));
		unsetenv(name);
		free(name);
	}
}

int
config_tree_enter(void **state)
{
	(void)state;
	forget_environment();
	strcpy(tree.folder, "/tmp/penstock-config-XXXXXX");
	tree.home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree.home >= 0 && mkdtemp(tree.folder) && chdir(tree.folder) == 0 ? 0 : -1;
}

int
config_tree_leave(void **state)
{
	char command[64];
	int back;

	(void)state;
	config_free(tree.config);
	tree.config = NULL;
	buf_done(&tree.report);
	forget_environment();
	back = fchdir(tree.home);
	close(tree.home);
	snprintf(command, sizeof(command), "rm -rf %s", tree.folder);
	return back == 0 && system(command) == 0 ? 0 : -1;
}

void
config_tree_put(const char *path, const char *text)
{
	struct fault fault = { 0 };
	char *folder = mem_dup(path), *slash = strrchr(folder, '/');

	if (slash) {
		*slash = '\0';
		assert_int_equal(file_mkdirs(folder, 0755, &fault), OK);
	}
	free(folder);
	assert_int_equal(file_write(path, text, strlen(text), 0644, &fault), OK);
}

struct config *
config_tree_load(void)
{
	struct fault fault = { 0 };

	buf_reset(&tree.report);
	config_free(tree.config);
	tree.config = NULL;
	if (config_load("penstock.conf", NULL, 0, &tree.config, &tree.report, &fault) != OK)
		fail_msg("%s", tree.report.data);
	return tree.config;
}

const char *
config_tree_report(const struct config_override *over, size_t n_over)
{
	struct config *untouched = (struct config *)&tree, *config = untouched;
	struct fault fault = { 0 };
	char first[sizeof(fault.where) + sizeof(fault.text) + 3];

	buf_reset(&tree.report);
	if (config_load("penstock.conf", over, n_over, &config, &tree.report, &fault) == OK) {
		config_free(config);
		fail_msg("no mistake was found");
	}
	assert_ptr_equal(config, untouched);
	assert_int_equal(fault.status, INVALID);
	snprintf(first, sizeof(first), "%s: %s\n", fault.where, fault.text);
	if (strncmp(tree.report.data, first, strlen(first)) != 0)
		fail_msg("the fault is \"%s\", the report \"%s\"", first, tree.report.data);
	return tree.report.data;
}

size_t
config_tree_stage(const struct config_pipeline *pipeline, const char *stage)
{
	for (size_t i = 0; i < pipeline->n_stages; i++)
		if (strcmp(pipeline->stages[i].name, stage) == 0)
			return i;
	fail_msg("no stage %s", stage);
	return 0;
}

const char *
config_tree_leads(const struct config *config, const char *pipeline, const char *stage,
                  const char *route)
{
	const struct config_pipeline *p = config_find(config, pipeline);
	int next = config_next(p, config_tree_stage(p, stage), route);

	assert_true(next >= 0);
	return (size_t)next == p->n_stages ? "end" : p->stages[next].name;
}
