/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_client.c - one question to a host on this machine.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"

#define ANSWER_MOST (4 * MiB)

static enum status
not_connected(const char *path, int error, struct fault *fault)
{
	if (error == EACCES || error == EPERM)
		return fault_set(fault, REFUSED, "this user may not use %s", path);
	if (error != ENOENT && error != ECONNREFUSED)
		return fault_errno(fault, error, "cannot connect to %s", path);
	fault_set(fault, NOT_FOUND, "no host of this name runs here: nobody answers at %s", path);
	fault_hint(fault, "give the configuration of the host, or its settings run_dir and name");
	return NOT_FOUND;
}

static enum status
knock(const char *path, int *ret_fd, struct fault *fault)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	enum status st;
	int fd;

	if (strlen(path) >= sizeof at.sun_path)
		return fault_set(fault, INVALID, "the path of the control socket is too long: %s",
		                 path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_errno(fault, errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
		st = not_connected(path, errno, fault);
		close(fd);
		return st;
	}
	*ret_fd = fd;
	return OK;
}

static enum status
say(int fd, const char *request, struct fault *fault)
{
	char *line = mem_printf("%s\n", request);
	size_t len = strlen(line);
	ssize_t n = send(fd, line, len, MSG_NOSIGNAL); /* shorter than any buffer of a socket */
	int error = errno;

	free(line);
	/* one that was refused at the door has its answer waiting, and does not listen */
	if (n == (ssize_t)len || error == EPIPE || error == ECONNRESET)
		return OK;
	return fault_errno(fault, error, "cannot ask the host");
}

static enum status
hear(int fd, int64_t until, struct buf *answer, struct fault *fault)
{
	for (;;) {
		int64_t left = until == INT64_MAX ? -1 : until - clock_mono();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char bytes[4096];
		ssize_t n;

		if (until != INT64_MAX && left <= 0)
			return fault_set(fault, AWAY, "the host does not answer in time");
		if (poll(&p, 1, left < 0 ? -1 : (int)(left / MSEC) + 1) <= 0)
			continue;
		n = recv(fd, bytes, sizeof bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_add(answer, bytes, (size_t)n);
		if (answer->len > (size_t)ANSWER_MOST)
			return fault_set(fault, INVALID, "the host's answer does not end");
	}
	if (answer->len == 0 || answer->data[answer->len - 1] != '\n')
		return fault_set(fault, AWAY, "the host ended the connection without an answer");
	answer->data[--answer->len] = '\0';
	return OK;
}

enum status
control_ask(const char *path, const char *request, int64_t timeout_ns, struct buf *answer,
            struct fault *fault)
{
	int64_t until = timeout_ns ? clock_mono() + timeout_ns : INT64_MAX;
	enum status st;
	int fd = -1;

	st = knock(path, &fd, fault);
	if (st != OK)
		return st;
	st = say(fd, request, fault);
	if (st == OK)
		st = hear(fd, until, answer, fault);
	close(fd);
	return st;
}
