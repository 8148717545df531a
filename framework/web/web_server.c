/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web_server.c - HTTP by libmicrohttpd: one thread, pages that change nothing.
 *
 * The library bounds headers (431), and closes what does not speak HTTP. Checked
 * here: the name that a request asks for, against pages of others that make a
 * browser ask (421); a length and chunks together, which two servers in a row
 * would read differently (400); more connections than allowed (503); and
 * clients that take too long over a request (408), which the library would only
 * hang up on.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/web_priv.h"

#define HEADER_MOST ((size_t)(16 * KiB))
/* Beyond the allowed connections so many are let in to be told 503; further ones wait unheard. */
#define SPARE 32u

struct client {
	struct list node; /* web->clients */
	int fd;
	int64_t since; /* mono: it came, or its last reply was sent */
	bool busy;     /* a request has arrived and is being answered */
	bool hurried;
	bool extra; /* more than the limit: to be told so */
};

/* ---- clients ---- */

static void
notify(void *data, struct MHD_Connection *connection, void **kept,
       enum MHD_ConnectionNotificationCode code)
{
	struct web *web = data;
	struct client *c = *kept;

	pthread_mutex_lock(&web->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		c = mem_alloc(sizeof *c);
		c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		            ->connect_fd;
		c->since = clock_mono();
		c->extra = ++web->n_clients > (uint64_t)web->config->set.http_connections;
		list_append(&web->clients, &c->node);
		*kept = c;
	} else if (c) {
		web->n_clients--;
		list_remove(&c->node);
		free(c);
		*kept = NULL;
	}
	pthread_mutex_unlock(&web->lock);
}

static struct client *
client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
	    ->socket_context;
}

static void
completed(void *data, struct MHD_Connection *connection, void **kept,
          enum MHD_RequestTerminationCode how)
{
	struct web *web = data;
	struct client *c = client_of(connection);

	(void)kept, (void)how;
	if (!c)
		return;
	pthread_mutex_lock(&web->lock);
	c->busy = false;
	c->since = clock_mono();
	pthread_mutex_unlock(&web->lock);
}

static void
count_refusal(struct web *web, unsigned code) /* under the lock */
{
	size_t i = 0;

	while (i < WEB_CODES && web->refusals[i].code && web->refusals[i].code != code)
		i++;
	if (i == WEB_CODES)
		return;
	web->refusals[i].n++;
	web->refusals[i].code = code;
}

/* The socket stays the library's: it is shut, and closed there. Under the lock, so that it is not
 * closed, and its number another's, meanwhile. */
void
web_hurry(struct web *web)
{
	static const char late[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
	                           "Content-Type: text/plain; charset=utf-8\r\n"
	                           "Content-Length: 26\r\n\r\nthe request took too long\n";
	int64_t now = clock_mono();

	pthread_mutex_lock(&web->lock);
	list_each(node, &web->clients) {
		struct client *c = list_entry(node, struct client, node);

		if (c->busy || c->hurried || now - c->since < web->config->set.http_timeout)
			continue;
		c->hurried = true;
		if (send(c->fd, late, sizeof late - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			count_refusal(web, 408);
		shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&web->lock);
}

/* ---- replies ---- */

static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned code, const char *type, char *text, size_t len,
      bool close_after)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "Cache-Control", "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'");
	if (close_after)
		MHD_add_response_header(r, "Connection", "close");
	if (code == 405)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, code, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
refuse(struct web *web, struct MHD_Connection *connection, unsigned code, const char *why)
{
	char *text = mem_printf("%s\n", why);

	pthread_mutex_lock(&web->lock);
	count_refusal(web, code);
	pthread_mutex_unlock(&web->lock);
	return reply(connection, code, "text/plain; charset=utf-8", text, strlen(text), true);
}

/* ---- what a request asks for ---- */

struct headers {
	unsigned hosts, lengths, codings, long_lengths;
	const char *host, *accept;
};

static enum MHD_Result
read_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct headers *h = data;

	(void)kind;
	if (strcasecmp(name, "Host") == 0) {
		h->hosts++;
		h->host = value;
	} else if (strcasecmp(name, "Content-Length") == 0) {
		h->lengths++;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		h->codings++;
	} else if (strcasecmp(name, "Accept") == 0) {
		h->accept = value;
	}
	return MHD_YES;
}

/* "name", "name:9187", "[::1]:9187": the name alone, in lower case. */
static bool
known_host(const struct web *web, const char *host)
{
	char name[256];
	size_t n;

	if (!host)
		return false;
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (n == 0 || n >= sizeof name || n > strlen(host))
		return false;
	if (host[n] != '\0' &&
	    (host[n] != ':' || strspn(host + n + 1, "0123456789") != strlen(host + n + 1)))
		return false;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	name[n] = '\0';
	for (size_t i = 0; i < web->n_hosts; i++)
		if (strcmp(web->hosts[i], name) == 0)
			return true;
	return false;
}

static enum MHD_Result
metrics_page(struct web *web, struct MHD_Connection *connection, const char *accept)
{
	bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
	struct web_refusal refusals[WEB_CODES + 1];
	struct web_facts facts = { .refusals = refusals };
	struct buf page;
	bool good;

	web_queue_facts(web, &facts);
	pthread_mutex_lock(&web->lock);
	memcpy(refusals, web->refusals, sizeof refusals);
	pthread_mutex_unlock(&web->lock);
	buf_init(&page);
	good = web_metrics(web->segment, &facts, openmetrics, &page);
	web_queue_free((struct web_queue *)(uintptr_t)facts.queues, facts.n_queues);
	if (!good) {
		buf_done(&page);
		return refuse(web, connection, 503, "the counters are in motion: ask again");
	}
	return reply(connection, 200,
	             openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	                         : "text/plain; version=0.0.4; charset=utf-8",
	             page.data, page.len, false);
}

static enum MHD_Result
answer(struct web *web, struct MHD_Connection *connection, const struct client *c,
       const struct headers *headers, const char *url, const char *method)
{
	const struct headers h = *headers;

	if (c->extra)
		return refuse(web, connection, 503, "too many connections");
	if (h.hosts > 1 || h.lengths > 1 || h.codings > 1)
		return refuse(web, connection, 400, "a header that may stand once stands twice");
	if (h.lengths > 0 && h.codings > 0)
		return refuse(web, connection, 400, "a length and chunks together");
	if (!known_host(web, h.host))
		return refuse(web, connection, 421,
		              "this server has another name (setting http_hosts)");
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(web, connection, 405, "here is nothing that could be changed");
	if (strcmp(url, "/metrics") == 0)
		return metrics_page(web, connection, h.accept);
	if (strcmp(url, "/") == 0)
		return reply(connection, 200, "text/plain; charset=utf-8",
		             mem_dup("penstock: see /metrics\n"), 23, false);
	return refuse(web, connection, 404, "there is no such page: see /metrics");
}

/* The library comes with the headers first, and then with the body, which nobody wants: an answer
 * at once ends the connection. One without a body is answered when it has come whole, so that the
 * connection stays. */
static enum MHD_Result
handle(void *data, struct MHD_Connection *connection, const char *url, const char *method,
       const char *version, const char *upload, size_t *upload_size, void **kept)
{
	struct web *web = data;
	struct client *c = client_of(connection);
	struct headers h = { 0 };
	bool hurried;

	(void)version, (void)upload, (void)upload_size;
	if (!c)
		return MHD_NO;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, read_header, &h);
	if (!*kept && h.lengths == 0 && h.codings == 0) {
		*kept = c;
		return MHD_YES;
	}
	pthread_mutex_lock(&web->lock);
	c->busy = true;
	hurried = c->hurried;
	pthread_mutex_unlock(&web->lock);
	return hurried ? MHD_NO : answer(web, connection, c, &h, url, method);
}

static void
library_log(void *data, const char *format, va_list args)
{
	char text[512];

	(void)data;
	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_DEBUG, "HTTP", "reason", text, NULL);
}

/* ---- start and end ---- */

static void
add_host(struct web *web, const char *name, size_t len)
{
	char *copy = mem_dupn(name, len);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (web->n_hosts < WEB_HOSTS && len > 0)
		web->hosts[web->n_hosts++] = copy;
	else
		free(copy);
}

static void
know_hosts(struct web *web, const struct config_http *at)
{
	const char *more = web->config->set.http_hosts;

	add_host(web, "localhost", 9);
	add_host(web, "127.0.0.1", 9);
	add_host(web, "[::1]", 5);
	if (at->ipv6) {
		char *name = mem_printf("[%s]", at->host);

		add_host(web, name, strlen(name));
		free(name);
	} else {
		add_host(web, at->host, strlen(at->host));
	}
	while (*more) {
		size_t blanks = strspn(more, ", \t"), n = strcspn(more + blanks, ", \t");

		add_host(web, more + blanks, n);
		more += blanks + n;
	}
}

static struct sockaddr *
address_of(const struct config_http *at, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

	memset(ret, 0, sizeof *ret);
	if (at->ipv6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(at->port);
		check(inet_pton(AF_INET6, at->host, &v6->sin6_addr) == 1);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(at->port);
		check(inet_pton(AF_INET, at->host, &v4->sin_addr) == 1);
	}
	return (struct sockaddr *)(void *)ret;
}

enum status
web_serve(struct web *web, struct fault *fault)
{
	struct sockaddr_storage storage;
	struct config_http at;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
	enum status st = config_http(web->config->set.http, &at, fault);

	if (st != OK)
		return st;
	know_hosts(web, &at);
	if (at.ipv6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	web->daemon = MHD_start_daemon(
	    flags, at.port, NULL, NULL, handle, web, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
	    MHD_OPTION_SOCK_ADDR, address_of(&at, &storage), MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)web->config->set.http_connections + SPARE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    HEADER_MOST, MHD_OPTION_NOTIFY_CONNECTION, notify, web, MHD_OPTION_NOTIFY_COMPLETED,
	    completed, web, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_END);
	if (!web->daemon)
		return fault_errno(fault, errno ? errno : EADDRINUSE, "cannot serve HTTP at %s",
		                   web->config->set.http);
	return OK;
}

void
web_stop(struct web *web)
{
	if (web->daemon)
		MHD_stop_daemon(web->daemon);
	for (size_t i = 0; i < web->n_hosts; i++)
		free(web->hosts[i]);
}
