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
#define TALLIES_MAX 8
#define STARTUP_MOST 2048
#define QUEUE_MOST ((size_t)MiB)

struct flow {
	int from, to;
	struct buf out;  /* to be written */
	char head[5];    /* of the message that begins */
	size_t head_len; /* bytes of it that are here */
	size_t left;     /* bytes of the message's body that are still to come */
	bool started;    /* false: the startup message, which has no type */
	bool swallow;    /* the message that is under way */
	bool last;       /* what is left is cut at its end, within the message */
	bool eof, cut;
};

struct connection {
	struct flow flow[2];  /* by proxy_side */
	char application[32]; /* as the startup message names it */
};

struct tally {
	char application[32];
	int count[2];
};

struct proxy {
	char folder[64], target[108], *conninfo;
	int listener, stop, kick;
	pthread_t thread;
	pthread_mutex_t mutex; /* of what stands below */
	int count[2];
	struct tally tallies[TALLIES_MAX];
	size_t n_tallies;
	const char *drop; /* connections with this application_name end */
	struct {
		bool armed, done;
		enum proxy_place place;
		enum proxy_side side;
		const char *application; /* NULL: any */
		char type;
		int left;
	} plan;
	bool tell;
	char lost[2]; /* by proxy_side: the type of message that never arrives; 0: none */
	struct connection *connections[CONNECTIONS_MAX];
};

/* ---- messages ---- */

static void
count(struct proxy *p, const char *application, enum proxy_side side)
{
	size_t i = 0;

	p->count[side]++;
	while (i < p->n_tallies && strcmp(p->tallies[i].application, application) != 0)
		i++;
	if (i == TALLIES_MAX)
		return;
	if (i == p->n_tallies) {
		p->n_tallies++;
		snprintf(p->tallies[i].application, sizeof p->tallies[i].application, "%s",
		         application);
	}
	p->tallies[i].count[side]++;
}

/* Called at a message's first and past its last byte: does the plan cut here, and at which place of
 * it? What is cut within a message is decided at its first byte. */
static bool
cuts(struct proxy *p, const struct connection *c, enum proxy_side side, bool after,
     bool *ret_within)
{
	const struct flow *f = &c->flow[side];
	char type = f->started ? f->head[0] : '\0';
	bool now;

	*ret_within = false;
	pthread_mutex_lock(&p->mutex);
	if (!after)
		count(p, c->application, side);
	now = p->plan.armed && p->plan.side == side && (p->plan.place == PROXY_AFTER) == after &&
	      (p->plan.type == 0 || p->plan.type == type) &&
	      (!p->plan.application || strcmp(p->plan.application, c->application) == 0) &&
	      --p->plan.left == 0;
	if (now) {
		p->plan.armed = false;
		p->plan.done = true;
		*ret_within = p->plan.place == PROXY_WITHIN;
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
finish_message(struct proxy *p, struct connection *c, enum proxy_side side)
{
	struct flow *f = &c->flow[side];
	bool within;

	f->cut = cuts(p, c, side, true, &within);
	f->started = true;
	f->head_len = 0;
}

/* Takes bytes of a head; the rest of the message follows. */
static size_t
take_head(struct proxy *p, struct connection *c, enum proxy_side side, const char *bytes,
          size_t len)
{
	struct flow *f = &c->flow[side];
	size_t want = f->started ? 5 : 4, n = 0;
	bool within;
	uint32_t size;

	while (f->head_len < want && n < len)
		f->head[f->head_len++] = bytes[n++];
	if (f->head_len < want)
		return n;
	memcpy(&size, f->head + want - 4, sizeof size);
	f->left = be32toh(size) - 4;
	if (cuts(p, c, side, false, &within)) {
		f->last = true;
		if (within)
			buf_add(&f->out, f->head, f->left > 1 ? want : want - 1);
		else if (side == PROXY_SERVER && p->tell)
			say_fatal(f);
		f->left = within ? f->left / 2 : 0;
		f->cut = f->left == 0;
		return n;
	}
	f->swallow = is_lost(p, side, f->started ? f->head[0] : '\0');
	if (!f->swallow)
		buf_add(&f->out, f->head, want);
	if (f->left == 0)
		finish_message(p, c, side);
	return n;
}

static void
take(struct proxy *p, struct connection *c, enum proxy_side side, const char *bytes, size_t len)
{
	struct flow *f = &c->flow[side];

	while (len > 0 && !f->cut) {
		size_t n;

		if (f->left > 0) {
			n = len < f->left ? len : f->left;
			if (!f->swallow)
				buf_add(&f->out, bytes, n);
			f->left -= n;
			if (f->left == 0 && f->last)
				f->cut = true;
			else if (f->left == 0)
				finish_message(p, c, side);
		} else {
			n = take_head(p, c, side, bytes, len);
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

/* Whose connection it is stands in its first message, which is looked at whole before any of it is
 * taken, since already that one may be cut. False: it is not here yet. */
static bool
introduced(struct connection *c)
{
	static const char key[] = "application_name";
	char bytes[STARTUP_MOST];
	const char *at;
	uint32_t size;
	ssize_t n;

	if (c->flow[PROXY_CLIENT].started || c->application[0])
		return true;
	n = recv(c->flow[PROXY_CLIENT].from, bytes, sizeof bytes, MSG_PEEK);
	if (n <= 0)
		return n == 0 || (errno != EAGAIN && errno != EINTR);
	memcpy(&size, bytes, n >= 4 ? sizeof size : 0);
	if (n < 4 || (size_t)n < be32toh(size))
		return false;
	at = memmem(bytes, (size_t)n, key, sizeof key);
	snprintf(c->application, sizeof c->application, "%.*s", at ? 31 : 1,
	         at ? at + sizeof key : "?");
	return true;
}

/* False: it is over. */
static bool
move(struct proxy *p, struct connection *c, enum proxy_side side)
{
	struct flow *f = &c->flow[side];
	char bytes[16384];
	ssize_t n;

	if (side == PROXY_CLIENT && !introduced(c))
		return true;
	if (!f->eof && !f->cut && f->out.len < QUEUE_MOST) {
		n = recv(f->from, bytes, sizeof bytes, 0);
		if (n > 0)
			take(p, c, side, bytes, (size_t)n);
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
drop_told(struct proxy *p)
{
	const char *application;

	pthread_mutex_lock(&p->mutex);
	application = p->drop;
	p->drop = NULL;
	pthread_mutex_unlock(&p->mutex);
	for (size_t i = 0; i < CONNECTIONS_MAX && application; i++)
		if (p->connections[i] && strcmp(p->connections[i]->application, application) == 0)
			drop(p, i);
}

static void
move_all(struct proxy *p)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = p->connections[i];

		if (c && (!move(p, c, PROXY_CLIENT) || !move(p, c, PROXY_SERVER)))
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
		struct pollfd fds[3 + 2 * CONNECTIONS_MAX] = {
			{ .fd = p->stop, .events = POLLIN },
			{ .fd = p->listener, .events = POLLIN },
			{ .fd = p->kick, .events = POLLIN },
		};
		nfds_t n = 3;
		eventfd_t kicks;

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
		eventfd_read(p->kick, &kicks);
		drop_told(p);
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
	p->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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
	close(p->kick);
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

static void
arm(struct proxy *p, const char *application, enum proxy_side side, char type, int nth,
    enum proxy_place place)
{
	pthread_mutex_lock(&p->mutex);
	p->plan.armed = true;
	p->plan.done = false;
	p->plan.application = application;
	p->plan.side = side;
	p->plan.type = type;
	p->plan.left = nth;
	p->plan.place = place;
	pthread_mutex_unlock(&p->mutex);
}

void
proxy_cut(struct proxy *p, enum proxy_side side, char type, int nth, bool before)
{
	arm(p, NULL, side, type, nth, before ? PROXY_BEFORE : PROXY_AFTER);
}

void
proxy_cut_of(struct proxy *p, const char *application, enum proxy_side side, int nth,
             enum proxy_place place)
{
	arm(p, application, side, 0, nth, place);
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

void
proxy_drop(struct proxy *p, const char *application)
{
	pthread_mutex_lock(&p->mutex);
	p->drop = application;
	pthread_mutex_unlock(&p->mutex);
	eventfd_write(p->kick, 1);
}

bool
proxy_was_cut(struct proxy *p)
{
	bool done;

	pthread_mutex_lock(&p->mutex);
	done = p->plan.done;
	pthread_mutex_unlock(&p->mutex);
	return done;
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

int
proxy_count_of(struct proxy *p, const char *application, enum proxy_side side)
{
	int n = 0;

	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < p->n_tallies; i++) {
		if (strcmp(p->tallies[i].application, application) != 0)
			continue;
		n = p->tallies[i].count[side];
		p->tallies[i].count[side] = 0;
	}
	pthread_mutex_unlock(&p->mutex);
	return n;
}
