/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stage_loader.c - what the loader would say of a file, and that asking runs none of it.
 */
#include "support/stage_bench.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A sample stage in which a text of its file, the first that is found, is another of that length.
 */
static const char *
changed(const char *stage, const char *from, const char *to)
{
	const char *path = bench_inside("changed.so");
	struct fault fault = { 0 };
	struct buf file;
	char *at;

	buf_init(&file);
	assert_int_equal(file_read(stage, (size_t)64 << 20, &file, &fault), OK);
	at = memmem(file.data, file.len, from, strlen(from));
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	assert_int_equal(file_write(path, file.data, file.len, 0755, &fault), OK);
	buf_done(&file);
	return path;
}

static void
refuses(const char *path, const char *text, const char *hint)
{
	struct fault fault = { 0 };

	assert_int_equal(stage_loads(path, &fault), INVALID);
	assert_string_equal(fault.where, path);
	if (strcmp(fault.text, text) != 0)
		fail_msg("\"%s\", expected \"%s\"", fault.text, text);
	if (!strstr(fault.hint, hint))
		fail_msg("no \"%s\" in \"%s\"", hint, fault.hint);
}

static void
what_is_missing_is_named(void **state)
{
	(void)state;
	refuses(STAGE_FILE("zoo_undefined_symbol"), "cannot load it: undefined symbol: zoo_nowhere",
	        "link the library that has it");
	refuses(changed(STAGE_FILE("zoo_lint_allocator"), "libjemalloc.so.2", "libjemallow.so.2"),
	        "cannot load it: libjemallow.so.2: cannot open shared object file",
	        "install the package that has it");
}

/* Which of them the loader comes to first, is the linker's. */
static void
of_several_symbols_one_is_named_and_the_others_are_counted(void **state)
{
	struct fault fault = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(stage_loads(STAGE_FILE("zoo_undefined_symbols"), &fault), INVALID);
	len = strlen(fault.text);
	if (!strstr(fault.text, "undefined symbol: zoo_n") || len < 12 ||
	    strcmp(fault.text + len - 12, ", and 1 more") != 0)
		fail_msg("\"%s\"", fault.text);
}

/* Which library it is and where, is the machine's. */
static void
a_version_that_a_library_has_not_is_named(void **state)
{
	const char *path = changed(STAGE_FILE("echo"), "GLIBC_2.", "GLIBC_9.");
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(stage_loads(path, &fault), INVALID);
	if (!strstr(fault.text, "cannot load it: /") ||
	    !strstr(fault.text, "libc.so.6: version `GLIBC_9.") ||
	    strcmp(fault.text + strlen(fault.text) - 11, "' not found") != 0)
		fail_msg("\"%s\"", fault.text);
	assert_non_null(strstr(fault.hint, "the library's newer version"));
}

static void
the_loader_says_the_same_when_it_loads(void **state)
{
	struct bench bench = { 0 };

	(void)state;
	assert_int_equal(bench_open(&bench, STAGE_FILE("zoo_undefined_symbol"), NULL, 1), INVALID);
	assert_string_equal(bench.fault.text, "cannot load it: undefined symbol: zoo_nowhere");
	assert_non_null(strstr(bench.fault.hint, "link the library that has it"));
	bench_close(&bench);
	assert_int_equal(bench_open(&bench,
	                            changed(STAGE_FILE("zoo_lint_allocator"), "libjemalloc.so.2",
	                                    "libjemallow.so.2"),
	                            NULL, 1),
	                 INVALID);
	assert_non_null(
	    strstr(bench.fault.text, "libjemallow.so.2: cannot open shared object file"));
	assert_non_null(strstr(bench.fault.hint, "install the package that has it"));
	bench_close(&bench);
}

static void
loads(const char *path)
{
	struct fault fault = { 0 };

	if (stage_loads(path, &fault) != OK)
		fail_msg("%s: %s", path, fault.text);
}

static void
what_is_whole_is_taken_whatever_was_preloaded(void **state)
{
	(void)state;
	loads(STAGE_FILE("noop"));
	loads(STAGE_FILE("reverse")); /* with the library of C++ */
	loads(STAGE_FILE("insert"));  /* with what the host itself has loaded */
	assert_int_equal(setenv("LD_PRELOAD", STAGE_FILE("echo"), 1), 0);
	loads(STAGE_FILE("noop"));
	refuses(STAGE_FILE("zoo_undefined_symbol"), "cannot load it: undefined symbol: zoo_nowhere",
	        "link the library");
	assert_int_equal(unsetenv("LD_PRELOAD"), 0);
}

static void
asking_runs_nothing_of_the_file(void **state)
{
	struct bench bench = { 0 };

	(void)state;
	assert_int_equal(setenv("EARLY", bench_inside("mark"), 1), 0);
	loads(STAGE_FILE("early"));
	assert_int_equal(access(bench_inside("mark"), F_OK), -1);
	assert_int_equal(bench_open(&bench, STAGE_FILE("early"), NULL, 1),
	                 OK); /* but loading does */
	assert_int_equal(access(bench_inside("mark"), F_OK), 0);
	bench_close(&bench);
	assert_int_equal(unsetenv("EARLY"), 0);
}

static void
what_is_no_library_is_refused_by_the_loader_too(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(file_write(bench_inside("text.so"), "a text\n", 7, 0755, &fault), OK);
	refuses(bench_inside("text.so"), "cannot load it: file too short", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(of_several_symbols_one_is_named_and_the_others_are_counted),
		cmocka_unit_test(a_version_that_a_library_has_not_is_named),
		cmocka_unit_test(the_loader_says_the_same_when_it_loads),
		cmocka_unit_test(what_is_whole_is_taken_whatever_was_preloaded),
		cmocka_unit_test(asking_runs_nothing_of_the_file),
		cmocka_unit_test(what_is_no_library_is_refused_by_the_loader_too),
	};

	return cmocka_run_group_tests(tests, bench_enter, bench_leave);
}
