/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_open.c - open, lose, renew and close a session.
 *
 * What a session needs is sent as startup options, so that RESET ALL by
 * foreign code brings it back and does not take it away. The connection
 * string may hold a password: it gets into no message, not even where it
 * cannot be parsed.
 */
#include "db/db_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A dead machine's connection would keep its row locks: found within some 10 s from either side.
 * jit: compiling a claim costs more than a thousand claims. */
#define SESSION_OPTIONS                                                                            \
	"-c jit=off -c default_transaction_isolation=read\\ committed -c timezone=UTC "            \
	"-c datestyle=ISO -c idle_in_transaction_session_timeout=300000 "                          \
	"-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "         \
	"-c tcp_user_timeout=10000 -c client_connection_check_interval=5000"

/* Applied where the connection string does not say otherwise. */
static const struct {
	const char *keyword, *value;
} wanted[] = {
	{ "keepalives_idle", "5" },
	{ "keepalives_interval", "2" },
	{ "keepalives_count", "3" },
	{ "tcp_user_timeout", "10000" },
};

#define KEYWORDS_MAX 64
struct keywords {
	const char *names[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
	size_t n;
};

static void
add(struct keywords *k, const char *name, const char *value)
{
	check(k->n < KEYWORDS_MAX);
	k->names[k->n] = name;
	k->values[k->n++] = value;
	k->names[k->n] = k->values[k->n] = NULL;
}

static const char *
given(const PQconninfoOption *parsed, const char *keyword)
{
	for (; parsed->keyword; parsed++)
		if (strcmp(parsed->keyword, keyword) == 0)
			return parsed->val;
	return NULL;
}

/* A session that is read-only by its own options makes every server look like a standby to who asks
 * for read-write: such a one asks for a primary. */
static const char *
which_server(const struct db *db, const PQconninfoOption *parsed)
{
	const char *said = given(parsed, "target_session_attrs");

	if (!said)
		said = getenv("PGTARGETSESSIONATTRS");
	if (!said)
		said = "read-write";
	return db->options.read_only && !db->options.pooled && strcmp(said, "read-write") == 0
	           ? "primary"
	           : said;
}

/* The caller frees *ret_options after connecting. */
static void
fill_keywords(const struct db *db, const PQconninfoOption *parsed, struct keywords *k,
              char **ret_options, char timeout[16])
{
	const char *options = given(parsed, "options");

	for (const PQconninfoOption *o = parsed; o->keyword; o++)
		if (o->val && strcmp(o->keyword, "options") != 0 &&
		    strcmp(o->keyword, "target_session_attrs") != 0)
			add(k, o->keyword, o->val);
	if (!options)
		options = getenv("PGOPTIONS");
	if (db->options.pooled) /* what the user gives is for the pooler to judge */
		*ret_options = mem_dup(options ? options : "");
	else /* ours last: they win */
		*ret_options = mem_printf(
		    "%s " SESSION_OPTIONS "%s", options ? options : "",
		    db->options.read_only ? " -c default_transaction_read_only=on" : "");
	if (**ret_options)
		add(k, "options", *ret_options);
	add(k, "client_encoding", "UTF8");
	add(k, "fallback_application_name", db->options.application);
	for (size_t i = 0; i < countof(wanted); i++)
		if (!given(parsed, wanted[i].keyword))
			add(k, wanted[i].keyword, wanted[i].value);
	if (!given(parsed, "connect_timeout")) {
		snprintf(timeout, 16, "%d", (int)((db->options.connect_ns + SEC - 1) / SEC));
		add(k, "connect_timeout", timeout);
	}
	add(k, "target_session_attrs", which_server(db, parsed));
}

static void
drop_notice(void *data, const PGresult *r)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	(void)data;
	if (log_enabled(LOG_DEBUG))
		log_line(LOG_DEBUG, "notice of the server", "text", text ? text : "", NULL);
}

/* What to do about a server that takes no more connections. The words are PostgreSQL's (14 to 15,
 * 16 and later), and PgBouncer's; in another language they are told without this. */
static const struct {
	const char *words, *hint;
} no_room[] = {
#define SLOTS                                                                                      \
	"a host takes a connection for each worker and one more, a reload as many beside them: "   \
	"fewer workers, a larger max_connections, or a pooler; a superuser still gets in and "     \
	"counts them: penstock doctor -d"
	{ "too many clients already", SLOTS },
	{ "remaining connection slots are reserved", SLOTS },
	{ "too many connections for role",
	  "ALTER ROLE ... CONNECTION LIMIT allows more; a host takes a connection for each worker "
	  "and one more, a reload as many beside them" },
	{ "too many connections for database",
	  "ALTER DATABASE ... CONNECTION LIMIT allows more; a host takes a connection for each "
	  "worker and one more, a reload as many beside them" },
	{ "no more connections allowed", "raise max_client_conn of the pooler" },
};

static void
hint_at_room(const char *text, struct fault *fault)
{
	for (size_t i = 0; i < countof(no_room); i++)
		if (strstr(text, no_room[i].words)) {
			fault_hint(fault, "%s", no_room[i].hint);
			return;
		}
}

/* libpq tells no SQLSTATE of a connection that was not made. The words are PgBouncer's. */
static enum status
not_connected(struct db *db, struct fault *fault)
{
	enum status st = db_conn_fault(db, fault);

	if (!db->conn)
		return st;
	hint_at_room(PQerrorMessage(db->conn), fault);
	if (!strstr(PQerrorMessage(db->conn), "unsupported startup parameter"))
		return st;
	fault_set(fault, REFUSED, "a pooler is in between and refuses the options of the session");
	fault_hint(fault,
	           "set pooler = \"transaction\", or let the setting `database` name the server "
	           "itself");
	return REFUSED;
}

static enum status
connect_once(struct db *db, struct fault *fault)
{
	struct keywords k = { .n = 0 };
	char timeout[16], *options = NULL;
	PQconninfoOption *parsed = PQconninfoParse(db->options.conninfo, NULL);

	if (!parsed) {
		/* libpq's own text quotes what it stumbled over, which may be the password */
		fault_set(fault, INVALID, "the connection string of the database cannot be parsed");
		fault_hint(fault,
		           "use host=... dbname=... user=..., or postgresql://user@host/dbname; "
		           "quote values with blanks as 'a b'");
		return INVALID;
	}
	fill_keywords(db, parsed, &k, &options, timeout);
	atomic_store(&db->severed, false);
	db->conn = PQconnectdbParams(k.names, k.values, 0);
	free(options);
	PQconninfoFree(parsed);
	if (!db->conn || PQstatus(db->conn) != CONNECTION_OK) {
		enum status st = not_connected(db, fault);
		db_drop_connection(db);
		return st;
	}
	PQsetNoticeReceiver(db->conn, drop_notice, NULL);
	dup3(PQsocket(db->conn), db->sever_fd, O_CLOEXEC);
	db->lost = db->unclean = false;
	if (atomic_load(&db->severed)) {
		db_drop_connection(db);
		return fault_set(fault, AWAY, "severed while connecting");
	}
	return OK;
}

void
db_drop_connection(struct db *db)
{
	if (db->conn)
		PQfinish(db->conn);
	db->conn = NULL;
	db->lost = true;
	dup3(db->null_fd, db->sever_fd, O_CLOEXEC);
	db_forget_statements(db);
	db->pipe.open = false;
	db->pipe.n = db->pipe.next = 0;
	buf_reset(&db->copy);
}

enum status
db_open(const struct db_options *options, struct db **ret_db, struct fault *fault)
{
	struct db *db = mem_alloc(sizeof *db);
	enum status st;

	db->options.conninfo = mem_dup(options->conninfo ? options->conninfo : "");
	db->options.application = mem_dup(options->application ? options->application : "penstock");
	db->options.read_only = options->read_only;
	db->options.pooled = db->unnamed = options->pooled;
	db->options.connect_ns = options->connect_ns ? options->connect_ns : 10 * SEC;
	buf_init(&db->copy);
	db->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	db->sever_fd = db->null_fd < 0 ? -1 : fcntl(db->null_fd, F_DUPFD_CLOEXEC, 0);
	st = db->sever_fd < 0 ? fault_errno(fault, errno, "cannot open /dev/null")
	                      : connect_once(db, fault);
	if (st != OK && !(st == AWAY && options->patient)) {
		db_close(db);
		return st;
	}
	*ret_db = db;
	return OK;
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	db_drop_connection(db);
	if (db->sever_fd >= 0)
		close(db->sever_fd);
	if (db->null_fd >= 0)
		close(db->null_fd);
	buf_done(&db->copy);
	free(db->pipe.items);
	free(db->statements);
	free((char *)(uintptr_t)db->options.conninfo);
	free((char *)(uintptr_t)db->options.application);
	free(db);
}

enum status
db_reconnect(struct db *db, struct fault *fault)
{
	db_drop_connection(db);
	return connect_once(db, fault);
}

bool
db_alive(const struct db *db)
{
	return db->conn && !db->lost && PQstatus(db->conn) == CONNECTION_OK;
}

void
db_sever(struct db *db)
{
	atomic_store(&db->severed, true);
	shutdown(db->sever_fd, SHUT_RDWR);
}

int
db_socket(const struct db *db)
{
	return db->conn ? PQsocket(db->conn) : -1;
}

struct pg_conn *
db_conn(struct db *db)
{
	return db->conn;
}

int
db_server_version(const struct db *db)
{
	return db->conn ? PQserverVersion(db->conn) : 0;
}

int
db_backend_pid(const struct db *db)
{
	return db->conn ? PQbackendPID(db->conn) : 0;
}
