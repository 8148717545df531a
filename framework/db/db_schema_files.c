/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_schema_files.c - the texts of migrations: embedded in the binary for the
 * core, from the folder NAME.migrations beside NAME.so for a plugin.
 *
 * A name is NNNN_what.sql, its way back NNNN_what.down.sql; anything else in
 * such a folder is an error, so that a misspelt file is not left out in
 * silence. In its first lines, comments, a migration may say `-- serves: NNNN`:
 * programs whose newest migration is that one work on it.
 */
#include "db/db_priv.h"

#include "sql_text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MOST ((size_t)(8 * MiB))

/* "0001_core" or "0001_core.down" */
static bool
parse_name(const char *name, size_t len, int *ret_version, size_t *ret_what, bool *ret_down)
{
	static const char down[] = ".down";
	size_t tail = sizeof down - 1;

	*ret_down = len > tail && memcmp(name + len - tail, down, tail) == 0;
	if (*ret_down)
		len -= tail;
	if (len < 6 || name[4] != '_')
		return false;
	*ret_version = 0;
	for (int i = 0; i < 4; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*ret_version = *ret_version * 10 + name[i] - '0';
	}
	for (size_t i = 5; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", name[i]))
			return false;
	*ret_what = len - 5;
	return *ret_version > 0;
}

/* 0: it says nothing; -1: what it says is no earlier version. */
static int
parse_serves(const char *text, int version)
{
	static const char word[] = "-- serves:";

	while (strncmp(text, "--", 2) == 0) {
		if (strncmp(text, word, sizeof word - 1) == 0) {
			int64_t n = strtol(text + sizeof word - 1, NULL, 10);

			return n > 0 && n < version ? (int)n : -1;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

static struct schema_file *
entry(struct schema_files *files, int version)
{
	struct schema_file *f;

	for (size_t i = 0; i < files->n; i++)
		if (files->files[i].version == version)
			return &files->files[i];
	files->files = mem_array(files->files, files->n + 1, sizeof *files->files);
	f = &files->files[files->n++];
	*f = (struct schema_file){ .version = version };
	return f;
}

static enum status
add(struct schema_files *files, const char *folder, const char *name, size_t len, const char *text,
    size_t size, struct fault *fault)
{
	struct schema_file *f;
	struct sha256 sum;
	size_t what;
	int version;
	bool down;

	if (!parse_name(name, len, &version, &what, &down))
		return fault_set(fault, INVALID,
		                 "%s/%.*s.sql is not named NNNN_what.sql or NNNN_what.down.sql",
		                 folder, (int)len, name);
	if (strlen(text) != size)
		return fault_set(fault, INVALID, "%s/%.*s.sql has a NUL byte", folder, (int)len,
		                 name);
	f = entry(files, version);
	if ((down ? f->down : f->text) != NULL ||
	    (f->name && (strncmp(f->name, name + 5, what) != 0 || f->name[what])))
		return fault_set(fault, INVALID, "%s has two migrations of version %04d", folder,
		                 version);
	if (!f->name) {
		f->name = mem_dupn(name + 5, what);
		f->path = mem_printf("%s/%04d_%s.sql", folder, version, f->name);
		f->down_path = mem_printf("%s/%04d_%s.down.sql", folder, version, f->name);
	}
	if (down) {
		f->down = mem_dupn(text, size);
		return OK;
	}
	f->text = mem_dupn(text, size);
	f->serves = parse_serves(text, version);
	if (f->serves < 0)
		return fault_set(fault, INVALID,
		                 "%s: `-- serves:` names an earlier migration, NNNN", f->path);
	sha256_of(text, size, &sum);
	sha256_hex(&sum, f->checksum);
	return OK;
}

static enum status
load_embedded(struct schema_files *files, struct fault *fault)
{
	enum status st = OK;

	for (const struct sql_file *f = sql_migrations; f->name && st == OK; f++)
		st = add(files, "migrations", f->name, strlen(f->name), f->text, f->size, fault);
	return st;
}

static enum status
load_file(struct schema_files *files, const char *folder, const char *name, struct fault *fault)
{
	size_t len = strlen(name);
	struct buf text;
	char *path;
	enum status st;

	if (name[0] == '.' || strcmp(name, "README.md") == 0)
		return OK;
	if (len < 4 || strcmp(name + len - 4, ".sql") != 0)
		return fault_set(fault, INVALID, "%s/%s is no migration", folder, name);
	buf_init(&text);
	path = mem_printf("%s/%s", folder, name);
	st = file_read(path, TEXT_MOST, &text, fault);
	if (st == OK)
		st = add(files, folder, name, len - 4, text.data ? text.data : "", text.len, fault);
	free(path);
	buf_done(&text);
	return st;
}

static enum status
load_folder(struct schema_files *files, const char *folder, struct fault *fault)
{
	DIR *dir = opendir(folder);
	enum status st = OK;
	struct dirent *d;

	if (!dir)
		return fault_errno(fault, errno, "cannot read the migrations in %s", folder);
	while (st == OK && (errno = 0, d = readdir(dir)) != NULL)
		st = load_file(files, folder, d->d_name, fault);
	if (st == OK && errno != 0)
		st = fault_errno(fault, errno, "cannot read the migrations in %s", folder);
	closedir(dir);
	return st;
}

static int
by_version(const void *a, const void *b)
{
	const struct schema_file *fa = a, *fb = b;

	return (fa->version > fb->version) - (fa->version < fb->version);
}

static enum status
check_ups(const struct schema_files *files, struct fault *fault)
{
	for (size_t i = 0; i < files->n; i++)
		if (!files->files[i].text)
			return fault_set(fault, INVALID, "%s has no %s that it takes back",
			                 files->files[i].down_path, files->files[i].path);
	return OK;
}

enum status
schema_load(const struct db_schema_source *source, struct schema_files *ret, struct fault *fault)
{
	enum status st;

	*ret = (struct schema_files){ .component = mem_dup(source->component) };
	st = source->folder ? load_folder(ret, source->folder, fault) : load_embedded(ret, fault);
	if (ret->n > 0)
		qsort(ret->files, ret->n, sizeof *ret->files, by_version);
	if (st == OK)
		st = check_ups(ret, fault);
	if (st != OK)
		schema_unload(ret);
	return st;
}

void
schema_unload(struct schema_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		struct schema_file *f = &files->files[i];

		free(f->name);
		free(f->path);
		free(f->down_path);
		free(f->text);
		free(f->down);
	}
	free(files->files);
	free(files->component);
	*files = (struct schema_files){ 0 };
}
