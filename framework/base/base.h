/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - what every floor stands on: status and fault, asserts, log, clock
 * hooks, growing buffers, intrusive lists, hashing, small text helpers.
 *
 * No function here knows of jobs, plugins or the database.
 */
#ifndef PENSTOCK_BASE_H
#define PENSTOCK_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifndef PENSTOCK_VERSION
#define PENSTOCK_VERSION "unknown" /* the Makefile says it */
#endif

#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define must_check __attribute__((warn_unused_result))
#define KiB (INT64_C(1) << 10)
#define MiB (INT64_C(1) << 20)
#define MSEC INT64_C(1000000)   /* in nanoseconds */
#define SEC INT64_C(1000000000) /* in nanoseconds */

/* ---- status and fault ---- */

enum status {
#define STATUS(name, text) name,
#include "base/status.def"
#undef STATUS
};

/* The words of status.def. Never NULL. [any] */
const char *status_text(enum status status);

/* Details of what the world did to us. The caller's storage; filled by the function that failed,
 * logged by the one that decides what happens next. Zero-initialise it. */
struct fault {
	enum status status;
	int errnum;       /* errno, or 0 */
	char sqlstate[6]; /* "" when not from the database */
	char where[128];  /* "file.conf:12", "detect.so", "" */
	char text[512];   /* one line, no newline at the end */
	char hint[256];   /* what to do; "" when there is nothing useful to say */
};

/* Fills in the fault and returns `status`, so that callers can `return fault_set(...)`. A NULL
 * fault is allowed. The text is cut to fit; control bytes, and bytes that are no UTF-8, become '?'.
 * [any] */
enum status fault_set(struct fault *fault, enum status status, const char *format, ...)
    printf_like(3, 4);
/* The same with errno's number and text appended: "cannot open x: No such file or directory". */
enum status fault_errno(struct fault *fault, int errnum, const char *format, ...) printf_like(3, 4);
void fault_where(struct fault *fault, const char *format, ...) printf_like(2, 3);
void fault_hint(struct fault *fault, const char *format, ...) printf_like(2, 3);
/* Prints "penstock: where: text" and "hint: …" to `out`. */
void fault_print(const struct fault *fault, FILE *out);

/* ---- check: what our own code must never do ---- */

#define check(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))
_Noreturn void check_failed(const char *expr, const char *file, int line);

/* ---- clock: hooks, so that tests own the time ---- */

/* Nanoseconds. mono: CLOCK_MONOTONIC; cpu: CLOCK_THREAD_CPUTIME_ID (1 us a call: per call of a
 * stage, never per job); wall: since 1970. */
struct clock_hooks {
	int64_t (*mono)(void);
	int64_t (*cpu)(void);
	int64_t (*wall)(void);
};
extern struct clock_hooks clock_hooks; /* tests replace members before threads start */
static inline int64_t
clock_mono(void)
{
	return clock_hooks.mono();
}
static inline int64_t
clock_cpu(void)
{
	return clock_hooks.cpu();
}
static inline int64_t
clock_wall(void)
{
	return clock_hooks.wall();
}

/* ---- log ---- */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
/* LOG_JOURNAL: systemd's native protocol, with fields; as text to fd when the journal does not take
 * a line. */
enum log_format { LOG_TEXT, LOG_JSON, LOG_JOURNAL };
extern const char *log_journal_socket; /* tests put their own path here */
/* Is this descriptor the journal's, as JOURNAL_STREAM says? */
bool log_is_journal(int fd);
/* "text", "json", "journal"; else the journal where `fd` is the journal's, and text. */
enum log_format log_format_of(const char *name, int fd);
/* What the lines of this thread are about, until told otherwise: each line has these as fields,
 * unless it says them itself. The caller's storage; NULL: nothing. Returns what it was before. */
struct log_about {
	const char *pipeline, *stage, *release; /* NULL: not known */
	int64_t job;                            /* 0: several, or none */
	uint32_t attempt;                       /* with job; 0: not known */
	uint32_t jobs;                          /* without job: how many; 0: none */
};
const struct log_about *log_about(const struct log_about *about);

/* Before threads start. fd stays the caller's. */
void log_open(int fd, enum log_level least, enum log_format format);
/* From now on the least level is what stands there: processes that share it change together. */
void log_follow(const uint32_t *least);
bool log_enabled(enum log_level level);
const char *log_level_name(enum log_level level);
bool log_level_of(const char *name, enum log_level *ret); /* "debug"; false: no such level */
/* One line, written with one write(2), so that lines of threads do not mix. Fields follow as
 * name, value pairs of C strings up to NULL; values are escaped.
 *     log_line(LOG_INFO, "lease lost", "job", id_text, NULL);            [any] */
void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));
void log_fault(enum log_level level, const char *message, const struct fault *fault);

/* ---- buf: a growing byte string ---- */

/* data[len] is always NUL, data is never NULL after a write. Out of memory ends the process. */
struct buf {
	char *data;
	size_t len, cap;
};
void buf_init(struct buf *buf);
void buf_done(struct buf *buf);                  /* frees, leaves it empty and usable */
void buf_reset(struct buf *buf);                 /* len = 0, keeps the memory */
char *buf_reserve(struct buf *buf, size_t more); /* room for more + NUL; returns data + len */
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) printf_like(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list args);
/* As a quoted JSON string; each byte that is no UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *buf, const char *text, size_t len);
char *buf_steal(struct buf *buf); /* the caller frees; the buf is empty again */

/* ---- list: intrusive, doubly linked, circular with a head ---- */

struct list {
	struct list *next, *prev;
};
#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define list_each(pos, head) for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void
list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* ---- memory that lives as long as the process or an object: ends the process when there is none
 */

void *mem_alloc(size_t size) must_check; /* zeroed */
void *mem_resize(void *old, size_t size) must_check;
void *mem_array(void *old, size_t n, size_t size) must_check; /* overflow-checked resize */
char *mem_dup(const char *text) must_check;
char *mem_dupn(const char *text, size_t len) must_check;
char *mem_printf(const char *format, ...) printf_like(1, 2) must_check;

/* ---- text ---- */

/* "250ms", "30s", "5m", "2h", "1d" to nanoseconds; a bare number is refused unless it is 0. */
enum status text_duration(const char *text, int64_t *ret_ns, struct fault *fault);
/* "64KiB", "1MiB", "2GiB", "10kB", "10MB", "512", "512B" to bytes. */
enum status text_size(const char *text, int64_t *ret_bytes, struct fault *fault);
enum status text_int(const char *text, int64_t least, int64_t most, int64_t *ret,
                     struct fault *fault);
/* "12.3 MiB", "1.2 s", "3 400": for people. `out` of at least 32 bytes; returns it. */
const char *text_bytes(int64_t bytes, char *out);
const char *text_ns(int64_t ns, char *out);
const char *text_seconds(double seconds, char *out); /* "4 min", "3 h": ages */
const char *text_count(int64_t n, char *out);
/* The name nearest to `name` by edit distance, or NULL when none is near enough to suggest. */
const char *text_nearest(const char *name, const char *const *names, size_t n);
/* Length of the longest valid UTF-8 prefix; len when all of it is valid. NUL is invalid. */
size_t text_utf8(const char *text, size_t len);
/* Copies with control and escape bytes made harmless for a terminal; out is NUL-terminated. */
void text_clean(const char *text, size_t len, char *out, size_t out_size);
/* Prints lines so cleaned: what people typed and what others wrote comes back in messages. */
void text_print(const char *text, FILE *out);

/* ---- json: checked without a tree ---- */

#define JSON_DEPTH 64u /* most levels; the outermost is level 1 */
/* One JSON value and nothing behind it; `depth` levels are around it already. INVALID says what and
 * at which byte. */
enum status json_check(const char *json, size_t len, unsigned depth, struct fault *fault);
enum status json_check_object(const char *json, size_t len, struct fault *fault);
/* Eight bytes that a JSON string holds as they are: printable ASCII but for quote and backslash. */
bool json_plain_word(const char *p);
int json_hex4(const char *p);                       /* four hex digits, -1 when they are none */
double json_double(const char *number, size_t len); /* of a checked number */

/* ---- hashes and random (libsodium) ---- */

struct sha256 {
	uint8_t bytes[32];
};
void sha256_of(const void *bytes, size_t len, struct sha256 *ret);
enum status sha256_file(int fd, struct sha256 *ret,
                        struct fault *fault); /* from offset 0; keeps the offset */
void sha256_hex(const struct sha256 *sum, char out[65]);
struct uuid {
	uint8_t bytes[16];
};
struct uuid uuid_random(void); /* version 4, from the kernel */
void uuid_text(const struct uuid *uuid, char out[37]);
uint64_t splitmix64(uint64_t x);
/* SipHash-2-4 under a key of this process: who chooses the bytes cannot choose that they meet. */
uint64_t hash_of(const void *bytes, size_t len);

/* ---- files ---- */

enum status file_read(const char *path, size_t most, struct buf *ret, struct fault *fault);
/* Whole or not at all: temporary file, fsync, rename, fsync of the folder. */
enum status file_write(const char *path, const void *bytes, size_t len, unsigned mode,
                       struct fault *fault);
enum status file_mkdirs(const char *path, unsigned mode, struct fault *fault);

#endif
