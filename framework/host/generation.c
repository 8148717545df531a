/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generation.c - the processes that run by one configuration: forked, started again, told to end.
 *
 * What is known of a death (which stage, which job) is read from the recorder
 * in shared memory. The lines of the segment that a generation has are no other's
 * while one of its processes lives.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host_priv.h"

#define RESTART_LEAST (100 * MSEC)
#define RESTART_MOST (30 * SEC)
#define RESTART_MOST_WORKED                                                                        \
	(2 * SEC) /* after a boot that got as far as to the database: it may be near a job that    \
	             kills */
#define STEADY (60 * SEC) /* lived for so long: its next death is a first one again */

/* ---- making ---- */

static uint32_t
cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* Said once for each generation, and only where something is cut. */
static void
tell_sizes(const struct settings *set, const struct host_limits *limits,
           const struct host_sizes *sizes)
{
	char limit[32], worker[32], lease[32];

	if (sizes->worker_memory == set->worker_memory && sizes->lease_bytes == set->lease_bytes)
		return;
	log_line(LOG_WARNING,
	         "the configured memory does not fit into this control group: less is used",
	         "limit", text_bytes(limits->memory, limit), "worker_memory",
	         text_bytes(sizes->worker_memory, worker), "lease_bytes",
	         text_bytes(sizes->lease_bytes, lease), NULL);
}

/* Lines of the segment from `first` on. */
struct range {
	uint32_t first, n;
};

/* The lowest ones that none of the two has; `most` when there are not so many. */
static uint32_t
find_room(uint32_t n, uint32_t most, struct range a, struct range b)
{
	const uint32_t starts[] = { 0, a.first + a.n, b.first + b.n };
	uint32_t best = most;

	for (size_t i = 0; i < countof(starts); i++) {
		uint32_t at = starts[i];
		bool in_a = at < a.first + a.n && a.first < at + n;
		bool in_b = at < b.first + b.n && b.first < at + n;

		if (!in_a && !in_b && at + n <= most && at < best)
			best = at;
	}
	return best;
}

static struct range
worker_lines(const struct generation *g)
{
	return g ? (struct range){ g->first, g->n * g->workers } : (struct range){ 0, 0 };
}

static struct range
process_lines(const struct generation *g)
{
	return g ? (struct range){ g->process, g->n } : (struct range){ 0, 0 };
}

enum status
generation_create(struct supervisor *s, struct config *config, bool owned, struct generation **ret,
                  struct fault *fault)
{
	uint32_t n = (uint32_t)config->set.processes, workers, first, process;
	struct host_limits limits;
	struct host_sizes sizes;
	struct generation *g;

	host_limits_read("", &limits);
	host_sizes(&config->set, cores(), &limits, &sizes);
	workers = sizes.workers;
	first = find_room(n * workers, COUNTERS_WORKERS, worker_lines(s->now),
	                  worker_lines(s->old));
	process = find_room(n, COUNTERS_PROCESSES, process_lines(s->now), process_lines(s->old));
	if (n * workers > COUNTERS_WORKERS)
		return fault_set(
		    fault, INVALID,
		    "%u processes of %u workers are more than the %u that a host can have", n,
		    workers, COUNTERS_WORKERS);
	if (first == COUNTERS_WORKERS || process == COUNTERS_PROCESSES)
		return fault_set(fault, REFUSED,
		                 "%u processes of %u workers, beside those that run, are more than "
		                 "the %u of %u that a host can have: this needs a restart",
		                 n, workers, COUNTERS_PROCESSES, COUNTERS_WORKERS);
	tell_sizes(&config->set, &limits, &sizes);
	g = mem_alloc(sizeof *g);
	*g = (struct generation){ .number = ++s->generations,
		                  .config = config,
		                  .owned = owned,
		                  .first = first,
		                  .process = process,
		                  .n = n,
		                  .workers = workers,
		                  .limits = limits,
		                  .sizes = sizes,
		                  .give_up = INT64_MAX };
	for (uint32_t i = 0; i < n; i++)
		g->child[i].go_fd = -1;
	g->shared = mmap(NULL, n * sizeof *g->shared, PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(g->shared != MAP_FAILED);
	*ret = g;
	return OK;
}

void
generation_free(struct generation *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->n; i++)
		if (g->child[i].go_fd >= 0)
			close(g->child[i].go_fd);
	munmap(g->shared, g->n * sizeof *g->shared);
	if (g->owned)
		config_free(g->config);
	for (size_t i = 0; i < g->n_removed; i++) {
		free((void *)(uintptr_t)g->removed[i].pipeline);
		free((void *)(uintptr_t)g->removed[i].stage);
	}
	free(g->removed);
	free(g);
}

/* ---- a process ---- */

_Noreturn static void
child_main(struct supervisor *s, struct generation *g, uint32_t i, pid_t parent)
{
	sigset_t stop;
	int stop_fd, end;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(HOST_DRAINED); /* the supervisor died before we asked to be told */
	control_server_forget(s->control);
	close(s->signal_fd);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	stop_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	end = host_process_run(s, g, i, stop_fd);
	exit(end);
}

static void
start_child(struct supervisor *s, struct generation *g, uint32_t i)
{
	struct child *child = &g->child[i];
	struct pool_line *line = &g->shared[i].line;
	pid_t parent = getpid(), pid;

	atomic_store(&line->phase, POOL_LOADING);
	atomic_store(&line->left, false);
	atomic_store(&line->opening_since, clock_mono());
	memset(line->opening, 0, sizeof line->opening);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_main(s, g, i, parent);
	child->started_at = child->beat_at = clock_mono();
	child->former = g->shared[i].host_id;
	child->restart_at = INT64_MAX;
	if (pid > 0) {
		struct process_line *told = &s->segment->process[g->process + i];

		child->pid = pid;
		told->started_at = child->started_at;
		told->starts++;
		__atomic_store_n(&told->pid, (uint32_t)pid, __ATOMIC_RELEASE);
		return;
	}
	log_line(LOG_ERROR, "cannot fork a host process", "reason", strerror(errno), NULL);
	child->restart_at = clock_mono() + RESTART_MOST;
}

/* A process waits for the word when it comes before the line. */
void
generation_start(struct supervisor *s, struct generation *g)
{
	if (s->segment->n_workers < g->first + g->n * g->workers)
		s->segment->n_workers = g->first + g->n * g->workers;
	if (s->segment->n_processes < g->process + g->n)
		s->segment->n_processes = g->process + g->n;
	for (uint32_t i = 0; i < g->n; i++) {
		if (!g->crossed)
			g->child[i].go_fd = eventfd(0, EFD_CLOEXEC);
		start_child(s, g, i);
	}
}

void
generation_start_due(struct supervisor *s, struct generation *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (!g->child[i].pid && clock_mono() >= g->child[i].restart_at)
			start_child(s, g, i);
}

void
generation_go(struct generation *g, uint32_t i)
{
	if (g->child[i].go_fd >= 0)
		eventfd_write(g->child[i].go_fd, 1); /* stays readable: it holds after a restart */
}

void
generation_signal(struct generation *g, int signo)
{
	for (uint32_t i = 0; g && i < g->n; i++)
		if (g->child[i].pid)
			kill(g->child[i].pid, signo);
}

void
generation_stop(struct generation *g, int64_t patience)
{
	if (!g || g->kill_at)
		return;
	g->kill_at = clock_mono() + patience + KILL_GRACE;
	generation_signal(g, SIGTERM);
}

/* ---- how it is ---- */

bool
generation_alive(const struct generation *g)
{
	for (uint32_t i = 0; g && i < g->n; i++)
		if (g->child[i].pid)
			return true;
	return false;
}

enum pool_phase
generation_phase(const struct generation *g, uint32_t i)
{
	return (enum pool_phase)atomic_load(&g->shared[i].line.phase);
}

bool
generation_worked(const struct generation *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (g->shared[i].host_id)
			return true;
	return false;
}

int64_t
generation_opens_until(const struct generation *g, uint32_t i)
{
	int64_t since = atomic_load(&g->shared[i].line.opening_since);

	return g->child[i].pid && since ? since + g->config->set.reload_timeout : INT64_MAX;
}

bool
generation_opening_fault(const struct generation *g, uint32_t i, const char *death,
                         struct fault *fault)
{
	const struct pool_line *line = &g->shared[i].line;

	if (!line->opening[0])
		return false;
	if (death) {
		fault_set(fault, INVALID, "%s ended the process while it was opened: %s",
		          line->opening, death);
		fault_hint(fault, "mend it, or take the stage out of the configuration; `penstock "
		                  "plugin test` runs it alone");
		return true;
	}
	fault_set(fault, INVALID, "%s was not open within reload_timeout (%g s)", line->opening,
	          (double)g->config->set.reload_timeout / SEC);
	fault_hint(fault, "raise reload_timeout if it needs so long; `penstock plugin test` runs "
	                  "it alone");
	return true;
}

bool
generation_all(const struct generation *g, enum pool_phase phase)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (!g->child[i].pid || generation_phase(g, i) < phase)
			return false;
	return true;
}

/* ---- after an end ---- */

/* What a process did at its end is over, also when it could not say so; what it counted stays. */
void
generation_leave(struct supervisor *s, struct generation *g, uint32_t i)
{
	struct process_line *told = &s->segment->process[g->process + i];
	uint32_t first = g->first + i * g->workers;

	g->child[i].pid = 0;
	told->pid = 0;
	for (uint32_t w = first; w < first + g->workers; w++) {
		s->segment->worker[w].pid = 0;
		s->segment->worker[w].state = WORKER_STOPPED;
	}
}

bool
generation_unfit(const struct generation *g, uint32_t i, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == HOST_UNFIT &&
	       g->shared[i].fault.status != OK;
}

void
generation_death(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

/* Only where one job is named: of several suspects none is charged, they come back in halves. */
static void
add_blame(struct crash_blames *blames, const struct recorder_line *line)
{
	struct crash_blame *b;

	if (!line->crashed || !line->exact || blames->n == CRASH_BLAMES)
		return;
	b = &blames->list[blames->n++];
	memcpy(b->lease.bytes, line->lease, sizeof b->lease.bytes);
	b->job = line->job;
	b->lane = line->lane;
	b->signo = (int)line->crashed;
}

/* What the dead process was in, by its recorder lines. */
static void
report_recorder(const struct supervisor *s, const struct generation *g, uint32_t i)
{
	uint32_t first = g->first + i * g->workers;

	for (uint32_t w = first; w < first + g->workers; w++) {
		struct recorder_line *line = &s->segment->recorder[w];
		const struct counter_slot *slot = &s->segment->slot[line->slot % COUNTERS_SLOTS];
		char job[24], n[16];

		if (!line->call)
			continue;
		snprintf(job, sizeof(job), "%lld", (long long)line->job);
		snprintf(n, sizeof(n), "%u", line->n);
		log_line(LOG_ERROR, "a worker was inside a stage when its process died", "pipeline",
		         slot->pipeline, "stage", slot->stage, "release", slot->release,
		         line->exact ? "job" : "first_job", job, "jobs", n, NULL);
		add_blame(&g->shared[i].blames, line);
		line->call = 0;
		line->crashed = 0;
	}
}

void
generation_restart(struct supervisor *s, struct generation *g, uint32_t i)
{
	struct child *child = &g->child[i];
	int64_t now = clock_mono();
	bool worked = g->shared[i].host_id != child->former;
	int64_t most = worked ? RESTART_MOST_WORKED : RESTART_MOST;

	s->segment->process[g->process + i].deaths++;
	report_recorder(s, g, i);
	if (g->kill_at || s->stopping)
		return; /* it was to end */
	if (now - child->started_at > STEADY || !child->pause)
		child->pause = RESTART_LEAST;
	if (child->pause > most)
		child->pause = most;
	child->restart_at = now + child->pause;
	child->pause *= 2;
}
