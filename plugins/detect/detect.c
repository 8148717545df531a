/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detect.c - from a path to a document: its bytes, type and checksum.
 *
 * The first stage of the documents pipeline. Files are read below configured
 * roots only. What the store has already ends here, before any work is done.
 */
#include "detect_priv.h"

#include <magic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

PS_OPTIONS(detect, PS_REQUIRED_LIST(roots, "folders below which files may be read"),
           PS_SIZE(max_size, "16MiB", 1, 64 << 20, "larger files are refused"),
           PS_BOOL(duplicates, true, "end documents that are stored already"))

PS_COUNTERS(detect, PS_COUNTER(bytes, "bytes", "read from files"))

struct instance {
	struct ps_list roots; /* without symbolic links */
};

/* ---- life ---- */

static void
free_instance(struct instance *in)
{
	for (size_t i = 0; i < in->roots.n; i++)
		free((char *)in->roots.items[i]);
	free((void *)in->roots.items);
	free(in);
}

static int
detect_open(const struct ps_open *open, void **ret_instance)
{
	const struct detect_options *opt = open->options;
	struct instance *in = calloc(1, sizeof *in);
	const char **items = calloc(opt->roots.n + 1, sizeof *items);
	char text[PATH_MAX + 64];

	if (!in || !items || sodium_init() < 0) {
		free(in);
		free(items);
		ps_open_error(open, "out of memory");
		return 1;
	}
	in->roots.items = items;
	for (size_t i = 0; i < opt->roots.n; i++) {
		items[i] = realpath(opt->roots.items[i], NULL);
		if (!items[i]) {
			snprintf(text, sizeof text, "roots: cannot find the folder %s",
			         opt->roots.items[i]);
			ps_open_error(open, text);
			free_instance(in);
			return 1;
		}
		in->roots.n++;
	}
	*ret_instance = in;
	return 0;
}

static void
detect_close(void *instance)
{
	free_instance(instance);
}

/* A magic_t belongs to one thread. */
static int
detect_thread_init(void *instance, void **ret_thread)
{
	magic_t magic = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF |
	                           MAGIC_NO_CHECK_TAR);

	(void)instance;
	if (!magic)
		return 1;
	if (magic_load(magic, NULL) != 0) {
		magic_close(magic);
		return 2;
	}
	*ret_thread = magic;
	return 0;
}

static void
detect_thread_fini(void *instance, void *thread)
{
	(void)instance;
	magic_close(thread);
}

/* ---- one document ---- */

static const char *
name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Beginnings that leave no doubt: libmagic tries some hundred rules to say the same, and takes
 * most of the stage's time for it. Small letters stand for both. */
static const struct {
	const char *begins;
	const char *mime, *xml_mime; /* xml_mime: behind an XML declaration */
} sure[] = {
	{ "<!doctype html", "text/html", "application/xhtml+xml" },
	{ "<html>", "text/html", "application/xhtml+xml" },
	{ "<html ", "text/html", "application/xhtml+xml" },
	{ "%PDF-1.", "application/pdf", NULL },
	{ "\x1f\x8b\x08", "application/gzip", NULL },
};
#define DECLARATION_MOST 128

static bool
begins_with(const char *bytes, size_t len, const char *begin)
{
	size_t n = strlen(begin);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (c != begin[i] && !(c >= 'A' && c <= 'Z' && c - 'A' + 'a' == begin[i]))
			return false;
	}
	return true;
}

/* Behind an XML declaration and blanks; `bytes` where there is none. */
static const char *
skip_declaration(const char *bytes, size_t len)
{
	const char *end;

	if (!begins_with(bytes, len, "<?xml "))
		return bytes;
	end = memmem(bytes, len < DECLARATION_MOST ? len : DECLARATION_MOST, "?>", 2);
	if (!end)
		return bytes;
	for (end += 2; end < bytes + len && strchr(" \t\r\n", *end) && *end; end++)
		;
	return end;
}

static const char *
mime_of(magic_t magic, const char *bytes, size_t len)
{
	const char *at = skip_declaration(bytes, len), *mime;

	for (size_t i = 0; i < sizeof sure / sizeof sure[0]; i++)
		if (begins_with(at, len - (size_t)(at - bytes), sure[i].begins)) {
			mime = at == bytes ? sure[i].mime : sure[i].xml_mime;
			if (mime)
				return mime;
		}
	mime = magic_buffer(magic, bytes, len);
	return mime ? mime : "application/octet-stream";
}

static void
set_attributes(struct ps_call *call, struct ps_job *job, const struct document *d, const char *mime)
{
	char at[32];
	struct tm tm;

	gmtime_r(&d->info.st_mtime, &tm);
	strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
	ps_set_string(call, job->out, "path", d->path);
	ps_set_string(call, job->out, "name", name_of(d->path));
	ps_set_int(call, job->out, "size", (int64_t)d->len);
	ps_set_string(call, job->out, "mtime", at);
	ps_set_string(call, job->out, "mime", mime);
	ps_set_string(call, job->out, "sha256", d->sum_hex);
	ps_set_body(call, job->out, d->bytes, d->len);
	ps_count(call, detect_bytes, (double)d->len);
}

static bool
read_one(struct ps_call *call, struct ps_job *job, struct document *d)
{
	const struct detect_options *opt = ps_options(call, detect);
	const struct instance *in = call->instance;
	const char *path = ps_get_string(call, job->in, "path", NULL);
	struct refusal why;

	if (!path || !path[0]) {
		ps_fail(call, job, "NO_PATH", "the attribute `path` is missing");
		return false;
	}
	if (document_read(call, path, &in->roots, opt->max_size, d, &why))
		return true;
	if (why.outcome == PS_RETRY)
		ps_retry(call, job, -1, why.code, why.message);
	else
		ps_fail(call, job, why.code, why.message);
	return false;
}

static void
give(struct ps_call *call, struct ps_job *job, const struct document *d)
{
	const char *mime = mime_of(call->thread, d->bytes, d->len);

	set_attributes(call, job, d, mime);
	ps_done(call, job, strcmp(mime, "application/pdf") == 0 ? "pdf" : NULL);
}

static void
finish(struct ps_call *call, struct ps_job *job, const struct document *d, enum known known)
{
	switch (known) {
	case KNOWN_UNCHANGED:
		ps_discard(call, job, "UNCHANGED", "the document is stored as it is");
		break;
	case KNOWN_DUPLICATE:
		ps_discard(call, job, "DUPLICATE", "the same bytes are stored under another path");
		break;
	default: give(call, job, d);
	}
}

/* ---- a call ---- */

/* The same bytes twice in one call: neither is stored yet, so the table cannot tell. */
static void
find_twins(const struct document *const *documents, uint32_t n, enum known *known)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = 0; k < i && known[i] == KNOWN_NOT; k++)
			if (known[k] == KNOWN_NOT && memcmp(documents[i]->sum, documents[k]->sum,
			                                    sizeof documents[i]->sum) == 0)
				known[i] = KNOWN_DUPLICATE;
}

static int
detect_process(void *instance, void *thread, struct ps_call *call)
{
	const struct detect_options *opt = ps_options(call, detect);
	const struct document **documents = ps_alloc(call, call->n * sizeof(struct document *));
	struct ps_job **jobs = ps_alloc(call, call->n * sizeof(struct ps_job *));
	enum known *known = ps_alloc(call, call->n * sizeof *known);
	struct document *d = NULL;
	bool answered = true;
	uint32_t n = 0;

	(void)instance;
	(void)thread;
	for (uint32_t i = 0; i < call->n; i++) {
		d = d ? d : ps_alloc(call, sizeof *d);
		if (!read_one(call, ps_job_at(call, i), d))
			continue;
		jobs[n] = ps_job_at(call, i);
		documents[n++] = d;
		d = NULL;
	}
	if (opt->duplicates && n > 0) {
		answered = known_look_up(call, documents, n, known);
		find_twins(documents, n, known);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (answered)
			finish(call, jobs[i], documents[i], known[i]);
		else
			ps_retry(call, jobs[i], -1, "DB_AWAY",
			         "duplicates could not be looked for");
	}
	return 0;
}

/* A call holds all of its documents in memory: few at a time. */
PS_STAGE(detect, "1.0.0", "Reads a file below the allowed folders, finds its type, ends duplicates",
         PS_READS_DB, PS_OPEN(detect_open), PS_CLOSE(detect_close),
         PS_THREAD_INIT(detect_thread_init), PS_THREAD_FINI(detect_thread_fini), PS_MAX_CALL(64),
         PS_ROUTES("done,pdf"), PS_WITH_COUNTERS(detect))
