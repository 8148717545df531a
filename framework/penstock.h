/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * penstock.h - the whole contract between a stage plugin and its host.
 *
 * A plugin is one shared object that includes this header and nothing else of
 * penstock, and has no undefined ps_ symbol: everything that the host does for
 * it arrives in a table of functions. Clean in C (gnu11 on) and C++ (17 on).
 * docs/plugin-guide.md walks through a first plugin; plugins/template is one to copy.
 *
 * The smallest stage:
 *
 *     #include <penstock.h>
 *
 *     PS_OPTIONS(shout, PS_STRING(suffix, "!", "appended to the text"))
 *
 *     static enum ps_outcome
 *     shout(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
 *     {
 *             const struct shout_options *opt = ps_options(call, shout);
 *             const char *text = ps_get_string(call, in, "text", "");
 *
 *             ps_set_string(call, out, "text", ps_printf(call, "%s%s", text, opt->suffix));
 *             return PS_DONE;
 *     }
 *
 *     PS_STAGE_EACH(shout, "1.0.0", "Appends a suffix to a text")
 *
 * Note on threads: each comment ends with where its function may be called:
 * [call] on the thread that runs process() or each(), during that call only;
 * [open] inside open(); [any] from any thread of the process.
 *
 * Note on memory: a pointer that the host hands out in a call lives until the
 * call returns, unless its comment says otherwise. What ps_alloc() gives is the
 * host's: never free it, never keep it. Memory of a plugin's own is freed by it.
 *
 * Note on versions: within one PS_ABI_MAJOR members are only appended, and each
 * structure that crosses the border starts with its size or travels with it.
 */
#ifndef PENSTOCK_H
#define PENSTOCK_H 1

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PS_ABI_MAJOR 1
/* The oldest minor that this plugin wants to be served by; define it before the include to ask
 * for less than the header offers. */
#define PS_ABI_MINOR_MAX 1
#ifndef PS_ABI_MINOR
#define PS_ABI_MINOR PS_ABI_MINOR_MAX
#endif

#define PS_MAGIC 0x47545350u /* "PSTG", little-endian */

struct pg_conn; /* libpq's PGconn: include libpq-fe.h yourself to use one */
struct ps_host;
struct ps_call;

/* ---- what happened to a job ---------------------------------------------------------------- */

/* How a stage ends a job. PS_UNSET is a breach of contract: counted, and the job retries, so that
 * a plugin that returns early loses nothing. */
enum ps_outcome {
	PS_UNSET = 0,
	PS_DONE = 1,    /* goes on by a route: the first one declared, unless ps_done() names one */
	PS_RETRY = 2,   /* failed now, may succeed later: uses up an attempt */
	PS_SNOOZE = 3,  /* not now: comes back after a delay and uses no attempt */
	PS_FAIL = 4,    /* will never succeed: a dead letter, kept for a person */
	PS_DISCARD = 5, /* ended on purpose, without a result */
	PS_LATER = 6,   /* will be told by ps_complete(); see ps_later() */
	PS_SPLIT = 7    /* as DONE, once its children ended; see ps_split() */
};

/* What host functions answer that can refuse. */
enum ps_status {
	PS_OK = 0,
	PS_STALE = 1,  /* the token was completed, cancelled or timed out before */
	PS_ERROR = 2,  /* failed; the host has logged why */
	PS_ABSENT = 3, /* there is no such attribute, or it has another type */
	PS_UNSUPPORTED = 4
};

/* When a job that waits for its children goes on; else it is a dead letter with code
 * CHILD_FAILED. */
enum ps_join {
	PS_JOIN_ALL = 0, /* when all ended well: completed or discarded */
	PS_JOIN_ANY = 1  /* when all ended, however */
};

enum ps_level { PS_LOG_DEBUG = 0, PS_LOG_INFO = 1, PS_LOG_WARNING = 2, PS_LOG_ERROR = 3 };

/* A job's content: attributes, a JSON object as text (at most 1 MiB), and a body, any bytes (at
 * most 64 MiB). Read through the ps_get_ and ps_body functions: a body above 64 KiB is fetched
 * when it is first asked for. */
struct ps_message {
	const char *attributes; /* UTF-8, NUL-terminated; never NULL, "{}" when empty */
	size_t attributes_len;  /* bytes, without the NUL */
	const void *body;       /* NULL when absent or not fetched yet: ask ps_body() */
	size_t body_len;        /* bytes, known also before the body is fetched */
	void *host_data;        /* the host's */
};

/* One job of a call. `out` starts as `in`, so an unchanged message costs nothing. */
struct ps_job {
	int64_t id;
	uint32_t attempt;      /* 1 for the first */
	uint32_t max_attempts; /* as configured for the stage */
	uint32_t outcome;      /* enum ps_outcome */
	uint32_t join;         /* enum ps_join, for PS_SPLIT */
	const struct ps_message *in;
	struct ps_message *out;
	const char *route;   /* for PS_DONE and PS_SPLIT; NULL for the default */
	int64_t delay_ms;    /* for PS_RETRY (-1: the stage's back-off) and PS_SNOOZE */
	const char *code;    /* for RETRY, FAIL, DISCARD: short, stable, for machines */
	const char *message; /* for people */
	void *host_data;     /* the host's */
};

/* What one process() gets: n jobs of one stage. Read it through the functions below. */
struct ps_call {
	const struct ps_host *host;
	void *instance;      /* what open() made */
	void *thread;        /* what thread_init() made on this thread */
	const void *options; /* read with ps_options() */
	const char *pipeline;
	const char *stage;
	uint64_t id;
	void *jobs; /* element size job_size: use ps_job_at() */
	uint32_t job_size;
	uint32_t n;
	uint32_t current; /* index of the job at hand in the each() form */
	uint32_t reserved;
	void *host_data; /* the host's */
};

/* What ps_complete() carries; NULL or zero members leave the default. Copied before it returns. */
struct ps_result {
	uint32_t size; /* set by ps_complete() */
	uint32_t reserved;
	const char *route;
	int64_t delay_ms;
	const char *code;
	const char *message;
	const char *attributes; /* a JSON object: replaces all attributes; NULL keeps them */
	size_t attributes_len;
	const void *body; /* replaces the body when body_set is true */
	size_t body_len;
	bool body_set;
};

/* ---- options ------------------------------------------------------------------------------- */

enum ps_type {
	PS_TYPE_BOOL = 1,     /* bool */
	PS_TYPE_INT = 2,      /* int64_t */
	PS_TYPE_FLOAT = 3,    /* double */
	PS_TYPE_STRING = 4,   /* const char * */
	PS_TYPE_ENUM = 5,     /* int64_t: index into choices */
	PS_TYPE_DURATION = 6, /* int64_t: milliseconds; written "250ms", "30s", "5m", "2h" */
	PS_TYPE_SIZE = 7,     /* int64_t: bytes; written "64KiB", "1MiB", "10MB" */
	PS_TYPE_LIST = 8,     /* struct ps_list of strings; the default is comma-separated */
	PS_TYPE_PATH = 9,     /* const char *: made absolute */
	PS_TYPE_SECRET = 10   /* const char *: the content of the named file; never logged */
};

struct ps_list {
	const char *const *items;
	size_t n;
};

#define PS_OPTION_REQUIRED 1u /* has no default: the configuration must give it */
#define PS_OPTION_DEPRECATED 2u

struct ps_option {
	const char *name;
	uint32_t type;  /* enum ps_type */
	uint32_t flags; /* PS_OPTION_ */
	uint32_t offset;
	uint32_t reserved;
	const char *fallback; /* the default, as text */
	const char *choices;  /* enum: "a|b|c" */
	double min, max;      /* int, float, duration (ms), size (bytes); equal: no range */
	const char *help;
};

/* PS_OPTIONS(stage, ITEM, ITEM, ...) declares `struct stage_options` with one member an option, the
 * table that the host fills it from, and their part of the manifest. Items:
 *
 *   PS_BOOL(name, default, help)                   default: true or false
 *   PS_INT(name, default, min, max, help)          min = max: no range
 *   PS_FLOAT(name, default, min, max, help)
 *   PS_STRING(name, "default", help)
 *   PS_ENUM(name, "default", "a|b|c", help)
 *   PS_DURATION(name, "default", min_ms, max_ms, help)
 *   PS_SIZE(name, "default", min, max, help)       bytes
 *   PS_LIST(name, "default,values", help)
 *   PS_PATH(name, "default", help)
 *   PS_SECRET(name, help)                          the value names a file
 *   PS_REQUIRED_STRING(name, help), PS_REQUIRED_LIST(name, help), PS_REQUIRED_PATH(name, help)
 *
 * A stage without options writes PS_OPTIONS(stage). */
#define PS_BOOL(name, def, help) (bool, name, PS_TYPE_BOOL, 0u, #def, "", 0, 0, help)
#define PS_INT(name, def, min, max, help)                                                          \
	(int64_t, name, PS_TYPE_INT, 0u, PS__TEXT(def), "", min, max, help)
#define PS_FLOAT(name, def, min, max, help)                                                        \
	(double, name, PS_TYPE_FLOAT, 0u, PS__TEXT(def), "", min, max, help)
#define PS_STRING(name, def, help) (const char *, name, PS_TYPE_STRING, 0u, def, "", 0, 0, help)
#define PS_ENUM(name, def, choices, help)                                                          \
	(int64_t, name, PS_TYPE_ENUM, 0u, def, choices, 0, 0, help)
#define PS_DURATION(name, def, min, max, help)                                                     \
	(int64_t, name, PS_TYPE_DURATION, 0u, def, "", min, max, help)
#define PS_SIZE(name, def, min, max, help)                                                         \
	(int64_t, name, PS_TYPE_SIZE, 0u, def, "", min, max, help)
#define PS_LIST(name, def, help) (struct ps_list, name, PS_TYPE_LIST, 0u, def, "", 0, 0, help)
#define PS_PATH(name, def, help) (const char *, name, PS_TYPE_PATH, 0u, def, "", 0, 0, help)
#define PS_SECRET(name, help) (const char *, name, PS_TYPE_SECRET, 0u, "", "", 0, 0, help)
#define PS_REQUIRED_STRING(name, help) (const char *, name, PS_TYPE_STRING, 1u, "", "", 0, 0, help)
#define PS_REQUIRED_LIST(name, help) (struct ps_list, name, PS_TYPE_LIST, 1u, "", "", 0, 0, help)
#define PS_REQUIRED_PATH(name, help) (const char *, name, PS_TYPE_PATH, 1u, "", "", 0, 0, help)

#define PS_OPTIONS(stage, ...)                                                                     \
	struct stage##_options {                                                                   \
		char ps_reserved;                                                                  \
		PS__EACH(PS__OPTION_MEMBER, stage, __VA_ARGS__)                                    \
	};                                                                                         \
	static const struct ps_option stage##_option_table[] = { PS__EACH(                         \
	    PS__OPTION_ROW, stage, __VA_ARGS__){ NULL, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL } };     \
	PS__MANIFEST(stage##_option_manifest,                                                      \
	             "{\"options\":[" PS__EACH(PS__OPTION_JSON, stage, __VA_ARGS__) "null]}")

/* The options of the stage that runs this call, typed. [call] */
#define ps_options(call, stage) ((const struct stage##_options *)(call)->options)

/* ---- counters ------------------------------------------------------------------------------ */

enum ps_kind {
	PS_KIND_COUNTER = 1, /* only grows */
	PS_KIND_GAUGE = 2    /* the last value counts */
};

struct ps_counter {
	const char *name;
	uint32_t kind; /* enum ps_kind */
	uint32_t reserved;
	const char *unit;
	const char *help;
};

/* PS_COUNTERS(stage, PS_COUNTER(name, "unit", "help"), PS_GAUGE(...), ...) declares values that the
 * host keeps and shows, and an enum of their numbers: stage_name. Hang it on the stage with
 * PS_WITH_COUNTERS(stage). At most 16. */
#define PS_COUNTER(name, unit, help) (name, PS_KIND_COUNTER, unit, help)
#define PS_GAUGE(name, unit, help) (name, PS_KIND_GAUGE, unit, help)
#define PS_COUNTERS(stage, ...)                                                                    \
	enum stage##_counter{ PS__EACH(PS__COUNTER_ENUM, stage, __VA_ARGS__) stage##_counter_n };  \
	static const struct ps_counter stage##_counter_table[] = { PS__EACH(                       \
	    PS__COUNTER_ROW, stage, __VA_ARGS__){ NULL, 0, 0, NULL, NULL } };                      \
	PS__MANIFEST(stage##_counter_manifest,                                                     \
	             "{\"counters\":[" PS__EACH(PS__COUNTER_JSON, stage, __VA_ARGS__) "null]}")

/* ---- the stage ----------------------------------------------------------------------------- */

/* What open() gets. */
struct ps_open {
	uint32_t size;
	uint32_t reserved;
	const struct ps_host *host;
	const void *options; /* cast to struct STAGE_options; lives as long as the instance */
	const char *pipeline;
	const char *stage;
	void *host_data;
};

/* PS_REENTRANT: one instance serves all worker threads at once. PS_PER_THREAD: one instance per
 * thread. PS_SERIAL: one instance, never two calls at once. */
enum ps_threading { PS_REENTRANT = 0, PS_PER_THREAD = 1, PS_SERIAL = 2 };

#define PS_FLAG_TRANSACTIONAL 1u /* may call ps_db(); LATER is then refused */
#define PS_FLAG_READS_DB 2u      /* may call ps_db_read() */
#define PS_FLAG_LATER 4u         /* may answer PS_LATER */

/* Returns 0 or an own code; on failure it has said why with ps_open_error(). [open] */
typedef int ps_open_fn(const struct ps_open *open, void **ret_instance);
/* After the last call and the last token. [the thread that opened] */
typedef void ps_close_fn(void *instance);
/* On each worker thread before its first call; 0 or an own code. */
typedef int ps_thread_init_fn(void *instance, void **ret_thread);
typedef void ps_thread_fini_fn(void *instance, void *thread);
/* Sets an outcome on every job of the call. A return other than 0 makes every job that is still
 * PS_UNSET retry. [worker] */
typedef int ps_process_fn(void *instance, void *thread, struct ps_call *call);
/* The easy form: one job; its outcome is returned. [worker] */
typedef enum ps_outcome ps_each_fn(struct ps_call *call, const struct ps_message *in,
                                   struct ps_message *out);
/* The token's job is no longer wanted (deadline, rollback, stop). ps_complete() must still be
 * called once, and answers PS_STALE. [any] */
typedef void ps_cancel_fn(void *instance, uint64_t token);
/* No further call will come; finish what is out. [the thread that opened] */
typedef void ps_quiesce_fn(void *instance);

/* The descriptor that penstock_stage_v1() returns. Written by the macros. */
struct ps_stage {
	uint32_t magic;
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t flags; /* PS_FLAG_ */
	uint64_t need_features;
	const char *name;
	const char *version;
	const char *summary;
	const char *routes; /* comma-separated; the first is the default; "done" unless declared */
	uint32_t threading; /* enum ps_threading */
	uint32_t max_call;  /* most jobs in one call; 0: as many as the lease has */
	uint32_t max_in_flight; /* most tokens out at once; 0 without PS_FLAG_LATER */
	uint32_t options_size;
	const struct ps_option *options; /* ends with a NULL name */
	uint32_t option_size;
	uint32_t counter_size;
	const struct ps_counter *counters; /* NULL, or ends with a NULL name */
	ps_open_fn *open;
	ps_close_fn *close;
	ps_thread_init_fn *thread_init;
	ps_thread_fini_fn *thread_fini;
	ps_process_fn *process; /* exactly one of process and each */
	ps_each_fn *each;
	ps_cancel_fn *cancel;
	ps_quiesce_fn *quiesce;
};

typedef const struct ps_stage *ps_entry_fn(void);
#define PS_ENTRY penstock_stage_v1
#define PS_ENTRY_NAME "penstock_stage_v1"
#define PS_MANIFEST_SECTION ".penstock.manifest"

/* PS_STAGE(name, version, summary, ITEM...) exports a stage whose function name_process() gets
 * whole calls; PS_STAGE_EACH(name, ...) one whose function name() gets job after job. Items: */
#define PS_TRANSACTIONAL (d.flags |= PS_FLAG_TRANSACTIONAL, "\"transactional\":true")
#define PS_READS_DB (d.flags |= PS_FLAG_READS_DB, "\"reads_db\":true")
#define PS_MAY_LATER(max)                                                                          \
	(d.flags |= PS_FLAG_LATER; d.max_in_flight = max, "\"max_in_flight\":\"" #max "\"")
#define PS_OPEN(fn) (d.open = fn, "\"open\":true")
#define PS_CLOSE(fn) (d.close = fn, "\"close\":true")
#define PS_THREAD_INIT(fn) (d.thread_init = fn, "\"thread_init\":true")
#define PS_THREAD_FINI(fn) (d.thread_fini = fn, "\"thread_fini\":true")
#define PS_CANCEL(fn) (d.cancel = fn, "\"cancel\":true")
#define PS_QUIESCE(fn) (d.quiesce = fn, "\"quiesce\":true")
#define PS_ROUTES(list) (d.routes = list, "\"routes\":" #list)
#define PS_THREADING(how) (d.threading = how, "\"threading\":\"" #how "\"")
#define PS_MAX_CALL(jobs_n) (d.max_call = jobs_n, "\"max_call\":\"" #jobs_n "\"")
#define PS_NEEDS(features) (d.need_features = features, "\"features\":\"" #features "\"")
#define PS_WITH_COUNTERS(stage)                                                                    \
	(d.counters = stage##_counter_table;                                                       \
	 d.counter_size = sizeof(struct ps_counter), "\"has_counters\":true")

#define PS_STAGE(stage, version, summary, ...)                                                     \
	PS__STAGE(stage, version, summary, d.process = stage##_process, "process", __VA_ARGS__)
#define PS_STAGE_EACH(stage, version, summary, ...)                                                \
	PS__STAGE(stage, version, summary, d.each = stage, "each", __VA_ARGS__)

/* ---- what the host gives ------------------------------------------------------------------- */

/* Arrives in ps_call.host and ps_open.host. Call through the inline functions below. A member
 * beyond `size` does not exist in this host. */
struct ps_host {
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint64_t features;
	void *(*alloc)(struct ps_call *call, size_t size);
	void (*outcome)(struct ps_call *call, struct ps_job *job, uint32_t outcome,
	                int64_t delay_ms, const char *code, const char *message);
	void (*route)(struct ps_call *call, struct ps_job *job, const char *route);
	enum ps_status (*get_json)(struct ps_call *call, const struct ps_message *m,
	                           const char *path, const char **ret_json, size_t *ret_len);
	const char *(*get_string)(struct ps_call *call, const struct ps_message *m,
	                          const char *path, const char *fallback);
	int64_t (*get_int)(struct ps_call *call, const struct ps_message *m, const char *path,
	                   int64_t fallback);
	double (*get_double)(struct ps_call *call, const struct ps_message *m, const char *path,
	                     double fallback);
	bool (*get_bool)(struct ps_call *call, const struct ps_message *m, const char *path,
	                 bool fallback);
	enum ps_status (*set_json)(struct ps_call *call, struct ps_message *m, const char *name,
	                           const char *json, size_t len);
	enum ps_status (*set_string)(struct ps_call *call, struct ps_message *m, const char *name,
	                             const char *text, size_t len);
	const void *(*body)(struct ps_call *call, const struct ps_message *m, size_t *ret_len);
	enum ps_status (*set_body)(struct ps_call *call, struct ps_message *m, const void *bytes,
	                           size_t len);
	struct pg_conn *(*db)(struct ps_call *call);
	struct pg_conn *(*db_read)(struct ps_call *call);
	const char *(*idempotency_key)(struct ps_call *call, const struct ps_job *job);
	bool (*cancelled)(struct ps_call *call, const struct ps_job *job);
	int64_t (*remaining_ms)(struct ps_call *call);
	void (*progress)(struct ps_call *call, const struct ps_job *job, double share,
	                 const char *text);
	void (*count)(struct ps_call *call, uint32_t counter, double value);
	void (*log)(struct ps_call *call, const char *file, int line, int level, const char *text);
	uint64_t (*later)(struct ps_call *call, struct ps_job *job,
	                  const struct ps_message **ret_in);
	enum ps_status (*complete)(uint64_t token, uint32_t outcome,
	                           const struct ps_result *result);
	void (*open_error)(const struct ps_open *open, const char *text);
	char *(*vprintf)(struct ps_call *call, const char *format, va_list args);
	/* since minor 1 */
	enum ps_status (*child)(struct ps_call *call, struct ps_job *job, const char *route,
	                        const char *attributes, size_t attributes_len, const void *body,
	                        size_t body_len);
};

/* Job i of the call, 0 <= i < call->n. [call] */
static inline struct ps_job *
ps_job_at(const struct ps_call *call, uint32_t i)
{
	return (struct ps_job *)(void *)((char *)call->jobs + (size_t)i * call->job_size);
}

/* The job at hand in the each() form. [call] */
static inline struct ps_job *
ps_this(const struct ps_call *call)
{
	return ps_job_at(call, call->current);
}

/* `size` bytes, zeroed, aligned for any type, from the lease's arena; never NULL (a host out of
 * memory ends itself). Outputs may point here and to string constants only. [call] */
static inline void *
ps_alloc(struct ps_call *call, size_t size)
{
	return call->host->alloc(call, size);
}

/* printf into memory of the lease. [call] */
static inline char *__attribute__((format(printf, 2, 3)))
ps_printf(struct ps_call *call, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = call->host->vprintf(call, format, args);
	va_end(args);
	return text;
}

/* Each sets the outcome of a job and returns it, so that the each() form can say
 * `return ps_fail(call, ps_this(call), "BAD_MAGIC", "not a PDF file")`. Texts are copied; the
 * message is cleaned of control bytes and cut at 2 KiB. `code` is at most 64 bytes of
 * [A-Z0-9_]. [call] */
static inline enum ps_outcome
ps_done(struct ps_call *call, struct ps_job *job, const char *route)
{
	if (route)
		call->host->route(call, job, route);
	call->host->outcome(call, job, PS_DONE, 0, NULL, NULL);
	return PS_DONE;
}

/* after_ms -1: the stage's back-off. */
static inline enum ps_outcome
ps_retry(struct ps_call *call, struct ps_job *job, int64_t after_ms, const char *code,
         const char *message)
{
	call->host->outcome(call, job, PS_RETRY, after_ms, code, message);
	return PS_RETRY;
}

static inline enum ps_outcome
ps_snooze(struct ps_call *call, struct ps_job *job, int64_t for_ms)
{
	call->host->outcome(call, job, PS_SNOOZE, for_ms, NULL, NULL);
	return PS_SNOOZE;
}

static inline enum ps_outcome
ps_fail(struct ps_call *call, struct ps_job *job, const char *code, const char *message)
{
	call->host->outcome(call, job, PS_FAIL, 0, code, message);
	return PS_FAIL;
}

static inline enum ps_outcome
ps_discard(struct ps_call *call, struct ps_job *job, const char *code, const char *message)
{
	call->host->outcome(call, job, PS_DISCARD, 0, code, message);
	return PS_DISCARD;
}

/* Attributes, read by path: "title", "meta.lang", "tags.0". The fallback is returned when there is
 * no such member or it has another type; strings are unescaped into the lease's memory. [call] */
static inline const char *
ps_get_string(struct ps_call *call, const struct ps_message *m, const char *path,
              const char *fallback)
{
	return call->host->get_string(call, m, path, fallback);
}

static inline int64_t
ps_get_int(struct ps_call *call, const struct ps_message *m, const char *path, int64_t fallback)
{
	return call->host->get_int(call, m, path, fallback);
}

static inline double
ps_get_double(struct ps_call *call, const struct ps_message *m, const char *path, double fallback)
{
	return call->host->get_double(call, m, path, fallback);
}

static inline bool
ps_get_bool(struct ps_call *call, const struct ps_message *m, const char *path, bool fallback)
{
	return call->host->get_bool(call, m, path, fallback);
}

/* The value at `path` as it is written, a slice of the attributes; not NUL-terminated. PS_ABSENT
 * leaves the outputs alone. [call] */
static inline enum ps_status
ps_get_json(struct ps_call *call, const struct ps_message *m, const char *path,
            const char **ret_json, size_t *ret_len)
{
	return call->host->get_json(call, m, path, ret_json, ret_len);
}

/* Sets or replaces one top-level attribute. `json` must be one valid JSON value, PS_ERROR
 * otherwise and nothing is changed. NULL removes it, here and in ps_set_string(). [call] */
static inline enum ps_status
ps_set_json(struct ps_call *call, struct ps_message *m, const char *name, const char *json,
            size_t len)
{
	return call->host->set_json(call, m, name, json, len);
}

/* Text must be UTF-8: invalid bytes become U+FFFD, NUL ends it. [call] */
static inline enum ps_status
ps_set_string(struct ps_call *call, struct ps_message *m, const char *name, const char *text)
{
	return call->host->set_string(call, m, name, text, text ? __builtin_strlen(text) : 0);
}

static inline enum ps_status
ps_set_int(struct ps_call *call, struct ps_message *m, const char *name, int64_t value)
{
	const char *text = ps_printf(call, "%lld", (long long)value);
	return call->host->set_json(call, m, name, text, __builtin_strlen(text));
}

static inline enum ps_status
ps_set_double(struct ps_call *call, struct ps_message *m, const char *name, double value)
{
	const char *text = ps_printf(call, "%.17g", value);
	return call->host->set_json(call, m, name, text, __builtin_strlen(text));
}

static inline enum ps_status
ps_set_bool(struct ps_call *call, struct ps_message *m, const char *name, bool value)
{
	return call->host->set_json(call, m, name, value ? "true" : "false", value ? 4 : 5);
}

/* The whole body, fetched from the database when it is large; NULL and 0 when there is none. A
 * database error gives NULL with *ret_len > 0: answer PS_RETRY then. [call] */
static inline const void *
ps_body(struct ps_call *call, const struct ps_message *m, size_t *ret_len)
{
	return call->host->body(call, m, ret_len);
}

/* The bytes must live until the call returns: take them from ps_alloc(). NULL removes the body.
 * [call] */
static inline enum ps_status
ps_set_body(struct ps_call *call, struct ps_message *m, const void *bytes, size_t len)
{
	return call->host->set_body(call, m, bytes, len);
}

/* The worker's connection, inside the transaction that settles this call: what it writes commits
 * with the outcome or not at all. Only with PS_TRANSACTIONAL, NULL otherwise or when the database
 * is away (answer PS_RETRY). Do not begin, commit, roll back or enter pipeline mode. When a job of
 * the call does not end DONE, or SQL failed, the host rolls back to the start of the call and runs
 * its jobs again one by one. [call] */
static inline struct pg_conn *
ps_db(struct ps_call *call)
{
	return call->host->db(call);
}

/* A read-only connection in autocommit, for look-ups that must not hold a transaction open. Only
 * with PS_READS_DB. [call] */
static inline struct pg_conn *
ps_db_read(struct ps_call *call)
{
	return call->host->db_read(call);
}

/* The same text for every attempt of this job at this stage, for effects outside the database.
 * [call] */
static inline const char *
ps_idempotency_key(struct ps_call *call, const struct ps_job *job)
{
	return call->host->idempotency_key(call, job);
}

/* True when the job was cancelled, its time is over, or the host must stop: give up early with
 * PS_RETRY. [call] */
static inline bool
ps_cancelled(struct ps_call *call, const struct ps_job *job)
{
	return call->host->cancelled(call, job);
}

/* Milliseconds until the stage's timeout, which counts for one job in the each() form and for the
 * call in the other; INT64_MAX without one. A stage that stays for as long again, and a second
 * more, costs its process, and the job an attempt. [call] */
static inline int64_t
ps_remaining_ms(struct ps_call *call)
{
	return call->host->remaining_ms(call);
}

/* Progress of a long job: share in 0..1, text may be NULL. [call] */
static inline void
ps_progress(struct ps_call *call, const struct ps_job *job, double share, const char *text)
{
	call->host->progress(call, job, share, text);
}

/* Adds to a counter, or sets a gauge, of PS_COUNTERS. [call] */
static inline void
ps_count(struct ps_call *call, uint32_t counter, double value)
{
	call->host->count(call, counter, value);
}

/* One line of log; the host adds pipeline, stage, release, job and attempt, and limits the rate of
 * each place in the source. [call] */
#define ps_log(call, level, ...)                                                                   \
	((call)->host->log((call), __FILE__, __LINE__, (level), ps_printf((call), __VA_ARGS__)))

/* Promises to finish the job later: returns its token (never 0), and sets PS_LATER. *ret_in is a
 * copy of the input that lives until ps_complete() was called with the token. Only with
 * PS_MAY_LATER; 0 when max_in_flight tokens are out (answer PS_SNOOZE). [call] */
static inline uint64_t
ps_later(struct ps_call *call, struct ps_job *job, const struct ps_message **ret_in)
{
	return call->host->later(call, job, ret_in);
}

/* Ends the job of a token, exactly once. result may be NULL. PS_STALE: the job had been given up
 * (deadline, stop) or completed; nothing happens. Keep `host` from ps_open. [any] */
static inline enum ps_status
ps_complete(const struct ps_host *host, uint64_t token, enum ps_outcome outcome,
            const struct ps_result *result)
{
	struct ps_result sized;

	if (!result)
		return host->complete(token, (uint32_t)outcome, NULL);
	sized = *result;
	sized.size = (uint32_t)sizeof sized;
	return host->complete(token, (uint32_t)outcome, &sized);
}

#if PS_ABI_MINOR >= 1
/* A message to put attributes into for ps_child(): struct ps_message m = PS_EMPTY; */
#define PS_EMPTY                                                                                   \
	{                                                                                          \
		"{}", 2, NULL, 0, NULL                                                             \
	}

/* Gives the job a child: a job of its own that begins where `route` leads (NULL: the default route)
 * in this pipeline, or in another one where the configuration says so. It exists when the job ends
 * DONE or SPLIT, and with its settlement; what is given is copied. body NULL: none. PS_ERROR, and
 * no child, when the route is not declared, the attributes are no JSON object or either is too
 * large, or the job has 10 000 children already. [call] */
static inline enum ps_status
ps_child(struct ps_call *call, struct ps_job *job, const char *route, const char *attributes,
         const void *body, size_t body_len)
{
	return call->host->child(call, job, route, attributes,
	                         attributes ? __builtin_strlen(attributes) : 0, body, body_len);
}

/* The job waits until the children that it was given ended, then goes on by its route. Without
 * children it goes on at once. With ps_done() instead it does not wait for them. [call] */
static inline enum ps_outcome
ps_split(struct ps_call *call, struct ps_job *job, enum ps_join join)
{
	job->join = (uint32_t)join;
	call->host->outcome(call, job, PS_SPLIT, 0, NULL, NULL);
	return PS_SPLIT;
}
#endif

/* Says why open() fails. [open] */
static inline void
ps_open_error(const struct ps_open *open, const char *text)
{
	open->host->open_error(open, text);
}

/* ---- behind the macros --------------------------------------------------------------------- */

#if defined(__has_attribute)
#if __has_attribute(retain) /* survives -Wl,--gc-sections */
#define PS__RETAIN , retain
#endif
#endif
#ifndef PS__RETAIN
#define PS__RETAIN
#endif

#define PS__MANIFEST(id, text)                                                                     \
	static const char id[]                                                                     \
	    __attribute__((section(PS_MANIFEST_SECTION), used PS__RETAIN)) = text;

/* The function is pure: it fills the same static descriptor at each call. */
#define PS__STAGE(stage, version_, summary_, set_form, form, ...)                                  \
	PS__MANIFEST(stage##_manifest,                                                             \
	             "{\"abi\":[" PS__TEXT(PS_ABI_MAJOR) "," PS__TEXT(                             \
	                 PS_ABI_MINOR) "],\"name\":\"" #stage "\",\"version\":" #version_          \
	                               ",\"summary\":" #summary_ ",\"form\":\"" form               \
	                               "\"" PS__EACH(PS__ITEM_JSON, stage, __VA_ARGS__) "}")       \
	PS__EXTERN_C __attribute__((visibility("default"))) const struct ps_stage *PS_ENTRY(void); \
	PS__EXTERN_C const struct ps_stage *PS_ENTRY(void)                                         \
	{                                                                                          \
		static struct ps_stage d;                                                          \
		d.magic = PS_MAGIC;                                                                \
		d.size = (uint32_t)sizeof(struct ps_stage);                                        \
		d.abi_major = PS_ABI_MAJOR;                                                        \
		d.abi_minor = PS_ABI_MINOR;                                                        \
		d.flags = 0;                                                                       \
		d.name = #stage;                                                                   \
		d.version = version_;                                                              \
		d.summary = summary_;                                                              \
		d.routes = "done";                                                                 \
		d.options_size = (uint32_t)sizeof(struct stage##_options);                         \
		d.options = stage##_option_table;                                                  \
		d.option_size = (uint32_t)sizeof(struct ps_option);                                \
		set_form;                                                                          \
		PS__EACH(PS__ITEM_SET, stage, __VA_ARGS__)                                         \
		return &d;                                                                         \
	}

#ifdef __cplusplus
#define PS__EXTERN_C extern "C"
#else
#define PS__EXTERN_C
#endif

#define PS__TEXT(x) PS__TEXT_(x)
#define PS__TEXT_(x) #x

#define PS__OPTION_MEMBER(stage, item) PS__OPTION_MEMBER_ item
#define PS__OPTION_MEMBER_(ctype, name, ...) ctype name;
#define PS__OPTION_ROW(stage, item) PS__APPLY(PS__OPTION_ROW_, stage, PS__UNWRAP item)
#define PS__OPTION_ROW_(stage, ctype, name, type, flags, def, choices, min, max, help)             \
	{ #name,                                                                                   \
	  type,                                                                                    \
	  flags,                                                                                   \
	  (uint32_t)offsetof(struct stage##_options, name),                                        \
	  0,                                                                                       \
	  def,                                                                                     \
	  choices,                                                                                 \
	  (double)(min),                                                                           \
	  (double)(max),                                                                           \
	  help },
#define PS__OPTION_JSON(stage, item) PS__OPTION_JSON_ item
#define PS__OPTION_JSON_(ctype, name, type, flags, def, choices, min, max, help)                   \
	"{\"name\":\"" #name "\",\"type\":\"" #type "\",\"flags\":" PS__FLAG_##flags               \
	    ",\"default\":" #def ",\"choices\":" #choices ",\"min\":\"" #min "\",\"max\":\"" #max  \
	    "\",\"help\":" #help "},"
#define PS__FLAG_0u "0"
#define PS__FLAG_1u "1"

#define PS__COUNTER_ENUM(stage, item) PS__APPLY(PS__COUNTER_ENUM_, stage, PS__UNWRAP item)
#define PS__COUNTER_ENUM_(stage, name, kind, unit, help) stage##_##name,
#define PS__COUNTER_ROW(stage, item) PS__COUNTER_ROW_ item
#define PS__COUNTER_ROW_(name, kind, unit, help) { #name, kind, 0, unit, help },
#define PS__COUNTER_JSON(stage, item) PS__COUNTER_JSON_ item
#define PS__COUNTER_JSON_(name, kind, unit, help)                                                  \
	"{\"name\":\"" #name "\",\"kind\":\"" #kind "\",\"unit\":" #unit ",\"help\":" #help "},"

#define PS__ITEM_SET(stage, item) PS__ITEM_SET_ item
#define PS__ITEM_SET_(set, json) set;
#define PS__ITEM_JSON(stage, item) PS__ITEM_JSON_ item
#define PS__ITEM_JSON_(set, json) "," json

#define PS__UNWRAP(...) __VA_ARGS__
#define PS__APPLY(macro, ...) PS__APPLY_(macro, __VA_ARGS__)
#define PS__APPLY_(macro, ...) macro(__VA_ARGS__)

/* PS__EACH(macro, arg, items...) expands macro(arg, item) for each item, up to 250 of them: the
 * deferred name is expanded once by every scan that PS__SCAN makes. */
#define PS__EACH(macro, arg, ...) __VA_OPT__(PS__SCAN(PS__STEP(macro, arg, __VA_ARGS__)))
#define PS__STEP(macro, arg, item, ...)                                                            \
	macro(arg, item) __VA_OPT__(PS__STEP_AGAIN PS__PARENS(macro, arg, __VA_ARGS__))
#define PS__STEP_AGAIN() PS__STEP
#define PS__PARENS ()
#define PS__SCAN(...) PS__SCAN4(PS__SCAN4(PS__SCAN4(PS__SCAN4(__VA_ARGS__))))
#define PS__SCAN4(...) PS__SCAN3(PS__SCAN3(PS__SCAN3(PS__SCAN3(__VA_ARGS__))))
#define PS__SCAN3(...) PS__SCAN2(PS__SCAN2(PS__SCAN2(PS__SCAN2(__VA_ARGS__))))
#define PS__SCAN2(...) PS__SCAN1(PS__SCAN1(PS__SCAN1(PS__SCAN1(__VA_ARGS__))))
#define PS__SCAN1(...) __VA_ARGS__

#ifdef __cplusplus
}
#endif

#endif /* PENSTOCK_H */
