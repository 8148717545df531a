/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_list.c - a circular list keeps its order and lets go of any member.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct member {
	char letter;
	struct list link; /* not first, so that list_entry() has something to do */
};

static void
expect_letters(const struct list *head, const char *letters)
{
	char there[32], back[32];
	size_t n = 0, m = 0;

	list_each(pos, head)
		there[n++] = list_entry(pos, struct member, link)->letter;
	there[n] = '\0';
	assert_string_equal(there, letters);
	for (const struct list *pos = head->prev; pos != head; pos = pos->prev)
		back[m++] = list_entry(pos, struct member, link)->letter;
	assert_int_equal(n, m);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(there[i], back[n - 1 - i]);
}

static void
a_new_list_is_empty(void **state)
{
	struct list head;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	expect_letters(&head, "");
}

static void
members_are_in_the_order_in_which_they_were_appended(void **state)
{
	struct member a = { .letter = 'a' }, b = { .letter = 'b' }, c = { .letter = 'c' };
	struct list head;

	(void)state;
	list_init(&head);
	list_append(&head, &a.link);
	assert_false(list_empty(&head));
	list_append(&head, &b.link);
	list_append(&head, &c.link);
	expect_letters(&head, "abc");
}

static void
any_member_can_be_removed_and_appended_again(void **state)
{
	struct member m[3] = { { .letter = 'a' }, { .letter = 'b' }, { .letter = 'c' } };
	struct list head;

	(void)state;
	list_init(&head);
	for (size_t i = 0; i < countof(m); i++)
		list_append(&head, &m[i].link);
	list_remove(&m[1].link);
	expect_letters(&head, "ac");
	list_remove(&m[0].link);
	expect_letters(&head, "c");
	list_append(&head, &m[1].link);
	expect_letters(&head, "cb");
	list_remove(&m[2].link);
	list_remove(&m[1].link);
	assert_true(list_empty(&head));
}

static void
a_removed_member_may_be_removed_once_more(void **state)
{
	struct member a = { .letter = 'a' }, b = { .letter = 'b' };
	struct list head;

	(void)state;
	list_init(&head);
	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_remove(&a.link);
	assert_true(list_empty(&a.link));
	list_remove(&a.link);
	expect_letters(&head, "b");
}

/* Against an array that does the same in the simplest way. */
static void
a_long_random_life_leaves_the_list_as_a_model_has_it(void **state)
{
	struct member m[20];
	struct list head;
	char model[32] = "";

	(void)state;
	list_init(&head);
	for (size_t i = 0; i < countof(m); i++) {
		m[i].letter = (char)('a' + i);
		list_init(&m[i].link);
	}
	for (uint64_t i = 0; i < 20000; i++) {
		struct member *one = &m[splitmix64(i) % countof(m)];
		char *at = strchr(model, one->letter);

		list_remove(&one->link);
		if (at)
			memmove(at, at + 1, strlen(at));
		if (splitmix64(~i) & 1) {
			list_append(&head, &one->link);
			strcat(model, (char[]){ one->letter, '\0' });
		}
		expect_letters(&head, model);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_list_is_empty),
		cmocka_unit_test(members_are_in_the_order_in_which_they_were_appended),
		cmocka_unit_test(any_member_can_be_removed_and_appended_again),
		cmocka_unit_test(a_removed_member_may_be_removed_once_more),
		cmocka_unit_test(a_long_random_life_leaves_the_list_as_a_model_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
