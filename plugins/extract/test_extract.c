/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_extract.c - what text comes out of documents, good and bad.
 */
#include "support/stage_bench.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define EXTRACT TEST_BUILD_DIR "/plugins/extract.so"
#define MANUAL "/usr/share/doc/postgresql-doc-15/html"

static struct bench bench;
static struct stage_job *job;

static int
open_stage(void **state)
{
	const struct bench_option options[] = {
		{ "max_text", CONFIG_T_STRING, 0, "64KiB", 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	(void)state;
	return bench_open(&bench, EXTRACT, options, 1) == OK ? 0 : -1;
}

static int
close_stage(void **state)
{
	(void)state;
	bench_close(&bench);
	return 0;
}

static void
run(const char *attributes, const void *bytes, size_t len)
{
	arena_reset(bench.arena);
	job = bench_job(&bench, 1, attributes, NULL);
	job->in.body = bytes;
	job->in.body_len = len;
	bench_run(&bench, &job, 1);
}

static void
run_text(const char *text)
{
	run("{}", text, strlen(text));
}

static void
gives_bytes(const char *name, const void *bytes, size_t len, const char *expected)
{
	char attributes[200];

	snprintf(attributes, sizeof attributes, "{\"name\": \"%s\"}", name);
	run(attributes, bytes, len);
	if (job->ps.outcome != PS_DONE)
		fail_msg("%s: outcome %u %s", name, job->ps.outcome,
		         job->ps.code ? job->ps.code : "");
	if (job->out.body_len != strlen(expected) ||
	    memcmp(job->out.body, expected, job->out.body_len) != 0)
		fail_msg("expected \"%s\", found \"%.*s\"", expected, (int)job->out.body_len,
		         (const char *)job->out.body);
}

static void
gives(const char *name, const char *document, const char *expected)
{
	gives_bytes(name, document, strlen(document), expected);
}

static void
ends(uint32_t outcome, const char *code, const char *attributes, const void *bytes, size_t len)
{
	run(attributes, bytes, len);
	assert_int_equal(job->ps.outcome, outcome);
	assert_string_equal(job->ps.code, code);
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

/* malloc()ed */
static char *
zip(const char *text, size_t n, size_t *ret_len)
{
	z_stream z = { 0 };
	size_t room = n + 1000;
	char *out = malloc(room);

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)text;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*ret_len = z.total_out;
	deflateEnd(&z);
	return out;
}

/* ---- HTML ---- */

static void
html_becomes_blocks_and_headings(void **state)
{
	(void)state;
	gives(
	    "a.html",
	    "<!DOCTYPE html><html lang='en-GB'><head><title> A\n title </title><style>x{}</style></head>"
	    "<body><h1>One <em>two</em></h1><p>First   para\ngraph.</p>text &amp; more<h3>Three</h3>"
	    "<script>var x</script><ul><li>a<li><p>b</p></ul></body></html>",
	    "# One two\n\nFirst para graph.\n\ntext & more\n\n### Three\n\n- a\n\n- b");
	attribute_is("title", "\"A title\"");
	attribute_is("language", "\"en\"");
	attribute_is("format", "\"html\"");
}

static void
html_keeps_lines_that_count_and_cells_apart(void **state)
{
	(void)state;
	gives(
	    "a.html",
	    "<html><pre>a  b\n  c\n</pre><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>",
	    "a  b\n  c\n\n1 2\n\n3");
}

/* Text comes from the parser in pieces; a line is a line all the same. */
static void
lines_stay_whole_whatever_is_marked_in_them(void **state)
{
	(void)state;
	gives("a.html",
	      "<html><pre>\n$ <b>ls</b> -l &lt;<i>file</i>&gt;<br># two\n\n  three</pre>text",
	      "$ ls -l <file>\n# two\n\n  three\n\ntext");
	gives("a.html", "<html><pre>a<div>b</div>c</pre><p>wo<b>rd</b>", "a\n\nb\n\nc\n\nword");
}

static void
what_begins_an_item_stays_behind_its_dash(void **state)
{
	(void)state;
	gives(
	    "a.html",
	    "<html><ul><li>\n <a id=x></a>\n<p>one<p>two<li>three<p>four</ul><dl><dt>a<dd><p>b</dl>",
	    "- one\n\ntwo\n\n- three\n\nfour\n\na\n\nb");
}

static void
broken_html_keeps_its_text(void **state)
{
	static const char *const pages[][2] = {
		{ "<html>1 < 2 &amp; 3 <= 4 & 5 > 4 &eacute; &nosuch;",
		  "1 < 2 & 3 <= 4 & 5 > 4 é &nosuch;" },
		{ "<html><p>a</b></i></p></div></p>b<b><p>c</b>d", "a\n\nb\n\ncd" },
		{ "<html><body><p>a</p></html>behind<p>more", "a\n\nbehind\n\nmore" },
		{ "<html><p>a</html><html><body><p>second</body></html>", "a\n\nsecond" },
		{ "<html><table>stray<tr><td>1<td>2<tr><th>3</table>", "stray\n\n1 2\n\n3" },
		{ "<html><p>a<!-- c -- > > -->b<script>if (x<y) '</p>'</script>c<br/>d<wbr>e",
		  "abc de" },
		{ "<html><div><nav>no</div><p>a<template><p>no</template>b<iframe>no</iframe>",
		  "ab" },
		{ "<html><svg><title>no</title></svg><a title='x>\"y'>a</a><b class=\"", "a" },
		{ "<html><h1>a<h2>b</h1><p>c", "# a\n\n## b\n\nc" },
	};

	(void)state;
	for (size_t i = 0; i < countof(pages); i++)
		gives("a.html", pages[i][0], pages[i][1]);
}

static void
a_nul_far_behind_does_not_end_a_page(void **state)
{
	struct buf page;

	(void)state;
	buf_init(&page);
	buf_adds(&page, "<html><!--");
	for (int i = 0; i < 7000; i++)
		buf_adds(&page, "0123456789");
	buf_adds(&page, "--><p>before");
	buf_add(&page, "\0", 1);
	buf_adds(&page, "behind");
	gives_bytes("a.html", page.data, page.len, "before behind");
	buf_done(&page);
}

static void
navigation_is_left_out(void **state)
{
	(void)state;
	gives(
	    "a.html",
	    "<html><body><nav>Home</nav><div class=\"navheader\">Prev</div><div role=navigation>Up</div>"
	    "<p>Text</p></body></html>",
	    "Text");
}

static void
a_line_of_text_is_not_taken_for_a_heading(void **state)
{
	(void)state;
	gives("a.html", "<html><p># not one</p><pre># apt install\nmore</pre></html>",
	      " # not one\n\n # apt install\nmore");
	gives("a.txt", "# a comment\nmore\n\n## too", " # a comment\nmore\n\n ## too");
}

static void
add_many(struct buf *page, int n, const char *what)
{
	for (int i = 0; i < n; i++)
		buf_adds(page, what);
}

static void
a_page_nested_as_deep_as_it_may_be_is_read(void **state)
{
	struct buf deep;

	(void)state;
	buf_init(&deep);
	buf_adds(&deep, "<html>"); /* a body comes by itself */
	add_many(&deep, 998, "<b>");
	buf_adds(&deep, "deep");
	add_many(&deep, 5000, "</i>");
	buf_adds(&deep, "er");
	gives_bytes("a.html", deep.data, deep.len, "deeper");
	buf_done(&deep);
}

static void
a_page_nested_without_end_is_refused_before_it_costs_time(void **state)
{
	struct buf deep;

	(void)state;
	buf_init(&deep);
	buf_adds(&deep, "<html>");
	add_many(&deep, 999, "<b>");
	ends(PS_FAIL, "TOO_COMPLEX", "{}", deep.data, deep.len);
	add_many(&deep, 100000, "<b>");
	buf_adds(&deep, "deep");
	add_many(&deep, 100000, "</i>");
	ends(PS_FAIL, "TOO_COMPLEX", "{}", deep.data, deep.len);
	ends(PS_FAIL, "TOO_COMPLEX", "{\"name\": \"a.md\"}", deep.data, deep.len);
	buf_done(&deep);
}

static void
add_element(struct buf *page, int attributes)
{
	buf_adds(page, "<a");
	for (int i = 0; i < attributes; i++)
		buf_printf(page, " x%d='y>'", i);
	buf_adds(page, ">text");
}

static void
an_element_with_attributes_without_end_is_refused_before_it_costs_time(void **state)
{
	struct buf page;

	(void)state;
	buf_init(&page);
	buf_adds(&page, "<html>");
	add_element(&page, 1000);
	add_many(&page, 10000, " ");
	gives_bytes("a.html", page.data, page.len, "text");
	add_element(&page, 100000);
	ends(PS_FAIL, "TOO_COMPLEX", "{}", page.data, page.len);
	buf_done(&page);
}

static void
names_of_characters_are_those_of_html_4_written_whole(void **state)
{
	(void)state;
	gives("a.html", "<html>caf&eacute; &hellip; &eacute is &check; &copy=3",
	      "café … &eacute is &check; &copy=3");
}

static void
a_page_without_text_is_discarded(void **state)
{
	(void)state;
	ends(PS_DISCARD, "NO_TEXT", "{}", "<html><script>x</script></html>", 31);
	ends(PS_DISCARD, "NO_TEXT", "{}", "  \n \t\n", 6);
	ends(PS_DISCARD, "NO_TEXT", "{}", NULL, 0);
}

/* ---- the other forms ---- */

static void
markdown_is_read(void **state)
{
	(void)state;
	gives("notes.md",
	      "Title\n=====\n\nA *marked* `word`.\n\n* one\n* two\n\n```\ncode # x\n```\n",
	      "# Title\n\nA marked word.\n\n- one\n\n- two\n\ncode # x");
	attribute_is("title", "\"Title\"");
	attribute_is("format", "\"markdown\"");
}

static void
manual_pages_are_read(void **state)
{
	(void)state;
	gives(
	    "x.1",
	    ".\\\" comment\n.TH LS 1 \"2020\"\n.SH NAME\nls \\- list \\fBfiles\\fP\n.SH \"TWO WORDS\"\nOne.\n.PP\n"
	    "Two \\(em three.\n.BR cat (1)\n.nf\na  b\n  c\n.fi\n.ft R\nend\n",
	    "# NAME\n\nls - list files\n\n# TWO WORDS\n\nOne.\n\nTwo — three. cat(1)\n\na  b\n  c\n\nend");
	attribute_is("title", "\"LS(1)\"");
	attribute_is("format", "\"man\"");
	gives("y.1", ".Dd today\n.Dt CAT 1\n.Sh NAME\n.Nm cat\n.Nd joins\n", "# NAME\n\ncat joins");
	attribute_is("title", "\"CAT(1)\"");
}

static void
plain_text_stays_as_it_is(void **state)
{
	(void)state;
	gives("a.txt", "one\r\n two  three\n\n\n\nfour", "one\n two  three\n\nfour");
	attribute_is("title", "\"a.txt\"");
	attribute_is("format", "\"text\"");
}

/* ---- encodings ---- */

static void
every_encoding_becomes_utf8(void **state)
{
	(void)state;
	gives("a.txt",
	      "\xef\xbb\xbfGr\xc3\xbc\xc3\x9f"
	      "e",
	      "Grüße");
	gives("a.txt",
	      "Gr\xfc\xdf"
	      "e",
	      "Grüße");
	gives_bytes("a.txt", "\xff\xfeG\0r\0\xfc\0", 8, "Grü");
	gives_bytes("a.txt", "\xfe\xff\0G\0r\0\xfc", 8, "Grü");
	gives("a.html", "<html><meta charset=\"iso-8859-7\"><p>\xe1</p></html>", "α");
	gives("a.html", "<?xml version='1.0' encoding='KOI8-R'?><html><p>\xc1</p></html>", "а");
	/* it says one thing and is another */
	gives("a.html",
	      "<html><meta charset=utf-8><p>Stra\xdf"
	      "e</p></html>",
	      "Straße");
	gives("a.html",
	      "<html><meta charset=latin1><p>Stra\xc3\x9f"
	      "e</p></html>",
	      "Straße");
	gives("a.html", "<html><meta charset=nonsense><p>\xfc</p></html>", "ü");
	/* half a character of UTF-16 */
	gives_bytes("a.txt", "\xff\xfeG\0r", 5, "G\xef\xbf\xbd");
}

static void
what_is_not_text_is_refused(void **state)
{
	unsigned char noise[3000];

	(void)state;
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (unsigned char)(splitmix64(i) >> 24);
	ends(PS_FAIL, "BINARY", "{\"name\": \"x\"}", noise, sizeof noise);
	ends(PS_FAIL, "BINARY", "{}", "text with a\0NUL", 15);
	ends(PS_FAIL, "UNSUPPORTED_TYPE", "{\"mime\": \"image/png\"}", "text", 4);
	ends(PS_FAIL, "UNSUPPORTED_TYPE", "{\"mime\": \"application/pdf\"}", "%PDF", 4);
}

/* ---- gzip ---- */

static void
gzipped_documents_are_read(void **state)
{
	const char html[] = "<html><title>T</title><p>zipped</p></html>", md[] = "# H\n";
	size_t n, more;
	char *both = zip(html, strlen(html), &n), *second;

	(void)state;
	gives_bytes("a.html.gz", both, n, "zipped");
	second = zip(md, strlen(md), &more);
	gives_bytes("a.md.gz", second, more, "# H");
	free(second);
	/* two members, one behind the other */
	second = zip(" more", 5, &more);
	both = mem_resize(both, n + more);
	memcpy(both + n, second, more);
	gives_bytes("a.gz", both, n + more, "zipped\n\nmore");
	free(second);
	free(both);
}

static void
a_truncated_gzip_is_told_wherever_it_is_cut(void **state)
{
	const char text[] = "The quick brown fox jumps over the lazy dog, again and again.";
	size_t n;
	char *zipped = zip(text, strlen(text), &n);

	(void)state;
	for (size_t cut = 3; cut < n; cut++)
		ends(PS_FAIL, "TRUNCATED", "{\"name\": \"a.gz\"}", zipped, cut);
	zipped[n / 2] ^= 0x55;
	run("{\"name\": \"a.gz\"}", zipped, n);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_true(strcmp(job->ps.code, "CORRUPT") == 0 || strcmp(job->ps.code, "TRUNCATED") == 0);
	free(zipped);
}

static void
what_is_too_large_is_refused_unzipped_or_not(void **state)
{
	size_t size = 100000, n;
	char *text = mem_alloc(size), *zipped;

	(void)state;
	memset(text, 'a', size);
	ends(PS_FAIL, "TOO_LARGE", "{\"name\": \"a.txt\"}", text, size);
	zipped = zip(text, size, &n);
	assert_true(n < 1000);
	ends(PS_FAIL, "TOO_LARGE", "{\"name\": \"a.gz\"}", zipped, n);
	free(zipped);
	free(text);
}

/* ---- languages ---- */

static void
the_language_is_guessed_by_frequent_words(void **state)
{
	(void)state;
	gives("a", "The cat is on the mat and the dog is in the house with that of the others.",
	      "The cat is on the mat and the dog is in the house with that of the others.");
	attribute_is("language", "\"en\"");
	run_text(
	    "Der Hund und die Katze sind nicht auf dem Dach, und das ist f\xc3\xbcr den Mann gut.");
	attribute_is("language", "\"de\"");
	run_text(
	    "Le chat est dans la maison et les chiens sont sur le toit pour que les gens ne voient pas.");
	attribute_is("language", "\"fr\"");
	run_text(
	    "El perro y la casa de los hombres que no es en una calle con las flores para el que se va.");
	attribute_is("language", "\"es\"");
	run_text("xyzzy plugh 42");
	attribute_is("language", "\"\"");
}

/* ---- anything ---- */

/* Bytes of a kind that readers stumble over; the same ones in every run. */
static size_t
noise(uint64_t seed, char *out, size_t most)
{
	static const char *const pieces[] = {
		"<",     ">",          "</",   "<p>",       "<pre>",   "<h1",         "&",
		"&#",    "&#x110000;", "\"",   "=",         ".SH ",    ".B \"",       "\\f",
		"\\(",   "\\[",        "\\*[", "\\s",       ".nf\n",   "\n.TP\n",     "\n\n",
		"# ",    "* ",         "```",  "[a](",      "\xc3",    "\xff",        "\xe2\x82",
		"word ", "\t",         "<!--", "<![CDATA[", "<title>", "<html lang=", "\\\"",
		"\r\n",  "    "
	};
	size_t n = 0;

	while (n + 12 < most) {
		const char *p = pieces[(seed = splitmix64(seed)) % countof(pieces)];

		memcpy(out + n, p, strlen(p));
		n += strlen(p);
		if (seed >> 60 == 0)
			break;
	}
	return n;
}

static void
whatever_comes_in_what_goes_out_is_utf8(void **state)
{
	static const char *const attributes[] = { "{\"name\": \"a.html\"}", "{\"name\": \"a.md\"}",
		                                  "{\"name\": \"a.1\"}", "{\"name\": \"a.txt\"}" };
	char bytes[2000];

	(void)state;
	for (uint64_t seed = 0; seed < 4000; seed++) {
		static const char *const heads[] = { "<html>", "", ".TH A 1\n", "" };
		size_t head = strlen(heads[seed % 4]), n;

		memcpy(bytes, heads[seed % 4], head);
		n = head + noise(seed, bytes + head, sizeof bytes - head);
		run(attributes[seed % 4], bytes, n);
		if (job->ps.outcome != PS_DONE && job->ps.outcome != PS_DISCARD &&
		    job->ps.outcome != PS_FAIL)
			fail_msg("seed %d: outcome %u", (int)seed, job->ps.outcome);
		if (job->ps.outcome == PS_DONE)
			if (text_utf8(job->out.body, job->out.body_len) != job->out.body_len)
				fail_msg("seed %d: not UTF-8", (int)seed);
		assert_int_equal(
		    attributes_check(job->out.attributes, job->out.attributes_len, NULL), OK);
	}
}

static void
all_of_the_manual_of_postgresql_is_read(void **state)
{
	DIR *dir = opendir(MANUAL);
	struct dirent *e;
	size_t done = 0;

	(void)state;
	if (!dir) {
		print_message("skipped: there is no " MANUAL "\n");
		skip();
	}
	while ((e = readdir(dir)) != NULL) {
		char *path, attributes[400];
		struct buf page;

		if (!strstr(e->d_name, ".html"))
			continue;
		path = mem_printf(MANUAL "/%s", e->d_name);
		buf_init(&page);
		assert_int_equal(file_read(path, 16 << 20, &page, NULL), OK);
		snprintf(attributes, sizeof attributes,
		         "{\"name\": \"%s\", \"mime\": \"text/xml\"}", e->d_name);
		run(attributes, page.data, page.len);
		/* max_text is small here */
		if (job->ps.outcome == PS_DONE) {
			assert_int_equal(text_utf8(job->out.body, job->out.body_len),
			                 job->out.body_len);
			attribute_is("format", "\"html\"");
			done++;
		} else {
			assert_string_equal(job->ps.code, "TOO_LARGE");
		}
		buf_done(&page);
		free(path);
	}
	closedir(dir);
	assert_true(done > 1000);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
	const struct CMUnitTest tests[] = {
		T(html_becomes_blocks_and_headings),
		T(html_keeps_lines_that_count_and_cells_apart),
		T(lines_stay_whole_whatever_is_marked_in_them),
		T(what_begins_an_item_stays_behind_its_dash),
		T(broken_html_keeps_its_text),
		T(a_nul_far_behind_does_not_end_a_page),
		T(navigation_is_left_out),
		T(a_line_of_text_is_not_taken_for_a_heading),
		T(a_page_nested_as_deep_as_it_may_be_is_read),
		T(a_page_nested_without_end_is_refused_before_it_costs_time),
		T(an_element_with_attributes_without_end_is_refused_before_it_costs_time),
		T(names_of_characters_are_those_of_html_4_written_whole),
		T(a_page_without_text_is_discarded),
		T(markdown_is_read),
		T(manual_pages_are_read),
		T(plain_text_stays_as_it_is),
		T(every_encoding_becomes_utf8),
		T(what_is_not_text_is_refused),
		T(gzipped_documents_are_read),
		T(a_truncated_gzip_is_told_wherever_it_is_cut),
		T(what_is_too_large_is_refused_unzipped_or_not),
		T(the_language_is_guessed_by_frequent_words),
		T(whatever_comes_in_what_goes_out_is_utf8),
		T(all_of_the_manual_of_postgresql_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
