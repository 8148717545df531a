/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - the sockets on which a host says what it alone knows.
 *
 * A request is one line of words, an answer one line of JSON, and then the
 * connection ends. The server is a part of the supervisor's poll loop: it never
 * blocks, and what a client can hold of it is bounded in number, bytes and time.
 */
#ifndef PENSTOCK_CONTROL_H
#define PENSTOCK_CONTROL_H

#include <poll.h>
#include <sys/types.h>

#include "base/base.h"

/* ---- requests ---- */

enum control_command {
#define CONTROL(name, word, arguments, least, most, changes) CONTROL_##name,
#include "control/commands.def"
#undef CONTROL
	CONTROL_N
};

#define CONTROL_LINE 128 /* most bytes of a request */

struct control_request {
	enum control_command command;
	uint32_t arguments; /* bit i: the i-th word that commands.def lists */
};
/* One line without its end. INVALID says what is wrong with it. */
enum status control_parse(const char *line, size_t len, struct control_request *ret,
                          struct fault *fault);
bool control_has(const struct control_request *request, const char *argument);
bool control_changes(enum control_command command);

/* ---- the server ---- */

#define CONTROL_CLIENTS 32 /* of each socket */
#define CONTROL_FDS (2 * (CONTROL_CLIENTS + 1))

struct control_server;

/* Puts the answer, a JSON object, into `answer`; or says false: it is asked again, with `again`
 * set, at each control_server_ask_again() until it has one. */
typedef bool control_handler(void *data, const struct control_request *request, uint64_t *ticket,
                             bool again, struct buf *answer);

/* Paths of both sockets of a host; the caller frees. */
char *control_path(const char *run_dir, const char *name, bool read_only);
/* Listens on both; sockets that a dead host left are replaced. The one that changes things is open
 * to root, this user and members of this group, the other one to all. */
enum status control_server_open(const char *run_dir, const char *name, control_handler *handler,
                                void *data, struct control_server **ret, struct fault *fault);
/* Removes the sockets. Takes NULL. */
void control_server_close(struct control_server *server);
/* In a forked child: lets go of the descriptors and of nothing else. Takes NULL. */
void control_server_forget(struct control_server *server);

/* Descriptors to poll for, at most CONTROL_FDS; then what they said. */
size_t control_server_fds(const struct control_server *server, struct pollfd *fds);
void control_server_serve(struct control_server *server, const struct pollfd *fds, size_t n);
void control_server_ask_again(struct control_server *server);
int64_t control_server_until(const struct control_server *server); /* mono: a client is too slow */

/* Who may change things, as a pure function of the peer. */
struct control_peer {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
};
bool control_may_change(const struct control_peer *peer, uid_t uid, gid_t gid);

/* ---- the client ---- */

/* Asks a host and gives its answer. NOT_FOUND: no host runs there; REFUSED: not for this user;
 * AWAY: it does not answer in time (timeout_ns 0: waits for ever). */
enum status control_ask(const char *path, const char *request, int64_t timeout_ns,
                        struct buf *answer, struct fault *fault);

#endif
