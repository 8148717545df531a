/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_detect.c - which files are read, which are refused, and what is known already.
 */
#include "support/cluster.h"
#include "support/stage_bench.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DETECT TEST_BUILD_DIR "/plugins/detect.so"
#define STORE_MIGRATION "plugins/store/migrations/0001_documents.sql"

static struct bench bench;
static char root[] = "/tmp/penstock-detect.XXXXXX";
static struct stage_job *job;

/* ---- the folder ---- */

static const char *
at(const char *name)
{
	static char path[4][300];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", root, name);
	return p;
}

static void
put(const char *name, const char *text)
{
	assert_int_equal(file_write(at(name), text, strlen(text), 0644, NULL), OK);
}

static void
open_with(const char *roots, bool duplicates, const char *max_size)
{
	const struct bench_option options[] = {
		{ "roots", CONFIG_T_LIST, 0, roots, 0 },
		{ "duplicates", CONFIG_T_BOOL, duplicates, NULL, 0 },
		{ "max_size", CONFIG_T_STRING, 0, max_size, 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	if (bench_open(&bench, DETECT, options, 1) != OK)
		fail_msg("open: %s", bench.fault.text);
}

static int
make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(mkdir(at("in"), 0755), 0);
	open_with(at("in"), false, "1KiB");
	return 0;
}

static int
remove_folder(void **state)
{
	char *command = mem_printf("rm -rf '%s'", root);

	(void)state;
	bench_close(&bench);
	assert_int_equal(system(command), 0);
	free(command);
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	return 0;
}

static struct stage_job *
job_of(const char *path)
{
	char attributes[600];

	snprintf(attributes, sizeof attributes, "{\"path\": \"%s\", \"kept\": 1}", path);
	return bench_job(&bench, 7, attributes, NULL);
}

static void
run(const char *path)
{
	job = job_of(path);
	bench_run(&bench, &job, 1);
}

static void
refused(const char *path, const char *code)
{
	run(path);
	if (job->ps.outcome != PS_FAIL || strcmp(job->ps.code, code) != 0)
		fail_msg("%s: expected FAIL %s, found %u %s", path, code, job->ps.outcome,
		         job->ps.code ? job->ps.code : "");
	assert_false(job->changed);
}

static void
attribute_is(const char *name, const char *expected)
{
	const char *value;
	size_t len;

	assert_int_equal(
	    attributes_get(job->out.attributes, job->out.attributes_len, name, &value, &len), OK);
	if (len != strlen(expected) || memcmp(value, expected, len) != 0)
		fail_msg("%s: expected %s, found %.*s", name, expected, (int)len, value);
}

static void
read_as(const char *path, const char *body)
{
	run(path);
	if (job->ps.outcome != PS_DONE)
		fail_msg("%s: %u %s", path, job->ps.outcome, job->ps.code ? job->ps.code : "");
	assert_int_equal(job->out.body_len, strlen(body));
	assert_memory_equal(job->out.body, body, strlen(body));
}

/* ---- what is read ---- */

static void
a_document_comes_with_its_bytes_type_and_checksum(void **state)
{
	const struct timespec times[2] = { { 86400, 0 }, { 86400, 0 } };
	char *quoted = mem_printf("\"%s\"", at("in/a.html"));

	(void)state;
	put("in/a.html", "<!DOCTYPE html><html></html>");
	assert_int_equal(utimensat(AT_FDCWD, at("in/a.html"), times, 0), 0);
	read_as(at("in/a.html"), "<!DOCTYPE html><html></html>");
	attribute_is("path", quoted);
	attribute_is("name", "\"a.html\"");
	attribute_is("size", "28");
	attribute_is("mtime", "\"1970-01-02T00:00:00Z\"");
	attribute_is("mime", "\"text/html\"");
	attribute_is("sha256",
	             "\"1623f1d081160d976dd6588373dd6e73e24af9a6ff056a653ebd0fba2f355bcd\"");
	free(quoted);
}

static void
the_type_is_told_by_content(void **state)
{
	static const struct {
		const char *body, *mime;
	} samples[] = {
		{ "<HTML>\nx", "\"text/html\"" },
		{ "<html lang=\"en\">x", "\"text/html\"" },
		{ "<!DOCTYPE HTML PUBLIC \"x\">x", "\"text/html\"" },
		{ "<?xml version=\"1.0\"?>\n<!DOCTYPE html>\n<html>", "\"application/xhtml+xml\"" },
		{ "<?xml version=\"1.0\"?><html xmlns=\"x\">", "\"application/xhtml+xml\"" },
		{ "<?xml version=\"1.0\"?>\n<note>x</note>", "\"text/xml\"" },
		{ "<?xml version=\"1.0\"", "\"text/xml\"" },
		{ "<?xml version=\"1.0\"?> %PDF-1.4\n", "\"text/xml\"" },
		{ "%PDF-1.4\n%", "\"application/pdf\"" },
		{ "\x1f\x8b\x08", "\"application/gzip\"" },
		{ "<htm", "\"text/plain\"" },
		{ "<", "\"application/octet-stream\"" },
		{ "words and words", "\"text/plain\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		put("in/a", samples[i].body);
		read_as(at("in/a"), samples[i].body);
		attribute_is("mime", samples[i].mime);
	}
}

static void
a_pdf_takes_a_route_of_its_own(void **state)
{
	(void)state;
	put("in/a.pdf", "%PDF-1.4\n");
	read_as(at("in/a.pdf"), "%PDF-1.4\n");
	attribute_is("mime", "\"application/pdf\"");
	assert_non_null(job->ps.route);
	assert_string_equal(job->ps.route, "pdf");
	put("in/a.txt", "text");
	read_as(at("in/a.txt"), "text");
	assert_null(job->ps.route);
}

static void
links_inside_the_root_are_followed_to_the_true_path(void **state)
{
	char *quoted = mem_printf("\"%s\"", at("in/a"));

	(void)state;
	put("in/a", "text");
	assert_int_equal(symlink("a", at("in/link")), 0);
	read_as(at("in/link"), "text");
	attribute_is("path", quoted);
	attribute_is("kept", "1");
	free(quoted);
}

/* ---- what is refused ---- */

static void
a_path_that_leads_to_no_file_is_refused(void **state)
{
	(void)state;
	refused("", "NO_PATH");
	job = bench_one(&bench, "{}", NULL);
	assert_string_equal(job->ps.code, "NO_PATH");
	job = bench_one(&bench, "{\"path\": 7}", NULL);
	assert_string_equal(job->ps.code, "NO_PATH");
	refused("in/a", "NOT_FOUND");
	refused(at("in/missing"), "NOT_FOUND");
	put("in/a", "text");
	refused(at("in/a/b"), "NOT_FOUND");
	refused(at("in"), "NOT_A_FILE");
	put("in/empty", "");
	refused(at("in/empty"), "EMPTY");
}

static void
a_fifo_or_a_device_does_not_keep_the_worker(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(at("in/fifo"), 0644), 0);
	refused(at("in/fifo"), "NOT_A_FILE");
	bench_close(&bench);
	open_with("/dev", false, "1KiB");
	refused("/dev/zero", "NOT_A_FILE");
}

static void
what_leads_out_of_the_roots_is_refused(void **state)
{
	char *beside = mem_printf("%s/../inside/x", at("in"));

	(void)state;
	put("out", "secret");
	assert_int_equal(symlink("../out", at("in/link")), 0);
	refused(at("in/link"), "OUTSIDE_ROOTS");
	refused(at("out"), "OUTSIDE_ROOTS");
	refused(at("in/../out"), "OUTSIDE_ROOTS");
	/* a folder whose name begins like the root's */
	assert_int_equal(mkdir(at("inside"), 0755), 0);
	put("inside/x", "secret");
	refused(at("inside/x"), "OUTSIDE_ROOTS");
	refused(beside, "OUTSIDE_ROOTS");
	assert_int_equal(symlink("loop", at("in/loop")), 0);
	refused(at("in/loop"), "SYMLINK_LOOP");
	free(beside);
}

static void
a_root_may_end_with_a_slash_or_be_a_link(void **state)
{
	char *roots;

	(void)state;
	bench_close(&bench);
	put("in/a", "text");
	assert_int_equal(symlink("in", at("alias")), 0);
	roots = mem_printf("%s/", at("alias"));
	open_with(roots, false, "1KiB");
	free(roots);
	read_as(at("alias/a"), "text");
	read_as(at("in/a"), "text");
}

static void
a_root_that_is_not_there_is_told_at_the_start(void **state)
{
	const struct bench_option options[] = {
		{ "roots", CONFIG_T_LIST, 0, "/nonexistent/folder", 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	(void)state;
	bench_close(&bench);
	assert_int_not_equal(bench_open(&bench, DETECT, options, 1), OK);
	assert_non_null(strstr(bench.fault.text, "/nonexistent/folder"));
}

static void
a_file_is_read_up_to_the_limit(void **state)
{
	char text[1026] = "";

	(void)state;
	memset(text, 'a', 1024);
	put("in/fits", text);
	read_as(at("in/fits"), text);
	memset(text, 'a', 1025);
	put("in/large", text);
	refused(at("in/large"), "TOO_LARGE");
}

/* Root may read everything, so it is tried as somebody else. */
static void
a_file_that_may_not_be_read_is_told(void **state)
{
	pid_t pid;
	int how;

	(void)state;
	put("in/closed", "text");
	assert_int_equal(chmod(at("in/closed"), 0), 0);
	assert_int_equal(chmod(root, 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && seteuid(65534) != 0)
			_exit(2);
		job = job_of(at("in/closed"));
		bench_run(&bench, &job, 1);
		_exit(job->ps.outcome == PS_FAIL && strcmp(job->ps.code, "UNREADABLE") == 0 ? 0
		                                                                            : 1);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
}

/* ---- what is known ---- */

struct lent {
	PGconn *db;
};

static struct pg_conn *
lend(void *data)
{
	return ((struct lent *)data)->db;
}

static struct lent lent;

static struct db *
with_database(bool tables)
{
	const char *conninfo = cluster_database();
	struct db *db = cluster_open(conninfo);
	struct buf sql;

	buf_init(&sql);
	assert_int_equal(file_read(STORE_MIGRATION, 1 << 20, &sql, NULL), OK);
	if (tables)
		cluster_exec(db, sql.data);
	buf_done(&sql);
	bench_close(&bench);
	open_with(at("in"), true, "1KiB");
	lent.db = PQconnectdb(conninfo);
	assert_int_equal(PQstatus(lent.db), CONNECTION_OK);
	bench.hooks.db_read = lend;
	bench.hooks.data = &lent;
	return db;
}

static void
without_database(struct db *db)
{
	PQfinish(lent.db);
	db_close(db);
}

static void
discarded(const char *path, const char *code)
{
	run(path);
	assert_int_equal(job->ps.outcome, PS_DISCARD);
	assert_string_equal(job->ps.code, code);
}

static void
what_is_stored_already_ends_here(void **state)
{
	struct db *db = with_database(true);
	char *stored;

	(void)state;
	put("in/it's \\\\a", "text");
	put("in/b", "text");
	put("in/c", "other");
	stored = mem_printf(
	    "insert into documents.document (path, sha256) values (E'%s/it''s \\\\a', sha256('text'))",
	    at("in"));
	assert_int_equal(rename(at("in/it's \\\\a"), at("in/it's \\a")), 0);
	cluster_exec(db, stored);
	discarded(at("in/it's \\\\a"), "UNCHANGED");
	discarded(at("in/b"), "DUPLICATE");
	read_as(at("in/c"), "other");
	/* another version of what is stored goes on */
	put("in/it's \\a", "changed");
	read_as(at("in/it's \\\\a"), "changed");
	/* also when its bytes are those of another document */
	cluster_exec(
	    db, "insert into documents.document (path, sha256) values ('/x', sha256('changed'))");
	read_as(at("in/it's \\\\a"), "changed");
	free(stored);
	without_database(db);
}

static void
the_same_bytes_twice_in_a_call_go_on_once(void **state)
{
	struct db *db = with_database(true);
	struct stage_job *jobs[4];

	(void)state;
	put("in/a", "text");
	put("in/b", "text");
	put("in/c", "other");
	jobs[0] = job_of(at("in/a"));
	jobs[1] = job_of(at("in/missing"));
	jobs[2] = job_of(at("in/b"));
	jobs[3] = job_of(at("in/c"));
	bench_run(&bench, jobs, 4);
	assert_int_equal(jobs[0]->ps.outcome, PS_DONE);
	assert_string_equal(jobs[1]->ps.code, "NOT_FOUND");
	assert_string_equal(jobs[2]->ps.code, "DUPLICATE");
	assert_int_equal(jobs[3]->ps.outcome, PS_DONE);
	without_database(db);
}

static void
without_the_tables_nothing_is_known(void **state)
{
	struct db *db = with_database(false);

	(void)state;
	put("in/a", "text");
	read_as(at("in/a"), "text");
	without_database(db);
}

static void
a_database_that_is_away_makes_the_job_wait(void **state)
{
	struct db *db = with_database(true);

	(void)state;
	put("in/a", "text");
	cluster_exec(
	    db,
	    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()");
	run(at("in/a"));
	assert_int_equal(job->ps.outcome, PS_RETRY);
	assert_string_equal(job->ps.code, "DB_AWAY");
	PQfinish(lent.db);
	lent.db = NULL;
	run(at("in/a"));
	assert_string_equal(job->ps.code, "DB_AWAY");
	db_close(db);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(a_document_comes_with_its_bytes_type_and_checksum),
		T(the_type_is_told_by_content),
		T(a_pdf_takes_a_route_of_its_own),
		T(links_inside_the_root_are_followed_to_the_true_path),
		T(a_path_that_leads_to_no_file_is_refused),
		T(a_fifo_or_a_device_does_not_keep_the_worker),
		T(what_leads_out_of_the_roots_is_refused),
		T(a_root_may_end_with_a_slash_or_be_a_link),
		T(a_root_that_is_not_there_is_told_at_the_start),
		T(a_file_is_read_up_to_the_limit),
		T(a_file_that_may_not_be_read_is_told),
		T(what_is_stored_already_ends_here),
		T(the_same_bytes_twice_in_a_call_go_on_once),
		T(without_the_tables_nothing_is_known),
		T(a_database_that_is_away_makes_the_job_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
