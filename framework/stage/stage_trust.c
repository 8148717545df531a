/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_trust.c - may the code in this file run as us?
 *
 * The way to the file is walked folder by folder on open descriptors, so what
 * was looked at is what is opened: nobody can put another file in its place
 * between the two, since each folder on the way was found to be root's or ours.
 */
#include "stage/stage_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status
look(int fd, const char *name, bool folder, struct fault *fault)
{
	struct stat info;
	bool roots;

	if (fstat(fd, &info) != 0)
		return fault_errno(fault, errno, "cannot look at %s", name);
	if (!folder && !S_ISREG(info.st_mode))
		return fault_set(fault, INVALID, "%s is not a file", name);
	roots = info.st_uid == 0;
	if (!roots && info.st_uid != geteuid())
		return fault_set(fault, REFUSED,
		                 "%s belongs to user %u, neither root nor this one (%u)", name,
		                 (unsigned)info.st_uid, (unsigned)geteuid());
	if (!(info.st_mode & (S_IWGRP | S_IWOTH)))
		return OK;
	if (folder && roots && (info.st_mode & S_ISVTX))
		return OK;
	return fault_set(fault, REFUSED, "%s may be written by %s (mode %04o)", name,
	                 info.st_mode & S_IWOTH ? "everybody" : "its group",
	                 (unsigned)(info.st_mode & 07777));
}

/* One step down from `at`; the descriptor above is closed. */
static enum status
step(int *at, const char *path, const char *name, bool folder, bool strict, struct fault *fault)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (folder ? O_DIRECTORY : 0);
	int below = openat(*at, name, flags), error = errno;
	struct fault doubt = { 0 };
	enum status st;

	close(*at);
	*at = below;
	if (below < 0)
		return fault_errno(fault, error, "cannot open %s", path);
	st = look(below, path, folder, &doubt);
	if (st == OK)
		return OK;
	if (st == REFUSED)
		fault_hint(&doubt, "chmod go-w, and chown to root or to the service's user");
	if (st != REFUSED || strict) {
		*fault = doubt;
		return st;
	}
	log_fault(LOG_WARNING, "a plugin could be changed by others", &doubt);
	return OK;
}

static enum status
walk(char *path, bool strict, int *ret_fd, struct fault *fault)
{
	int at = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	enum status st = OK;
	char *name = path + 1;

	if (at < 0)
		return fault_errno(fault, errno, "cannot open /");
	st = look(at, "/", true, fault);
	while (st == OK || (st == REFUSED && !strict)) {
		char *slash = strchr(name, '/');

		if (slash)
			*slash = '\0';
		st = step(&at, path, name, slash != NULL, strict, fault);
		if (!slash)
			break;
		*slash = '/';
		name = slash + 1;
	}
	if (st != OK) {
		if (at >= 0)
			close(at);
		return st;
	}
	*ret_fd = at;
	return OK;
}

enum status
stage_trust_open(const char *path, bool strict, int *ret_fd, struct fault *fault)
{
	char *real = realpath(path, NULL);
	struct fault local = { 0 };
	enum status st;

	if (!real)
		return errno == ENOENT ? fault_set(fault, NOT_FOUND, "there is no file %s", path)
		                       : fault_errno(fault, errno, "cannot open %s", path);
	st = walk(real, strict, ret_fd, fault ? fault : &local);
	free(real);
	return st;
}

enum status
stage_trust(const char *path, struct fault *fault)
{
	int fd;
	enum status st = stage_trust_open(path, true, &fd, fault);

	if (st == OK)
		close(fd);
	return st;
}
