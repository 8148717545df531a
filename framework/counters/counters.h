/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.h - the shared-memory segment: counters, histograms, flight recorder.
 *
 * A file that the supervisor makes in run_dir and every host process maps. A
 * worker writes its own slots with plain stores; a reader maps the file
 * read-only and sums. Offsets, never pointers; the layout has a version; the
 * last values survive the death of who wrote them. A reader takes no lock and
 * waits for nobody.
 *
 * Note on the directory: which slot belongs to whom changes rarely, under a
 * lock that the death of its holder frees, and between two steps of a sequence
 * number. A change that moves values (a release that is over is added to those
 * before it) can be done again from any of its steps by what it wrote down, so
 * that the next writer ends what a killed one began, and a reader that meets it
 * half done ends it in its own copy (counters_directory.c).
 */
#ifndef PENSTOCK_COUNTERS_H
#define PENSTOCK_COUNTERS_H

#include <pthread.h>

#include "base/base.h"

#define COUNTERS_MAGIC 0x50534354u
#define COUNTERS_VERSION 7u
#define COUNTERS_SLOTS 2048u   /* worker x stage x release */
#define COUNTERS_WORKERS 1024u /* over all host processes of a supervisor */
#define COUNTERS_PROCESSES 64u
#define COUNTERS_REST (60 * SEC) /* from the end of a slot's use to its next */

enum counter {
#define COUNTER(name, kind, unit, text) COUNTER_##name,
#include "counters/counters.def"
#undef COUNTER
	COUNTER_N
};

/* Time of a job, exponential: 8 buckets an octave from 2^HISTOGRAM_LEAST ns, relative error of a
 * bucket's middle <= 4.4 % (OTLP scale 3, Prometheus schema 3). Shorter times count in the first.
 */
#define HISTOGRAM_LEAST 6    /* 64 ns */
#define HISTOGRAM_OCTAVES 36 /* to 73 minutes; beyond goes to the last */
#define HISTOGRAM_BUCKETS (HISTOGRAM_OCTAVES * 8)

struct histogram {
	uint64_t n;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};
unsigned histogram_bucket(uint64_t ns);
double histogram_least(unsigned bucket);  /* ns; that of bucket + 1 is its end */
double histogram_middle(unsigned bucket); /* ns */
double histogram_quantile(const struct histogram *h, double q); /* ns; 0 when empty */
static inline void
histogram_add(struct histogram *h, uint64_t ns, uint64_t weight)
{
	uint64_t *bucket = &h->bucket[histogram_bucket(ns)];

	__atomic_store_n(bucket, *bucket + weight, __ATOMIC_RELAXED);
	__atomic_store_n(&h->n, h->n + weight, __ATOMIC_RELAXED);
}

enum slot_state { SLOT_FREE = 0, SLOT_USED = 1, SLOT_RESTING = 2 };

/* What a reader must know to say the right thing of a row. */
enum slot_flag {
	SLOT_BATCH = 1, /* the histogram holds call time / n, not single jobs */
	SLOT_LATER = 2  /* may end LATER: CPU and allocation of the plugin's own threads are not
	                   known, and are more than what is counted */
};

/* A counter or gauge that the plugin declares (PS_COUNTERS). */
#define COUNTERS_OWN 16u
enum own_kind { OWN_COUNTER = 1, OWN_GAUGE = 2 }; /* as enum ps_kind */
struct own_counter {
	char name[40]; /* "": never used */
	uint32_t kind;
	uint32_t reserved;
	uint64_t bits;  /* of a double */
	int64_t set_at; /* mono ns: of a gauge, the newest of all workers counts */
};

/* The last calls, one by one: what intervals are made from, since the jobs of a call share its
 * fate. Kept small: a reader that wants more looks again before the ring has gone round. */
#define CALLS_KEPT 64u
struct call_sample {
	uint64_t sequence; /* 1 for the first call; 0 while it is being written */
	int64_t ended_at;  /* mono ns */
	uint64_t wall_ns, cpu_ns, db_ns, allocated;
	uint32_t jobs;
	uint32_t errors; /* of these jobs ended RETRY or FAIL */
};
struct call_ring {
	uint64_t written; /* sequence of the newest call */
	struct call_sample call[CALLS_KEPT];
};

/* One for each worker x stage x release; written by that worker only. */
struct counter_slot {
	uint32_t state; /* set last, released */
	uint32_t worker;
	uint32_t index;  /* in segment.slot */
	uint32_t flags;  /* enum slot_flag */
	uint32_t live;   /* its worker has it; else it may be added to earlier ones and rest */
	uint32_t pid;    /* of the process that had it last */
	int64_t left_at; /* mono ns: when its worker left it, or when it began to rest */
	char pipeline[64], stage[64];
	char release[24]; /* first 16 hex digits; "": the sum of earlier ones */
	uint64_t value[COUNTER_N];
	struct own_counter own[COUNTERS_OWN];
	struct histogram time; /* of a job */
	struct call_ring calls;
} __attribute__((aligned(64)));

/* The flight recorder's line: what a worker is in, written before plugin code is entered. */
struct recorder_line {
	uint64_t call; /* 0: not inside a plugin */
	uint8_t lease[16];
	int32_t lane;
	uint32_t slot;        /* index of its counter_slot: names stage and release */
	int64_t job;          /* each() form: the job at hand; else the first of the call */
	int64_t entered_at;   /* mono, ns */
	uint32_t n;           /* jobs of the call */
	uint32_t exact;       /* 1: `job` is the one being worked on */
	uint32_t crashed;     /* signal that this worker's thread met in the plugin; 0: none */
#define RECORDER_TIMEOUT 1000 /* no signal: the process ended itself over this call */
} __attribute__((aligned(64)));

enum host_counter {
	HOST_claims,
	HOST_claimed_jobs,
	HOST_settles,
	HOST_refused,
	HOST_reaps,
	HOST_reconnects,
	HOST_empty_claims,
	HOST_wakes,
	HOST_unknown_commits,
	HOST_fenced_self,
	HOST_COUNTER_N
};

#define COUNTERS_STATES 8u /* enum worker_state of worker/ fits */

struct worker_line {    /* what a worker does now, for `status` */
	uint32_t state; /* enum worker_state of worker/ */
	uint32_t pid;
	uint64_t moved;      /* grows with each turn of the loop: the watchdog's pulse */
	uint32_t leased;     /* jobs of the lease at hand */
	uint32_t promised;   /* jobs that plugins promised for later */
	uint32_t generation; /* of the host's configuration */
	uint64_t value[HOST_COUNTER_N];
	uint32_t connections; /* open */
	uint32_t in_use;      /* of these, in a round trip or lent to a stage */
	uint32_t waiting;     /* 1: waits until it can connect again */
	uint32_t arenas;
	uint64_t arena_bytes; /* held at the end of the last lease */
	uint64_t arena_peak;  /* most that any lease held */
	int64_t since;        /* mono ns: when the time of `state` began that is not counted yet */
	uint64_t state_ns[COUNTERS_STATES]; /* in each state, up to `since` */
	uint32_t thread;                    /* the kernel's id of the worker's thread; 0: none */
} __attribute__((aligned(64)));

/* A host process under the supervisor, through all of its boots. */
struct process_line {
	uint32_t pid;    /* 0: none runs */
	uint32_t starts; /* this one included */
	uint32_t deaths; /* ends that nobody had asked for */
	uint32_t reserved;
	int64_t started_at; /* mono ns */
} __attribute__((aligned(64)));

enum reload_result { RELOAD_DONE, RELOAD_REFUSED, RELOAD_N };

/* The change of the directory that is under way. */
struct directory {
	uint64_t sequence; /* odd: under way */
	uint32_t op;       /* 0, or 1: slot `from` is being added to slot `into` */
	uint32_t from, into;
	uint32_t step;   /* word that is being added */
	uint64_t was[2]; /* into's word before, by the lowest bit of step */
	pthread_mutex_t lock;
};

struct segment {
	uint32_t magic, version;
	uint64_t size;
	int64_t started_wall_ns;
	int64_t started_mono_ns;
	int32_t supervisor_pid;
	uint32_t n_workers;       /* lines in use: host processes x workers */
	_Atomic uint32_t n_slots; /* slots handed out */
	uint32_t n_processes;
	uint32_t log_level;  /* of all processes; enum log_level */
	uint32_t generation; /* of the configuration that is in force */
	char host[64];
	struct directory directory;
	uint64_t reloads[RELOAD_N];
	/* boots that worked with this segment, for who compares it with rows */
	int64_t first_boot;    /* id of the first; 0: none yet */
	uint64_t n_boots;      /* ids that were given to ours */
	uint64_t boots_beside; /* other hosts that lived when one of ours came */
	int64_t first_boot_us; /* when the first came, by the database's clock */
	uint64_t spare[31];
	struct process_line process[COUNTERS_PROCESSES];
	struct worker_line worker[COUNTERS_WORKERS];
	struct recorder_line recorder[COUNTERS_WORKERS];
	struct counter_slot slot[COUNTERS_SLOTS];
};

/* Makes the file anew and maps it; one that is there is replaced, and who reads that one keeps its
 * last values until it opens again. The mapping is inherited by fork. */
enum status counters_create(const char *path, const char *host, struct segment **ret_segment,
                            struct fault *fault);
/* Read-only; NOT_FOUND when there is no file, INVALID when it is not one of this version. */
enum status counters_open(const char *path, const struct segment **ret_segment,
                          struct fault *fault);
void counters_close(const struct segment *segment);
/* Writes down a boot of a host process. [any thread of any process] */
void counters_boot(struct segment *segment, int64_t host, int64_t at_us, int64_t beside);
/* Slots handed out so far; of these some may not be SLOT_USED yet. [any process] */
static inline uint32_t
counters_n_slots(const struct segment *segment)
{
	uint32_t n = __atomic_load_n((const uint32_t *)(const void *)&segment->n_slots,
	                             __ATOMIC_ACQUIRE);

	return n < COUNTERS_SLOTS ? n : COUNTERS_SLOTS;
}
/* The slot of this worker for this stage and release: the one that it had before, also when that
 * was another process, or a new one. NULL when all are taken: work goes on uncounted. [the owning
 * worker] */
struct counter_slot *counters_slot(struct segment *segment, uint32_t worker, const char *pipeline,
                                   const char *stage, const char *release);
/* The worker does not count there any more. The values stay for readers; when slots become scarce
 * they are added to the row of earlier releases, and the slot rests for COUNTERS_REST before
 * another gets it. NULL is allowed. [the owning worker, or who joined it] */
void counters_leave(struct counter_slot *slot);
/* Called between any two stores of a change of the directory: tests kill the process there. */
extern void (*counters_step_hook)(void);

/* Sums over workers, one row for each pipeline x stage x release, in order of first use. */
struct counters_row {
	char pipeline[64], stage[64];
	char release[24];     /* "": all earlier ones that have no row of their own any more */
	uint32_t flags;       /* enum slot_flag */
	bool live;            /* some worker has it */
	uint64_t in_stage;    /* jobs inside of the plugin at this moment */
	uint64_t outstanding; /* LATER jobs that are not completed */
	uint64_t value[COUNTER_N];
	struct {
		char name[40];
		enum own_kind kind;
		double value;
		int64_t set_at;
	} own[COUNTERS_OWN];
	struct histogram time;
};
/* The caller frees *ret_rows. False, and no rows: the directory never stood still for as long as a
 * look takes, in many looks; try again later. Never waits for a writer. */
bool counters_sum(const struct segment *segment, struct counters_row **ret_rows, size_t *ret_n);

/* What a host does as a whole: sums over its workers. */
struct counters_host {
	uint64_t value[HOST_COUNTER_N];
	uint64_t workers[COUNTERS_STATES];  /* by state */
	uint64_t state_ns[COUNTERS_STATES]; /* of all workers, up to now */
	uint64_t connections, in_use, waiting;
	uint64_t arenas, arena_bytes, arena_peak; /* peak: the largest of one worker */
	uint64_t processes, starts, deaths;       /* running now; ever; unasked */
};
void counters_host(const struct segment *segment, struct counters_host *ret);

enum counter_kind { COUNTER_SUM, COUNTER_MAX, COUNTER_OF };
const char *counter_name(enum counter c);
enum counter_kind counter_kind(enum counter c);
const char *counter_unit(enum counter c);
const char *counter_text(enum counter c);

/* Keeps a call; its sequence is given here. Takes NULL. [the owning worker] */
void counter_call(struct counter_slot *slot, const struct call_sample *call);
/* Copies the calls behind *seen, oldest first, at most CALLS_KEPT, and moves *seen to the newest.
 * *ret_lost grows by those that the ring has lost meanwhile; one that is being overwritten is lost,
 * too. Returns how many were copied. [any process] */
size_t counters_calls(const struct counter_slot *slot, uint64_t *seen, struct call_sample *ret,
                      uint64_t *ret_lost);

/* Adds to a plugin's counter or sets its gauge. [the owning worker] */
void counter_own(struct counter_slot *slot, unsigned i, const char *name, enum own_kind kind,
                 double value);

static inline void
counter_add(struct counter_slot *slot, enum counter c, uint64_t v)
{
	if (slot)
		__atomic_store_n(&slot->value[c], slot->value[c] + v, __ATOMIC_RELAXED);
}
static inline void
counter_max(struct counter_slot *slot, enum counter c, uint64_t v)
{
	if (slot && v > slot->value[c])
		__atomic_store_n(&slot->value[c], v, __ATOMIC_RELAXED);
}

#endif
