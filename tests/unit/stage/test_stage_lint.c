/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stage_lint.c - every rule finds its animal of the zoo, and nothing else there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage/stage.h"
#include "support/stage_bench.h"

/* What the sanitizers' own builds have beside what is meant. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

struct findings {
	const char *rule, *what; /* looked for */
	bool error;
	size_t hits, others;
	char other[256];
};

static void
note(void *data, const struct stage_finding *f)
{
	struct findings *all = data;

	assert_true(f->text[0] && f->todo[0]);
	if (all->rule && strcmp(f->rule, all->rule) == 0 && f->error == all->error &&
	    strcmp(f->what, all->what) == 0) {
		all->hits++;
		return;
	}
	all->others++;
	snprintf(all->other, sizeof all->other, "%s: %s %s", f->rule, f->what, f->text);
}

static void
each_rule_finds_its_animal_and_nothing_else(void **state)
{
	static const struct {
		const char *path, *rule;
		bool error;
		const char *what;
	} zoo[] = {
#define ZOO_REFUSED(name, text)
#define ZOO_RUNS(name, code)
#define ZOO_LINT(name, rule, error, what) { STAGE_FILE("zoo_" #name), rule, error, what },
#include "support/zoo/zoo.def"
#undef ZOO_REFUSED
#undef ZOO_RUNS
#undef ZOO_LINT
	};

	(void)state;
	for (size_t i = 0; i < countof(zoo); i++) {
		struct findings all = { .rule = zoo[i].rule,
			                .what = zoo[i].what,
			                .error = zoo[i].error };
		struct fault fault = { 0 };

		if (stage_lint(zoo[i].path, note, &all, &fault) != OK)
			fail_msg("%s: %s", zoo[i].path, fault.text);
		if (all.hits != 1 && !(SANITIZED && all.hits > 1))
			fail_msg("%s: %s was found %zu times; last of the others: %s", zoo[i].path,
			         zoo[i].rule, all.hits, all.other);
		if (all.others > 0 && !SANITIZED)
			fail_msg("%s: found as well: %s", zoo[i].path, all.other);
	}
}

static void
what_cannot_be_loaded_is_told(void **state)
{
	static const struct {
		const char *path, *rule, *what;
	} bad[] = {
		{ STAGE_FILE("zoo_no_entry"), "entry", PS_ENTRY_NAME },
		{ STAGE_FILE("zoo_manifest_name"), "manifest",
		  "malformed manifest: \"../zoo\" is no name for a plugin (letters, digits and _, at most "
		  "48)" },
		{ STAGE_FILE("zoo_no_manifest"), "manifest",
		  "no manifest: no section .penstock.manifest, so it is no penstock plugin" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		struct findings all = { .rule = bad[i].rule, .what = bad[i].what, .error = true };
		struct fault fault = { 0 };

		assert_int_equal(stage_lint(bad[i].path, note, &all, &fault), OK);
		if (all.hits != 1)
			fail_msg("%s: %s: %s", bad[i].path, bad[i].rule, all.other);
	}
}

/* Of the house: build/plugins, and the sample stages in C and C++. */
static void
own_plugins_are_clean(void **state)
{
	struct dirent *e;
	size_t seen = 0;
	DIR *dir;

	(void)state;
	if (SANITIZED)
		skip();
	dir = opendir(TEST_BUILD_DIR "/test/stages");
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		struct findings all = { 0 };
		struct fault fault = { 0 };
		char path[512];
		size_t len = strlen(e->d_name);

		/* crash and door are there to misbehave when asked */
		if (len < 4 || strcmp(e->d_name + len - 3, ".so") != 0 ||
		    strncmp(e->d_name, "zoo_", 4) == 0 || strcmp(e->d_name, "crash.so") == 0 ||
		    strcmp(e->d_name, "door.so") == 0)
			continue;
		snprintf(path, sizeof path, TEST_BUILD_DIR "/test/stages/%s", e->d_name);
		if (stage_lint(path, note, &all, &fault) != OK)
			fail_msg("%s: %s", path, fault.text);
		if (all.others > 0)
			fail_msg("%s: %s", path, all.other);
		seen++;
	}
	closedir(dir);
	assert_true(seen > 10);
}

/* Whatever is cut off or spoiled: a fault, or findings, and never a byte beyond the file. All may
 * write it, so that the system's loader is not tried as well. */
static void
a_spoiled_file_is_read_within_its_bytes(void **state)
{
	struct fault fault = { 0 };
	struct buf whole;
	char path[] = "/tmp/penstock-lint.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	buf_init(&whole);
	assert_int_equal(file_read(STAGE_FILE("noop"), (size_t)64 << 20, &whole, &fault), OK);
	for (uint64_t i = 0; i < 400; i++) {
		struct findings all = { 0 };
		uint64_t random = splitmix64(i);
		size_t at = random % whole.len, len = whole.len;
		char kept = whole.data[at];

		if (i % 4 == 0)
			len = at;
		else if (i % 4 == 1) /* its headers are at the beginning and at the end */
			at = random % 4096 < whole.len ? random % 4096 : 0;
		else if (i % 4 == 2)
			at = whole.len - 1 - random % 2048;
		kept = whole.data[at];
		whole.data[at] = (char)(random >> 56);
		assert_int_equal(file_write(path, whole.data, len, 0666, &fault), OK);
		stage_lint(path, note, &all, &fault);
		whole.data[at] = kept;
	}
	unlink(path);
	buf_done(&whole);
}

static void
what_is_no_shared_object_is_refused(void **state)
{
	struct findings all = { 0 };
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(stage_lint("/etc/passwd", note, &all, &fault), INVALID);
	assert_non_null(strstr(fault.text, "not a shared object"));
	assert_int_not_equal(stage_lint("/nowhere.so", note, &all, &fault), OK);
	assert_int_equal(all.others, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_finds_its_animal_and_nothing_else),
		cmocka_unit_test(what_cannot_be_loaded_is_told),
		cmocka_unit_test(own_plugins_are_clean),
		cmocka_unit_test(a_spoiled_file_is_read_within_its_bytes),
		cmocka_unit_test(what_is_no_shared_object_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
