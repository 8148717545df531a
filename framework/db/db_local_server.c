/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_local_server.c - the processes of a private PostgreSQL: initdb, the postmaster, and what an
 * earlier one left.
 *
 * A server ends when the thread that started it does. Kills nobody but a process that works in the
 * cluster's own data: a pid file may name a stranger. See db_local.c for the folder.
 */
#include "db/db_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_LIMIT (60 * SEC)
#define STOP_LIMIT (30 * SEC)

static void
nap(void)
{
	const struct timespec ts = { .tv_nsec = 10 * MSEC };

	nanosleep(&ts, NULL);
}

/* ---- a process of the server's user ---- */

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

enum status
server_check_way(const struct db_local *l, struct fault *fault)
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

/* ---- what an earlier server left ---- */

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
	char *lock_file = mem_printf("%s/" SOCKET_LOCK, l->socket);

	unlink(pid_file);
	unlink(lock_file);
	free(pid_file);
	free(lock_file);
}

/* A server whose starter was killed ends by itself; one that does not is helped, first kindly. */
enum status
server_end_orphans(const struct db_local *l, struct fault *fault)
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

/* ---- initdb, start and stop ---- */

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

enum status
server_initdb(const struct db_local *l, const char *into, struct fault *fault)
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

static enum status
start(struct db_local *l, bool durable, struct fault *fault)
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
wait_ready(struct db_local *l, const char *conninfo, struct fault *fault)
{
	int64_t until = clock_mono() + START_LIMIT;
	enum status st = OK;
	int how;

	while (PQping(conninfo) != PQPING_OK && st == OK) {
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
	return st;
}

enum status
server_start(struct db_local *l, bool durable, const char *conninfo, struct fault *fault)
{
	enum status st = start(l, durable, fault);

	return st == OK ? wait_ready(l, conninfo, fault) : st;
}

/* Fast; at once when that takes too long; by force when even that does not help. */
void
server_stop(pid_t pid)
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
