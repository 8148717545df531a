/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_payload.c - messages from a file, each time with another salt, so that no job repeats one.
 *
 * A stage that ends what it has seen already would else do nothing from the
 * second round on. One that looks at the bytes of a file gets files of their
 * own: copies with the salt at their end.
 */
#include "load/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST (64 * MiB)

static enum status
add_line(struct load_payload *p, const char *line, size_t len, struct fault *fault)
{
	enum status st;

	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (len == 0)
		return OK;
	st = json_check_object(line, len, fault);
	if (st != OK)
		return st;
	p->lines = mem_array(p->lines, p->n + 1, sizeof *p->lines);
	p->lines[p->n++] = mem_dupn(line, len);
	return OK;
}

enum status
load_payload_read(const char *path, struct load_payload *ret, struct fault *fault)
{
	struct uuid run = uuid_random();
	enum status st = OK;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *f;

	uuid_text(&run, ret->run);
	if (!path)
		return add_line(ret, "{}", 2, fault);
	f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!f)
		return fault_errno(fault, errno, "cannot read %s", path);
	for (int64_t n = 1; st == OK && (len = getline(&line, &size, f)) >= 0; n++) {
		st = add_line(ret, line, (size_t)len, fault);
		if (st != OK)
			fault_where(fault, "%s:%" PRId64, path, n);
	}
	if (st == OK && ret->n == 0)
		st = fault_set(fault, INVALID, "%s has no line with a JSON object", path);
	free(line);
	if (f != stdin)
		fclose(f);
	return st;
}

void
load_payload_done(struct load_payload *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->lines[i]);
	free(p->lines);
}

/* ---- one message ---- */

/* What stands behind the last dot of the name; "" when there is none. */
static const char *
extension(const char *path)
{
	const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');

	return dot && (!slash || dot > slash) ? dot : "";
}

/* Behind a compressed file nothing can be put that its reader would take for content. */
static bool
can_be_salted(const char *ext)
{
	static const char *const packed[] = { ".gz", ".xz", ".zst", ".bz2", ".pdf", ".zip" };

	for (size_t i = 0; i < countof(packed); i++)
		if (strcmp(ext, packed[i]) == 0)
			return false;
	return true;
}

static enum status
copy_file(const struct load_payload *p, int64_t i, const char *path, char **ret_copy,
          struct fault *fault)
{
	const char *ext = extension(path);
	bool markup = strcmp(ext, ".html") == 0 || strcmp(ext, ".htm") == 0;
	struct buf bytes;
	enum status st;

	if (!can_be_salted(ext))
		return fault_set(fault, INVALID, "%s is compressed: a copy of it cannot be salted",
		                 path);
	buf_init(&bytes);
	st = file_read(path, FILE_MOST, &bytes, fault);
	if (st == OK) {
		buf_printf(&bytes, markup ? "\n<p>%s-%" PRId64 "</p>\n" : "\n\n%s-%" PRId64 "\n",
		           p->run, i);
		*ret_copy = mem_printf("%s/%s-%" PRId64 "%s", p->copies, p->run, i, ext);
		st = file_mkdirs(p->copies, 0755, fault);
	}
	if (st == OK) {
		FILE *f = fopen(*ret_copy, "wxe");

		if (!f || fwrite(bytes.data, 1, bytes.len, f) != bytes.len)
			st = fault_errno(fault, errno, "cannot write %s", *ret_copy);
		if (f && fclose(f) != 0 && st == OK)
			st = fault_errno(fault, errno, "cannot write %s", *ret_copy);
	}
	buf_done(&bytes);
	return st;
}

/* The value of the member `path`, when it is a plain string. The caller frees. */
static char *
path_of(const char *line)
{
	const char *at = strstr(line, "\"path\""), *end;

	if (!at)
		return NULL;
	at += strlen("\"path\"");
	at += strspn(at, " \t");
	if (*at != ':')
		return NULL;
	at += 1 + strspn(at + 1, " \t");
	if (*at != '"')
		return NULL;
	end = strchr(at + 1, '"');
	return end && !memchr(at + 1, '\\', (size_t)(end - at - 1))
	           ? mem_dupn(at + 1, (size_t)(end - at - 1))
	           : NULL;
}

static void
add_member(struct buf *out, const char *name, const char *value)
{
	size_t i = out->len;

	/* the closing brace goes, and comes back behind the member: the last one of a name counts
	 */
	while (i > 0 && out->data[i - 1] != '}')
		i--;
	out->len = i - 1;
	while (out->len > 0 && strchr(" \t", out->data[out->len - 1]))
		out->len--;
	if (out->data[out->len - 1] != '{')
		buf_adds(out, ", ");
	buf_add_json(out, name, strlen(name));
	buf_adds(out, ": ");
	buf_add_json(out, value, strlen(value));
	buf_addc(out, '}');
}

enum status
load_payload_make(struct load_payload *p, struct buf *out, struct fault *fault)
{
	int64_t i = p->made++;
	const char *line = p->lines[(size_t)i % p->n];
	char *salt = mem_printf("%s-%" PRId64, p->run, i), *copy = NULL;
	char *path = p->copies ? path_of(line) : NULL;
	enum status st = OK;

	buf_reset(out);
	buf_adds(out, line);
	add_member(out, p->salt, salt);
	if (path)
		st = copy_file(p, i, path, &copy, fault);
	if (copy && st == OK)
		add_member(out, "path", copy);
	free(copy);
	free(path);
	free(salt);
	return st;
}
