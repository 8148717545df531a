/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * courier.c - one thread, and all the requests of a stage.
 *
 * Works arrive from the worker threads; the thread cuts each into requests,
 * keeps them in flight with curl's multi interface and completes the job's
 * token with the last answer, or with the first failure. It never waits but
 * in curl_multi_poll(), which courier_send() and courier_cancel() wake.
 *
 * Note on locks: `all`, `inbox`, `stop` and a work's `cancelled` are under the
 * lock. All else belongs to the thread. The lock is never held around a call
 * of curl or of the host.
 *
 * Note on the first requests: each new connection that begins before the name
 * is known asks for it in a thread of its own, and with TLS each that begins
 * before the server has shown HTTP/2 is one that streams would have saved. So
 * FIRST_REQUESTS go out until a socket was opened, with TLS until an answer.
 */
#include "embed_http_priv.h"

#include <curl/curl.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_REQUESTS 8u
#define STREAMS_LEAST 32u /* of a connection with HTTP/2; servers seldom allow fewer */
#define WAIT_MOST_MS 60000
#define CONNECT_MOST_MS 10000
#define DELAY_MOST_S (24 * 3600)
#define SPARE_FILES 256u    /* descriptors that are left to the host */
#define NUMBER_MOST 32u     /* bytes of a number in an answer, more than any writer uses */
#define ANSWER_SPARE 65536u /* bytes around the numbers, and of an error */
#define SAID_MOST 400       /* bytes of an error's body in the message */

struct work {
	struct work *next, **at; /* in courier->all */
	struct work *after;      /* in the inbox, then among those that wait */
	struct request *requests;
	uint64_t token;
	struct passages p; /* of the host's copy */
	unsigned char *out;
	size_t out_len;
	uint32_t cursor; /* the passages before it have been sent */
	bool cancelled;
};

struct request {
	struct request *next, **at; /* of its work */
	struct courier *courier;
	struct work *work;
	CURL *easy;
	char *question;
	char *answer;
	size_t answer_len, answer_room, answer_most;
	char error[CURL_ERROR_SIZE];
	uint32_t n;
	uint32_t index[]; /* passages */
};

struct queue {
	struct work *first, **last;
};

struct courier {
	struct courier_conf conf;
	CURLM *multi;
	struct curl_slist *headers;
	pthread_t thread;
	pthread_mutex_t lock;
	struct work *all;
	struct queue inbox;
	unsigned cancels;
	bool stop;
	/* the thread's */
	struct queue waiting;
	uint32_t out;
	bool tls, known; /* known: more than the first requests may go out */
	_Atomic uint64_t requests, passages;
	_Atomic uint32_t shown_out;
};

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void
queue_append(struct queue *q, struct work *work)
{
	work->after = NULL;
	*q->last = work;
	q->last = &work->after;
}

static void
queue_remove(struct queue *q, struct work *work)
{
	struct work **at = &q->first;

	while (*at && *at != work)
		at = &(*at)->after;
	if (!*at)
		return;
	*at = work->after;
	if (q->last == &work->after)
		q->last = at;
}

/* ---- the end of requests and works ---- */

static void
request_free(struct request *r)
{
	if (!r)
		return;
	if (r->easy) {
		curl_multi_remove_handle(r->courier->multi, r->easy);
		curl_easy_cleanup(r->easy);
	}
	free(r->question);
	free(r->answer);
	free(r);
}

/* Out of its work, and gone. */
static void
request_end(struct request *r)
{
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	r->courier->out--;
	request_free(r);
}

static void
work_end(struct courier *c, struct work *work, enum ps_outcome outcome,
         const struct ps_result *result)
{
	while (work->requests)
		request_end(work->requests);
	queue_remove(&c->waiting, work);
	pthread_mutex_lock(&c->lock);
	*work->at = work->next;
	if (work->next)
		work->next->at = work->at;
	queue_remove(&c->inbox, work); /* one that was cancelled as soon as it was sent */
	c->cancels -= work->cancelled;
	pthread_mutex_unlock(&c->lock);
	ps_complete(c->conf.host, work->token, outcome, result);
	free(work->out);
	free(work);
}

static void
work_refuse(struct courier *c, struct work *work, const struct verdict *v)
{
	const struct ps_result result = { .delay_ms = v->delay_ms,
		                          .code = v->code,
		                          .message = v->message };

	work_end(c, work, v->outcome, &result);
}

static void
work_done(struct courier *c, struct work *work)
{
	const struct ps_result result = { .body = work->out,
		                          .body_len = work->out_len,
		                          .body_set = true };

	atomic_fetch_add(&c->passages, work->p.n);
	work_end(c, work, PS_DONE, &result);
}

/* ---- one request ---- */

static size_t
take_answer(char *bytes, size_t size, size_t n, void *data)
{
	struct request *r = data;
	size_t len = size * n;

	if (len > r->answer_most - r->answer_len)
		return 0; /* curl ends it with CURLE_WRITE_ERROR */
	if (len > r->answer_room - r->answer_len) {
		size_t room = 2 * (r->answer_room + len);
		char *larger = realloc(r->answer, room);

		if (!larger)
			return 0;
		r->answer = larger;
		r->answer_room = room;
	}
	memcpy(r->answer + r->answer_len, bytes, len);
	r->answer_len += len;
	return len;
}

static curl_socket_t
open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct courier *c = data;

	(void)purpose;
	c->known = c->known || !c->tls;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool
set_up(struct request *r)
{
	const struct courier_conf *conf = &r->courier->conf;
	CURL *e = r->easy = curl_easy_init();
	CURLcode bad = CURLE_OK;

	if (!e)
		return false;
#define SET(option, value) bad = bad ? bad : curl_easy_setopt(e, option, value)
	SET(CURLOPT_URL, conf->endpoint);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOSIGNAL, 1L);
	if (*conf->ca_file)
		SET(CURLOPT_CAINFO, conf->ca_file);
	SET(CURLOPT_HTTPHEADER, r->courier->headers);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(r->question));
	SET(CURLOPT_POSTFIELDS, r->question);
	SET(CURLOPT_TIMEOUT_MS, (long)conf->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MOST_MS);
	SET(CURLOPT_WRITEFUNCTION, take_answer);
	SET(CURLOPT_WRITEDATA, r);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, r->courier);
	SET(CURLOPT_ERRORBUFFER, r->error);
	SET(CURLOPT_PRIVATE, r);
	/* rather a stream of a connection than one of its own, where the server may offer that */
	SET(CURLOPT_PIPEWAIT, r->courier->tls ? 1L : 0L);
#undef SET
	return !bad;
}

/* The next passages of a work that have a text. */
static void
take_passages(struct work *work, struct request *r, uint32_t batch)
{
	for (; work->cursor < work->p.n && r->n < batch; work->cursor++) {
		struct passage p = passages_get(&work->p, work->cursor);

		if (p.length > 0 || p.heading_length > 0)
			r->index[r->n++] = work->cursor;
	}
}

/* NULL: *ret says why, or nothing was left to ask and *ret has no outcome. */
static struct request *
request_create(struct courier *c, struct work *work, struct verdict *ret)
{
	uint32_t left = work->p.n - work->cursor;
	uint32_t batch = left < c->conf.batch ? left : c->conf.batch;
	struct request *r = calloc(1, sizeof *r + batch * sizeof *r->index);

	ret->outcome = PS_UNSET;
	if (!r) {
		verdict_set(ret, PS_RETRY, "NO_MEMORY", "out of memory");
		return NULL;
	}
	r->courier = c;
	r->work = work;
	take_passages(work, r, batch);
	r->answer_most = ANSWER_SPARE + (size_t)r->n * (c->conf.dimensions * NUMBER_MOST + 256);
	if (r->n > 0)
		r->question = question_make(c->conf.model, &work->p, r->index, r->n, ret);
	if (r->question && set_up(r))
		return r;
	if (r->question)
		verdict_set(ret, PS_RETRY, "NO_MEMORY", "no request could be made");
	request_free(r);
	return NULL;
}

static bool
request_start(struct courier *c, struct work *work, struct verdict *ret)
{
	struct request *r = request_create(c, work, ret);

	if (!r)
		return ret->outcome == PS_UNSET;
	if (curl_multi_add_handle(c->multi, r->easy) != CURLM_OK) {
		verdict_set(ret, PS_RETRY, "NO_MEMORY", "no request could be begun");
		request_free(r);
		return false;
	}
	r->next = work->requests;
	r->at = &work->requests;
	if (r->next)
		r->next->at = &r->next;
	work->requests = r;
	c->out++;
	return true;
}

/* ---- from the queue to the wire ---- */

/* Rows with their vectors of zeros, and the texts. */
static bool
make_out(struct courier *c, struct work *work)
{
	const struct passages *p = &work->p;

	work->out_len = passages_size(p->n, c->conf.dimensions, p->headings_len, p->text_len);
	work->out = calloc(1, work->out_len);
	if (work->out)
		passages_copy(work->out, p, c->conf.dimensions);
	return work->out != NULL;
}

static bool
may_start(const struct courier *c)
{
	return c->out < c->conf.most && (c->known || c->out < FIRST_REQUESTS);
}

static void
start_requests(struct courier *c)
{
	while (c->waiting.first && may_start(c)) {
		struct work *work = c->waiting.first;
		struct verdict v;

		if (!work->out && !make_out(c, work)) {
			verdict_set(&v, PS_RETRY, "NO_MEMORY", "out of memory");
			work_refuse(c, work, &v);
		} else if (work->cursor < work->p.n) {
			if (!request_start(c, work, &v))
				work_refuse(c, work, &v);
		} else {
			queue_remove(&c->waiting, work);
			if (!work->requests)
				work_done(c, work);
		}
	}
}

/* ---- judging what came ---- */

/* clang-format off */
static const struct {
	CURLcode curl;
	const char *code;
} troubles[] = {
	{ CURLE_COULDNT_RESOLVE_HOST,     "NO_SUCH_HOST" },
	{ CURLE_COULDNT_RESOLVE_PROXY,    "NO_SUCH_HOST" },
	{ CURLE_COULDNT_CONNECT,          "NO_CONNECTION" },
	{ CURLE_OPERATION_TIMEDOUT,       "TIMEOUT" },
	{ CURLE_PARTIAL_FILE,             "CUT_SHORT" },
	{ CURLE_GOT_NOTHING,              "CUT_SHORT" },
	{ CURLE_RECV_ERROR,               "CUT_SHORT" },
	{ CURLE_SEND_ERROR,               "CUT_SHORT" },
	{ CURLE_HTTP2,                    "CUT_SHORT" },
	{ CURLE_HTTP2_STREAM,             "CUT_SHORT" },
	{ CURLE_UNSUPPORTED_PROTOCOL,     "NOT_HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY,       "NOT_HTTP" },
	{ CURLE_WRITE_ERROR,              "ANSWER_TOO_LARGE" },
	{ CURLE_SSL_CONNECT_ERROR,        "TLS" },
	{ CURLE_PEER_FAILED_VERIFICATION, "TLS" },
	{ CURLE_SSL_CACERT_BADFILE,       "TLS" }, /* ca_file cannot be read */
	{ CURLE_OUT_OF_MEMORY,            "NO_MEMORY" },
};
/* clang-format on */

static void
judge_trouble(const struct request *r, CURLcode curl, struct verdict *ret)
{
	const char *code = "HTTP";

	for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
		if (troubles[i].curl == curl)
			code = troubles[i].code;
	verdict_set(ret, PS_RETRY, code, "%s", r->error[0] ? r->error : curl_easy_strerror(curl));
}

/* A server may repeat what it was sent: the key is not to be seen in a message. */
static void
hide_key(char *text, const char *key)
{
	size_t len = strlen(key);
	char *at = text;

	while (len > 0 && (at = strstr(at, key)) != NULL)
		memset(at, '*', len);
}

/* Too many requests, a time-out of the server's, or its own trouble may pass; all else stays. */
static void
judge_status(struct request *r, long status, struct verdict *ret)
{
	bool passes = status == 429 || status == 408 || status >= 500;
	size_t len = r->answer_len;
	curl_off_t after = 0;
	char code[sizeof ret->code];
	char *said = strndup(r->answer ? r->answer : "", len);

	if (said)
		hide_key(said, r->courier->conf.key);
	snprintf(code, sizeof code, "HTTP_%ld", status);
	verdict_set(ret, passes ? PS_RETRY : PS_FAIL, code, "the server answers %ld: %.*s", status,
	            SAID_MOST, said && *said ? said : "(nothing)");
	free(said);
	/* seconds, also where the header gives a date; 0 without one */
	if (passes && curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK &&
	    after > 0)
		ret->delay_ms = 1000 * (after < DELAY_MOST_S ? (int64_t)after : DELAY_MOST_S);
}

static bool
judge(struct request *r, CURLcode curl, struct verdict *ret)
{
	struct work *work = r->work;
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (curl == CURLE_OK && status == 200)
		return answer_read(r->answer, r->answer_len, r->index, r->n,
		                   r->courier->conf.dimensions, work->out, work->p.n, ret);
	if (curl == CURLE_OK || (curl == CURLE_WRITE_ERROR && status >= 300))
		judge_status(r, status, ret); /* of an error's body the beginning is enough */
	else
		judge_trouble(r, curl, ret);
	return false;
}

/* The first answer. Over HTTP/2 a connection has room for about 100 requests, but when it is full
 * curl would rather open one for each further request than wait for a second to come up. */
static void
know(struct courier *c, const struct request *r)
{
	long version = 0;

	c->known = true;
	curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
	if (version >= CURL_HTTP_VERSION_2_0)
		curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
		                  (long)(c->conf.most / STREAMS_LEAST + FIRST_REQUESTS));
}

static void
finish(struct courier *c, struct request *r, CURLcode curl)
{
	struct work *work = r->work;
	struct verdict v;

	atomic_fetch_add(&c->requests, 1);
	if (!c->known && curl == CURLE_OK)
		know(c, r);
	if (!judge(r, curl, &v)) {
		work_refuse(c, work, &v);
		return;
	}
	request_end(r);
	if (!work->requests && work->cursor == work->p.n)
		work_done(c, work);
}

/* A work that ends takes its other requests along: so the list of curl is asked anew each time. */
static bool
finish_requests(struct courier *c)
{
	bool any = false;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct request *r = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
		finish(c, r, m->data.result);
		any = true;
	}
	return any;
}

/* ---- the thread ---- */

/* The next work that was cancelled; NULL: none. */
static struct work *
cancelled(struct courier *c)
{
	struct work *work = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->cancels > 0)
		for (work = c->all; work && !work->cancelled;)
			work = work->next;
	pthread_mutex_unlock(&c->lock);
	return work;
}

/* False: stop. */
static bool
take_orders(struct courier *c)
{
	struct work *work, *next;
	bool stop;

	pthread_mutex_lock(&c->lock);
	work = c->inbox.first;
	queue_init(&c->inbox);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	for (; work; work = next) {
		next = work->after;
		queue_append(&c->waiting, work);
	}
	while ((work = cancelled(c)) != NULL)
		work_end(c, work, PS_SNOOZE, NULL);
	return !stop;
}

static void *
courier_run(void *data)
{
	struct courier *c = data;
	int running;

	while (take_orders(c)) {
		bool bad, more;

		start_requests(c);
		atomic_store(&c->shown_out, c->out);
		bad = curl_multi_perform(c->multi, &running) != CURLM_OK;
		more = finish_requests(c) || (c->waiting.first && may_start(c));
		if (!more && !bad)
			bad = curl_multi_poll(c->multi, NULL, 0, WAIT_MOST_MS, NULL) != CURLM_OK;
		if (bad)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL); /* no memory */
	}
	while (c->all)
		work_end(c, c->all, PS_SNOOZE, &(struct ps_result){ .delay_ms = 1000 });
	return NULL;
}

/* ---- what others call ---- */

struct work *
work_create(void)
{
	return calloc(1, sizeof(struct work));
}

void
work_free(struct work *work)
{
	free(work);
}

void
courier_send(struct courier *c, struct work *work, uint64_t token, const struct ps_message *in)
{
	work->token = token;
	passages_open(in->body, in->body_len, &work->p); /* it has been looked at before */
	pthread_mutex_lock(&c->lock);
	work->next = c->all;
	work->at = &c->all;
	if (work->next)
		work->next->at = &work->next;
	c->all = work;
	queue_append(&c->inbox, work);
	pthread_mutex_unlock(&c->lock);
	curl_multi_wakeup(c->multi);
}

void
courier_cancel(struct courier *c, uint64_t token)
{
	struct work *work;
	bool found;

	pthread_mutex_lock(&c->lock);
	for (work = c->all; work && work->token != token;)
		work = work->next;
	found = work && !work->cancelled;
	if (found) {
		work->cancelled = true;
		c->cancels++;
	}
	pthread_mutex_unlock(&c->lock);
	if (found)
		curl_multi_wakeup(c->multi);
}

void
courier_count(struct courier *c, struct courier_counts *ret)
{
	ret->requests = atomic_exchange(&c->requests, 0);
	ret->passages = atomic_exchange(&c->passages, 0);
	ret->out = atomic_load(&c->shown_out);
}

static bool
add_header(struct courier *c, const char *text)
{
	struct curl_slist *longer = curl_slist_append(c->headers, text);

	if (longer)
		c->headers = longer;
	return longer != NULL;
}

static bool
make_headers(struct courier *c)
{
	bool good = add_header(c, "Content-Type: application/json") &&
	            add_header(c, "Accept: application/json") &&
	            add_header(c, "User-Agent: penstock") && add_header(c, "Expect:");
	char *line;

	if (!good || !*c->conf.key)
		return good;
	if (asprintf(&line, "Authorization: Bearer %s", c->conf.key) < 0)
		return false;
	good = add_header(c, line);
	explicit_bzero(line, strlen(line));
	free(line);
	return good;
}

/* Each request may have a descriptor of its own; more wait than would find none. */
static uint32_t
fit_files(uint32_t most)
{
	struct rlimit files;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return most;
	room = files.rlim_cur > 2 * SPARE_FILES ? files.rlim_cur - SPARE_FILES : files.rlim_cur / 2;
	return room < most ? (uint32_t)room : most;
}

/* No signal is for this thread. */
static int
start_thread(struct courier *c)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&c->thread, NULL, courier_run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void
courier_free(struct courier *c)
{
	if (c->multi)
		curl_multi_cleanup(c->multi);
	for (struct curl_slist *h = c->headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	pthread_mutex_destroy(&c->lock);
	free(c);
	curl_global_cleanup();
}

struct courier *
courier_open(const struct courier_conf *conf, const char **ret_why)
{
	struct courier *c = calloc(1, sizeof *c);

	*ret_why = "out of memory";
	if (!c)
		return NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		*ret_why = "libcurl cannot be used";
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	queue_init(&c->inbox);
	queue_init(&c->waiting);
	c->conf = *conf;
	c->conf.most = fit_files(conf->most);
	c->tls = strncasecmp(conf->endpoint, "https:", 6) == 0;
	c->multi = curl_multi_init();
	if (!c->multi || !make_headers(c))
		goto fail;
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->conf.most);
	*ret_why = "no thread could be started";
	if (start_thread(c) != 0)
		goto fail;
	*ret_why = NULL;
	return c;

fail:
	courier_free(c);
	return NULL;
}

void
courier_close(struct courier *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_mutex_unlock(&c->lock);
	curl_multi_wakeup(c->multi);
	pthread_join(c->thread, NULL);
	courier_free(c);
}
