/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_host.c - the table of functions that a plugin calls.
 *
 * Each trusts its pointers, since a plugin is trusted code, and nothing else:
 * texts are cut and cleaned, numbers bounded, JSON checked, before they reach
 * anything that could fail because of them.
 */
#include "stage/stage_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest delay that a plugin may ask for: ten years. */
#define CHILDREN_MOST 10000 /* of one job */
#define DELAY_MOST_MS (INT64_C(3660) * 24 * 3600 * 1000)

/* Lines of log that one place in the source may write on one thread in a second. */
#define LOG_PER_SECOND 10u

static struct running *
running_of(const struct ps_call *call)
{
	return call->host_data;
}

static struct arena *
arena_of(const struct ps_call *call)
{
	return running_of(call)->call->arena;
}

static struct stage_job *
job_of(const struct ps_message *m)
{
	return m->host_data;
}

/* ---- memory ---- */

static void *
host_alloc(struct ps_call *call, size_t size)
{
	return arena_alloc(arena_of(call), size);
}

static char *
host_vprintf(struct ps_call *call, const char *format, va_list args)
{
	return arena_vprintf(arena_of(call), format, args);
}

/* ---- outcomes ---- */

bool
stage_outcome_known(uint32_t outcome)
{
	return outcome >= PS_DONE && outcome <= PS_SPLIT;
}

enum counter
stage_outcome_counter(uint32_t outcome)
{
	switch (outcome) {
	case PS_DONE: return COUNTER_done;
	case PS_SPLIT: return COUNTER_split;
	case PS_SNOOZE: return COUNTER_snoozed;
	case PS_FAIL: return COUNTER_failed;
	case PS_DISCARD: return COUNTER_discarded;
	case PS_LATER: return COUNTER_later;
	default: return COUNTER_retried;
	}
}

size_t
stage_clean_code(const char *code, char *out)
{
	size_t n = 0;

	for (; code[n] && n < STAGE_CODE_MOST; n++) {
		char c = code[n];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			c = '_';
		out[n] = c;
	}
	out[n] = '\0';
	return n;
}

/* Control bytes become blanks, C1 ones (U+0080 to U+009F, which terminals obey too) as well. */
size_t
stage_clean_message(const char *message, char *out)
{
	size_t len = strnlen(message, STAGE_MESSAGE_MOST), n = 0;
	size_t whole = len;

	if (message[len] != '\0') /* cut: not through a character */
		while (whole > 0 && len - whole < 4 &&
		       ((unsigned char)message[whole] & 0xc0) == 0x80)
			whole--;
	len = whole;
	for (size_t i = 0; i < len;) {
		size_t good = text_utf8(message + i, len - i);

		for (size_t end = i + good; i < end; i++) {
			unsigned char c = (unsigned char)message[i];

			if (c == 0xc2 && (unsigned char)message[i + 1] < 0xa0) {
				out[n++] = ' ';
				i++;
			} else {
				out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
			}
		}
		if (i < len) {
			memcpy(out + n, "\xef\xbf\xbd", 3);
			n += 3;
			i++;
		}
	}
	out[n] = '\0';
	return n;
}

/* What is longer than a message may be is not kept; it is cleaned when the call has returned. */
static const char *
keep_text(struct ps_call *call, const char *text)
{
	return text ? arena_dupn(arena_of(call), text, strnlen(text, STAGE_MESSAGE_MOST + 4))
	            : NULL;
}

static void
host_outcome(struct ps_call *call, struct ps_job *job, uint32_t outcome, int64_t delay_ms,
             const char *code, const char *message)
{
	job->outcome = outcome;
	job->delay_ms = delay_ms < DELAY_MOST_MS ? delay_ms : DELAY_MOST_MS;
	job->code = keep_text(call, code);
	job->message = keep_text(call, message);
}

static void
host_route(struct ps_call *call, struct ps_job *job, const char *route)
{
	job->route = route ? arena_dupn(arena_of(call), route, strlen(route)) : NULL;
}

/* ---- attributes ---- */

static enum ps_status
host_get_json(struct ps_call *call, const struct ps_message *m, const char *path,
              const char **ret_json, size_t *ret_len)
{
	(void)call;
	return attributes_get(m->attributes, m->attributes_len, path, ret_json, ret_len) == OK
	           ? PS_OK
	           : PS_ABSENT;
}

static const char *
host_get_string(struct ps_call *call, const struct ps_message *m, const char *path,
                const char *fallback)
{
	const char *value;
	size_t len;
	char *text;

	if (attributes_get(m->attributes, m->attributes_len, path, &value, &len) != OK ||
	    *value != '"')
		return fallback;
	if (!memchr(value, '\\', len))
		return arena_dupn(arena_of(call), value + 1, len - 2);
	text = arena_alloc(arena_of(call), len + 1);
	text[attributes_unescape(value, len, text)] = '\0';
	return text;
}

static int64_t
host_get_int(struct ps_call *call, const struct ps_message *m, const char *path, int64_t fallback)
{
	const char *value;
	size_t len;
	int64_t v;

	(void)call;
	if (attributes_get(m->attributes, m->attributes_len, path, &value, &len) != OK ||
	    !attributes_int(value, len, &v))
		return fallback;
	return v;
}

static double
host_get_double(struct ps_call *call, const struct ps_message *m, const char *path, double fallback)
{
	const char *value;
	size_t len;
	double v;

	(void)call;
	if (attributes_get(m->attributes, m->attributes_len, path, &value, &len) != OK ||
	    !attributes_double(value, len, &v))
		return fallback;
	return v;
}

static bool
host_get_bool(struct ps_call *call, const struct ps_message *m, const char *path, bool fallback)
{
	const char *value;
	size_t len;

	(void)call;
	if (attributes_get(m->attributes, m->attributes_len, path, &value, &len) != OK)
		return fallback;
	if (len == 4 && memcmp(value, "true", 4) == 0)
		return true;
	if (len == 5 && memcmp(value, "false", 5) == 0)
		return false;
	return fallback;
}

static enum ps_status
refused(struct ps_call *call, const struct fault *fault, const char *name)
{
	(void)call; /* the line is about it */
	log_line(LOG_WARNING, "a stage set what cannot be kept", "name", name, "reason",
	         fault->text, NULL);
	return PS_ERROR;
}

static enum ps_status
host_set_json(struct ps_call *call, struct ps_message *m, const char *name, const char *json,
              size_t len)
{
	struct fault fault = { 0 };
	enum status st;

	st = attributes_set(arena_of(call), m->attributes, m->attributes_len, name, json, len,
	                    &m->attributes, &m->attributes_len, &fault);
	if (st != OK)
		return refused(call, &fault, name);
	if (m->host_data) /* else a message of the plugin's own, for ps_child() */
		job_of(m)->set = m->attributes;
	return PS_OK;
}

static enum ps_status
host_set_string(struct ps_call *call, struct ps_message *m, const char *name, const char *text,
                size_t len)
{
	struct fault fault = { 0 };
	char *quoted;

	if (!text)
		return host_set_json(call, m, name, NULL, 0);
	if (len > ATTRIBUTES_MOST) {
		fault_set(&fault, LIMIT, "a text of %zu bytes", len);
		return refused(call, &fault, name);
	}
	quoted = arena_alloc(arena_of(call), 6 * len + 2);
	return host_set_json(call, m, name, quoted, attributes_quote(text, len, quoted));
}

/* ---- the body ---- */

/* Fetched once for both messages, unless the plugin put another into `out`. */
static const void *
fetch(struct running *running, struct stage_job *job, size_t *ret_len)
{
	const struct stage_hooks *hooks = running->call->hooks;
	bool out_is_same = !job->out.body && job->out.body_len == job->in.body_len;
	const void *body = NULL;
	size_t len = job->in.body_len;

	if (hooks && hooks->body)
		body = hooks->body(hooks->data, job, &len);
	if (!body) {
		*ret_len = job->in.body_len;
		return NULL;
	}
	job->in.body = body;
	job->in.body_len = len;
	job->body_absent = false;
	if (out_is_same) {
		job->out.body = body;
		job->out.body_len = len;
	}
	*ret_len = len;
	return body;
}

static const void *
host_body(struct ps_call *call, const struct ps_message *m, size_t *ret_len)
{
	struct stage_job *job = job_of(m);

	if (m->body || m->body_len == 0 || !job || !job->body_absent) {
		*ret_len = m->body ? m->body_len : 0;
		return m->body;
	}
	return fetch(running_of(call), job, ret_len);
}

static enum ps_status
host_set_body(struct ps_call *call, struct ps_message *m, const void *bytes, size_t len)
{
	struct fault fault = { 0 };

	if (len > BODY_MOST) {
		fault_set(&fault, LIMIT, "a body of %zu bytes, more than 64 MiB", len);
		return refused(call, &fault, "body");
	}
	m->body = bytes;
	m->body_len = bytes ? len : 0;
	return PS_OK;
}

/* ---- the database ---- */

static struct pg_conn *
host_db(struct ps_call *call)
{
	struct running *running = running_of(call);
	const struct stage_hooks *hooks = running->call->hooks;

	if (!(running->call->release->d.flags & PS_FLAG_TRANSACTIONAL) || !hooks || !hooks->db)
		return NULL;
	if (running->db_since == 0)
		running->db_since = clock_mono();
	return hooks->db(hooks->data);
}

static struct pg_conn *
host_db_read(struct ps_call *call)
{
	struct running *running = running_of(call);
	const struct stage_hooks *hooks = running->call->hooks;

	if (!(running->call->release->d.flags & PS_FLAG_READS_DB) || !hooks || !hooks->db_read)
		return NULL;
	if (running->db_since == 0)
		running->db_since = clock_mono();
	return hooks->db_read(hooks->data);
}

/* ---- the job's surroundings ---- */

static const char *
host_idempotency_key(struct ps_call *call, const struct ps_job *job)
{
	char text[160];
	int n = snprintf(text, sizeof text, "%s/%s/%lld", call->pipeline, call->stage,
	                 (long long)job->id);

	return arena_dupn(arena_of(call), text,
	                  (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static bool
host_cancelled(struct ps_call *call, const struct ps_job *job)
{
	const struct running *running = running_of(call);
	const struct stage_hooks *hooks = running->call->hooks;

	if (running->deadline != INT64_MAX && clock_mono() >= running->deadline)
		return true;
	if (!hooks)
		return false;
	return (hooks->stopping && hooks->stopping(hooks->data)) ||
	       (hooks->cancelled && hooks->cancelled(hooks->data, job->id));
}

static int64_t
host_remaining_ms(struct ps_call *call)
{
	int64_t deadline = running_of(call)->deadline, left;

	if (deadline == INT64_MAX)
		return INT64_MAX;
	left = deadline - clock_mono();
	return left > 0 ? left / MSEC : 0;
}

static void
host_progress(struct ps_call *call, const struct ps_job *job, double share, const char *text)
{
	const struct stage_hooks *hooks = running_of(call)->call->hooks;
	char clean[3 * STAGE_MESSAGE_MOST + 1];

	if (!hooks || !hooks->progress)
		return;
	if (!(share > 0))
		share = 0;
	if (share > 1)
		share = 1;
	if (text)
		stage_clean_message(text, clean);
	hooks->progress(hooks->data, job->id, share, text ? clean : NULL);
}

static void
host_count(struct ps_call *call, uint32_t counter, double value)
{
	const struct running *running = running_of(call);
	const struct release *r = running->call->release;

	if (counter < r->n_counters && isfinite(value))
		counter_own(running->call->slot, counter, r->counters[counter].name,
		            r->counters[counter].kind == PS_KIND_GAUGE ? OWN_GAUGE : OWN_COUNTER,
		            value);
}

/* ---- log ---- */

/* False: this place has said enough in this second. *ret_dropped: lines not written before. */
static bool
may_log(struct release_worker *w, const char *file, int line, uint32_t *ret_dropped)
{
	struct log_site *site = &w->sites[(((uintptr_t)file >> 4) + (uintptr_t)line) % LOG_SITES];
	int64_t now = clock_mono();

	*ret_dropped = 0;
	if (site->file != file || site->line != line)
		*site = (struct log_site){ .file = file, .line = line, .since = now };
	if (now - site->since >= SEC) {
		*ret_dropped = site->dropped;
		site->n = site->dropped = 0;
		site->since = now;
	}
	if (site->n < LOG_PER_SECOND) {
		site->n++;
		return true;
	}
	site->dropped++;
	return false;
}

static void
host_log(struct ps_call *call, const char *file, int line, int level, const char *text)
{
	static const enum log_level levels[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
	struct running *running = running_of(call);
	enum log_level as = level >= 0 && level <= PS_LOG_ERROR ? levels[level] : LOG_ERROR;
	char clean[3 * STAGE_MESSAGE_MOST + 1], more[16];
	uint32_t dropped;

	if (!log_enabled(as) || !may_log(running->worker, file, line, &dropped))
		return;
	stage_clean_message(text, clean);
	snprintf(more, sizeof more, "%u", dropped);
	log_line(as, clean, dropped ? "dropped" : NULL, more, NULL); /* about this call */
}

/* ---- children ---- */

static enum ps_status
host_child(struct ps_call *call, struct ps_job *job, const char *route, const char *attributes,
           size_t attributes_len, const void *body, size_t body_len)
{
	struct running *running = running_of(call);
	struct release *r = running->call->release;
	struct arena *arena = running->call->arena;
	struct stage_job *ours = job->host_data;
	struct stage_child *child;
	struct fault fault = { 0 };

	if (!route)
		route = release_default_route(r);
	if (!release_has_route(r, route) || !attributes || body_len > BODY_MOST ||
	    ours->n_children >= CHILDREN_MOST ||
	    attributes_check(attributes, attributes_len, &fault) != OK)
		return PS_ERROR;
	child = arena_alloc(arena, sizeof *child);
	*child = (struct stage_child){
		.route = arena_dupn(arena, route, strlen(route)),
		.attributes = arena_dupn(arena, attributes, attributes_len),
		.attributes_len = attributes_len,
		.body = body ? arena_dupn(arena, body, body_len) : NULL,
		.body_len = body ? body_len : 0,
	};
	*ours->last_child = child;
	ours->last_child = &child->next;
	ours->n_children++;
	return PS_OK;
}

/* ---- later, and open ---- */

static uint64_t
host_later(struct ps_call *call, struct ps_job *job, const struct ps_message **ret_in)
{
	struct running *running = running_of(call);
	struct stage_job *ours = job->host_data;
	uint64_t token;
	size_t len;

	if (!(running->call->release->d.flags & PS_FLAG_LATER) || !running->call->completions ||
	    ours->token != 0)
		return 0;
	if (ours->body_absent && !fetch(running, ours, &len))
		return 0;
	token = later_take(running, ours, ret_in);
	if (token != 0)
		job->outcome = PS_LATER;
	return token;
}

const struct ps_host stage_host = {
	.size = sizeof(struct ps_host),
	.abi_major = PS_ABI_MAJOR,
	.abi_minor = PS_ABI_MINOR_MAX,
	.features = STAGE_FEATURES,
	.alloc = host_alloc,
	.outcome = host_outcome,
	.route = host_route,
	.get_json = host_get_json,
	.get_string = host_get_string,
	.get_int = host_get_int,
	.get_double = host_get_double,
	.get_bool = host_get_bool,
	.set_json = host_set_json,
	.set_string = host_set_string,
	.body = host_body,
	.set_body = host_set_body,
	.db = host_db,
	.db_read = host_db_read,
	.idempotency_key = host_idempotency_key,
	.cancelled = host_cancelled,
	.remaining_ms = host_remaining_ms,
	.progress = host_progress,
	.count = host_count,
	.log = host_log,
	.later = host_later,
	.complete = later_complete,
	.open_error = stage_open_error,
	.vprintf = host_vprintf,
	.child = host_child,
};
