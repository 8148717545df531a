/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_chunk.c - where a text is cut, and that every text is cut whole.
 */
#include "passages.h"

#include "support/stage_bench.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK TEST_BUILD_DIR "/plugins/chunk.so"

static struct bench bench;
static struct passages got;

static void
open_with(int64_t size, int64_t overlap, int64_t min)
{
	const struct bench_option options[] = {
		{ "size", CONFIG_T_INT, size, NULL, 0 },
		{ "overlap", CONFIG_T_INT, overlap, NULL, 0 },
		{ "min", CONFIG_T_INT, min, NULL, 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	if (bench_open(&bench, CHUNK, options, 1) != OK)
		fail_msg("open: %s", bench.fault.text);
}

static struct stage_job *
run(const char *attributes, const char *text, size_t len)
{
	struct stage_job *job = bench_job(&bench, 1, attributes, NULL);

	job->in.body = text;
	job->in.body_len = len;
	bench_run(&bench, &job, 1);
	return job;
}

static void
cut_as(const char *attributes, const char *text)
{
	struct stage_job *job = run(attributes, text, strlen(text));

	if (job->ps.outcome != PS_DONE)
		fail_msg("outcome %u %s", job->ps.outcome, job->ps.code ? job->ps.code : "");
	assert_true(passages_open(job->out.body, job->out.body_len, &got));
	assert_int_equal(got.dimensions, 0);
	assert_int_equal(got.text_len, strlen(text));
	assert_memory_equal(got.text, text, got.text_len);
}

static void
cut(const char *text)
{
	cut_as("{}", text);
}

/* All passages as "heading: text|heading: text"; a line's end shows as '/'. */
static const char *
all(void)
{
	static char out[8192];
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < got.n; i++) {
		struct passage p = passages_get(&got, i);

		at += (size_t)snprintf(out + at, sizeof out - at, "%s%.*s%s%.*s", i ? "|" : "",
		                       (int)p.heading_length, p.heading,
		                       p.heading_length ? ": " : "", (int)p.length, p.text);
	}
	for (char *c = out; *c; c++)
		if (*c == '\n')
			*c = '/';
	return out;
}

static size_t
chars(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void
a_short_text_is_one_passage(void **state)
{
	struct stage_job *job;

	(void)state;
	open_with(1200, 150, 200);
	cut("  One sentence. Another one.\n\nA second block.\n");
	assert_string_equal(all(), "One sentence. Another one.//A second block.");
	assert_int_equal(passages_get(&got, 0).offset, 2);
	job = run("{\"path\": \"x\"}", "text", 4);
	assert_non_null(strstr(job->out.attributes, "\"passages\": 1"));
	assert_non_null(strstr(job->out.attributes, "\"path\": \"x\""));
	bench_close(&bench);
}

static void
sections_are_passages_with_the_path_of_their_headings(void **state)
{
	(void)state;
	open_with(1200, 150, 0);
	cut("Before.\n\n# One #\n\nFirst.\n\n## Two\nSecond.\n\n### C# code\n\nThird.\n\n"
	    "## Four\n\nFourth.\n\n# Five\n\nFifth.");
	assert_string_equal(all(), "Before.|One: First.|One > Two: Second.|"
	                           "One > Two > C# code: Third.|One > Four: Fourth.|Five: Fifth.");
	bench_close(&bench);
}

static void
a_hash_inside_a_block_or_without_a_blank_is_no_heading(void **state)
{
	(void)state;
	open_with(1200, 150, 0);
	cut("make\n# comment\n\n#tag here\n\n####### seven\n\n    # indented");
	assert_string_equal(all(), "make/# comment//#tag here//####### seven//    # indented");
	bench_close(&bench);
}

static void
a_heading_with_nothing_below_is_a_passage_itself(void **state)
{
	(void)state;
	open_with(1200, 150, 0);
	cut("# A\n\n## B\n\n## C\n\ntext\n\n# D");
	assert_string_equal(all(), "A > B: ## B|A > C: text|D: # D");
	bench_close(&bench);
}

static void
a_short_section_is_joined_with_the_next(void **state)
{
	(void)state;
	open_with(100, 0, 30);
	cut("# A\n\nShort.\n\n## B\n\nThis section has enough of characters.\n\n## C\n\nLast.");
	assert_string_equal(all(), "A: Short.//## B//This section has enough of characters.|"
	                           "A > C: Last.");
	bench_close(&bench);
}

static void
a_heading_never_ends_a_passage_that_its_text_does_not_fit_in(void **state)
{
	(void)state;
	open_with(100, 0, 30);
	cut("# A\n\nShort.\n\n## B\n\nThis is one sentence of a good length which does not fit in "
	    "there with the short text above.");
	assert_string_equal(all(), "A: Short.|A > B: This is one sentence of a good length which "
	                           "does not fit in there with the short text above.");
	bench_close(&bench);
}

static void
sentences_are_packed_up_to_the_size(void **state)
{
	(void)state;
	open_with(100, 0, 0);
	cut("Aaaa aaaa aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb bbbb bbbb bbbb. "
	    "Cccc cccc cccc cccc cccc cccc cccc. Dddd.");
	assert_string_equal(
	    all(), "Aaaa aaaa aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb bbbb bbbb bbbb.|"
	           "Cccc cccc cccc cccc cccc cccc cccc. Dddd.");
	bench_close(&bench);
}

static void
a_passage_repeats_whole_sentences_of_the_one_before(void **state)
{
	(void)state;
	open_with(100, 20, 0);
	cut("Aaaa aaaa aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc. Dddd dddd. "
	    "Eeee eeee eeee eeee eeee eeee eeee.");
	assert_string_equal(
	    all(), "Aaaa aaaa aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc. Dddd dddd.|"
	           "Cccc. Dddd dddd. Eeee eeee eeee eeee eeee eeee eeee.");
	bench_close(&bench);
}

static void
a_short_rest_stays_with_its_passage(void **state)
{
	(void)state;
	open_with(100, 0, 30);
	cut("Aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb bbbb bbbb bbbb bbbb bbbb. "
	    "Cccc cccc cccc.");
	assert_int_equal(got.n, 1);
	assert_int_equal(passages_get(&got, 0).length, got.text_len);
	bench_close(&bench);
}

static void
a_block_that_does_not_fit_begins_a_passage(void **state)
{
	(void)state;
	open_with(100, 0, 0);
	cut("Aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa.\n\n"
	    "Bbbb bbbb bbb. Cccc cccc cccc cccc.");
	assert_string_equal(
	    all(), "Aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa.|"
	           "Bbbb bbbb bbb. Cccc cccc cccc cccc.");
	bench_close(&bench);
}

/* So long that what stands behind it fills a passage up: a cut is then seen. */
#define PAD "Wwwwwwww wwwwwwww wwwwwwww wwwwwwww wwwwwwww wwwwwwww wwwwwwww wwwwwwww wwwwww "

static void
abbreviations_do_not_end_a_sentence(void **state)
{
	static const struct {
		const char *attributes, *text;
		bool ends; /* the mark in it ends a sentence */
	} rows[] = {
		{ "{}", PAD "see Dr. Who was there again", false },
		{ "{}", PAD "see him. Who was there again", true },
		{ "{}", PAD "see J. R. R. Tolkien writes", false },
		{ "{}", PAD "cats, e.g. Lions and Tigers", false },
		{ "{}", PAD "bei z.B. Katzen und Hunden", false },
		{ "{}", PAD "see vs. the others of them", false },
		{ "{}", PAD "in version 3.5 Something is", false },
		{ "{}", PAD "was so. and lower goes on so", false },
		{ "{}", PAD "really? and what of it then", true },
		{ "{}", PAD "am \"so.\" Who was there again", true },
		{ "{}", PAD "so (he.) Who was there again", true },
		{ "{}", PAD "see 3. Oktober des Jahres so", true },
		{ "{\"language\":\"de\"}", PAD "see 3. Oktober des Jahres so", false },
		{ "{\"language\":\"de\"}", PAD "seit 1990. Oktober des Jahres", true },
		{ "{}", PAD "see it… Who was there again", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *stop;

		/* a size that the whole text exceeds: it is cut at a sentence or, if there is but
		 * one, at a blank, as late as possible */
		open_with(100, 0, 0);
		assert_true(chars(rows[i].text, strlen(rows[i].text)) > 100);
		cut_as(rows[i].attributes, rows[i].text);
		assert_true(got.n >= 1);
		stop = passages_get(&got, 0).text + passages_get(&got, 0).length - 1;
		if (rows[i].ends !=
		    (*stop == '.' || *stop == '?' || *stop == '"' || *stop == ')' || *stop < 0))
			fail_msg("%s: %s", rows[i].text, all());
		bench_close(&bench);
	}
}

static void
cjk_full_stops_need_no_blank(void **state)
{
	struct buf text = { 0 };

	(void)state;
	open_with(100, 0, 0);
	for (int i = 0; i < 12; i++)
		buf_printf(&text, "%s", "日本語の文章です今日は天気。");
	cut(text.data);
	assert_int_equal(got.n, 2);
	assert_int_equal(passages_get(&got, 0).length, 7 * 14 * 3);
	buf_done(&text);
	bench_close(&bench);
}

static void
a_sentence_that_is_too_long_is_cut_at_blanks_or_between_characters(void **state)
{
	struct buf text = { 0 };

	(void)state;
	open_with(100, 0, 0);
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "%s", "wörter ");
	cut(text.data);
	assert_int_equal(got.n, 3);
	for (uint32_t i = 0; i < got.n; i++) {
		struct passage p = passages_get(&got, i);

		assert_true(chars(p.text, p.length) <= 100);
		assert_memory_equal(p.text, "wörter", 7);
		assert_memory_equal(p.text + p.length - 7, "wörter", 7);
	}
	buf_done(&text);
	for (int i = 0; i < 250; i++)
		buf_printf(&text, "%s", "ü");
	cut(text.data);
	assert_int_equal(got.n, 3);
	assert_int_equal(passages_get(&got, 0).length, 200);
	assert_int_equal(passages_get(&got, 2).length, 100);
	buf_done(&text);
	bench_close(&bench);
}

static void
what_is_no_text_fails(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "a\0b", 3 },          { "\xff", 1 },
		{ "abc\xc3", 4 },       { "\xc0\xaf", 2 },
		{ "\xed\xa0\x80", 3 },  { "\xf4\x90\x80\x80", 4 },
		{ "\xe2\x82 euro", 7 }, { "\x80", 1 },
		{ "\xe0\x80\x80", 3 },  { "\xf0\x8f\xbf\xbf", 4 },
	};

	(void)state;
	open_with(1200, 150, 200);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct stage_job *job = run("{}", rows[i].bytes, rows[i].len);

		assert_int_equal(job->ps.outcome, PS_FAIL);
		assert_string_equal(job->ps.code, "NOT_TEXT");
	}
	bench_close(&bench);
}

static void
nothing_but_blanks_is_discarded(void **state)
{
	static const char *const rows[] = { "", " \n\t\r\n \n", NULL };

	(void)state;
	open_with(1200, 150, 200);
	for (size_t i = 0; i < 3; i++) {
		struct stage_job *job = run("{}", rows[i], rows[i] ? strlen(rows[i]) : 0);

		assert_int_equal(job->ps.outcome, PS_DISCARD);
		assert_string_equal(job->ps.code, "NO_TEXT");
	}
	bench_close(&bench);
}

static const void *
no_body(void *data, struct stage_job *job, size_t *ret_len)
{
	(void)data;
	*ret_len = job->in.body_len;
	return NULL;
}

static void
a_body_that_cannot_be_fetched_lets_its_job_retry(void **state)
{
	struct stage_job *job;

	(void)state;
	open_with(1200, 150, 200);
	bench.hooks.body = no_body;
	job = bench_job(&bench, 1, "{}", "text");
	job->in.body = NULL;
	job->body_absent = true;
	bench_run(&bench, &job, 1);
	bench.hooks.body = NULL;
	assert_int_equal(job->ps.outcome, PS_RETRY);
	assert_string_equal(job->ps.code, "NO_BODY");
	bench_close(&bench);
}

static uint32_t
draw(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

/* For each byte that is neither blank nor part of a heading: whether a passage has it. */
static void
check_invariants(size_t size, size_t min)
{
	uint8_t *covered = mem_alloc(got.text_len + 1);
	uint32_t at = 0;

	for (uint32_t i = 0; i < got.n; i++) {
		struct passage p = passages_get(&got, i);

		assert_true(p.length > 0);
		assert_true(i == 0 || p.offset > at);
		at = p.offset;
		assert_true(chars(p.text, p.length) <= size + min);
		assert_true(((unsigned char)p.text[0] & 0xc0) != 0x80);
		assert_true(p.offset + p.length == got.text_len ||
		            ((unsigned char)p.text[p.length] & 0xc0) != 0x80);
		memset(covered + p.offset, 1, p.length);
	}
	for (uint32_t i = 0; i < got.text_len; i++) {
		unsigned char c = (unsigned char)got.text[i];

		/* words of a heading 'h' may be in the path instead */
		if (c > ' ' && c != '#' && c != 'h' && !covered[i])
			fail_msg("byte %u is in no passage", i);
	}
	free(covered);
}

static void
every_text_is_covered_whole_in_order_and_within_the_sizes(void **state)
{
	static const char *const pieces[] = { "word ",
		                              "ü",
		                              "日本",
		                              ". ",
		                              "! ",
		                              "\n",
		                              "\n\n",
		                              "\n\n# h\n\n",
		                              "\n\n## hh\n\n",
		                              "Dr. ",
		                              "…",
		                              "。",
		                              "😀 ",
		                              "End. Next",
		                              "\n\n### hhh\n",
		                              "x",
		                              "longer words here " };
	uint32_t x = 7;

	(void)state;
	for (int round = 0; round < 400; round++) {
		uint32_t size = 100 + draw(&x) % 200, overlap = draw(&x) % 120,
		         min = draw(&x) % 150;
		uint32_t n = 1 + draw(&x) % 600;
		struct buf text = { 0 };

		for (uint32_t i = 0; i < n; i++)
			buf_printf(&text, "%s", pieces[draw(&x) % 17]);
		buf_printf(&text, "end");
		open_with(size, overlap, min);
		cut(text.data);
		check_invariants(size, min);
		bench_close(&bench);
		buf_done(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_text_is_one_passage),
		cmocka_unit_test(sections_are_passages_with_the_path_of_their_headings),
		cmocka_unit_test(a_hash_inside_a_block_or_without_a_blank_is_no_heading),
		cmocka_unit_test(a_heading_with_nothing_below_is_a_passage_itself),
		cmocka_unit_test(a_short_section_is_joined_with_the_next),
		cmocka_unit_test(a_heading_never_ends_a_passage_that_its_text_does_not_fit_in),
		cmocka_unit_test(sentences_are_packed_up_to_the_size),
		cmocka_unit_test(a_passage_repeats_whole_sentences_of_the_one_before),
		cmocka_unit_test(a_short_rest_stays_with_its_passage),
		cmocka_unit_test(a_block_that_does_not_fit_begins_a_passage),
		cmocka_unit_test(abbreviations_do_not_end_a_sentence),
		cmocka_unit_test(cjk_full_stops_need_no_blank),
		cmocka_unit_test(
		    a_sentence_that_is_too_long_is_cut_at_blanks_or_between_characters),
		cmocka_unit_test(what_is_no_text_fails),
		cmocka_unit_test(nothing_but_blanks_is_discarded),
		cmocka_unit_test(a_body_that_cannot_be_fetched_lets_its_job_retry),
		cmocka_unit_test(every_text_is_covered_whole_in_order_and_within_the_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
