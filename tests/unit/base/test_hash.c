/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hash.c - sums that are those of the standard, identities that are
 * random.
 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
expect_sum(const void *bytes, size_t len, const char *hex)
{
	struct sha256 sum;
	char text[65];

	sha256_of(bytes, len, &sum);
	sha256_hex(&sum, text);
	assert_string_equal(text, hex);
}

/* FIPS 180-4's examples */
static void
sha256_is_that_of_the_standard(void **state)
{
	char *million = mem_alloc(1000000);

	(void)state;
	expect_sum("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_sum("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(million, 'a', 1000000);
	expect_sum(million, 1000000,
	           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static int
file_of(const void *bytes, size_t len)
{
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	fclose(file);
	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

static void
the_sum_of_a_file_is_that_of_all_its_bytes_wherever_its_offset_stands(void **state)
{
	struct fault fault = { 0 };
	struct sha256 whole, of_file;
	size_t len = 200001; /* several chunks and a rest */
	char *bytes = mem_alloc(len);
	int fd;

	(void)state;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)splitmix64(i);
	sha256_of(bytes, len, &whole);
	fd = file_of(bytes, len);
	assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
	assert_int_equal(sha256_file(fd, &of_file, &fault), OK);
	assert_memory_equal(&of_file, &whole, sizeof(whole));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
	close(fd);
	free(bytes);
}

static void
a_file_that_cannot_be_read_has_no_sum(void **state)
{
	struct fault fault = { 0 };
	struct sha256 sum;
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(sha256_file(fd, &sum, &fault), SYSTEM);
	assert_string_equal(fault.text, "cannot read: Is a directory");
	close(fd);
}

static void
a_uuid_is_written_in_five_groups(void **state)
{
	struct uuid uuid;
	char text[37];

	(void)state;
	for (size_t i = 0; i < sizeof(uuid.bytes); i++)
		uuid.bytes[i] = (uint8_t)(i * 17);
	uuid_text(&uuid, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void
random_uuids_are_of_version_4_and_all_different(void **state)
{
	struct uuid uuids[500];
	char text[37];

	(void)state;
	for (size_t i = 0; i < countof(uuids); i++) {
		uuids[i] = uuid_random();
		uuid_text(&uuids[i], text);
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89ab", text[19]));
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&uuids[i], &uuids[k], sizeof(*uuids));
	}
}

/* The first outputs of the reference generator whose state begins at 0. */
static void
splitmix64_is_that_of_its_authors(void **state)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	assert_true(splitmix64(0) == UINT64_C(0xe220a8397b1dcdaf));
	assert_true(splitmix64(step) == UINT64_C(0x6e789e6aa1b965f4));
	assert_true(splitmix64(2 * step) == UINT64_C(0x06c45d188009454f));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_is_that_of_the_standard),
		cmocka_unit_test(
		    the_sum_of_a_file_is_that_of_all_its_bytes_wherever_its_offset_stands),
		cmocka_unit_test(a_file_that_cannot_be_read_has_no_sum),
		cmocka_unit_test(a_uuid_is_written_in_five_groups),
		cmocka_unit_test(random_uuids_are_of_version_4_and_all_different),
		cmocka_unit_test(splitmix64_is_that_of_its_authors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
