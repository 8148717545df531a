/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_priv.h - what the files of this folder share: the session, the faults
 * made of libpq's answers, and the transaction control that only migrations
 * and bulk loads need.
 */
#ifndef PENSTOCK_DB_PRIV_H
#define PENSTOCK_DB_PRIV_H

#include "db/db.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A statement that this session has prepared, found by its text's address. */
struct db_statement {
	const char *sql;
	char name[32];
	bool prepared;
};

/* One thing that was sent in a pipeline and whose answer is still to be read. */
enum pipe_kind { PIPE_PREPARE, PIPE_STATEMENT, PIPE_COMMIT, PIPE_SYNC };
struct pipe_item {
	enum pipe_kind kind;
	const char *sql;
};

struct db_pipe {
	bool open;
	bool synced; /* a sync may have reached the server */
	bool
	    refused; /* the server refused something since the last sync: its transaction is gone */
	bool settled; /* every answer up to the last sync was read */
	struct pipe_item *items;
	size_t n, cap, next;
	struct fault refusal; /* of the prepare or the sync, until somebody asks */
};

struct db {
	PGconn *conn;              /* NULL: none */
	struct db_options options; /* texts owned */
	bool lost;                 /* the server said good-bye, or went read-only */
	bool unnamed;              /* statements are not prepared */
	bool unclean; /* foreign code had the connection and could not be cleaned up after */

	/* db_sever() shuts down sever_fd, a second name of the socket. Its number never changes:
	 * dup3() puts the next socket, or /dev/null, in its place, so that no other file can be
	 * hit. */
	int sever_fd, null_fd;
	atomic_bool severed;

	struct db_statement *statements;
	size_t n_statements, cap_statements;
	unsigned generation; /* of the names: a name is never used for a second meaning */

	struct db_pipe pipe;
	struct buf copy;
};

/* ---- db_fault.c ---- */

/* What the answer means for the caller; OK when it is no error. Notes a lost connection in db. */
enum status db_result_fault(struct db *db, const PGresult *r, struct fault *fault);
/* When libpq failed without a result. */
enum status db_conn_fault(struct db *db, struct fault *fault);
enum status db_sqlstate_status(const char *sqlstate, const char *severity);

/* ---- db_call.c ---- */

/* The entry of a statement, made when it is new. Lives until the next such call. */
struct db_statement *db_statement_get(struct db *db, const char *sql);
/* Names of this session are void: it is lost, or somebody deallocated them. */
void db_forget_statements(struct db *db);
/* The server no longer knows a prepared statement, or its plan's shape changed: prepare anew. */
bool db_is_stale(const struct fault *fault);
/* OK when db can be spoken to. */
enum status db_ready(struct db *db, struct fault *fault);

/* ---- db_open.c ---- */

void db_drop_connection(struct db *db);

/* SQL text that is built at run time and has parameters in text form; not prepared. */
enum status db_query(struct db *db, const char *sql, const char *const *values, int n,
                     struct db_result **ret_result, struct fault *fault);

/* ---- db_schema: what its three files share ---- */

#define SCHEMA_CORE "penstock"

struct schema_file {
	int version;
	char *name;             /* "core" of "0001_core.sql" */
	char *path, *down_path; /* for people */
	char *text, *down;      /* down NULL: there is no way back */
	char checksum[65];
	int serves; /* programs whose newest migration is this one work on it; 0: none older */
};
struct schema_files {
	char *component;
	struct schema_file *files; /* by version */
	size_t n;
};
/* Reads a component's migrations, embedded or from its folder. INVALID: two of one version, a name
 * that is none, an unreadable file. */
enum status schema_load(const struct db_schema_source *source, struct schema_files *ret,
                        struct fault *fault);
void schema_unload(struct schema_files *files);

struct ledger {
	struct db_migration *rows;
	size_t n;
};
/* BEGIN, under the lock of migrations. For the core, names are looked up in pg_catalog only:
 * whoever runs a migration must not run what a stranger left in public
 * (tests/sql/63_hostile_objects.sh). A failed one is finished, too. */
enum status schema_begin(struct db *db, const char *component, struct fault *fault);
/* COMMIT when st is OK, else ROLLBACK; gives the status of the whole. */
enum status schema_finish(struct db *db, enum status st, struct fault *fault);
enum status schema_note(struct db *db, const char *component, int version, const char *name,
                        const char *checksum, int serves, struct fault *fault);
/* The public API: framework/sql/api, whole. */
enum status schema_api_up(struct db *db, struct fault *fault);
enum status schema_api_drop(struct db *db, struct fault *fault);
/* m: its row in the ledger, or NULL. */
enum status schema_api_check(const struct db_migration *m, struct fault *fault);

/* ---- db_local: a private cluster, its folder and its server ---- */

#define SOCKET_LOCK ".s.PGSQL.5432.lock" /* in the socket's folder: the longest name there */

struct db_local {
	char *folder, *data, *log, *bin, *socket; /* socket: the folder that it lies in */
	bool own_socket_folder;                   /* a short one below /tmp, ours to remove */
	char *admin, *host;
	int mark_fd; /* locked while somebody runs it */
	uid_t uid;   /* who the server runs as */
	gid_t gid;
	char *user;
	pid_t pid; /* of the postmaster; 0: none */
};

/* Of its processes: db_local_server.c */

/* Can the server's user come to its data? initdb would fail with less to say. */
enum status server_check_way(const struct db_local *local, struct fault *fault);
/* A server whose starter was killed ends by itself; one that does not is helped, first kindly. */
enum status server_end_orphans(const struct db_local *local, struct fault *fault);
enum status server_initdb(const struct db_local *local, const char *into, struct fault *fault);
/* Waits until it answers at `conninfo`. It may run also after a failure: see local->pid. */
enum status server_start(struct db_local *local, bool durable, const char *conninfo,
                         struct fault *fault);
void server_stop(pid_t pid);

static inline const PGresult *
pg_of(const struct db_result *r)
{
	return (const PGresult *)(const void *)r;
}

#endif
