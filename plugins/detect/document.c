/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * document.c - a file, read without trusting its name.
 *
 * What lies at a path may change between two looks: the file that was opened
 * is asked once more where it lies, and only a regular file is ever opened, so
 * that no FIFO or device keeps the worker.
 */
#include "detect_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
refuse(struct refusal *r, enum ps_outcome outcome, const char *code, const char *message)
{
	*r = (struct refusal){ outcome, code, message };
	return false;
}

static bool
refuse_errno(struct ps_call *call, struct refusal *r, int err, const char *path)
{
	const char *why = ps_printf(call, "%s: %s", path, strerror(err));

	switch (err) {
	case ENOENT:
	case ENOTDIR: return refuse(r, PS_FAIL, "NOT_FOUND", why);
	case ELOOP: return refuse(r, PS_FAIL, "SYMLINK_LOOP", why);
	case ENAMETOOLONG: return refuse(r, PS_FAIL, "NOT_FOUND", why);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EIO:
	case ESTALE: return refuse(r, PS_RETRY, "SYSTEM", why);
	default: return refuse(r, PS_FAIL, "UNREADABLE", why);
	}
}

static bool
below(const char *path, const struct ps_list *roots)
{
	for (size_t i = 0; i < roots->n; i++) {
		size_t n = strlen(roots->items[i]);

		if (strncmp(path, roots->items[i], n) == 0 &&
		    (path[n] == '/' || path[n] == '\0' || roots->items[i][n - 1] == '/'))
			return true;
	}
	return false;
}

static bool
outside(struct ps_call *call, struct refusal *r, const char *path)
{
	return refuse(r, PS_FAIL, "OUTSIDE_ROOTS",
	              ps_printf(call, "%s is not below one of the roots", path));
}

static bool
fits(struct ps_call *call, const struct stat *info, const char *path, int64_t most,
     struct refusal *r)
{
	if (!S_ISREG(info->st_mode))
		return refuse(r, PS_FAIL, "NOT_A_FILE",
		              ps_printf(call, "%s is not a regular file", path));
	if (info->st_size == 0)
		return refuse(r, PS_FAIL, "EMPTY", ps_printf(call, "%s is empty", path));
	if (info->st_size > most)
		return refuse(r, PS_FAIL, "TOO_LARGE",
		              ps_printf(call, "%s has %lld bytes, at most %lld are read", path,
		                        (long long)info->st_size, (long long)most));
	return true;
}

/* Where the open file lies now. */
static bool
still_below(int fd, const struct ps_list *roots)
{
	char link[32], at[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, at, sizeof at - 1);
	if (n < 0)
		return false;
	at[n] = '\0';
	return below(at, roots);
}

static bool
read_all(struct ps_call *call, int fd, struct document *d, struct refusal *r)
{
	size_t size = (size_t)d->info.st_size;
	char *bytes = ps_alloc(call, size + 1);

	while (d->len < size + 1) {
		ssize_t n = read(fd, bytes + d->len, size + 1 - d->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse_errno(call, r, errno, d->path);
		if (n == 0)
			break;
		d->len += (size_t)n;
	}
	if (d->len != size)
		return refuse(r, PS_RETRY, "CHANGED",
		              ps_printf(call, "%s changed while it was read", d->path));
	d->bytes = bytes;
	return true;
}

static bool
open_and_read(struct ps_call *call, const struct ps_list *roots, int64_t most, struct document *d,
              struct refusal *r)
{
	int fd = open(d->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return refuse_errno(call, r, errno, d->path);
	if (fstat(fd, &d->info) != 0)
		good = refuse_errno(call, r, errno, d->path);
	else if (!still_below(fd, roots))
		good = outside(call, r, d->path);
	else
		good = fits(call, &d->info, d->path, most, r) && read_all(call, fd, d, r);
	close(fd);
	return good;
}

bool
document_read(struct ps_call *call, const char *path, const struct ps_list *roots, int64_t most,
              struct document *d, struct refusal *r)
{
	memset(d, 0, sizeof *d);
	if (path[0] != '/')
		return refuse(r, PS_FAIL, "NOT_FOUND",
		              ps_printf(call, "%s is not an absolute path", path));
	if (!realpath(path, d->path))
		return refuse_errno(call, r, errno, path);
	if (!below(d->path, roots))
		return outside(call, r, path);
	if (stat(d->path, &d->info) != 0)
		return refuse_errno(call, r, errno, path);
	if (!fits(call, &d->info, path, most, r))
		return false;
	if (!open_and_read(call, roots, most, d, r))
		return false;
	crypto_hash_sha256(d->sum, (const unsigned char *)d->bytes, d->len);
	sodium_bin2hex(d->sum_hex, sizeof d->sum_hex, d->sum, sizeof d->sum);
	return true;
}
