/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stage_open.c - what is loaded, what is refused and with which words.
 */
#include "support/stage_bench.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
expect_text(const struct fault *fault, const char *text)
{
	if (!strstr(fault->text, text))
		fail_msg("no \"%s\" in \"%s\"", text, fault->text);
}

static void
write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct buf
read_file(const char *path)
{
	struct buf buf;
	struct fault fault = { 0 };

	buf_init(&buf);
	if (file_read(path, (size_t)64 << 20, &buf, &fault) != OK)
		fail_msg("%s", fault.text);
	return buf;
}

/* ---- the zoo ---- */

static void
each_misbehaving_plugin_is_refused_with_its_own_words(void **state)
{
	static const struct {
		const char *path, *text;
	} zoo[] = {
#define ZOO_REFUSED(name, text) { STAGE_FILE("zoo_" #name), text },
#define ZOO_RUNS(name, code)
#define ZOO_LINT(name, rule, error, what)
#include "support/zoo/zoo.def"
#undef ZOO_REFUSED
#undef ZOO_RUNS
#undef ZOO_LINT
	};

	(void)state;
	for (size_t i = 0; i < countof(zoo); i++) {
		struct bench bench = { 0 };

		assert_int_equal(access(zoo[i].path, R_OK), 0);
		if (bench_open(&bench, zoo[i].path, NULL, 1) == OK)
			fail_msg("%s was loaded", zoo[i].path);
		if (!strstr(bench.fault.text, zoo[i].text))
			fail_msg("%s: \"%s\", expected \"%s\"", zoo[i].path, bench.fault.text,
			         zoo[i].text);
		assert_true(bench.fault.where[0]);
		bench_close(&bench);
	}
}

static void
jobs_of_a_misbehaving_plugin_retry_with_a_code(void **state)
{
	static const struct {
		const char *path, *code;
	} zoo[] = {
#define ZOO_REFUSED(name, text)
#define ZOO_LINT(name, rule, error, what)
#define ZOO_RUNS(name, code) { STAGE_FILE("zoo_" #name), code },
#include "support/zoo/zoo.def"
#undef ZOO_REFUSED
#undef ZOO_RUNS
#undef ZOO_LINT
	};

	(void)state;
	log_open(-1, LOG_ERROR, LOG_TEXT);
	for (size_t i = 0; i < countof(zoo); i++) {
		struct bench bench = { .completions = stage_completions_create(NULL, NULL) };
		struct stage_job *job;

		if (bench_open(&bench, zoo[i].path, NULL, 1) != OK)
			fail_msg("%s: %s", zoo[i].path, bench.fault.text);
		job = bench_one(&bench, "{\"a\":1}", "body");
		if (job->ps.outcome != PS_RETRY || strcmp(job->ps.code, zoo[i].code) != 0)
			fail_msg("%s: outcome %u, code %s", zoo[i].path, job->ps.outcome,
			         job->ps.code);
		assert_int_equal(job->ps.delay_ms, -1);
		assert_false(job->changed);
		assert_ptr_equal(job->out.attributes, job->in.attributes);
		assert_int_equal(job->token, 0);
		assert_int_equal(stage_completions_out(bench.completions), 0);
		bench_close(&bench);
	}
	log_open(2, LOG_INFO, LOG_TEXT);
}

/* ---- forged files ---- */

static void
expect_manifest_fault(const void *bytes, size_t len, const char *text)
{
	struct stage_manifest *manifest = NULL;
	struct fault fault = { 0 };
	char *path = bench_inside("forged.so");

	write_file(path, bytes, len, 0644);
	assert_int_equal(stage_manifest_read(path, &manifest, &fault), INVALID);
	expect_text(&fault, text);
	assert_non_null(strstr(fault.where, "forged.so"));
	assert_null(manifest);
}

static void
files_that_are_no_plugins_are_told_apart(void **state)
{
	struct buf good = read_file(STAGE_FILE("noop"));
	Elf64_Ehdr head;
	size_t sections;

	(void)state;
	memcpy(&head, good.data, sizeof head);
	sections = head.e_shoff;
	expect_manifest_fault("", 0, "not a shared object (no ELF file)");
	expect_manifest_fault("#!/bin/sh\n", 10, "not a shared object (no ELF file)");
	expect_manifest_fault(good.data, 20, "truncated: 20 bytes are less than an ELF header");
	expect_manifest_fault(good.data, 100, "truncated: the program headers reach beyond");
	expect_manifest_fault(good.data, 1000, "truncated: segment");
	expect_manifest_fault(good.data, sections + 10,
	                      "truncated: the section headers reach to byte");
	expect_manifest_fault(good.data, good.len - 1, "truncated: the section headers");

	good.data[EI_CLASS] = ELFCLASS32;
	expect_manifest_fault(good.data, good.len, "not a 64-bit shared object");
	good.data[EI_CLASS] = ELFCLASS64;
	good.data[EI_DATA] = ELFDATA2MSB;
	expect_manifest_fault(good.data, good.len, "made for the other byte order");
	good.data[EI_DATA] = ELFDATA2LSB;
	good.data[offsetof(Elf64_Ehdr, e_machine)] = (char)(head.e_machine == EM_AARCH64
	                                                        ? EM_X86_64
	                                                        : EM_AARCH64);
	expect_manifest_fault(good.data, good.len, "made for ");
	memcpy(good.data, &head, sizeof head);
	good.data[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
	expect_manifest_fault(good.data, good.len, "not a shared object (ELF type 2, not 3)");
	memcpy(good.data, &head, sizeof head);
	memset(good.data + offsetof(Elf64_Ehdr, e_shnum), 0, 2);
	expect_manifest_fault(good.data, good.len,
	                      "no manifest: the section headers were stripped");
	memcpy(good.data, &head, sizeof head);
	memset(good.data + offsetof(Elf64_Ehdr, e_shoff), 0xff, 8);
	expect_manifest_fault(good.data, good.len, "truncated: the section headers");
	buf_done(&good);
}

/* Any byte may be wrong: an answer is all that is asked, and no read beyond the file. */
static void
spoiled_bytes_never_lead_outside_of_the_file(void **state)
{
	struct buf good = read_file(STAGE_FILE("options"));
	char *path = bench_inside("spoiled.so");
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct stage_manifest *manifest = NULL;
		struct fault fault = { 0 };
		struct buf bad = { 0 };

		buf_add(&bad, good.data, good.len);
		for (int i = 0; i < 4; i++) {
			uint64_t r = splitmix64(seed++);
			size_t at = r & 1 ? (r >> 8) % 64 : (r >> 8) % good.len;

			bad.data[at] = (char)(r >> 56);
		}
		write_file(path, bad.data, bad.len - (round % 3 ? 0 : splitmix64(seed++) % bad.len),
		           0644);
		if (stage_manifest_read(path, &manifest, &fault) == OK)
			stage_manifest_free(manifest);
		else
			assert_true(fault.text[0]);
		buf_done(&bad);
	}
	buf_done(&good);
}

static void
a_missing_file_and_a_folder_are_named(void **state)
{
	struct stage_manifest *manifest;
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(stage_manifest_read("/nowhere/x.so", &manifest, &fault), NOT_FOUND);
	expect_text(&fault, "/nowhere/x.so");
	assert_int_equal(stage_manifest_read("/tmp", &manifest, &fault), INVALID);
	expect_text(&fault, "/tmp is not a file");
}

/* ---- the manifest ---- */

static void
the_manifest_says_all_without_loading(void **state)
{
	struct stage_manifest *m = NULL;
	struct fault fault = { 0 };

	(void)state;
	if (stage_manifest_read(STAGE_FILE("options"), &m, &fault) != OK)
		fail_msg("%s", fault.text);
	assert_string_equal(m->name, "options");
	assert_string_equal(m->version, "2.1.0");
	assert_string_equal(m->form, "each");
	assert_string_equal(m->threading, "reentrant");
	assert_int_equal(m->n_routes, 1);
	assert_string_equal(m->routes[0], "done");
	assert_int_equal(m->n_options, 11);
	assert_string_equal(m->options[3].help, "a string, in two literals");
	assert_string_equal(m->options[5].type, "duration");
	assert_string_equal(m->options[6].max, "1 << 20");
	assert_null(m->options[0].max);
	assert_true(m->options[10].required);
	assert_non_null(strstr(m->json, "\"min\":0,\"max\":1048576,"));
	stage_manifest_free(m);

	assert_int_equal(stage_manifest_read(STAGE_FILE("later"), &m, &fault), OK);
	assert_int_equal(m->max_in_flight, 64);
	stage_manifest_free(m);
	assert_int_equal(stage_manifest_read(STAGE_FILE("insert"), &m, &fault), OK);
	assert_true(m->transactional);
	assert_string_equal(m->form, "process");
	stage_manifest_free(m);
	assert_int_equal(stage_manifest_read(STAGE_FILE("route"), &m, &fault), OK);
	assert_int_equal(m->n_routes, 3);
	assert_string_equal(m->routes[2], "back");
	stage_manifest_free(m);
	assert_int_equal(stage_manifest_read(STAGE_FILE("reverse"), &m, &fault), OK);
	assert_int_equal(m->n_counters, 1);
	assert_string_equal(m->counters[0].name, "words");
	assert_string_equal(m->counters[0].kind, "counter");
	stage_manifest_free(m);
}

/* ---- find, trust, copy ---- */

static void
a_plugin_is_found_in_the_first_folder_that_has_it(void **state)
{
	struct fault fault = { 0 };
	char *path = NULL;

	(void)state;
	assert_int_equal(
	    stage_find("/nowhere::" TEST_BUILD_DIR "/test/stages", "noop", &path, &fault), OK);
	assert_string_equal(path, STAGE_FILE("noop"));
	free(path);
	assert_int_equal(
	    stage_find("/nowhere:" TEST_BUILD_DIR "/test/stages", "outcom", &path, &fault),
	    NOT_FOUND);
	expect_text(&fault, "there is no plugin outcom.so in /nowhere:");
	assert_string_equal(fault.hint, "did you mean 'outcome'?");
	assert_int_equal(stage_find("/tmp", "../etc/passwd", &path, &fault), INVALID);
	assert_int_equal(stage_find("/tmp", "", &path, &fault), INVALID);
}

static void
what_others_may_write_is_not_trusted(void **state)
{
	struct buf good = read_file(STAGE_FILE("noop"));
	struct fault fault = { 0 };
	char *path = bench_inside("trusted.so"), below[200];

	(void)state;
	write_file(path, good.data, good.len, 0644); /* below /tmp: sticky, root's */
	if (stage_trust(path, &fault) != OK)
		fail_msg("%s", fault.text);
	chmod(path, 0664);
	assert_int_equal(stage_trust(path, &fault), REFUSED);
	expect_text(&fault, "trusted.so may be written by its group (mode 0664)");
	chmod(path, 0646);
	assert_int_equal(stage_trust(path, &fault), REFUSED);
	expect_text(&fault, "may be written by everybody (mode 0646)");

	snprintf(below, sizeof below, "%s", bench_inside("open"));
	mkdir(below, 0755);
	strcat(below, "/x.so");
	write_file(below, good.data, good.len, 0644);
	assert_int_equal(stage_trust(below, &fault), OK);
	chmod(bench_inside("open"), 0777);
	assert_int_equal(stage_trust(below, &fault), REFUSED);
	expect_text(&fault, "/open may be written by everybody (mode 0777)");
	chmod(bench_inside("open"), 0755);

	if (geteuid() == 0) {
		assert_int_equal(chown(below, 65534, 65534), 0);
		assert_int_equal(stage_trust(below, &fault), REFUSED);
		expect_text(&fault, "belongs to user 65534, neither root nor this one (0)");
	}
	assert_int_equal(stage_trust(bench_inside("absent.so"), &fault), NOT_FOUND);
	assert_int_equal(stage_trust("/dev/null", &fault), INVALID);
	buf_done(&good);
}

static enum status
open_spec(struct stage_spec *spec, struct release **ret, struct fault *fault)
{
	struct config_stage *stage = bench_stage(NULL);
	enum status st;

	spec->pipeline = "pipe";
	spec->stage = stage;
	st = stage_open(spec, ret, fault);
	bench_stage_free(stage);
	return st;
}

static void
a_strict_host_refuses_what_a_lenient_one_warns_of(void **state)
{
	struct buf good = read_file(STAGE_FILE("noop"));
	struct stage_spec spec = { .path = bench_inside("loose.so"), .strict = true };
	struct release *release;
	struct fault fault = { 0 };

	(void)state;
	write_file(spec.path, good.data, good.len, 0666);
	buf_done(&good);
	assert_int_equal(chmod(spec.path, 0666), 0);
	assert_int_equal(open_spec(&spec, &release, &fault), REFUSED);
	expect_text(&fault, "loose.so may be written by everybody");
	assert_true(fault.hint[0]);
	spec.strict = false;
	log_open(-1, LOG_ERROR, LOG_TEXT);
	assert_int_equal(open_spec(&spec, &release, &fault), OK);
	log_open(2, LOG_INFO, LOG_TEXT);
	stage_close(release);
}

static void
bytes_are_loaded_from_a_copy_under_their_hash(void **state)
{
	char state_dir[200], copy[400], hex[65];
	struct stage_spec spec = { .path = STAGE_FILE("noop"), .state_dir = state_dir };
	struct stage_manifest *m;
	struct release *release, *again;
	struct fault fault = { 0 };
	struct stat info;
	ino_t inode;

	(void)state;
	snprintf(state_dir, sizeof state_dir, "%s", bench_inside("state"));
	assert_int_equal(stage_manifest_read(spec.path, &m, &fault), OK);
	sha256_hex(&m->sum, hex);
	stage_manifest_free(m);
	snprintf(copy, sizeof copy, "%s/plugins/%s/noop.so", state_dir, hex);
	if (open_spec(&spec, &release, &fault) != OK)
		fail_msg("%s", fault.text);
	assert_int_equal(stat(copy, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0555);
	inode = info.st_ino;
	stage_close(release);

	/* a second start finds it again, one that finds it damaged writes it anew */
	assert_int_equal(open_spec(&spec, &again, &fault), OK);
	assert_int_equal(stat(copy, &info), 0);
	assert_int_equal(info.st_ino, inode);
	stage_close(again);
	unlink(copy); /* in place would spoil the code that is mapped: SIGBUS */
	write_file(copy, "damaged", 7, 0555);
	assert_int_equal(open_spec(&spec, &again, &fault), OK);
	assert_int_equal(stat(copy, &info), 0);
	assert_true(info.st_ino != inode && info.st_size > 7);
	stage_close(again);
}

static void
a_state_folder_that_cannot_be_written_is_named(void **state)
{
	struct stage_spec spec = { .path = STAGE_FILE("noop"), .state_dir = "/proc/nowhere" };
	struct release *release;
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(open_spec(&spec, &release, &fault), SYSTEM);
	expect_text(&fault, "/proc/nowhere/plugins/");
}

static void
bytes_and_options_make_the_identity(void **state)
{
	static const struct bench_option slow[] = { { "delay", CONFIG_T_STRING, 0, "1s", 0 },
		                                    { NULL, 0, 0, NULL, 0 } };
	struct bench a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	(void)state;
	assert_int_equal(bench_open(&a, STAGE_FILE("retry_once"), NULL, 1), OK);
	assert_int_equal(bench_open(&b, STAGE_FILE("retry_once"), slow, 1), OK);
	assert_int_equal(bench_open(&c, STAGE_FILE("retry_once"), NULL, 1), OK);
	assert_int_equal(bench_open(&d, STAGE_FILE("noop"), NULL, 1), OK);
	assert_int_equal(strlen(release_id(a.release)), 16);
	assert_string_not_equal(release_id(a.release), release_id(b.release));
	assert_string_equal(release_id(a.release), release_id(c.release));
	assert_string_not_equal(release_id(a.release), release_id(d.release));
	assert_string_equal(release_pipeline(a.release), "pipe");
	assert_string_equal(release_stage(a.release), "bench");
	bench_close(&a);
	bench_close(&b);
	bench_close(&c);
	bench_close(&d);
}

static void
routes_are_known_by_name(void **state)
{
	struct bench bench = { 0 };

	(void)state;
	assert_int_equal(bench_open(&bench, STAGE_FILE("route"), NULL, 1), OK);
	assert_string_equal(release_default_route(bench.release), "left");
	assert_true(release_has_route(bench.release, "back"));
	assert_false(release_has_route(bench.release, "done"));
	bench_close(&bench);
}

static void
open_and_thread_init_may_fail_with_words(void **state)
{
	static const struct bench_option no_open[] = { { "fail_open", CONFIG_T_BOOL, 1, NULL, 0 },
		                                       { NULL, 0, 0, NULL, 0 } };
	static const struct bench_option no_thread[] = {
		{ "fail_thread", CONFIG_T_BOOL, 1, NULL, 0 }, { NULL, 0, 0, NULL, 0 }
	};
	struct bench bench = { 0 };

	(void)state;
	assert_int_equal(bench_open(&bench, STAGE_FILE("life"), no_open, 1), INVALID);
	assert_string_equal(bench.fault.text, "the stage does not open: told to fail");
	assert_string_equal(bench.fault.where, "pipe.bench");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, STAGE_FILE("life"), no_thread, 1), INVALID);
	assert_string_equal(bench.fault.text, "thread_init() failed with 5");
	bench_close(&bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_misbehaving_plugin_is_refused_with_its_own_words),
		cmocka_unit_test(jobs_of_a_misbehaving_plugin_retry_with_a_code),
		cmocka_unit_test(files_that_are_no_plugins_are_told_apart),
		cmocka_unit_test(spoiled_bytes_never_lead_outside_of_the_file),
		cmocka_unit_test(a_missing_file_and_a_folder_are_named),
		cmocka_unit_test(the_manifest_says_all_without_loading),
		cmocka_unit_test(a_plugin_is_found_in_the_first_folder_that_has_it),
		cmocka_unit_test(what_others_may_write_is_not_trusted),
		cmocka_unit_test(a_strict_host_refuses_what_a_lenient_one_warns_of),
		cmocka_unit_test(bytes_are_loaded_from_a_copy_under_their_hash),
		cmocka_unit_test(a_state_folder_that_cannot_be_written_is_named),
		cmocka_unit_test(bytes_and_options_make_the_identity),
		cmocka_unit_test(routes_are_known_by_name),
		cmocka_unit_test(open_and_thread_init_may_fail_with_words),
	};

	umask(022);
	return cmocka_run_group_tests(tests, bench_enter, bench_leave);
}
