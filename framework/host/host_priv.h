/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_priv.h - what the supervisor and its host processes share.
 *
 * Note on generations. A generation is one configuration and the processes
 * that run by it. There are up to three: `now` works; `next` is made beside it
 * by a reload, and up to one line it can be thrown away; `old` drains. Nobody
 * but the supervisor's one thread touches them.
 */
#ifndef PENSTOCK_HOST_PRIV_H
#define PENSTOCK_HOST_PRIV_H

#include <sys/types.h>

#include "control/control.h"
#include "counters/counters.h"
#include "host/host.h"
#include "worker/worker.h"

#define HOST_PROCESSES_MAX COUNTERS_PROCESSES
#define KILL_GRACE (5 * SEC) /* beyond the drain */

/* How a host process ends, as its exit code says. */
enum host_end {
	HOST_DRAINED = 0,
	HOST_UNFIT = 2 /* shared->fault says why; starting again would not help */,
	HOST_FAILED = 1
};

/* In memory shared over fork: what outlives a host process. */
struct host_shared {
	int64_t host_id; /* of the boot that lives or died last; 0 after a clean end */
	struct fault fault;
	struct crash_blames blames; /* what the last boot died of, as far as its recorder knows */
	struct pool_line line;
};

struct child {
	pid_t pid;                      /* 0: not running */
	int64_t started_at, restart_at; /* mono */
	int64_t former;                 /* shared->host_id when it was started */
	int64_t pause;
	int go_fd;       /* eventfd: the word to register; -1 */
	uint64_t pulse;  /* what its watched numbers were, */
	int64_t beat_at; /* and since when, mono */
};

/* What the control groups of this process allow; 0: no limit. */
struct host_limits {
	double cpus;
	int64_t memory; /* bytes */
};

/* What is taken of it: as configured, or less where that does not fit. */
struct host_sizes {
	uint32_t workers; /* of one process */
	int64_t worker_memory, lease_bytes;
};

struct generation {
	uint32_t number;
	struct config *config;
	bool owned;              /* config is to be freed with it */
	bool drops_leaving;      /* its processes run without the stages that leave */
	uint32_t process, first; /* lines of the segment: of its processes, of its workers */
	uint32_t n, workers;     /* processes; workers of each */
	struct host_limits limits;
	struct host_sizes sizes;
	struct child child[HOST_PROCESSES_MAX];
	struct host_shared *shared;  /* one for each child */
	struct queue_place *removed; /* must have no jobs when it registers */
	size_t n_removed;
	bool crossed;    /* the line: it has begun to register */
	int64_t give_up; /* mono: it must be prepared by then; INT64_MAX */
	int64_t kill_at; /* mono, once it drains; else 0 */
};

/* The last reload that ended, and the one that is on its way. */
struct reload {
	uint64_t ended, begun; /* numbers; the same when none is on its way */
	bool wanted;           /* one more, when this one is over */
	bool drain;            /* of that one */
	bool quiet;            /* our own: stages that left go */
	int64_t quiet_at;      /* mono: not before then */
	bool ok;               /* of the one that ended */
	struct fault fault;
	struct buf problems; /* what is wrong with the configuration, a line each */
	struct buf restarts; /* settings that it could not take, with ", " between */
	size_t changes;
};

struct supervisor {
	const struct host_options *options;
	struct uuid id;
	struct segment *segment;
	struct generation *now, *next, *old;
	uint32_t generations; /* made so far */
	struct reload reload;
	struct control_server *control;
	struct child web; /* host_web.c */
	int signal_fd;
	int news_fd; /* eventfd: a process wrote to its line */
	bool stopping, killed;
	bool ready_told;
	int64_t watchdog, watchdog_at; /* interval, 0: none; mono of the next */
	bool unfit;
	struct fault fault;
};

/* ---- generation.c ---- */

/* Takes the config when `owned`. REFUSED: there are not enough lines beside those in use. */
enum status generation_create(struct supervisor *s, struct config *config, bool owned,
                              struct generation **ret, struct fault *fault);
void generation_free(struct generation *g); /* its processes are gone; takes NULL */
void generation_start(struct supervisor *s, struct generation *g);
void generation_start_due(struct supervisor *s, struct generation *g);
void generation_stop(struct generation *g, int64_t patience); /* asks its processes to drain */
void generation_signal(struct generation *g, int signo);
void generation_go(struct generation *g, uint32_t i); /* the word for one process */
bool generation_alive(const struct generation *g);
bool generation_all(const struct generation *g, enum pool_phase phase); /* as far as that */
/* Did one of its processes ever get as far as to be seen by others? */
bool generation_worked(const struct generation *g);
/* mono: by then the process must have opened its stages; INT64_MAX: it does not open any. */
int64_t generation_opens_until(const struct generation *g, uint32_t i);
/* What went wrong in the stage that the process opens, or died in so; death NULL: it takes too
 * long. False: it opens none. */
bool generation_opening_fault(const struct generation *g, uint32_t i, const char *death,
                              struct fault *fault);
/* Did it end because it is not fit, with its reason in shared->fault? A plugin's own exit() with
 * that code is none. */
bool generation_unfit(const struct generation *g, uint32_t i, int status);
/* A process has ended: its lines are free. */
void generation_leave(struct supervisor *s, struct generation *g, uint32_t i);
/* After its death: reports and plans to start it again. */
void generation_restart(struct supervisor *s, struct generation *g, uint32_t i);
/* "signal 11 (Segmentation fault)" */
void generation_death(int status, char *out, size_t size);
enum pool_phase generation_phase(const struct generation *g, uint32_t i);

/* ---- host_web.c ---- */

void host_web_start_due(struct supervisor *s);
int64_t host_web_until(const struct supervisor *s); /* mono; INT64_MAX: never */
/* False: it was another process that ended. */
bool host_web_ended(struct supervisor *s, pid_t pid, int status);
void host_web_stop(struct supervisor *s); /* after the drain, which is worth watching */

/* ---- host_limits.c ---- */

/* `prefix` stands before /proc and the mounted groups: "" but for tests. */
void host_limits_read(const char *prefix, struct host_limits *ret);
/* Pure. A worker's memory is at most its part of three quarters of the limit. */
void host_sizes(const struct settings *set, uint32_t cores, const struct host_limits *limits,
                struct host_sizes *ret);
/* Its parts, pure: "150000 100000" of cpu.max; cpu.cfs_quota_us and its period; a number of bytes.
 */
double limit_cpu_max(const char *text);
double limit_cpu_quota(const char *quota_text, const char *period_text);
int64_t limit_bytes(const char *text);
/* The folder of this process's group of a controller of version 1 (NULL: of version 2), and where
 * the tree is mounted, from the texts of /proc/self. The caller frees both. */
bool limit_folder(const char *mountinfo, const char *cgroups, const char *controller,
                  char **ret_folder, char **ret_top);

/* ---- host_reload.c ---- */

/* Reads the configuration and starts a generation beside, or notes that it is to be done next.
 * Gives the number by which its end is known. */
uint64_t reload_begin(struct supervisor *s, bool drain);
/* Goes as far as it can. */
void reload_step(struct supervisor *s);
/* A process of `next` died before the line, or said that it is not fit. */
void reload_child_ended(struct supervisor *s, uint32_t i, int status);
void reload_abandon(struct supervisor *s);        /* the host stops */
int64_t reload_until(const struct supervisor *s); /* mono: it may have to be given up */
void reload_answer(const struct supervisor *s, struct buf *answer);

/* ---- host_control.c ---- */

bool host_control(void *data, const struct control_request *request, uint64_t *ticket, bool again,
                  struct buf *answer);
void supervisor_stop(struct supervisor *s);

/* ---- host_notify.c: systemd's readiness protocol ---- */

/* One datagram to $NOTIFY_SOCKET: "READY=1", lines of a status behind it. Nothing without it. */
void host_notify(const char *format, ...) printf_like(1, 2);
int64_t host_watchdog_interval(void); /* ns, half of what systemd asks for; 0: it does not */
/* Did every process move since the last look, or has a reason not to? */
bool host_moves(struct supervisor *s, int64_t now);

/* ---- host_process.c ---- */

/* A host process from fork to exit. stop_fd becomes readable when it is to drain. Returns an enum
 * host_end. */
int host_process_run(const struct supervisor *s, struct generation *g, uint32_t i, int stop_fd);

#endif
