/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_schema.c - bring a database to the schema that this program knows.
 *
 * Each migration is one transaction under one advisory lock, with its row in
 * the ledger (penstock.migration): killed at any moment, the next run goes on
 * where this one stopped. Never touches a database that another hand changed:
 * an applied migration whose text differs, or one that we do not know, is
 * refused before anything is done. Where the texts come from: db_schema_files.c.
 */
#include "db/db_priv.h"

#include "sql_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- the ledger ---- */

/* Version 0 of the core is no migration: it says which public API is installed. serves: see the
 * note on older programs. */
#define LEDGER                                                                                     \
	"CREATE SCHEMA IF NOT EXISTS penstock;"                                                    \
	"CREATE TABLE IF NOT EXISTS penstock.migration ("                                          \
	" component text NOT NULL,"                                                                \
	" version integer NOT NULL CHECK (version >= 0),"                                          \
	" name text NOT NULL,"                                                                     \
	" checksum text NOT NULL,"                                                                 \
	" applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"                   \
	" serves integer,"                                                                         \
	" PRIMARY KEY (component, version));"                                                      \
	"ALTER TABLE penstock.migration ADD COLUMN IF NOT EXISTS serves integer"

/* *ret_whole: with all its columns; NULL is allowed. */
static enum status
ledger_exists(struct db *db, bool *ret, bool *ret_whole, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql_schema_exists, NULL, &r, fault);

	if (st != OK)
		return st;
	*ret = db_int(r, 0, 0) != 0;
	if (ret_whole)
		*ret_whole = db_int(r, 0, 1) != 0;
	db_result_free(r);
	return OK;
}

static void
read_row(const struct db_result *r, int row, struct db_migration *m)
{
	*m = (struct db_migration){
		.component = mem_dup(db_text(r, row, 0)),
		.version = (int)db_int(r, row, 1),
		.name = mem_dup(db_text(r, row, 2)),
		.applied = true,
		.applied_at_us = db_time_us(r, row, 4),
		.serves = db_null(r, row, 5) ? 0 : (int)db_int(r, row, 5),
	};
	snprintf(m->checksum, sizeof m->checksum, "%s", db_text(r, row, 3));
}

/* All that was ever applied, by component and version; nothing where there is no ledger yet. */
static enum status
read_ledger(struct db *db, struct ledger *ret, struct fault *fault)
{
	struct db_result *r;
	bool exists = false;
	enum status st = ledger_exists(db, &exists, NULL, fault);

	*ret = (struct ledger){ NULL, 0 };
	if (st != OK || !exists)
		return st;
	st = db_call(db, sql_schema_list, NULL, &r, fault);
	if (st != OK)
		return st;
	ret->n = (size_t)db_rows(r);
	ret->rows = mem_array(NULL, ret->n + 1, sizeof *ret->rows);
	for (size_t i = 0; i < ret->n; i++)
		read_row(r, (int)i, &ret->rows[i]);
	db_result_free(r);
	return OK;
}

static void
free_ledger(struct ledger *l)
{
	db_schema_list_free(l->rows, l->n);
}

void
db_schema_list_free(struct db_migration *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].component);
		free(list[i].name);
	}
	free(list);
}

static const struct db_migration *
ledger_find(const struct ledger *l, const char *component, int version)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->rows[i].version == version && strcmp(l->rows[i].component, component) == 0)
			return &l->rows[i];
	return NULL;
}

static int
ledger_newest(const struct ledger *l, const char *component)
{
	int newest = 0;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->rows[i].component, component) == 0 && l->rows[i].version > newest)
			newest = l->rows[i].version;
	return newest;
}

/* Note on older programs. While hosts are upgraded one by one, the schema is the newer one's and
 * hosts of the version before must be able to start. Which programs it still serves is known to the
 * migrations alone, so each says it in its first lines (`-- serves: 0008`: programs whose newest is
 * 0008 work on it), and the ledger keeps it for those that do not know the migration. Such a
 * program works on, and changes nothing. See docs/decisions/0009-older-programs.md. */

/* ---- what must be true before anything is done ---- */

static const struct schema_file *
file_find(const struct schema_files *files, int version)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->files[i].version == version)
			return &files->files[i];
	return NULL;
}

/* Is it newer than all that this program knows, and works with it all the same? */
static bool
serves_us(const struct schema_files *files, const struct db_migration *m)
{
	int newest = files->n > 0 ? files->files[files->n - 1].version : 0;

	return m->version > newest && m->serves > 0 && m->serves <= newest;
}

static enum status
refuse_unknown(const struct db_migration *m, struct fault *fault)
{
	fault_set(fault, REFUSED,
	          "the database has migration %04d_%s of %s, which this program does not know: it "
	          "is newer than this program",
	          m->version, m->name, m->component);
	if (m->serves > 0)
		fault_hint(fault,
		           "use the version of penstock that made it, or a later one; it serves "
		           "hosts that know migration %04d, but for `migrate`",
		           m->serves);
	else
		fault_hint(fault, "use the version of penstock that made it, or a later one");
	return REFUSED;
}

/* *newer: NULL, or set when the migration is one that is not known and serves this program. */
static enum status
compare(const struct schema_files *files, const struct db_migration *m, bool *newer,
        struct fault *fault)
{
	const struct schema_file *f = file_find(files, m->version);

	if (!f && newer && serves_us(files, m)) {
		*newer = true;
		return OK;
	}
	if (!f)
		return refuse_unknown(m, fault);
	if (strcmp(f->checksum, m->checksum) == 0)
		return OK;
	fault_set(fault, REFUSED,
	          "migration %s was edited after it had been applied: it has checksum %s, applied "
	          "was %s",
	          f->path, f->checksum, m->checksum);
	fault_hint(fault, "put the old text back, and say what is new in a new migration");
	return REFUSED;
}

static enum status
verify(const struct schema_files *files, const struct ledger *l, bool *newer, struct fault *fault)
{
	int newest = ledger_newest(l, files->component);

	for (size_t i = 0; i < l->n; i++) {
		enum status st = OK;

		if (l->rows[i].version > 0 && strcmp(l->rows[i].component, files->component) == 0)
			st = compare(files, &l->rows[i], newer, fault);
		if (st != OK)
			return st;
	}
	for (size_t i = 0; i < files->n; i++) {
		const struct schema_file *f = &files->files[i];

		if (f->version < newest && !ledger_find(l, files->component, f->version))
			return fault_set(
			    fault, REFUSED,
			    "migration %s was never applied, though the later %04d was", f->path,
			    newest);
	}
	return OK;
}

/* ---- one migration ---- */

enum status
schema_begin(struct db *db, const char *component, struct fault *fault)
{
	enum status st = db_begin(db, fault);

	if (st == OK)
		st = db_call(db, sql_schema_lock, NULL, NULL, fault);
	if (st == OK && strcmp(component, SCHEMA_CORE) == 0)
		st = db_exec(db, "SET LOCAL search_path = pg_catalog, pg_temp", fault);
	return st;
}

static enum status
make_ledger(struct db *db, struct fault *fault)
{
	bool exists = false, whole = false;
	enum status st = ledger_exists(db, &exists, &whole, fault);

	if (st != OK || whole)
		return st;
	st = schema_begin(db, SCHEMA_CORE, fault);
	if (st == OK)
		st = db_exec(db, LEDGER, fault);
	return schema_finish(db, st, fault);
}

enum status
schema_finish(struct db *db, enum status st, struct fault *fault)
{
	if (st == OK)
		return db_commit(db, fault);
	if (db_alive(db) && db_transaction_state(db) != DB_IDLE)
		db_rollback(db, NULL);
	return st;
}

/* A text with COMMIT in it would be half applied when it is killed. */
static enum status
run_text(struct db *db, const char *path, const char *text, struct fault *fault)
{
	int64_t before = 0, after = 0;
	enum status st = db_call_int(db, sql_schema_transaction, NULL, &before, fault);

	if (st == OK)
		st = db_exec(db, text, fault);
	if (st == OK && db_transaction_state(db) == DB_IN_TRANSACTION)
		st = db_call_int(db, sql_schema_transaction, NULL, &after, fault);
	if (st == OK && before != after)
		st = fault_set(fault, INVALID, "a migration must not end its transaction");
	if (st != OK)
		fault_where(fault, "%s", path);
	return st;
}

/* The public API is made anew after any change of the tables below it. */
static enum status
forget_api(struct db *db, const char *component, struct fault *fault)
{
	struct db_args args;

	if (strcmp(component, SCHEMA_CORE) != 0)
		return OK;
	db_args_init(&args);
	db_arg_text(&args, SCHEMA_CORE);
	db_arg_int4(&args, 0);
	return db_call(db, sql_schema_remove, &args, NULL, fault);
}

enum status
schema_note(struct db *db, const char *component, int version, const char *name,
            const char *checksum, int serves, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, component);
	db_arg_int4(&args, version);
	db_arg_text(&args, name);
	db_arg_text(&args, checksum);
	if (serves > 0)
		db_arg_int4(&args, serves);
	else
		db_arg_null(&args);
	return db_call(db, sql_schema_add, &args, NULL, fault);
}

/* Under the lock another may have been quicker: *ret_there, after the same checks. */
static enum status
look_again(struct db *db, const struct schema_files *files, int version, bool *ret_there,
           struct fault *fault)
{
	struct ledger now;
	enum status st = read_ledger(db, &now, fault);

	if (st != OK)
		return st;
	st = verify(files, &now, NULL, fault);
	*ret_there = ledger_find(&now, files->component, version) != NULL;
	free_ledger(&now);
	return st;
}

static enum status
apply(struct db *db, const struct schema_files *files, const struct schema_file *f,
      struct fault *fault)
{
	enum status st = schema_begin(db, files->component, fault);
	bool there = false;

	if (st == OK)
		st = look_again(db, files, f->version, &there, fault);
	if (st == OK && !there) {
		st = run_text(db, f->path, f->text, fault);
		if (st == OK)
			st = schema_note(db, files->component, f->version, f->name, f->checksum,
			                 f->serves, fault);
		if (st == OK)
			st = forget_api(db, files->component, fault);
	}
	return schema_finish(db, st, fault);
}

static void
tell(db_schema_progress *progress, void *data, const struct schema_files *files,
     const struct schema_file *f, bool done, int64_t took_ns)
{
	struct db_migration m = { .component = files->component,
		                  .name = f->name,
		                  .version = f->version,
		                  .applied = done };

	memcpy(m.checksum, f->checksum, sizeof m.checksum);
	if (progress)
		progress(data, &m, done, took_ns);
}

static enum status
apply_missing(struct db *db, const struct schema_files *files, const struct ledger *l,
              db_schema_progress *progress, void *data, struct fault *fault)
{
	enum status st = verify(files, l, NULL, fault);

	for (size_t i = 0; i < files->n && st == OK; i++) {
		const struct schema_file *f = &files->files[i];
		int64_t begun = clock_mono();

		if (ledger_find(l, files->component, f->version))
			continue;
		tell(progress, data, files, f, false, 0);
		st = apply(db, files, f, fault);
		if (st == OK)
			tell(progress, data, files, f, true, clock_mono() - begun);
	}
	return st;
}

static enum status
up_one(struct db *db, const struct db_schema_source *source, db_schema_progress *progress,
       void *data, struct fault *fault)
{
	struct schema_files files;
	struct ledger ledger;
	enum status st = schema_load(source, &files, fault);

	if (st != OK)
		return st;
	st = read_ledger(db, &ledger, fault);
	if (st == OK)
		st = apply_missing(db, &files, &ledger, progress, data, fault);
	/* before the plugins' migrations, which may use what it makes */
	if (st == OK && strcmp(files.component, SCHEMA_CORE) == 0)
		st = schema_api_up(db, fault);
	free_ledger(&ledger);
	schema_unload(&files);
	return st;
}

enum status
db_schema_up(struct db *db, const struct db_schema_source *sources, size_t n,
             db_schema_progress *progress, void *data, struct fault *fault)
{
	enum status st = make_ledger(db, fault);

	for (size_t i = 0; i < n && st == OK; i++)
		st = up_one(db, &sources[i], progress, data, fault);
	return st;
}

/* ---- and back ---- */

static enum status
take_back(struct db *db, const struct schema_files *files, const struct schema_file *f,
          struct fault *fault)
{
	struct db_args args;
	enum status st = schema_begin(db, files->component, fault);
	bool there = false, ledger = false;

	if (st == OK)
		st = look_again(db, files, f->version, &there, fault);
	if (st == OK && there) {
		/* views and functions stand on the tables; the next `up` makes them again */
		if (strcmp(files->component, SCHEMA_CORE) == 0)
			st = schema_api_drop(db, fault);
		if (st == OK)
			st = run_text(db, f->down_path, f->down, fault);
		if (st == OK)
			st = ledger_exists(db, &ledger, NULL, fault);
		if (st == OK && ledger) {
			db_args_init(&args);
			db_arg_text(&args, files->component);
			db_arg_int4(&args, f->version);
			st = db_call(db, sql_schema_remove, &args, NULL, fault);
			if (st == OK)
				st = forget_api(db, files->component, fault);
		}
	}
	return schema_finish(db, st, fault);
}

static enum status
down_to(struct db *db, const struct schema_files *files, const struct ledger *l, int to,
        db_schema_progress *progress, void *data, struct fault *fault)
{
	enum status st = verify(files, l, NULL, fault);

	for (size_t i = files->n; i > 0 && st == OK; i--) {
		const struct schema_file *f = &files->files[i - 1];
		int64_t begun = clock_mono();

		if (f->version <= to || !ledger_find(l, files->component, f->version))
			continue;
		if (!f->down)
			return fault_set(fault, REFUSED, "migration %s has no way back (%s)",
			                 f->path, f->down_path);
		tell(progress, data, files, f, false, 0);
		st = take_back(db, files, f, fault);
		if (st == OK)
			tell(progress, data, files, f, true, clock_mono() - begun);
	}
	return st;
}

enum status
db_schema_down(struct db *db, const struct db_schema_source *source, int to,
               db_schema_progress *progress, void *data, struct fault *fault)
{
	struct schema_files files;
	struct ledger ledger;
	enum status st = schema_load(source, &files, fault);

	if (st != OK)
		return st;
	st = read_ledger(db, &ledger, fault);
	if (st == OK)
		st = down_to(db, &files, &ledger, to, progress, data, fault);
	free_ledger(&ledger);
	schema_unload(&files);
	return st;
}

/* ---- asking ---- */

static void
list_add(struct ledger *list, const char *component, int version, const char *name,
         const char *checksum, int64_t applied_at_us, bool applied)
{
	struct db_migration *m;

	list->rows = mem_array(list->rows, list->n + 1, sizeof *list->rows);
	m = &list->rows[list->n++];
	*m = (struct db_migration){
		.component = mem_dup(component),
		.version = version,
		.name = mem_dup(name),
		.applied = applied,
		.applied_at_us = applied_at_us,
	};
	snprintf(m->checksum, sizeof m->checksum, "%s", checksum);
}

/* What is known, and behind it what only the database knows. */
static void
list_component(struct ledger *list, const struct schema_files *files, const struct ledger *l)
{
	for (size_t i = 0; i < files->n; i++) {
		const struct schema_file *f = &files->files[i];
		const struct db_migration *m = ledger_find(l, files->component, f->version);

		list_add(list, files->component, f->version, f->name, f->checksum,
		         m ? m->applied_at_us : 0, m != NULL);
	}
	for (size_t i = 0; i < l->n; i++) {
		const struct db_migration *m = &l->rows[i];

		if (m->version > 0 && strcmp(m->component, files->component) == 0 &&
		    !file_find(files, m->version))
			list_add(list, m->component, m->version, m->name, m->checksum,
			         m->applied_at_us, true);
	}
}

enum status
db_schema_list(struct db *db, const struct db_schema_source *sources, size_t n,
               struct db_migration **ret_list, size_t *ret_n, struct fault *fault)
{
	struct ledger ledger, list = { NULL, 0 };
	enum status st = read_ledger(db, &ledger, fault);

	for (size_t i = 0; i < n && st == OK; i++) {
		struct schema_files files;

		st = schema_load(&sources[i], &files, fault);
		if (st != OK)
			break;
		list_component(&list, &files, &ledger);
		schema_unload(&files);
	}
	free_ledger(&ledger);
	if (st != OK) {
		free_ledger(&list);
		return st;
	}
	*ret_list = list.rows;
	*ret_n = list.n;
	return OK;
}

static enum status
missing(struct fault *fault, const char *what)
{
	fault_set(fault, REFUSED, "%s", what);
	fault_hint(fault, "run `penstock migrate up`");
	return REFUSED;
}

static enum status
check_core(const struct schema_files *files, const struct ledger *l, bool *ret_newer,
           struct fault *fault)
{
	enum status st;

	*ret_newer = false;
	if (l->n == 0)
		return missing(fault, "the database has no schema of penstock");
	st = verify(files, l, ret_newer, fault);
	for (size_t i = 0; i < files->n && st == OK; i++)
		if (!ledger_find(l, SCHEMA_CORE, files->files[i].version))
			st = missing(fault, "the database has an older schema than this program");
	if (st != OK || (*ret_newer && ledger_find(l, SCHEMA_CORE, 0)))
		return st; /* its functions are those of the newer schema */
	return schema_api_check(ledger_find(l, SCHEMA_CORE, 0), fault);
}

enum status
db_schema_check(struct db *db, bool *ret_newer, struct fault *fault)
{
	bool newer = false;
	const struct db_schema_source core = { SCHEMA_CORE, NULL };
	struct schema_files files;
	struct ledger ledger;
	enum status st = schema_load(&core, &files, fault);

	if (st != OK)
		return st;
	st = read_ledger(db, &ledger, fault);
	if (st == OK)
		st = check_core(&files, &ledger, ret_newer ? ret_newer : &newer, fault);
	free_ledger(&ledger);
	schema_unload(&files);
	return st;
}
