/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_local.c - the private PostgreSQL of `penstock dev` and of tests.
 *
 * A cluster in a folder that carries our mark, reached through a Unix socket
 * only, whose server ends when the thread that started it does. Never touches
 * a folder that it did not make, and never starts a server while a process of
 * an earlier one still works there.
 */
#include "db/db_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARK "penstock-cluster"
#define SOCKET_NAME ".s.PGSQL.5432.lock" /* the longest that the server makes */
#define START_LIMIT (60 * SEC)
#define STOP_LIMIT (30 * SEC)

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

static void
nap(void)
{
	const struct timespec ts = { .tv_nsec = 10 * MSEC };

	nanosleep(&ts, NULL);
}

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
	if (strlen(l->socket) + 1 + strlen(SOCKET_NAME) >= sizeof address.sun_path) {
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

/* ---- processes ---- */

/* Becomes the server's user, in the child. */
static void
become(const struct db_local *l)
{
	if (geteuid() == 0 &&
	    (initgroups(l->user, l->gid) != 0 || setgid(l->gid) != 0 || setuid(l->uid) != 0))
		_exit(126);
	if (chdir("/") != 0)
		_exit(126);
}

/* What PostgreSQL would read from our caller's environment must not reach it. */
static void
clean_environment(void)
{
	static const char *const names[] = { "PGDATA", "PGHOST",     "PGHOSTADDR", "PGPORT",
		                             "PGUSER", "PGDATABASE", "PGOPTIONS",  "PGSERVICE" };

	for (size_t i = 0; i < countof(names); i++)
		unsetenv(names[i]);
	setenv("LC_ALL", "C.UTF-8", 1);
}

static void
redirect(const char *log)
{
	int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (in < 0 || out < 0)
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
}

/* The server is told when the thread that started it ends: SIGINT is its fast shutdown. It has a
 * session of its own, so that Ctrl-C in a terminal reaches us alone. */
static void
tie_to_parent(pid_t parent)
{
	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGINT) != 0 || getppid() != parent)
		_exit(126);
}

static enum status
spawn(const struct db_local *l, char *const argv[], bool tied, pid_t *ret_pid, struct fault *fault)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return fault_errno(fault, errno, "cannot start %s", argv[0]);
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		become(l);
		if (tied)
			tie_to_parent(parent);
		umask(077);
		clean_environment();
		redirect(l->log);
		execv(argv[0], argv);
		_exit(127);
	}
	*ret_pid = pid;
	return OK;
}

static pid_t
wait_for(pid_t pid, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(pid, ret_status, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static bool
link_is(pid_t pid, const char *what, const char *text, bool whole)
{
	char at[PATH_MAX + 1], link[64];
	ssize_t len;

	snprintf(link, sizeof link, "/proc/%d/%s", (int)pid, what);
	len = readlink(link, at, sizeof at - 1);
	if (len <= 0)
		return false;
	at[len] = '\0';
	return whole ? strcmp(at, text) == 0 : strstr(at, text) != NULL;
}

/* Every process of a server has its data as working directory. A pid file may name a stranger by
 * now, or a zombie. */
static bool
works_there(const struct db_local *l, pid_t pid)
{
	return link_is(pid, "cwd", l->data, true) && link_is(pid, "exe", "/postgres", false);
}

static pid_t
pid_in_file(const struct db_local *l)
{
	char *path = mem_printf("%s/postmaster.pid", l->data);
	FILE *f = fopen(path, "re");
	int pid = 0;

	free(path);
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return (pid_t)pid;
}

/* The postmaster while there is one, else any backend that outlived it; 0: nobody. */
static pid_t
find_server(const struct db_local *l)
{
	pid_t found = pid_in_file(l);
	DIR *proc;

	if (found > 0 && works_there(l, found))
		return found;
	found = 0;
	proc = opendir("/proc");
	for (struct dirent *d; proc && !found && (d = readdir(proc)) != NULL;) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid > 0 && works_there(l, pid))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

/* Nobody works there any more: what the lock files say is history. PostgreSQL itself would take the
 * zombie of a killed server for a living one. */
static void
remove_stale_locks(const struct db_local *l)
{
	char *pid_file = mem_printf("%s/postmaster.pid", l->data);
	char *lock_file = mem_printf("%s/" SOCKET_NAME, l->socket);

	unlink(pid_file);
	unlink(lock_file);
	free(pid_file);
	free(lock_file);
}

/* A server whose starter was killed ends by itself; one that does not is helped, first kindly. */
static enum status
end_orphans(const struct db_local *l, struct fault *fault)
{
	int64_t begun = clock_mono();
	int sent = 0;
	pid_t pid;

	while ((pid = find_server(l)) != 0) {
		int64_t waited = clock_mono() - begun;
		int step = waited > STOP_LIMIT ? 3 : waited > STOP_LIMIT / 2 ? 2 : 1;

		if (step == 3)
			return fault_set(fault, REFUSED,
			                 "process %d of an earlier server still works in %s",
			                 (int)pid, l->data);
		if (step > sent)
			kill(pid, step == 1 ? SIGINT : SIGQUIT);
		sent = step;
		nap();
	}
	remove_stale_locks(l);
	return OK;
}

/* ---- making and starting ---- */

static enum status
last_words(const struct db_local *l, const char *what, struct fault *fault)
{
	struct buf text;
	const char *last = "";

	buf_init(&text);
	if (file_read(l->log, (size_t)MiB, &text, NULL) == OK && text.len > 0) {
		while (text.len > 0 && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
		last = strrchr(text.data, '\n');
		last = last ? last + 1 : text.data;
	}
	fault_set(fault, SYSTEM, "%s: %s", what, last);
	fault_where(fault, "%s", l->log);
	buf_done(&text);
	return SYSTEM;
}

static enum status
run_initdb(const struct db_local *l, const char *into, struct fault *fault)
{
	char *program = mem_printf("%s/initdb", l->bin), *path = mem_dup(into);
	char *argv[] = { program,
		         (char[]){ "-D" },
		         path,
		         (char[]){ "-U" },
		         (char[]){ "postgres" },
		         (char[]){ "-A" },
		         (char[]){ "trust" },
		         (char[]){ "-E" },
		         (char[]){ "UTF8" },
		         (char[]){ "--locale=C.UTF-8" },
		         (char[]){ "--no-sync" },
		         NULL };
	int how = 0;
	pid_t pid;
	enum status st = spawn(l, argv, false, &pid, fault);

	free(program);
	free(path);
	if (st != OK)
		return st;
	if (wait_for(pid, &how) != pid || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
		return last_words(l, "initdb failed", fault);
	return OK;
}

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
		st = run_initdb(l, beside, fault);
	if (st == OK)
		st = append_settings(beside, fault);
	if (st == OK && rename(beside, l->data) != 0)
		st = fault_errno(fault, errno, "cannot put the new cluster at %s", l->data);
	free(beside);
	return st;
}

/* The server's user must be able to come to its data; initdb would fail with less to say. */
static enum status
check_way(const struct db_local *l, struct fault *fault)
{
	int how = 0;
	pid_t pid;

	if (geteuid() != 0)
		return OK;
	pid = fork();
	if (pid == 0) {
		become(l);
		_exit(access(l->socket, X_OK) == 0 ? 0 : 1);
	}
	if (pid < 0 || wait_for(pid, &how) != pid)
		return fault_errno(fault, errno, "cannot start a process");
	if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
		return OK;
	fault_set(fault, REFUSED, "user %s, as whom the server runs, cannot enter %s", l->user,
	          l->folder);
	fault_hint(fault,
	           "choose a folder whose parents others may pass, such as one below /var/tmp");
	return REFUSED;
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

static enum status
start_server(struct db_local *l, bool durable, struct fault *fault)
{
	char *program = mem_printf("%s/postgres", l->bin);
	char *argv[] = { program,
		         (char[]){ "-D" },
		         l->data,
		         (char[]){ "-k" },
		         l->socket,
		         (char[]){ "-p" },
		         (char[]){ "5432" },
		         (char[]){ "-c" },
		         durable ? (char[]){ "fsync=on" } : (char[]){ "fsync=off" },
		         NULL };
	enum status st = spawn(l, argv, true, &l->pid, fault);

	free(program);
	return st;
}

static enum status
wait_ready(struct db_local *l, struct fault *fault)
{
	char *maintenance = conninfo(l, "postgres", "postgres");
	int64_t until = clock_mono() + START_LIMIT;
	enum status st = OK;
	int how;

	while (PQping(maintenance) != PQPING_OK && st == OK) {
		if (waitpid(l->pid, &how, WNOHANG) == l->pid) {
			l->pid = 0;
			st = last_words(l, "the private PostgreSQL did not start", fault);
		} else if (clock_mono() > until) {
			st = fault_set(fault, TIMEOUT,
			               "the private PostgreSQL did not start in time");
		} else {
			nap();
		}
	}
	free(maintenance);
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
		st = check_way(l, fault);
	return st == OK ? end_orphans(l, fault) : st;
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
		st = start_server(l, durable, fault);
	if (st == OK)
		st = wait_ready(l, fault);
	if (st == OK) {
		char *maintenance = conninfo(l, "postgres", "postgres");

		st = in_database(maintenance, make_database, fault);
		free(maintenance);
	}
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

/* Fast; at once when that takes too long; by force when even that does not help. */
static void
stop_server(pid_t pid)
{
	static const struct {
		int signal;
		int64_t wait;
	} steps[] = { { SIGINT, STOP_LIMIT }, { SIGQUIT, 10 * SEC }, { SIGKILL, 10 * SEC } };

	for (size_t i = 0; i < countof(steps); i++) {
		int64_t until = clock_mono() + steps[i].wait;

		kill(pid, steps[i].signal);
		while (clock_mono() < until) {
			if (waitpid(pid, NULL, WNOHANG) != 0)
				return;
			nap();
		}
	}
}

void
db_local_stop(struct db_local *local)
{
	if (!local)
		return;
	if (local->pid > 0)
		stop_server(local->pid);
	if (local->own_socket_folder)
		rmdir(local->socket);
	free_local(local);
}

enum status
db_local_remove(const char *folder, struct fault *fault)
{
	struct db_local *l = mem_alloc(sizeof *l);
	char *mark = mem_printf("%s/" MARK, folder);
	enum status st;

	l->mark_fd = -1;
	if (access(folder, F_OK) != 0 && errno == ENOENT)
		st = OK;
	else if (access(mark, F_OK) != 0)
		st = fault_set(fault, REFUSED, "%s is no cluster that penstock made", folder);
	else
		st = prepare_folder(l, folder, fault);
	if (st == OK && l->folder) {
		if (l->own_socket_folder)
			rmdir(l->socket);
		st = clear(l->folder, fault);
	}
	free(mark);
	free_local(l);
	return st;
}
