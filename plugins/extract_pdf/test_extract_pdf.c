/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_extract_pdf.c - what text comes out of PDFs, good, broken and hostile.
 */
#include "support/stage_bench.h"

#include <cairo-pdf.h>
#include <fontconfig/fontconfig.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define EXTRACT_PDF TEST_BUILD_DIR "/plugins/extract_pdf.so"
#define THREADS 4

static struct bench bench;
static struct stage_job *job;
static struct buf pdf; /* the document at hand */

static int
open_stage(void **state)
{
	const struct bench_option options[] = {
		{ "max_text", CONFIG_T_STRING, 0, "64KiB", 0 },
		{ "max_pages", CONFIG_T_INT, 20, NULL, 0 },
		{ "max_unpacked", CONFIG_T_STRING, 0, "4MiB", 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	(void)state;
	buf_init(&pdf);
	return bench_open(&bench, EXTRACT_PDF, options, THREADS) == OK ? 0 : -1;
}

static int
close_stage(void **state)
{
	(void)state;
	bench_close(&bench);
	buf_done(&pdf);
	return 0;
}

/* ---- documents, written by hand: the letters of Helvetica need no font file ---- */

struct writer {
	size_t at[80]; /* where object i begins */
	int n;         /* the last object */
};

static void
begin_pdf(struct writer *w)
{
	*w = (struct writer){ .n = 0 };
	buf_reset(&pdf);
	buf_adds(&pdf, "%PDF-1.4\n");
}

/* Objects are written in any order; 1 is the catalog, 2 the tree of pages. */
static void
object(struct writer *w, int id, const char *text)
{
	w->at[id] = pdf.len;
	if (id > w->n)
		w->n = id;
	buf_printf(&pdf, "%d 0 obj\n%s\nendobj\n", id, text);
}

static void
stream(struct writer *w, int id, const char *dict, const void *bytes, size_t len)
{
	w->at[id] = pdf.len;
	if (id > w->n)
		w->n = id;
	buf_printf(&pdf, "%d 0 obj\n<< /Length %zu %s >>\nstream\n", id, len, dict);
	buf_add(&pdf, bytes, len);
	buf_adds(&pdf, "\nendstream\nendobj\n");
}

static void
end_pdf(struct writer *w, const char *trailer)
{
	size_t xref = pdf.len;

	buf_printf(&pdf, "xref\n0 %d\n0000000000 65535 f \n", w->n + 1);
	for (int i = 1; i <= w->n; i++)
		buf_printf(&pdf, "%010zu 00000 n \n", w->at[i]);
	buf_printf(&pdf, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%zu\n%%%%EOF\n",
	           w->n + 1, trailer, xref);
}

/* A document whose pages have these contents, compressed where asked. */
static void
make_pdf(const char *const *pages, int n, bool packed, const char *trailer)
{
	struct writer w;
	struct buf kids;

	buf_init(&kids);
	begin_pdf(&w);
	object(&w, 1, "<< /Type /Catalog /Pages 2 0 R >>");
	for (int i = 0; i < n; i++)
		buf_printf(&kids, "%d 0 R ", 10 + 2 * i);
	buf_printf(&kids, "] /Count %d >>", n);
	{
		char *tree = mem_printf("<< /Type /Pages /Kids [ %s", kids.data);

		object(&w, 2, tree);
		free(tree);
	}
	object(&w, 3, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
	object(&w, 4, "<< /Title (A title of its own) >>");
	for (int i = 5; i < 10; i++)
		object(&w, i, "null");
	for (int i = 0; i < n; i++) {
		char *page = mem_printf(
		    "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 595 842 ] /Contents %d 0 R "
		    "/Resources << /Font << /F 3 0 R >> >> >>",
		    11 + 2 * i);
		uLongf room = compressBound(strlen(pages[i]));
		unsigned char *small = malloc(room);

		object(&w, 10 + 2 * i, page);
		assert_int_equal(
		    compress(small, &room, (const unsigned char *)pages[i], strlen(pages[i])),
		    Z_OK);
		if (packed)
			stream(&w, 11 + 2 * i, "/Filter /FlateDecode", small, room);
		else
			stream(&w, 11 + 2 * i, "", pages[i], strlen(pages[i]));
		free(small);
		free(page);
	}
	end_pdf(&w, trailer);
	buf_done(&kids);
}

/* ---- runs ---- */

static void
run(const char *attributes)
{
	arena_reset(bench.arena);
	job = bench_job(&bench, 1, attributes, NULL);
	job->in.body = pdf.data;
	job->in.body_len = pdf.len;
	bench_run(&bench, &job, 1);
}

static void
gives(const char *expected)
{
	run("{\"name\": \"x.pdf\"}");
	if (job->ps.outcome != PS_DONE)
		fail_msg("outcome %u %s %s", job->ps.outcome, job->ps.code ? job->ps.code : "",
		         job->ps.message ? job->ps.message : "");
	if (job->out.body_len != strlen(expected) ||
	    memcmp(job->out.body, expected, job->out.body_len) != 0)
		fail_msg("expected \"%s\", found \"%.*s\"", expected, (int)job->out.body_len,
		         (const char *)job->out.body);
}

static void
ends(uint32_t outcome, const char *code)
{
	run("{}");
	if (job->ps.outcome != outcome || !job->ps.code || strcmp(job->ps.code, code) != 0)
		fail_msg("expected %u %s, found %u %s %s", outcome, code, job->ps.outcome,
		         job->ps.code ? job->ps.code : "", job->ps.message ? job->ps.message : "");
	assert_true(job->ps.message[0]);
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

static const char two_paragraphs[] =
    "BT /F 24 Tf 72 760 Td (How to mend a sail) Tj ET\n"
    "BT /F 12 Tf 72 720 Td 14 TL (The wind tears what the sun has bleached, and) Tj\n"
    "T* (what is torn is to be sewn by hand with waxed thr\\055) Tj\n"
    "T* (ead.) Tj ET\n"
    "BT /F 12 Tf 72 650 Td 14 TL (A second paragraph stands further below.) Tj\n"
    "T* (# is no heading of this text.) Tj ET\n";
static const char one_line[] = "BT /F 12 Tf 72 720 Td (The last page.) Tj ET\n";
static const char no_text[] = "0 0 100 100 re f\n";

/* ---- good ones ---- */

static void
lines_become_blocks_and_headings(void **state)
{
	const char *pages[] = { two_paragraphs, one_line };

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		make_pdf(pages, 2, packed, "");
		gives("# How to mend a sail\n\n"
		      "The wind tears what the sun has bleached, and\n"
		      "what is torn is to be sewn by hand with waxed thread.\n\n"
		      "A second paragraph stands further below.\n"
		      " # is no heading of this text.\n\n"
		      "The last page.");
		attribute_is("title", "\"How to mend a sail\"");
		attribute_is("pages", "2");
		attribute_is("format", "\"pdf\"");
		attribute_is("language", "\"en\"");
	}
}

static void
a_document_says_its_title_or_its_name_does(void **state)
{
	const char *pages[] = { one_line };

	(void)state;
	make_pdf(pages, 1, false, "/Info 4 0 R");
	gives("The last page.");
	attribute_is("title", "\"A title of its own\"");
	make_pdf(pages, 1, false, "");
	gives("The last page.");
	attribute_is("title", "\"x.pdf\"");
}

static void
columns_are_read_one_after_the_other(void **state)
{
	const char *pages[] = {
		"BT /F 10 Tf 72 700 Td 12 TL (left one is a line) Tj T* (left two is a line) Tj T* "
		"(left three is a line) Tj ET\n"
		"BT /F 10 Tf 330 700 Td 12 TL (right one is a line) Tj T* (right two is a line) Tj T* "
		"(right three is a line) Tj ET\n"
	};

	(void)state;
	make_pdf(pages, 1, true, "");
	gives("left one is a line\nleft two is a line\nleft three is a line\n\n"
	      "right one is a line\nright two is a line\nright three is a line");
}

static cairo_status_t
add_bytes(void *data, const unsigned char *bytes, unsigned len)
{
	buf_add(data, bytes, len);
	return CAIRO_STATUS_SUCCESS;
}

/* As programs make them: subsets of fonts, object streams, a title in UTF-8. */
static void
a_document_of_another_program_is_read(void **state)
{
	cairo_surface_t *surface;
	cairo_t *cairo;

	(void)state;
	buf_reset(&pdf);
	surface = cairo_pdf_surface_create_for_stream(add_bytes, &pdf, 595, 842);
	cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, "Übersicht");
	cairo = cairo_create(surface);
	for (int i = 0; i < 3; i++) {
		cairo_set_font_size(cairo, 12);
		cairo_move_to(cairo, 72, 100);
		cairo_show_text(cairo, "Plain words of a page");
		cairo_show_page(cairo);
	}
	cairo_destroy(cairo);
	cairo_surface_destroy(surface);
	cairo_debug_reset_static_data();
	FcFini(); /* else its caches count as lost memory */
	gives("Plain words of a page\n\nPlain words of a page\n\nPlain words of a page");
	attribute_is("title", "\"Übersicht\"");
	attribute_is("pages", "3");
}

/* ---- broken and hostile ones ---- */

static void
what_is_no_pdf_is_refused(void **state)
{
	(void)state;
	buf_reset(&pdf);
	buf_adds(&pdf, "<html><body>no</body></html>");
	ends(PS_FAIL, "NOT_PDF");
	buf_reset(&pdf);
	ends(PS_DISCARD, "NO_TEXT");
	buf_adds(&pdf, "%PDF-1.4\nand nothing of one\n");
	ends(PS_FAIL, "CORRUPT");
}

static void
a_document_without_text_is_discarded(void **state)
{
	const char *pages[] = { no_text, no_text };

	(void)state;
	make_pdf(pages, 2, true, "");
	ends(PS_DISCARD, "NO_TEXT");
}

static void
a_locked_document_is_told(void **state)
{
	const char *pages[] = { one_line };

	(void)state;
	make_pdf(pages, 1, false,
	         "/ID [ <00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff> ] "
	         "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
	         "/O <00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff> "
	         "/U <ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100> >>");
	ends(PS_FAIL, "ENCRYPTED");
}

static void
limits_hold(void **state)
{
	const char *many[21];
	struct buf text;

	(void)state;
	for (size_t i = 0; i < countof(many); i++)
		many[i] = one_line;
	make_pdf(many, 20, false, "");
	run("{}");
	assert_int_equal(job->ps.outcome, PS_DONE);
	make_pdf(many, 21, false, "");
	ends(PS_FAIL, "TOO_MANY_PAGES");

	buf_init(&text);
	buf_adds(&text, "BT /F 9 Tf 10 TL 20 830 Td\n");
	for (int i = 0; i < 80; i++)
		buf_printf(&text, "(line %d has fifty letters or some more in it, it has) Tj T*\n",
		           i);
	buf_adds(&text, "ET\n");
	for (size_t i = 0; i < countof(many); i++)
		many[i] = text.data;
	make_pdf(many, 10, true, "");
	run("{}");
	assert_int_equal(job->ps.outcome, PS_DONE);
	make_pdf(many, 20, true, "");
	ends(PS_FAIL, "TOO_LARGE");
	assert_non_null(strstr(job->ps.message, "bytes of text"));
	buf_done(&text);
}

/* 8 MiB of blanks are 8 KiB; packed once more, some hundred bytes. */
static void
what_unpacks_to_too_much_is_refused(void **state)
{
	uLongf len = 8 << 20, once, twice;
	unsigned char *blanks = malloc(len), *small = malloc(compressBound(len)),
	              *smaller = malloc(compressBound(len));
	struct writer w;

	(void)state;
	memset(blanks, ' ', len);
	once = twice = compressBound(len);
	assert_int_equal(compress2(small, &once, blanks, len, 9), Z_OK);
	assert_int_equal(compress2(smaller, &twice, small, once, 9), Z_OK);
	for (int deep = 1; deep <= 2; deep++) {
		begin_pdf(&w);
		object(&w, 1, "<< /Type /Catalog /Pages 2 0 R >>");
		object(&w, 2, "<< /Type /Pages /Kids [ 3 0 R ] /Count 1 >>");
		object(&w, 3,
		       "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 9 9 ] /Contents 4 0 R >>");
		if (deep == 1)
			stream(&w, 4, "/Filter /FlateDecode", small, once);
		else
			stream(&w, 4, "/Filter [ /FlateDecode /FlateDecode ]", smaller, twice);
		end_pdf(&w, "");
		assert_true(pdf.len < 16384);
		ends(PS_FAIL, "TOO_LARGE");
		assert_non_null(strstr(job->ps.message, "when unpacked"));
	}
	free(blanks);
	free(small);
	free(smaller);
}

static void
pages_that_lead_in_a_circle_come_to_an_end(void **state)
{
	struct writer w;

	(void)state;
	begin_pdf(&w);
	object(&w, 1, "<< /Type /Catalog /Pages 2 0 R >>");
	object(&w, 2, "<< /Type /Pages /Kids [ 2 0 R 2 0 R ] /Count 2 >>");
	end_pdf(&w, "");
	ends(PS_FAIL, "CORRUPT");
}

static bool
stop_at_once(void *data, int64_t id)
{
	(void)data, (void)id;
	return true;
}

static void
a_cancelled_job_gives_up(void **state)
{
	const char *pages[] = { one_line };

	(void)state;
	make_pdf(pages, 1, false, "");
	bench.hooks.cancelled = stop_at_once;
	ends(PS_RETRY, "GAVE_UP");
	bench.hooks.cancelled = NULL;
}

/* Whatever is cut off or spoiled: some outcome, and the next document is read as before. */
static void
spoiled_documents_end_somehow(void **state)
{
	const char *pages[] = { two_paragraphs, one_line };
	struct buf whole;

	(void)state;
	make_pdf(pages, 2, true, "/Info 4 0 R");
	buf_init(&whole);
	buf_add(&whole, pdf.data, pdf.len);
	for (uint64_t i = 0; i < 300; i++) {
		uint64_t random = splitmix64(i);

		buf_reset(&pdf);
		buf_add(&pdf, whole.data, i % 3 ? whole.len : random % whole.len);
		for (uint64_t k = 0; k < i % 5 && pdf.len > 0; k++)
			pdf.data[splitmix64(random + k) % pdf.len] = (char)(random >> (8 * k));
		run("{}");
		assert_true(job->ps.outcome == PS_DONE || job->ps.outcome == PS_DISCARD ||
		            job->ps.outcome == PS_FAIL);
	}
	buf_reset(&pdf);
	buf_add(&pdf, whole.data, whole.len);
	run("{}");
	assert_int_equal(job->ps.outcome, PS_DONE);
	buf_done(&whole);
}

/* ---- many at once ---- */

struct reader {
	pthread_t thread;
	uint32_t worker;
	int wrong;
};

static void *
read_often(void *data)
{
	static const struct stage_hooks none;
	struct reader *r = data;
	struct arena *arena;
	struct fault fault = { 0 };

	if (arena_create(&arena, 0, &fault) != OK)
		return NULL;
	for (int i = 0; i < 50; i++) {
		struct stage_job mine = { .ps = { .id = i + 1, .attempt = 1, .max_attempts = 5 },
			                  .in = { .attributes = "{}",
			                          .attributes_len = 2,
			                          .body = pdf.data,
			                          .body_len = pdf.len } };
		struct stage_job *jobs[] = { &mine };
		struct stage_call call = { .release = bench.release,
			                   .worker = r->worker,
			                   .arena = arena,
			                   .hooks = &none,
			                   .jobs = jobs,
			                   .n = 1,
			                   .id = (uint64_t)i + 1 };

		stage_call_run(&call);
		r->wrong += mine.ps.outcome != PS_DONE ||
		            !memmem(mine.out.body, mine.out.body_len, "The last page.", 14);
		arena_reset(arena);
	}
	arena_destroy(arena);
	return NULL;
}

static void
threads_read_documents_at_once(void **state)
{
	const char *pages[] = { two_paragraphs, one_line };
	struct reader readers[THREADS] = { { .worker = 0 } };
	struct fault fault = { 0 };

	(void)state;
	make_pdf(pages, 2, true, "/Info 4 0 R");
	for (uint32_t i = 0; i < THREADS; i++) {
		readers[i].worker = i;
		if (i > 0)
			assert_int_equal(stage_thread_init(bench.release, i, &fault), OK);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]),
		                 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(readers[i].thread, NULL);
		if (i > 0)
			stage_thread_fini(bench.release, i);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(readers[i].wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_blocks_and_headings),
		cmocka_unit_test(a_document_says_its_title_or_its_name_does),
		cmocka_unit_test(columns_are_read_one_after_the_other),
		cmocka_unit_test(a_document_of_another_program_is_read),
		cmocka_unit_test(what_is_no_pdf_is_refused),
		cmocka_unit_test(a_document_without_text_is_discarded),
		cmocka_unit_test(a_locked_document_is_told),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(what_unpacks_to_too_much_is_refused),
		cmocka_unit_test(pages_that_lead_in_a_circle_come_to_an_end),
		cmocka_unit_test(a_cancelled_job_gives_up),
		cmocka_unit_test(spoiled_documents_end_somehow),
		cmocka_unit_test(threads_read_documents_at_once),
	};

	return cmocka_run_group_tests(tests, open_stage, close_stage);
}
