/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_loader.c - would the loader take this file? Asked without running it.
 *
 * Which library has a symbol, and where that library is found, only the system's
 * loader knows: by folders, caches, versions, and what the host has loaded
 * already. So it is asked, as ldd(1) does: this same program starts once more,
 * with the file beside it, and its loader binds every symbol, tells what it
 * misses and ends before any code of either. dlopen() would tell the same, but
 * runs constructors; reading the tables ourselves would guess.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITS_FD 9 /* of the child: the file */
#define ITS_PATH "/proc/self/fd/9"
#define PATIENCE (60 * SEC)
#define ANSWER_MOST ((size_t)4 << 20)

extern char **environ;

/* ---- the question ---- */

/* A copy, as a host loads one too: where the file lies, and on what, must not matter. */
static enum status
copy_in_memory(const void *bytes, size_t size, int *ret_fd, struct fault *fault)
{
	int fd = memfd_create("plugin", MFD_CLOEXEC);

	if (fd < 0)
		return fault_errno(fault, errno, "cannot make a copy in memory");
	for (size_t done = 0; done < size;) {
		ssize_t put = write(fd, (const char *)bytes + done, size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			fault_errno(fault, errno, "cannot write a copy in memory");
			close(fd);
			return fault->status;
		}
		done += (size_t)put;
	}
	*ret_fd = fd;
	return OK;
}

/* What we have, and what makes the loader tell and end. *ret_own is the caller's to free. */
static char **
its_environment(char **ret_own)
{
	static char told[] = "LD_TRACE_LOADED_OBJECTS=1", warn[] = "LD_WARN=1",
	            now[] = "LD_BIND_NOW=1";
	const char *before = getenv("LD_PRELOAD");
	size_t n = 0, kept = 0;
	char **all;

	while (environ[n])
		n++;
	all = mem_array(NULL, n + 5, sizeof *all);
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0 &&
		    strncmp(environ[i], "LD_DEBUG", 8) != 0)
			all[kept++] = environ[i];
	*ret_own = mem_printf("LD_PRELOAD=%s%s" ITS_PATH, before ? before : "", before ? ":" : "");
	all[kept++] = *ret_own;
	all[kept++] = told;
	all[kept++] = warn;
	all[kept++] = now;
	all[kept] = NULL;
	return all;
}

static int
start(int file, int answer, pid_t *ret_pid)
{
	static char name[] = "penstock", *argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	char *own, **environment = its_environment(&own);
	int error = posix_spawn_file_actions_init(&actions);

	if (error == 0) {
		posix_spawn_file_actions_adddup2(&actions, answer, 1);
		posix_spawn_file_actions_adddup2(&actions, answer, 2);
		posix_spawn_file_actions_adddup2(&actions, file, ITS_FD);
		error = posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL, argv, environment);
		posix_spawn_file_actions_destroy(&actions);
	}
	free(environment);
	free(own);
	return error;
}

/* A file that means harm may keep the loader busy for ever. */
static enum status
listen(int fd, struct buf *answer, struct fault *fault)
{
	int64_t until = clock_mono() + PATIENCE;
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = (until - clock_mono()) / MSEC;
		int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
		ssize_t got;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || answer->len > ANSWER_MOST)
			return fault_set(fault, INVALID, "the loader comes to no end with it");
		got = read(fd, buf_reserve(answer, 4096), 4096);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_errno(fault, errno, "cannot read what the loader says");
		if (got == 0)
			return OK;
		answer->len += (size_t)got;
		answer->data[answer->len] = '\0';
	}
}

static enum status
ask(int file, struct buf *answer, int *ret_how, struct fault *fault)
{
	int ends[2], error;
	enum status st;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_errno(fault, errno, "cannot make a pipe");
	error = start(file, ends[1], &pid);
	close(ends[1]);
	if (error != 0) {
		close(ends[0]);
		return fault_errno(fault, error, "cannot ask the loader");
	}
	st = listen(ends[0], answer, fault);
	close(ends[0]);
	if (st != OK)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_how, 0) < 0 && errno == EINTR)
		;
	return st;
}

/* ---- the answer ---- */

/* Of the text from `from` on, up to the first of `ends`. */
static int
length(const char *from, const char *ends)
{
	return (int)strcspn(from, ends);
}

void
stage_loader_hint(struct fault *fault)
{
	if (strstr(fault->text, "undefined symbol"))
		fault_hint(fault, "link the library that has it (-lNAME, behind the objects); what "
		                  "the host offers is called as penstock.h declares it");
	else if (strstr(fault->text, "cannot open shared object file"))
		fault_hint(fault, "install the package that has it; the plugin's own folder is not "
		                  "searched, since hosts load a copy");
	else if (strstr(fault->text, "version `"))
		fault_hint(fault, "install the library's newer version, or build the plugin with "
		                  "the one of this machine");
}

/* The beginning of a word that ends at `end`. */
static const char *
word(const char *all, const char *end)
{
	while (end > all && end[-1] != ' ' && end[-1] != '\t' && end[-1] != '\n')
		end--;
	return end;
}

static enum status
judge_symbols(const char *all, struct fault *fault)
{
	static const char missing[] = "undefined symbol: ";
	const char *first = strstr(all, missing);
	size_t n = 0, at;

	for (const char *one = first; one; one = strstr(one + 1, missing))
		n++;
	if (n == 0)
		return OK;
	fault_set(fault, INVALID, "%.*s", length(first, "\t\n"), first);
	at = strlen(fault->text);
	if (n > 1)
		snprintf(fault->text + at, sizeof fault->text - at, ", and %zu more", n - 1);
	return INVALID;
}

/* The loader tells libraries first, then versions, then symbols; and may have died of the rest. */
static enum status
judge(const char *all, int how, struct fault *fault)
{
	const char *found, *from;

	if ((found = strstr(all, "'" ITS_PATH "' from LD_PRELOAD cannot be preloaded ("))) {
		from = strchr(found, '(') + 1;
		return fault_set(fault, INVALID, "%.*s", length(from, ")\n"), from);
	}
	if ((found = strstr(all, " => not found"))) {
		from = word(all, found);
		return fault_set(fault, INVALID, "%.*s: cannot open shared object file",
		                 (int)(found - from), from);
	}
	if ((found = strstr(all, "' not found (required by ")) && (from = word(all, found)) > all) {
		from = word(all, from - 1);
		from = word(all, from - 1);
		return fault_set(fault, INVALID, "%.*s' not found", (int)(found - from), from);
	}
	if (WIFSIGNALED(how))
		return fault_set(fault, INVALID, "the loader dies of it, by signal %d (%s)",
		                 WTERMSIG(how), strsignal(WTERMSIG(how)));
	if (!strstr(all, "\t" ITS_PATH " (0x"))
		return fault_set(fault, INVALID, "the loader does not say whether it can");
	return judge_symbols(all, fault);
}

enum status
stage_loader_ask(const struct buf *file, struct fault *fault)
{
	struct buf answer;
	enum status st;
	int fd = -1, how = 0;

	buf_init(&answer);
	st = copy_in_memory(file->data, file->len, &fd, fault);
	if (st == OK)
		st = ask(fd, &answer, &how, fault);
	if (st == OK && (st = judge(answer.data ? answer.data : "", how, fault)) != OK)
		stage_loader_hint(fault);
	if (fd >= 0)
		close(fd);
	buf_done(&answer);
	return st;
}

enum status
stage_loader_takes(const char *path, const struct buf *file, struct fault *fault)
{
	struct fault why = { 0 };
	enum status st = stage_loader_ask(file, &why);

	if (st == OK || !fault)
		return st;
	*fault = why;
	if (st == INVALID)
		fault_set(fault, st, "cannot load it: %s", why.text);
	fault_where(fault, "%s", path);
	return st;
}

enum status
stage_loads(const char *path, struct fault *fault)
{
	struct buf file;
	enum status st;

	buf_init(&file);
	st = file_read(path, STAGE_PLUGIN_MOST, &file, fault);
	if (st == OK)
		st = stage_loader_takes(path, &file, fault);
	else if (fault && !fault->where[0])
		fault_where(fault, "%s", path);
	buf_done(&file);
	return st;
}
