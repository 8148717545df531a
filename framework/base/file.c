/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - files read within a bound, and written whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

enum status
file_read(const char *path, size_t most, struct buf *ret, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status st = OK;
	ssize_t n;

	if (fd < 0)
		return fault_errno(fault, errno, "cannot open %s", path);
	do {
		n = read(fd, buf_reserve(ret, 65536), 65536);
		if (n > 0)
			ret->len += (size_t)n;
		if (n < 0 && errno != EINTR)
			st = fault_errno(fault, errno, "cannot read %s", path);
		if (ret->len > most)
			st = fault_set(fault, LIMIT, "%s is larger than %zu bytes", path, most);
	} while (st == OK && n != 0);
	buf_reserve(ret, 0)[0] = '\0';
	close(fd);
	return st;
}

static enum status
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return SYSTEM;
		bytes += n;
		len -= (size_t)n;
	}
	return OK;
}

static int
sync_folder_of(const char *path)
{
	char *folder = mem_dup(path), *slash = strrchr(folder, '/');
	int fd, ret;

	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

enum status
file_write(const char *path, const void *bytes, size_t len, unsigned mode, struct fault *fault)
{
	char *temporary = mem_printf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC), error;
	bool good;

	if (fd < 0) {
		error = errno;
		free(temporary);
		return fault_errno(fault, error, "cannot write %s", path);
	}
	good = fchmod(fd, mode) == 0 && write_all(fd, bytes, len) == OK && fsync(fd) == 0;
	error = errno;
	if (close(fd) != 0 && good) {
		good = false;
		error = errno;
	}
	if (good && rename(temporary, path) != 0) {
		good = false;
		error = errno;
	}
	if (!good)
		unlink(temporary);
	free(temporary);
	if (!good)
		return fault_errno(fault, error, "cannot write %s", path);
	return sync_folder_of(path) == 0
	           ? OK
	           : fault_errno(fault, errno, "cannot write the folder of %s", path);
}

enum status
file_mkdirs(const char *path, unsigned mode, struct fault *fault)
{
	char *copy = mem_dup(path);
	struct stat sb;
	int error = 0;

	for (char *c = copy + (copy[0] != '\0'); !error; c++) {
		char was = *c;

		if (was != '/' && was)
			continue;
		*c = '\0';
		if (mkdir(copy, mode) != 0 && errno != EEXIST)
			error = errno;
		*c = was;
		if (!was)
			break;
	}
	free(copy);
	if (!error && stat(path, &sb) != 0)
		error = errno;
	if (error)
		return fault_errno(fault, error, "cannot make the folder %s", path);
	if (!S_ISDIR(sb.st_mode))
		return fault_set(fault, INVALID, "%s is not a folder", path);
	return OK;
}
