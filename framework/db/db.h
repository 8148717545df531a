/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db.h - PostgreSQL, and the only folder that includes libpq-fe.h.
 *
 * Connections, calls, pipelines, transactions, LISTEN, migrations, and the
 * private cluster of `penstock dev`. Knows nothing of jobs: what a statement
 * means is said in queue/. A connection belongs to one thread.
 *
 * Note on errors: AWAY means that the connection is gone, or the server is
 * starting, stopping, read-only (25006) or out of disk, memory or connections
 * (class 53): nothing is known to be wrong with the statement; reconnect and
 * try again. Of a db_call() outside of a transaction it may have happened, so
 * what must not happen twice goes through db_commit() or a pipeline. UNKNOWN means that the
 * connection was lost after a COMMIT was sent. SQL means that the server refused: the fault carries
 * SQLSTATE, message, detail and hint.
 *
 * Note on poolers: a pooler in transaction mode gives each transaction whichever session of the
 * server is free, so a pooled db relies on nothing that outlives one: statements have no names, no
 * options are sent at the start (poolers refuse them), LISTEN is not to be used. What the session's
 * options would have said is said by the role (docs/operations.md).
 */
#ifndef PENSTOCK_DB_H
#define PENSTOCK_DB_H

#include "base/base.h"
#include "memory/memory.h"

struct pg_conn;
struct db;
struct db_result;

struct db_options {
	const char *conninfo;    /* libpq keywords or URI; several hosts allowed */
	const char *application; /* application_name */
	bool read_only;     /* default_transaction_read_only; pooled: only by db_begin_read() */
	bool pooled;        /* see "Note on poolers" */
	bool patient;       /* db_open() gives an unconnected one instead of AWAY */
	int64_t connect_ns; /* most time for one attempt; 0: 10 s */
};

/* Opens and sets up the session (jit off, READ COMMITTED, keepalives, tcp_user_timeout,
 * idle_in_transaction_session_timeout, UTF-8, UTC, target_session_attrs). */
enum status db_open(const struct db_options *options, struct db **ret_db, struct fault *fault);
void db_close(struct db *db); /* takes NULL */
/* What a session of the server is like behind this connection, found out with a mark that one
 * session sets and another one, or the same one later, must see or not see. Opens a second
 * connection like `db` for the time of the call; `db` must be idle and keeps the mark. */
struct db_session_fact {
	int pid_of_protocol, pid_of_server; /* at the connection's start, and asked by SQL */
	bool kept;                          /* the session's options are in force */
	bool lost, shared; /* its mark was gone later; another session of ours saw it */
};
enum status db_session_look(struct db *db, struct db_session_fact *ret, struct fault *fault);
/* Sessions change between transactions. */
bool db_session_changes(const struct db_session_fact *fact);
/* Throws the session away and opens a new one; one attempt, no waiting: back-off is the caller's.
 */
enum status db_reconnect(struct db *db, struct fault *fault);
bool db_alive(const struct db *db); /* as far as is known without asking */
/* From another thread or a signal handler: makes a blocked call return AWAY (shuts the socket
 * down). Not together with db_close(). */
void db_sever(struct db *db);
int db_socket(const struct db *db);
struct pg_conn *db_conn(struct db *db);     /* to lend to a transactional stage; stays the db's */
int db_server_version(const struct db *db); /* 150004 */
/* The server's process as the protocol named it; a pooler names one that does not exist. */
int db_backend_pid(const struct db *db);

/* ---- arguments: typed, sent in binary where that is cheaper; they point at the caller's bytes
 * ---- */

#define DB_ARGS_MAX 32
struct db_args {
	int n;
	unsigned types[DB_ARGS_MAX]; /* Oid; 0 lets the server infer */
	const char *values[DB_ARGS_MAX];
	int lengths[DB_ARGS_MAX];
	int formats[DB_ARGS_MAX];
	char scratch[DB_ARGS_MAX][16]; /* network-order integers */
};
void db_args_init(struct db_args *args);
void db_arg_null(struct db_args *args);
void db_arg_int2(struct db_args *args, int16_t v);
void db_arg_int4(struct db_args *args, int32_t v);
void db_arg_int8(struct db_args *args, int64_t v);
void db_arg_bool(struct db_args *args, bool v);
void db_arg_double(struct db_args *args, double v);
void db_arg_text(struct db_args *args, const char *text); /* type inferred; NULL is null */
void db_arg_bytes(struct db_args *args, const void *bytes, size_t len); /* bytea; NULL is null */
void db_arg_uuid(struct db_args *args, const struct uuid *uuid);
/* Binary arrays, built in the arena. A NULL element is null. */
void db_arg_int2s(struct db_args *args, struct arena *arena, const int16_t *v, size_t n);
void db_arg_int4s(struct db_args *args, struct arena *arena, const int32_t *v, size_t n);
void db_arg_int8s(struct db_args *args, struct arena *arena, const int64_t *v, size_t n);
void db_arg_doubles(struct db_args *args, struct arena *arena, const double *v, size_t n);
struct db_bytes {
	const void *bytes;
	size_t len;
}; /* bytes NULL: null element */
void db_arg_texts(struct db_args *args, struct arena *arena, const struct db_bytes *v,
                  size_t n); /* text[] */
void db_arg_jsons(struct db_args *args, struct arena *arena, const struct db_bytes *v,
                  size_t n); /* json[] */
void db_arg_byteas(struct db_args *args, struct arena *arena, const struct db_bytes *v,
                   size_t n); /* bytea[] */
/* Sets of ids as int8multirange[], each from a sorted array of distinct ids. */
struct db_ids {
	const int64_t *ids;
	size_t n;
};
void db_arg_multiranges(struct db_args *args, struct arena *arena, const struct db_ids *v,
                        size_t n);

/* ---- one statement, one round trip ---- */

/* sql: a statement of framework/sql (sql_NAME): prepared once a session under a name made from its
 * address, so pass the same pointer. Results are binary. ret_result may be NULL. args may be NULL.
 */
enum status db_call(struct db *db, const char *sql, const struct db_args *args,
                    struct db_result **ret_result, struct fault *fault);
/* A statement whose first row's first column is a number: 0 when that is null or there is no row.
 * *ret is set on OK only. */
enum status db_call_int(struct db *db, const char *sql, const struct db_args *args, int64_t *ret,
                        struct fault *fault);
/* The first n columns of its first row, which are numbers: one that is null, or not there, leaves
 * what stands in ret. */
enum status db_call_ints(struct db *db, const char *sql, const struct db_args *args, int64_t *ret,
                         int n, struct fault *fault);
/* Text that is not prepared and may hold several statements (migrations, BEGIN, COMMIT). */
enum status db_exec(struct db *db, const char *sql, struct fault *fault);

int db_rows(const struct db_result *r);
bool db_null(const struct db_result *r, int row, int col);
int64_t db_int(const struct db_result *r, int row, int col);      /* int2, int4, int8, oid, bool */
double db_float(const struct db_result *r, int row, int col);     /* float4, float8 */
const char *db_text(const struct db_result *r, int row, int col); /* NUL-terminated; "" when null */
const void *db_bytes(const struct db_result *r, int row, int col, size_t *ret_len);
int64_t db_time_us(const struct db_result *r, int row,
                   int col); /* timestamptz, microseconds since 1970 */
/* int8multirange to a sorted array of ids, in the arena. */
enum status db_ids(const struct db_result *r, int row, int col, struct arena *arena,
                   struct db_ids *ret, struct fault *fault);
void db_result_free(struct db_result *r); /* takes NULL; or hand it to an arena: */
void db_result_keep(struct db_result *r, struct arena *arena); /* freed at its reset */

/* ---- several statements, one round trip ----
 *
 * db_pipe_begin(), some db_pipe_send() and db_pipe_sync(), then one db_pipe_next() for each
 * statement sent, in order, then db_pipe_end(), which also eats what was not read. Statements
 * between two syncs are one implicit transaction: it is committed when db_pipe_end() says OK, and
 * not before. After an error those up to the next sync answer SQL with SQLSTATE "" and the text
 * "skipped". When the connection is lost, next and end say AWAY while the transaction certainly did
 * not commit, and UNKNOWN when it may have. */
enum status db_pipe_begin(struct db *db, struct fault *fault);
enum status db_pipe_send(struct db *db, const char *sql, const struct db_args *args,
                         struct fault *fault);
/* COMMIT of an open transaction, as one of the statements; its db_pipe_next() is OK only when it
 * did commit. What is sent behind it is a transaction of its own. */
enum status db_pipe_commit(struct db *db, struct fault *fault);
enum status db_pipe_sync(struct db *db, struct fault *fault);
enum status db_pipe_next(struct db *db, struct db_result **ret_result, struct fault *fault);
enum status db_pipe_end(struct db *db, struct fault *fault);

/* ---- transactions for stages ---- */

enum db_transaction { DB_IDLE, DB_IN_TRANSACTION, DB_FAILED, DB_LOST };
enum db_transaction db_transaction_state(const struct db *db);
enum status db_begin(struct db *db, struct fault *fault);
enum status db_begin_read(struct db *db, struct fault *fault); /* READ ONLY */
/* UNKNOWN when the reply was lost; SQL when the server made a ROLLBACK of it (whatever its tag
 * says). */
enum status db_commit(struct db *db, struct fault *fault);
enum status db_rollback(struct db *db, struct fault *fault);
enum status db_savepoint(struct db *db, struct fault *fault);
/* SQL with 3B001 when the savepoint is gone: somebody committed by himself. */
enum status db_savepoint_release(struct db *db, struct fault *fault);
enum status db_savepoint_rollback(struct db *db, struct fault *fault);
/* After foreign code had the connection: leaves pipeline mode, eats results, resets GUCs, temp
 * tables, LISTEN and session locks that it could have left, where that is possible inside a
 * transaction; the rest when idle. */
enum status db_scrub(struct db *db, struct fault *fault);

/* ---- LISTEN ---- */

enum status db_listen(struct db *db, const char *channel, struct fault *fault);
/* Do notifications come through? Sends one to itself. OK: they do; EMPTY: nothing came; SQL: the
 * server refuses. Before anything is listened to: it eats what comes. */
enum status db_listen_works(struct db *db, struct fault *fault);
/* Waits up to timeout_ns for a notification or for wake_fd (-1: none) to become readable.
 * OK: a payload was copied; EMPTY: timeout or wake_fd; AWAY. */
enum status db_wait(struct db *db, int wake_fd, int64_t timeout_ns, char *payload,
                    size_t payload_size, struct fault *fault);

/* ---- COPY ---- */

enum status db_copy_begin(
    struct db *db, const char *sql,
    struct fault *fault); /* COPY … FROM STDIN (FORMAT binary); sends the header */
enum status db_copy_row(struct db *db, const struct db_bytes *fields, size_t n,
                        struct fault *fault); /* binary fields, bytes NULL: null */
enum status db_copy_end(struct db *db, int64_t *ret_rows, struct fault *fault);

/* ---- db_schema: migrations ---- */

struct db_migration {
	char *component, *name;
	int version;
	char checksum[65];
	bool applied;
	int64_t applied_at_us; /* 0: not applied */
	int serves; /* programs whose newest migration is this one work on it; 0: none that is older
	             */
};
struct db_schema_source {
	const char *component; /* "penstock", or the plugin's name */
	const char *folder;    /* NULL: what is embedded in the binary */
};
/* Called once before and once after each migration, for progress; may be NULL. */
typedef void db_schema_progress(void *data, const struct db_migration *m, bool done,
                                int64_t took_ns);

/* Applies all that is missing, in order, each in one transaction under an advisory lock, then
 * makes the public API anew when its text changed, then the blocks ahead. Refuses an applied
 * migration whose text was edited, and a database that is newer than this binary. Safe when killed
 * at any moment: run again. */
enum status db_schema_up(struct db *db, const struct db_schema_source *sources, size_t n,
                         db_schema_progress *progress, void *data, struct fault *fault);
/* Takes back migrations of `component` above `to` (0: all), newest first. */
enum status db_schema_down(struct db *db, const struct db_schema_source *source, int to,
                           db_schema_progress *progress, void *data, struct fault *fault);
enum status db_schema_list(struct db *db, const struct db_schema_source *sources, size_t n,
                           struct db_migration **ret_list, size_t *ret_n, struct fault *fault);
void db_schema_list_free(struct db_migration *list, size_t n);
/* OK, or REFUSED with what to do: a host must not work on a schema that it does not know, unless
 * that says that it serves it (*ret_newer; NULL is allowed). */
enum status db_schema_check(struct db *db, bool *ret_newer, struct fault *fault);

/* ---- db_local: a private cluster that we made ourselves ---- */

struct db_local;
/* Makes a cluster in `folder` (or starts the one that db_local made there before; any other
 * folder with files in it is refused), unix socket only, inside the folder or a short /tmp path; as
 * user postgres when we are root. durable false: fsync off (tests). */
enum status db_local_start(const char *folder, bool durable, struct db_local **ret_local,
                           struct fault *fault);
const char *db_local_admin(const struct db_local *local); /* conninfo of the superuser */
const char *db_local_host(const struct db_local *local);  /* conninfo of role penstock (member of
                                                             penstock_host); exists after migrate */
enum status db_local_roles(struct db_local *local,
                           struct fault *fault); /* makes login role `penstock` */
void db_local_stop(struct db_local *local);      /* takes NULL; waits for it */

#endif
