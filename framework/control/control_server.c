/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_server.c - two listening sockets in the supervisor's poll loop.
 *
 * Never blocks and never grows: so many clients a socket, so many bytes of a
 * request, so much time for it and for the answer. A client that is beyond any
 * of it is dropped, and so is the oldest when another one comes and all places
 * are taken; those that wait for a reload keep theirs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"

#define PATIENCE (5 * SEC) /* for a request, and for taking the answer */
#define GROUPS_MOST 1024   /* of a peer that are looked at */

struct client {
	int fd; /* -1: a free place */
	int64_t until;
	char line[CONTROL_LINE + 1];
	size_t len;
	bool waits; /* the handler has no answer yet */
	struct control_request request;
	uint64_t ticket;
	struct buf answer; /* to be sent, from `sent` on */
	size_t sent;
};

struct door {
	int fd;
	char *path;
	bool read_only;
	struct client client[CONTROL_CLIENTS];
};

struct control_server {
	struct door door[2];
	control_handler *handler;
	void *data;
};

char *
control_path(const char *run_dir, const char *name, bool read_only)
{
	return mem_printf("%s/%s.%s", run_dir, name[0] ? name : "host",
	                  read_only ? "control-read" : "control");
}

/* ---- who is it? ---- */

bool
control_may_change(const struct control_peer *peer, uid_t uid, gid_t gid)
{
	if (peer->uid == 0 || peer->uid == uid || peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

static bool
admitted(int fd)
{
	struct ucred cred;
	gid_t groups[GROUPS_MOST];
	socklen_t len = sizeof cred, groups_len = sizeof groups;
	struct control_peer peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) != 0)
		groups_len = 0;
	peer = (struct control_peer){ cred.uid, cred.gid, groups, groups_len / sizeof *groups };
	return control_may_change(&peer, geteuid(), getegid());
}

/* ---- one client ---- */

static void
drop(struct client *c)
{
	close(c->fd);
	buf_done(&c->answer);
	c->fd = -1;
}

static void
send_some(struct client *c)
{
	ssize_t n = send(c->fd, c->answer.data + c->sent, c->answer.len - c->sent,
	                 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	c->sent += n > 0 ? (size_t)n : 0;
	if (n < 0 || c->sent == c->answer.len)
		drop(c);
}

static void
begin_answer(struct client *c)
{
	buf_addc(&c->answer, '\n');
	c->waits = false;
	c->until = clock_mono() + PATIENCE;
	send_some(c);
}

static void
refuse(struct client *c, const struct fault *fault)
{
	buf_printf(&c->answer,
	           "{\"ok\":false,\"status\":\"%s\",\"reason\":", status_text(fault->status));
	buf_add_json(&c->answer, fault->text, strlen(fault->text));
	buf_addc(&c->answer, '}');
	begin_answer(c);
}

static void
ask_handler(struct control_server *s, struct client *c, bool again)
{
	if (s->handler(s->data, &c->request, &c->ticket, again, &c->answer)) {
		begin_answer(c);
	} else {
		c->waits = true;
		c->until = INT64_MAX;
	}
}

static void
take_line(struct control_server *s, const struct door *door, struct client *c, size_t len)
{
	struct fault fault = { 0 };

	if (len > 0 && c->line[len - 1] == '\r')
		len--;
	if (control_parse(c->line, len, &c->request, &fault) != OK) {
		refuse(c, &fault);
	} else if (door->read_only && control_changes(c->request.command)) {
		fault_set(&fault, REFUSED, "this socket only answers questions");
		refuse(c, &fault);
	} else {
		ask_handler(s, c, false);
	}
}

/* What comes behind a request is not read; a client that waits is only watched for its end. */
static void
hear(struct control_server *s, const struct door *door, struct client *c)
{
	char *end;
	ssize_t n;

	if (c->waits) {
		n = recv(c->fd, c->line, 1, MSG_DONTWAIT);
		if (n > 0 || n == 0 || (errno != EAGAIN && errno != EINTR))
			drop(c);
		return;
	}
	n = recv(c->fd, c->line + c->len, sizeof c->line - c->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->len += (size_t)n;
	end = memchr(c->line, '\n', c->len);
	if (end || c->len == sizeof c->line)
		take_line(s, door, c, end ? (size_t)(end - c->line) : c->len);
}

/* ---- places ---- */

/* A free one, else that of the client who has had it for the longest; NULL: all wait for a reload.
 */
static struct client *
find_place(struct door *door)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *c = &door->client[i];

		if (c->fd < 0)
			return c;
		if (!c->waits && (!oldest || c->until < oldest->until))
			oldest = c;
	}
	if (oldest)
		drop(oldest);
	return oldest;
}

static void
take_client(struct door *door)
{
	int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct fault fault = { 0 };
	struct client *c;

	if (fd < 0)
		return;
	c = find_place(door);
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct client){ .fd = fd, .until = clock_mono() + PATIENCE };
	buf_init(&c->answer);
	if (!door->read_only && !admitted(fd)) {
		fault_set(&fault, REFUSED,
		          "only root, the service's user and its group may control this host");
		refuse(c, &fault);
	}
}

/* ---- the loop's side ---- */

size_t
control_server_fds(const struct control_server *s, struct pollfd *fds)
{
	size_t n = 0;

	for (size_t d = 0; d < countof(s->door); d++) {
		fds[n++] = (struct pollfd){ .fd = s->door[d].fd, .events = POLLIN };
		for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
			const struct client *c = &s->door[d].client[i];

			if (c->fd >= 0)
				fds[n++] = (struct pollfd){ .fd = c->fd,
					                    .events = c->answer.len ? POLLOUT
					                                            : POLLIN };
		}
	}
	return n;
}

static void
serve_fd(struct control_server *s, struct door *door, int fd)
{
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *c = &door->client[i];

		if (c->fd != fd)
			continue;
		if (c->answer.len)
			send_some(c);
		else
			hear(s, door, c);
		return;
	}
}

static void
drop_slow(struct door *door)
{
	int64_t now = clock_mono();

	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (door->client[i].fd >= 0 && now >= door->client[i].until)
			drop(&door->client[i]);
}

/* Those that talk first, then new ones: a new one may get the descriptor of one that was dropped.
 */
void
control_server_serve(struct control_server *s, const struct pollfd *fds, size_t n)
{
	for (size_t d = 0; d < countof(s->door); d++)
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents && fds[i].fd != s->door[d].fd)
				serve_fd(s, &s->door[d], fds[i].fd);
	for (size_t d = 0; d < countof(s->door); d++) {
		drop_slow(&s->door[d]);
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents && fds[i].fd == s->door[d].fd)
				take_client(&s->door[d]);
	}
}

void
control_server_ask_again(struct control_server *s)
{
	for (size_t d = 0; d < countof(s->door); d++)
		for (size_t i = 0; i < CONTROL_CLIENTS; i++)
			if (s->door[d].client[i].fd >= 0 && s->door[d].client[i].waits)
				ask_handler(s, &s->door[d].client[i], true);
}

int64_t
control_server_until(const struct control_server *s)
{
	int64_t until = INT64_MAX;

	for (size_t d = 0; d < countof(s->door); d++)
		for (size_t i = 0; i < CONTROL_CLIENTS; i++)
			if (s->door[d].client[i].fd >= 0 && s->door[d].client[i].until < until)
				until = s->door[d].client[i].until;
	return until;
}

/* ---- opening ---- */

static enum status
listen_at(struct door *door, mode_t mode, struct fault *fault)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char *beside = mem_printf("%s.%d", door->path, (int)getpid());
	enum status st = OK;

	if (strlen(beside) >= sizeof at.sun_path) {
		st = fault_set(fault, INVALID, "the path of the control socket is too long: %s",
		               beside);
		fault_hint(fault, "choose a shorter run_dir or name");
		free(beside);
		return st;
	}
	memcpy(at.sun_path, beside, strlen(beside) + 1);
	unlink(beside);
	door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* beside, and then in its place: nobody meets a socket with other rights than these */
	if (door->fd < 0 || bind(door->fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
	    chmod(beside, mode) != 0 || listen(door->fd, CONTROL_CLIENTS) != 0 ||
	    rename(beside, door->path) != 0)
		st = fault_errno(fault, errno, "cannot listen on %s", door->path);
	free(beside);
	return st;
}

enum status
control_server_open(const char *run_dir, const char *name, control_handler *handler, void *data,
                    struct control_server **ret, struct fault *fault)
{
	struct control_server *s = mem_alloc(sizeof *s);
	enum status st = OK;

	s->handler = handler;
	s->data = data;
	for (size_t d = 0; d < countof(s->door); d++) {
		s->door[d] = (struct door){ .fd = -1, .read_only = d == 1 };
		for (size_t i = 0; i < CONTROL_CLIENTS; i++)
			s->door[d].client[i].fd = -1;
	}
	for (size_t d = 0; d < countof(s->door) && st == OK; d++) {
		s->door[d].path = control_path(run_dir, name, d == 1);
		st = listen_at(&s->door[d], d == 1 ? 0666 : 0660, fault);
	}
	if (st == OK)
		*ret = s;
	else
		control_server_close(s);
	return st;
}

void
control_server_forget(struct control_server *s)
{
	if (!s)
		return;
	for (size_t d = 0; d < countof(s->door); d++) {
		if (s->door[d].fd >= 0)
			close(s->door[d].fd);
		for (size_t i = 0; i < CONTROL_CLIENTS; i++)
			if (s->door[d].client[i].fd >= 0)
				drop(&s->door[d].client[i]);
		free(s->door[d].path);
	}
	free(s);
}

void
control_server_close(struct control_server *s)
{
	if (!s)
		return;
	for (size_t d = 0; d < countof(s->door); d++)
		if (s->door[d].fd >= 0)
			unlink(s->door[d].path);
	control_server_forget(s);
}
