/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_file.c - files read within a bound, written whole or not at all.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[32];
static int home;
static struct fault fault;

static int
enter(void **state)
{
	(void)state;
	umask(022);
	fault = (struct fault){ 0 };
	strcpy(folder, "/tmp/penstock-file-XXXXXX");
	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return home >= 0 && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int
leave(void **state)
{
	char command[64];
	int back = fchdir(home);

	(void)state;
	close(home);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return back == 0 && system(command) == 0 ? 0 : -1;
}

static size_t
entries(void)
{
	DIR *dir = opendir(".");
	size_t n = 0;

	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
expect_content(const char *path, const void *bytes, size_t len)
{
	struct buf content;

	buf_init(&content);
	assert_int_equal(file_read(path, (size_t)MiB, &content, &fault), OK);
	assert_int_equal(content.len, len);
	assert_memory_equal(content.data, bytes, len);
	assert_int_equal(content.data[len], 0);
	buf_done(&content);
}

static unsigned
mode_of(const char *path)
{
	struct stat sb;

	assert_int_equal(stat(path, &sb), 0);
	return sb.st_mode & 07777;
}

static void
what_was_written_is_read_again(void **state)
{
	size_t len = 200001;
	char *bytes = mem_alloc(len);

	(void)state;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)splitmix64(i);
	assert_int_equal(file_write("x", bytes, len, 0644, &fault), OK);
	expect_content("x", bytes, len);
	assert_int_equal(file_write("x", "short\0er", 8, 0644, &fault), OK);
	expect_content("x", "short\0er", 8);
	assert_int_equal(file_write("x", "", 0, 0644, &fault), OK);
	expect_content("x", "", 0);
	free(bytes);
}

static void
a_file_has_the_mode_that_was_asked_for_whatever_the_umask(void **state)
{
	(void)state;
	umask(077);
	assert_int_equal(file_write("open", "x", 1, 0664, &fault), OK);
	umask(0);
	assert_int_equal(file_write("closed", "x", 1, 0600, &fault), OK);
	assert_int_equal(mode_of("open"), 0664);
	assert_int_equal(mode_of("closed"), 0600);
}

static void
writing_leaves_nothing_else_behind(void **state)
{
	(void)state;
	assert_int_equal(file_write("x", "1", 1, 0644, &fault), OK);
	assert_int_equal(file_write("x", "2", 1, 0644, &fault), OK);
	assert_int_equal(entries(), 1);
}

static void
a_write_that_fails_leaves_what_was_there_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(mkdir("taken", 0755), 0); /* a file cannot take a folder's name */
	assert_int_equal(file_write("taken", "x", 1, 0644, &fault), SYSTEM);
	assert_int_equal(fault.errnum, EISDIR);
	assert_string_equal(fault.text, "cannot write taken: Is a directory");
	assert_int_equal(entries(), 1);
}

static void
a_file_in_a_folder_that_is_not_there_cannot_be_written(void **state)
{
	(void)state;
	assert_int_equal(file_write("no/x", "x", 1, 0644, &fault), SYSTEM);
	assert_int_equal(fault.errnum, ENOENT);
	assert_int_equal(entries(), 0);
}

static void
a_reader_that_has_the_file_open_keeps_the_old_one(void **state)
{
	char text[8];
	int fd;

	(void)state;
	assert_int_equal(file_write("x", "old", 3, 0644, &fault), OK);
	fd = open("x", O_RDONLY);
	assert_int_equal(file_write("x", "newer", 5, 0644, &fault), OK);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	assert_memory_equal(text, "old", 3);
	close(fd);
	expect_content("x", "newer", 5);
}

static _Atomic bool stop;

static void *
write_again_and_again(void *arg)
{
	char bytes[3000];

	(void)arg;
	for (char c = 'a'; !stop; c = c == 'z' ? 'a' : (char)(c + 1)) {
		memset(bytes, c, sizeof(bytes));
		file_write("x", bytes, c % 2 ? sizeof(bytes) : 10, 0644, NULL);
	}
	return NULL;
}

static void
a_reader_never_sees_half_of_a_write(void **state)
{
	struct buf seen;
	pthread_t writer;

	(void)state;
	buf_init(&seen);
	assert_int_equal(file_write("x", "aaaaaaaaaa", 10, 0644, &fault), OK);
	stop = false;
	assert_int_equal(pthread_create(&writer, NULL, write_again_and_again, NULL), 0);
	for (int i = 0; i < 500; i++) {
		buf_reset(&seen);
		assert_int_equal(file_read("x", 4000, &seen, &fault), OK);
		assert_true(seen.len == 10 || seen.len == 3000);
		assert_int_equal(strspn(seen.data, (char[]){ seen.data[0], '\0' }), seen.len);
	}
	stop = true;
	pthread_join(writer, NULL);
	buf_done(&seen);
}

static void
a_file_larger_than_the_bound_is_not_read(void **state)
{
	struct buf content;

	(void)state;
	buf_init(&content);
	assert_int_equal(file_write("x", "1234567890", 10, 0644, &fault), OK);
	assert_int_equal(file_read("x", 10, &content, &fault), OK);
	buf_reset(&content);
	assert_int_equal(file_read("x", 9, &content, &fault), LIMIT);
	assert_string_equal(fault.text, "x is larger than 9 bytes");
	buf_reset(&content);
	assert_int_equal(file_read("/dev/zero", 100000, &content, &fault), LIMIT);
	buf_done(&content);
}

static void
what_cannot_be_read_is_told_with_its_name(void **state)
{
	struct buf content;

	(void)state;
	buf_init(&content);
	assert_int_equal(file_read("no", 10, &content, &fault), SYSTEM);
	assert_string_equal(fault.text, "cannot open no: No such file or directory");
	assert_int_equal(file_read(".", 10, &content, &fault), SYSTEM);
	assert_string_equal(fault.text, "cannot read .: Is a directory");
	buf_done(&content);
}

static void
folders_are_made_with_all_above_them(void **state)
{
	static const char *const paths[] = { "a", "b/c/d", "b//e/", "./f/../g", "b/c/d" };
	char *absolute = mem_printf("%s/h/i", folder);

	(void)state;
	for (size_t i = 0; i < countof(paths); i++) {
		assert_int_equal(file_mkdirs(paths[i], 0755, &fault), OK);
		assert_int_equal(mode_of(paths[i]), 0755);
	}
	assert_int_equal(file_mkdirs(absolute, 0700, &fault), OK);
	assert_int_equal(mode_of("h/i"), 0700);
	assert_int_equal(file_mkdirs("/", 0755, &fault), OK);
	free(absolute);
}

static void
folders_below_a_file_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(file_write("x", "", 0, 0644, &fault), OK);
	assert_int_equal(file_mkdirs("x/y", 0755, &fault), SYSTEM);
	assert_string_equal(fault.text, "cannot make the folder x/y: Not a directory");
	assert_int_equal(file_mkdirs("x", 0755, &fault), INVALID);
	assert_string_equal(fault.text, "x is not a folder");
}

static void
a_folder_without_a_name_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(file_mkdirs("", 0755, &fault), SYSTEM);
	assert_int_equal(fault.errnum, ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_read_again),
		TEST(a_file_has_the_mode_that_was_asked_for_whatever_the_umask),
		TEST(writing_leaves_nothing_else_behind),
		TEST(a_write_that_fails_leaves_what_was_there_and_nothing_else),
		TEST(a_file_in_a_folder_that_is_not_there_cannot_be_written),
		TEST(a_reader_that_has_the_file_open_keeps_the_old_one),
		TEST(a_reader_never_sees_half_of_a_write),
		TEST(a_file_larger_than_the_bound_is_not_read),
		TEST(what_cannot_be_read_is_told_with_its_name),
		TEST(folders_are_made_with_all_above_them),
		TEST(folders_below_a_file_cannot_be_made),
		TEST(a_folder_without_a_name_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
