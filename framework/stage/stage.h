/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage.h - plugins: read their manifest, check and load them, call them.
 *
 * The only folder that includes dlfcn.h; knows nothing of the database. What a
 * call needs from outside (a connection, a large body) comes through struct
 * stage_hooks, so that `plugin test` and the worker each supply their own.
 */
#ifndef PENSTOCK_STAGE_H
#define PENSTOCK_STAGE_H

#include "base/base.h"
#include "config/config.h"
#include "counters/counters.h"
#include "memory/memory.h"
#include "penstock.h"

/* ---- the manifest: read from the ELF section, without running the file ---- */

struct stage_manifest_option {
	char *name, *type; /* "duration" */
	char *fallback, *choices, *help;
	char *min, *max; /* as the source has them; NULL without a range */
	bool required;
};
struct stage_manifest_counter {
	char *name, *kind, *unit, *help; /* kind: "counter", "gauge" */
};
struct stage_manifest {
	char *name, *version, *summary;
	char *form;      /* "each", "process" */
	char *threading; /* "reentrant", "per_thread", "serial" */
	int abi_major, abi_minor;
	uint64_t features;
	bool transactional, reads_db;
	int64_t max_in_flight, max_call; /* -1: an expression that only a compiler can read */
	char **routes;
	size_t n_routes;
	struct stage_manifest_option *options;
	size_t n_options;
	struct stage_manifest_counter *counters;
	size_t n_counters;
	char *json;        /* the whole, tidied, as one object */
	struct sha256 sum; /* of the file's bytes */
	int64_t size;
};
/* INVALID, each with a text of its own: not an ELF file, another architecture, truncated, no
 * manifest, malformed, ABI. */
enum status stage_manifest_read(const char *path, struct stage_manifest **ret, struct fault *fault);
void stage_manifest_free(struct stage_manifest *manifest);
/* Finds NAME.so in a colon-separated list of folders; caller frees *ret_path. NOT_FOUND names the
 * folders and the nearest plugin. */
enum status stage_find(const char *plugin_path, const char *plugin, char **ret_path,
                       struct fault *fault);
/* Owner root or this user, no group or world write on the file and each parent (a sticky folder of
 * root is fine). */
enum status stage_trust(const char *path, struct fault *fault);

/* Would the loader of a host take it: are its libraries here, and has the host or one of them each
 * symbol that it asks for? INVALID names what is missing. None of the file's code is run, but the
 * loader believes what it reads: not for a file that stage_trust() refuses. Starts a process and
 * waits for it. */
enum status stage_loads(const char *path, struct fault *fault);

/* What a file has in it that a plugin should not have, or lacks; found without running it. */
struct stage_finding {
	bool error;       /* else a warning: it works, until it does not */
	const char *rule; /* "exit" */
	const char *what; /* the symbol, library or text that it is about; "" */
	const char *text; /* why it is bad */
	const char *todo; /* what to do */
};
/* Calls found() for each. INVALID, NOT_FOUND...: it cannot be read, or is no shared object. */
enum status stage_lint(const char *path,
                       void (*found)(void *data, const struct stage_finding *finding), void *data,
                       struct fault *fault);

/* Checks a stage's options against the manifest without loading: unknown key with the nearest one,
 * wrong type, range, missing. All problems are appended to report as "file:line: text". */
enum status stage_check(const struct stage_manifest *manifest, const struct config_stage *stage,
                        struct buf *report, struct fault *fault);

/* All that can be known of a pipeline's stages before a start: their files are found and trusted,
 * their manifests fit, and by the routes that those declare each job can reach the end. What is
 * wrong is appended to report as "file:line: text". */
void stage_check_pipeline(const struct settings *set, const struct config_pipeline *pipeline,
                          struct buf *report);
/* "/x/store.so" to "/x/store.migrations"; NULL when there is no such folder: the plugin owns no
 * tables. The caller frees. */
char *stage_migrations(const char *path);

/* ---- a release: one loaded version of a stage, the plugin's bytes and its options ---- */

struct release;

struct stage_spec {
	const char *pipeline;
	const struct config_stage *stage;
	const char *path;      /* of the .so */
	const char *state_dir; /* the bytes are copied to state_dir/plugins/<sha256>/NAME.so and
	                          loaded from there; NULL: loaded in place */
	bool strict;           /* refuse what stage_trust refuses; false: warn */
	uint32_t workers;      /* highest worker index + 1 */
};
/* Manifest, trust, copy, dlopen, descriptor checks, options, the plugin's open(). */
enum status stage_open(const struct stage_spec *spec, struct release **ret_release,
                       struct fault *fault);
/* After every worker has called stage_thread_fini: quiesce, close. Code stays mapped. */
void stage_close(struct release *release);

const char *release_id(
    const struct release *release); /* 16 hex digits of sha256(.so) xor sha256(options) */
const char *release_pipeline(const struct release *release);
const char *release_stage(const struct release *release);
const struct ps_stage *release_descriptor(
    const struct release *release); /* zero-filled beyond the plugin's size */
bool release_has_route(const struct release *release, const char *route);
const char *release_default_route(const struct release *release);

/* Tokens that the plugin holds: promised, and not completed, also when they were given up. */
uint64_t release_tokens_out(struct release *release);
/* From now on the plugin itself calls `fn` where its code calls `name` of a library. Returns how
 * many places of it do; 0: none. For `plugin test`. */
size_t stage_replace_import(struct release *release, const char *name, void (*fn)(void));

enum status stage_thread_init(struct release *release, uint32_t worker, struct fault *fault);
void stage_thread_fini(struct release *release, uint32_t worker);

/* ---- a call ---- */

struct stage_call;
struct stage_job;

/* What the caller lends; members may be NULL (no database, no large bodies). All are called on the
 * worker's thread, inside stage_call(). */
struct stage_hooks {
	struct pg_conn *(*db)(void *data);
	struct pg_conn *(*db_read)(void *data);
	/* Fetches the body of job->user into the arena; NULL with *ret_len > 0 on failure. */
	const void *(*body)(void *data, struct stage_job *job, size_t *ret_len);
	bool (*cancelled)(void *data, int64_t job);
	void (*progress)(void *data, int64_t job, double share, const char *text);
	/* Asked between two jobs of the each() form: true leaves the rest of the call `skipped`. */
	bool (*stopping)(void *data);
	void *data;
};

/* The stage did its work: what it made of the job counts. */
static inline bool
stage_did(uint32_t outcome)
{
	return outcome == PS_DONE || outcome == PS_SPLIT;
}

/* A job that a stage split off, in the call's arena. */
struct stage_child {
	struct stage_child *next;
	const char *route; /* declared */
	const char *attributes;
	size_t attributes_len;
	const void *body; /* NULL: none */
	size_t body_len;
};

/* A job as it goes through calls: the caller's storage. `in` is what the stage reads; after the
 * call `out` is what it left, and `changed` says whether they differ. */
struct stage_job {
	struct ps_job ps; /* filled by stage_call from what is below, outcome and texts read by the
	                     caller after */
	struct ps_message in, out;
	bool changed;
	bool body_absent; /* in.body is not here though in.body_len > 0: the body hook fetches it */
	uint64_t token;   /* LATER */
	bool skipped; /* the host is stopping: the plugin never saw this job, whose outcome is UNSET
	               */
	const char
	    *set; /* the attributes that a setter left in out: they need no check. stage/'s own */
	struct stage_child *children, **last_child; /* in order; none unless stage_did() */
	size_t n_children;
	void *user; /* the caller's */
};

struct stage_call {
	/* in */
	struct release *release;
	uint32_t worker;
	struct arena *arena;
	const struct stage_hooks *hooks;
	struct counter_slot *slot;  /* NULL: not counted */
	struct recorder_line *line; /* NULL: not recorded */
	const uint8_t *lease;       /* 16 bytes, for the recorder; NULL */
	int32_t lane;
	int64_t arrived_at; /* mono ns: of the lease; 0: not known */
	int64_t timeout_ns; /* each() form: of one job, else of the call; 0: none */
	bool provisional;   /* outcomes are not counted: stage_call_stands() does, or nobody when
	                       the call is undone */
	struct stage_job **jobs;
	size_t n;
	struct stage_completions *completions; /* where LATER results go; NULL: LATER is refused */
	uint64_t id;
	/* stage/'s own */
	uint64_t ended[PS_SPLIT + 1]; /* jobs by outcome */
};
/* Runs process() or each() once over the jobs (the caller has cut them to descriptor.max_call),
 * timed and counted. Each job ends with an outcome: UNSET and undeclared routes become RETRY with
 * the codes NO_OUTCOME and BAD_ROUTE, FAIL and RETRY without a code get STAGE_FAILED. */
void stage_call_run(struct stage_call *call);
/* Counts the outcomes of a provisional call. [the worker that ran it] */
void stage_call_stands(const struct stage_call *call);
/* What readers of its slots must know of a release: enum slot_flag. [any] */
uint32_t release_slot_flags(const struct release *release);

/* ---- LATER ---- */

/* Completions come from any thread, are copied, and wait here for the worker that owns the jobs. */
struct stage_completions;
struct stage_completion {
	uint64_t token;
	void *user; /* stage_job.user when ps_later() was called */
	enum ps_outcome outcome;
	struct ps_result result;          /* strings are the completion's */
	const struct ps_message *in;      /* the copy of the input */
	int64_t started_at, completed_at; /* mono ns */
	struct list node;
};
/* wake(data) is called, from any thread and under no lock, when the first completion arrives. */
struct stage_completions *stage_completions_create(void (*wake)(void *data), void *data);
void stage_completions_destroy(
    struct stage_completions *completions); /* gives up what is still out */
struct stage_completion *stage_completions_pop(
    struct stage_completions *completions); /* NULL: none */
void stage_completion_free(struct stage_completion *completion);
size_t stage_completions_out(struct stage_completions *completions); /* tokens out */
/* Gives a token up: cancel() of the plugin is called, a later complete() is PS_STALE. False: it has
 * completed meanwhile. */
bool stage_later_cancel(uint64_t token);

/* ---- JSON of attributes, without a parser's tree ---- */

#define ATTRIBUTES_MOST ((size_t)1 << 20) /* bytes */

/* Checks that it is one JSON object of at most 1 MiB, depth <= 64, numbers finite, UTF-8, no
 * \u0000; the fault has the offset. A name may stand twice: the last counts, as in jsonb. [any] */
enum status attributes_check(const char *json, size_t len, struct fault *fault);
/* The same for one value that is to become a member. [any] */
enum status attributes_check_value(const char *json, size_t len, struct fault *fault);
/* A slice of the value at a dotted path ("tags.0"), of checked attributes; NOT_FOUND. [any] */
enum status attributes_get(const char *json, size_t len, const char *path, const char **ret_value,
                           size_t *ret_len);
/* The same of a top-level member, by its whole name: dots are part of it. [any] */
enum status attributes_member(const char *json, size_t len, const char *name,
                              const char **ret_value, size_t *ret_len);
/* Attributes with one top-level member set, or removed when value is NULL, in new memory of the
 * arena, NUL-terminated. INVALID, LIMIT: nothing is written. [the arena's thread] */
enum status attributes_set(struct arena *arena, const char *json, size_t len, const char *name,
                           const char *value, size_t value_len, const char **ret_json,
                           size_t *ret_len, struct fault *fault);
/* A string's slice, quotes included, as text: at most `len` bytes are written, no NUL. [any] */
size_t attributes_unescape(const char *value, size_t len, char *out);
/* Text as a quoted string, invalid UTF-8 as U+FFFD: at most 6 * len + 2 bytes, no NUL. [any] */
size_t attributes_quote(const char *text, size_t len, char *out);
/* False: the slice is no number, or not one of that type. [any] */
bool attributes_int(const char *value, size_t len, int64_t *ret);
bool attributes_double(const char *value, size_t len, double *ret);

#endif
