/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy.c - one thread, one poll(), frames of PostgreSQL's protocol 3.
 *
 * Each direction of a connection is a flow: bytes are cut into messages as
 * they come in, and go out when the other side takes them. What was counted
 * in before a cut is delivered first; what comes after it never is.
 */
#include "support/proxy.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define CONNECTIONS_MAX 32
#define QUEUE_MOST ((size_t)MiB)

struct flow {
	int from, to;
	struct buf out;  /* to be written */
	char head[5];    /* of the message that begins */
	size_t head_len; /* bytes of it that are here */
	size_t left;     /* bytes of the message's body that are still to come */
	bool started;    /* false: the startup message, which has no type */
	bool swallow;    /* the message that is under way */
	bool eof, cut;
};

struct connection {
	struct flow flow[2]; /* by proxy_side */
};

struct proxy {
	char folder[64], target[108], *conninfo;
	int listener, stop;
	pthread_t thread;
	pthread_mutex_t mutex; /* of what stands below */
	int count[2];
	struct {
		bool armed, before, done;
		enum proxy_side side;
		char type;
		int left;
	} plan;
	bool tell;
	char lost[2]; /* by proxy_side: the type of message that never arrives; 0: none */
	struct connection *connections[CONNECTIONS_MAX];
};

/* ---- messages ---- */

/* Called at a message's first and past its last byte: does the plan cut here? */
static bool
cuts(struct proxy *p, enum proxy_side side, char type, bool before)
{
	bool now;

	pthread_mutex_lock(&p->mutex);
	if (before)
		p->count[side]++;
	now = p->plan.armed && p->plan.side == side && p->plan.before == before &&
	      (p->plan.type == 0 || p->plan.type == type) && --p->plan.left == 0;
	if (now) {
		p->plan.armed = false;
		p->plan.done = true;
	}
	pthread_mutex_unlock(&p->mutex);
	return now;
}

static void
say_fatal(struct flow *f)
{
	static const char fields[] = "SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0";
	uint32_t size = htobe32(4 + sizeof fields);

	buf_add(&f->out, "E", 1);
	buf_add(&f->out, &size, sizeof size);
	buf_add(&f->out, fields, sizeof fields); /* the last NUL ends the fields */
}

static bool
is_lost(struct proxy *p, enum proxy_side side, char type)
{
	bool lost;

	pthread_mutex_lock(&p->mutex);
	lost = type != '\0' && p->lost[side] == type;
	pthread_mutex_unlock(&p->mutex);
	return lost;
}

static void
finish_message(struct proxy *p, struct flow *f, enum proxy_side side)
{
	char type = f->started ? f->head[0] : '\0';

	f->started = true;
	f->head_len = 0;
	f->cut = cuts(p, side, type, false);
}

/* Takes bytes of a head; the rest of the message follows. */
static size_t
take_head(struct proxy *p, struct flow *f, enum proxy_side side, const char *bytes, size_t len)
{
	size_t want = f->started ? 5 : 4, n = 0;
	uint32_t size;

	while (f->head_len < want && n < len)
		f->head[f->head_len++] = bytes[n++];
	if (f->head_len < want)
		return n;
	if (cuts(p, side, f->started ? f->head[0] : '\0', true)) {
		f->cut = true;
		if (side == PROXY_SERVER && p->tell)
			say_fatal(f);
		return n;
	}
	f->swallow = is_lost(p, side, f->started ? f->head[0] : '\0');
	if (!f->swallow)
		buf_add(&f->out, f->head, want);
	memcpy(&size, f->head + want - 4, sizeof size);
	f->left = be32toh(size) - 4;
	if (f->left == 0)
		finish_message(p, f, side);
	return n;
}

static void
take(struct proxy *p, struct flow *f, enum proxy_side side, const char *bytes, size_t len)
{
	while (len > 0 && !f->cut) {
		size_t n;

		if (f->left > 0) {
			n = len < f->left ? len : f->left;
			if (!f->swallow)
				buf_add(&f->out, bytes, n);
			f->left -= n;
			if (f->left == 0)
				finish_message(p, f, side);
		} else {
			n = take_head(p, f, side, bytes, len);
		}
		bytes += n;
		len -= n;
	}
}

/* ---- connections ---- */

static void
address_of(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
}

static void
add_connection(struct proxy *p)
{
	int client = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	struct connection *c;

	address_of(&address, p->target);
	if (client < 0 || connect(server, (struct sockaddr *)&address, sizeof address) != 0) {
		close(client);
		close(server);
		return;
	}
	fcntl(server, F_SETFL, O_NONBLOCK);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (p->connections[i])
			continue;
		c = p->connections[i] = mem_alloc(sizeof *c);
		c->flow[PROXY_CLIENT].from = c->flow[PROXY_SERVER].to = client;
		c->flow[PROXY_CLIENT].to = c->flow[PROXY_SERVER].from = server;
		c->flow[PROXY_SERVER].started = true;
		return;
	}
	close(client);
	close(server);
}

static void
drop(struct proxy *p, size_t i)
{
	struct connection *c = p->connections[i];

	close(c->flow[0].from);
	close(c->flow[1].from);
	buf_done(&c->flow[0].out);
	buf_done(&c->flow[1].out);
	free(c);
	p->connections[i] = NULL;
}

/* False: it is over. */
static bool
move(struct proxy *p, struct flow *f, enum proxy_side side)
{
	char bytes[16384];
	ssize_t n;

	if (!f->eof && !f->cut && f->out.len < QUEUE_MOST) {
		n = recv(f->from, bytes, sizeof bytes, 0);
		if (n > 0)
			take(p, f, side, bytes, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			f->eof = true;
	}
	if (f->out.len > 0) {
		n = send(f->to, f->out.data, f->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0) {
			f->out.len -= (size_t)n;
			memmove(f->out.data, f->out.data + n, f->out.len);
		}
	}
	return !((f->eof || f->cut) && f->out.len == 0);
}

static void
move_all(struct proxy *p)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = p->connections[i];

		if (c && (!move(p, &c->flow[PROXY_CLIENT], PROXY_CLIENT) ||
		          !move(p, &c->flow[PROXY_SERVER], PROXY_SERVER)))
			drop(p, i);
	}
}

static short
wants(const struct flow *in, const struct flow *out)
{
	return (short)((!in->eof && !in->cut && in->out.len < QUEUE_MOST ? POLLIN : 0) |
	               (out->out.len > 0 ? POLLOUT : 0));
}

static void *
run(void *data)
{
	struct proxy *p = data;

	for (;;) {
		struct pollfd fds[2 + 2 * CONNECTIONS_MAX] = {
			{ .fd = p->stop, .events = POLLIN }, { .fd = p->listener, .events = POLLIN }
		};
		nfds_t n = 2;

		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			struct connection *c = p->connections[i];

			if (!c)
				continue;
			fds[n++] = (struct pollfd){ .fd = c->flow[0].from,
				                    .events = wants(&c->flow[0], &c->flow[1]) };
			fds[n++] = (struct pollfd){ .fd = c->flow[1].from,
				                    .events = wants(&c->flow[1], &c->flow[0]) };
		}
		poll(fds, n, -1);
		if (fds[0].revents)
			return NULL;
		move_all(p);
		if (fds[1].revents)
			add_connection(p);
	}
}

/* ---- for the test ---- */

struct proxy *
proxy_start(const char *conninfo)
{
	struct proxy *p = mem_alloc(sizeof *p);
	struct sockaddr_un address;
	const char *host = strstr(conninfo, "host=");
	char path[108];

	assert_non_null(host);
	host += strlen("host=");
	snprintf(p->target, sizeof p->target, "%.*s/.s.PGSQL.5432", (int)strcspn(host, " "), host);
	snprintf(p->folder, sizeof p->folder, "/tmp/penstock-proxy.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(path, sizeof path, "%s/.s.PGSQL.5432", p->folder);
	address_of(&address, path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(p->listener, 16), 0);
	p->stop = eventfd(0, EFD_CLOEXEC);
	p->conninfo = mem_printf("%s host=%s", conninfo, p->folder);
	pthread_mutex_init(&p->mutex, NULL);
	assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
	return p;
}

void
proxy_stop(struct proxy *p)
{
	char path[108];

	if (!p)
		return;
	eventfd_write(p->stop, 1);
	pthread_join(p->thread, NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (p->connections[i])
			drop(p, i);
	close(p->listener);
	close(p->stop);
	snprintf(path, sizeof path, "%s/.s.PGSQL.5432", p->folder);
	unlink(path);
	rmdir(p->folder);
	pthread_mutex_destroy(&p->mutex);
	free(p->conninfo);
	free(p);
}

const char *
proxy_conninfo(const struct proxy *p)
{
	return p->conninfo;
}

void
proxy_cut(struct proxy *p, enum proxy_side side, char type, int nth, bool before)
{
	pthread_mutex_lock(&p->mutex);
	p->plan.armed = true;
	p->plan.done = false;
	p->plan.side = side;
	p->plan.type = type;
	p->plan.left = nth;
	p->plan.before = before;
	pthread_mutex_unlock(&p->mutex);
}

void
proxy_tell_cuts(struct proxy *p)
{
	p->tell = true; /* before there are connections */
}

void
proxy_swallow(struct proxy *p, enum proxy_side side, char type)
{
	pthread_mutex_lock(&p->mutex);
	p->lost[side] = type;
	pthread_mutex_unlock(&p->mutex);
}

bool
proxy_cut_done(struct proxy *p)
{
	bool done;

	pthread_mutex_lock(&p->mutex);
	p->plan.armed = false;
	done = p->plan.done;
	pthread_mutex_unlock(&p->mutex);
	return done;
}

int
proxy_count(struct proxy *p, enum proxy_side side)
{
	int n;

	pthread_mutex_lock(&p->mutex);
	n = p->count[side];
	p->count[side] = 0;
	pthread_mutex_unlock(&p->mutex);
	return n;
}
