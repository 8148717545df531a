/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_local.c - the private PostgreSQL of `penstock dev` and of tests.
 *
 * A cluster in a folder that carries our mark, reached through a Unix socket
 * only. Never touches a folder that it did not make, and never starts a server
 * while a process of an earlier one still works there. Its processes are in
 * db_local_server.c.
 */
#include "db/db_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MARK "penstock-cluster"

/* ---- places and names ---- */

static void
free_local(struct db_local *l)
{
	if (!l)
		return;
	if (l->mark_fd >= 0)
		close(l->mark_fd);
	free(l->folder);
	free(l->data);
	free(l->log);
	free(l->bin);
	free(l->socket);
	free(l->admin);
	free(l->host);
	free(l->user);
	free(l);
}

static bool
has_server(const char *bin)
{
	char *path = mem_printf("%s/postgres", bin);
	bool there = access(path, X_OK) == 0;

	free(path);
	return there;
}

/* The newest below /usr/lib/postgresql, unless PG_BIN says where. */
static enum status
find_bin(char **ret, struct fault *fault)
{
	static const char top[] = "/usr/lib/postgresql";
	const char *given = getenv("PG_BIN");
	long best = 0;
	DIR *dir;

	if (given && has_server(given)) {
		*ret = mem_dup(given);
		return OK;
	}
	dir = opendir(top);
	for (struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
		char *bin = mem_printf("%s/%s/bin", top, d->d_name);
		long version = strtol(d->d_name, NULL, 10);

		if (version > best && has_server(bin)) {
			free(*ret);
			*ret = mem_dup(bin);
			best = version;
		}
		free(bin);
	}
	if (dir)
		closedir(dir);
	if (*ret)
		return OK;
	fault_set(fault, NOT_FOUND, "there is no PostgreSQL server below %s", top);
	fault_hint(fault, "install the package postgresql-15, or set PG_BIN to the folder of its "
	                  "programs");
	return NOT_FOUND;
}

/* PostgreSQL refuses to run as root. */
static enum status
find_user(struct db_local *l, struct fault *fault)
{
	struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());

	if (!pw && geteuid() == 0)
		return fault_set(fault, SYSTEM,
		                 "PostgreSQL cannot run as root, and there is no user postgres");
	l->uid = pw ? pw->pw_uid : geteuid();
	l->gid = pw ? pw->pw_gid : getegid();
	l->user = mem_dup(pw ? pw->pw_name : "nobody");
	return OK;
}

/* A folder of the server's user that others cannot enter; one that is there must be just that. */
static enum status
own_folder(const struct db_local *l, const char *path, struct fault *fault)
{
	struct stat s;

	if (mkdir(path, 0700) == 0) {
		if (l->uid != geteuid() && chown(path, l->uid, l->gid) != 0)
			return fault_errno(fault, errno, "cannot give %s to user %s", path,
			                   l->user);
		return OK;
	}
	if (errno != EEXIST || lstat(path, &s) != 0)
		return fault_errno(fault, errno, "cannot make %s", path);
	if (!S_ISDIR(s.st_mode) || s.st_uid != l->uid || (s.st_mode & 077) != 0)
		return fault_set(fault, REFUSED, "%s is there and is not ours", path);
	return OK;
}

/* A socket's path has at most 107 bytes: a long folder gets a short one beside it. */
static enum status
choose_socket(struct db_local *l, struct fault *fault)
{
	struct sockaddr_un address;
	struct sha256 sum;

	l->socket = mem_printf("%s/socket", l->folder);
	if (strlen(l->socket) + 1 + strlen(SOCKET_LOCK) >= sizeof address.sun_path) {
		free(l->socket);
		sha256_of(l->folder, strlen(l->folder), &sum);
		l->socket = mem_printf("/tmp/penstock-%02x%02x%02x%02x%02x%02x", sum.bytes[0],
		                       sum.bytes[1], sum.bytes[2], sum.bytes[3], sum.bytes[4],
		                       sum.bytes[5]);
		l->own_socket_folder = true;
	}
	return own_folder(l, l->socket, fault);
}

/* Quoted for a connection string. */
static char *
conninfo(const struct db_local *l, const char *user, const char *database)
{
	struct buf b;

	buf_init(&b);
	buf_adds(&b, "host='");
	for (const char *c = l->socket; *c; c++) {
		if (*c == '\'' || *c == '\\')
			buf_addc(&b, '\\');
		buf_addc(&b, *c);
	}
	buf_printf(&b, "' port=5432 user=%s dbname=%s", user, database);
	return buf_steal(&b);
}

/* ---- the mark: whose folder, and who runs it ---- */

static bool
is_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	bool empty = true;

	for (struct dirent *d; dir && (d = readdir(dir)) != NULL;)
		empty = empty && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0);
	if (dir)
		closedir(dir);
	return empty;
}

/* The lock says that somebody runs it, and goes with that process. */
static enum status
take_mark(struct db_local *l, struct fault *fault)
{
	char *path = mem_printf("%s/" MARK, l->folder);
	enum status st = OK;

	l->mark_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (l->mark_fd < 0 && errno == ENOENT) {
		if (!is_empty(l->folder)) {
			free(path);
			fault_set(fault, REFUSED,
			          "%s has files in it and is no cluster that penstock made",
			          l->folder);
			fault_hint(fault, "name a new or an empty folder");
			return REFUSED;
		}
		l->mark_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (l->mark_fd < 0)
		st = fault_errno(fault, errno, "cannot open %s", path);
	else if (flock(l->mark_fd, LOCK_EX | LOCK_NB) != 0)
		st = errno == EWOULDBLOCK
		         ? fault_set(fault, REFUSED,
		                     "the cluster in %s is in use by another process", l->folder)
		         : fault_errno(fault, errno, "cannot lock %s", path);
	free(path);
	return st;
}

static enum status
open_folder(struct db_local *l, const char *folder, struct fault *fault)
{
	char *real;
	enum status st = file_mkdirs(folder, 0755, fault);

	if (st != OK)
		return st;
	real = realpath(folder, NULL);
	if (!real)
		return fault_errno(fault, errno, "cannot open %s", folder);
	l->folder = real;
	l->data = mem_printf("%s/data", real);
	l->log = mem_printf("%s/log", real);
	return take_mark(l, fault);
}

/* ---- making ---- */

/* Small on purpose: it shares a machine with the work. */
static const char settings[] = "listen_addresses = ''\n"
                               "unix_socket_permissions = 0700\n"
                               "max_connections = 100\n"
                               "shared_buffers = 128MB\n"
                               "max_wal_size = 2GB\n"
                               "timezone = 'UTC'\n"
                               "log_line_prefix = '%m [%p] %q%a '\n";

static enum status
append_settings(const char *data, struct fault *fault)
{
	char *path = mem_printf("%s/postgresql.conf", data);
	FILE *f = fopen(path, "ae");
	bool good = f && fputs(settings, f) >= 0;

	if (f && fclose(f) != 0)
		good = false;
	free(path);
	return good ? OK : fault_errno(fault, errno, "cannot write the settings of the cluster");
}

static enum status
clear_at(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool good = dir != NULL;

	for (struct dirent *d; dir && (d = readdir(dir)) != NULL;) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, d->d_name, 0) != 0 && errno == EISDIR)
			good = clear_at(fd, d->d_name) == OK && good;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 && good ? OK : SYSTEM;
}

/* Removes a folder and what is in it, never following a link. */
static enum status
clear(const char *folder, struct fault *fault)
{
	if (access(folder, F_OK) != 0)
		return OK;
	return clear_at(AT_FDCWD, folder) == OK
	           ? OK
	           : fault_errno(fault, errno, "cannot remove %s", folder);
}

static enum status
open_log(const struct db_local *l, struct fault *fault)
{
	int fd = open(l->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || (l->uid != geteuid() && fchown(fd, l->uid, l->gid) != 0)) {
		if (fd >= 0)
			close(fd);
		return fault_errno(fault, errno, "cannot write %s", l->log);
	}
	close(fd);
	return OK;
}

/* initdb works beside; the rename is the moment from which there is a cluster. */
static enum status
make_cluster(const struct db_local *l, struct fault *fault)
{
	char *beside = mem_printf("%s/data.new", l->folder);
	enum status st;

	st = clear(beside, fault);
	if (st == OK)
		st = own_folder(l, beside, fault);
	if (st == OK)
		st = server_initdb(l, beside, fault);
	if (st == OK)
		st = append_settings(beside, fault);
	if (st == OK && rename(beside, l->data) != 0)
		st = fault_errno(fault, errno, "cannot put the new cluster at %s", l->data);
	free(beside);
	return st;
}

/* ---- inside ---- */

static enum status
in_database(const char *where, enum status (*todo)(struct db *db, struct fault *fault),
            struct fault *fault)
{
	const struct db_options options = { .conninfo = where, .application = "penstock" };
	struct db *db;
	enum status st = db_open(&options, &db, fault);

	if (st != OK)
		return st;
	st = todo(db, fault);
	db_close(db);
	return st;
}

static enum status
make_database(struct db *db, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_query(db, "SELECT FROM pg_database WHERE datname = 'penstock'", NULL, 0,
	                          &r, fault);
	bool there;

	if (st != OK)
		return st;
	there = db_rows(r) > 0;
	db_result_free(r);
	return there ? OK : db_exec(db, "CREATE DATABASE penstock", fault);
}

/* One at a time: CREATE ROLE knows no IF NOT EXISTS. */
static enum status
make_role(struct db *db, struct fault *fault)
{
	return db_exec(db,
	               "DO $$ BEGIN"
	               " IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock') THEN"
	               "  CREATE ROLE penstock LOGIN;"
	               " END IF;"
	               " GRANT penstock_host, penstock_admin, penstock_read_payload TO penstock;"
	               "END $$",
	               fault);
}

enum status
db_local_roles(struct db_local *local, struct fault *fault)
{
	return in_database(local->admin, make_role, fault);
}

/* ---- start and stop ---- */

static enum status
prepare_folder(struct db_local *l, const char *folder, struct fault *fault)
{
	enum status st = find_bin(&l->bin, fault);

	if (st == OK)
		st = find_user(l, fault);
	if (st == OK)
		st = open_folder(l, folder, fault);
	if (st == OK)
		st = choose_socket(l, fault);
	if (st == OK)
		st = server_check_way(l, fault);
	return st == OK ? server_end_orphans(l, fault) : st;
}

static enum status
serve(struct db_local *l, bool durable, struct fault *fault)
{
	char *maintenance = conninfo(l, "postgres", "postgres");
	enum status st = server_start(l, durable, maintenance, fault);

	if (st == OK)
		st = in_database(maintenance, make_database, fault);
	free(maintenance);
	return st;
}

enum status
db_local_start(const char *folder, bool durable, struct db_local **ret_local, struct fault *fault)
{
	struct db_local *l = mem_alloc(sizeof *l);
	enum status st;

	l->mark_fd = -1;
	st = prepare_folder(l, folder, fault);
	if (st == OK)
		st = open_log(l, fault);
	if (st == OK && access(l->data, F_OK) != 0)
		st = make_cluster(l, fault);
	if (st == OK)
		st = serve(l, durable, fault);
	if (st != OK) {
		db_local_stop(l);
		return st;
	}
	l->admin = conninfo(l, "postgres", "penstock");
	l->host = conninfo(l, "penstock", "penstock");
	*ret_local = l;
	return OK;
}

const char *
db_local_admin(const struct db_local *local)
{
	return local->admin;
}

const char *
db_local_host(const struct db_local *local)
{
	return local->host;
}

void
db_local_stop(struct db_local *local)
{
	if (!local)
		return;
	if (local->pid > 0)
		server_stop(local->pid);
	if (local->own_socket_folder)
		rmdir(local->socket);
	free_local(local);
}
