/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * supervisor.c - forks host processes, starts again those that die.
 *
 * Runs no plugin code, no libpq and no threads, so that nothing of theirs can
 * take it down. What it knows of a death (which stage, which job) it reads from
 * the recorder in shared memory.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/host_priv.h"

#define RESTART_LEAST (100 * MSEC)
#define RESTART_MOST (30 * SEC)
#define RESTART_MOST_WORKED                                                                        \
	(2 * SEC) /* after a boot that got as far as to the database: it may be near a job that    \
	             kills */
#define STEADY (60 * SEC)    /* lived for so long: its next death is a first one again */
#define KILL_GRACE (5 * SEC) /* beyond the drain */

struct child {
	pid_t pid;                      /* 0: not running */
	int64_t started_at, restart_at; /* mono */
	int64_t former;                 /* shared->host_id when it was started */
	int64_t pause;
};

struct supervisor {
	const struct host_options *options;
	struct segment *segment;
	struct host_shared *shared; /* one for each child */
	struct child child[HOST_PROCESSES_MAX];
	uint32_t n, workers; /* processes; workers of each */
	bool stopping;
	int64_t kill_at; /* mono */
	bool unfit;
	struct fault fault;
};

char *
host_segment_path(const struct config *config)
{
	const char *name = config->set.name;

	return mem_printf("%s/%s.counters", config->set.run_dir, name[0] ? name : "host");
}

static uint32_t
cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static void
block_signals(sigset_t *ret_old)
{
	const int taken[] = { SIGTERM, SIGINT, SIGCHLD, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < countof(taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, ret_old);
}

/* ---- children ---- */

_Noreturn static void
child_main(struct supervisor *s, uint32_t i, pid_t parent)
{
	sigset_t stop;
	int stop_fd, end;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(HOST_DRAINED); /* the supervisor died before we asked to be told */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	stop_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	end = host_process_run(s->options, s->segment, i * s->workers, s->workers, &s->shared[i],
	                       stop_fd);
	exit(end);
}

static void
start_child(struct supervisor *s, uint32_t i)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_main(s, i, parent);
	s->child[i].started_at = clock_mono();
	s->child[i].former = s->shared[i].host_id;
	s->child[i].restart_at = INT64_MAX;
	if (pid > 0) {
		struct process_line *line = &s->segment->process[i];

		s->child[i].pid = pid;
		line->started_at = s->child[i].started_at;
		line->starts++;
		__atomic_store_n(&line->pid, (uint32_t)pid, __ATOMIC_RELEASE);
		return;
	}
	log_line(LOG_ERROR, "cannot fork a host process", "reason", strerror(errno), NULL);
	s->child[i].restart_at = clock_mono() + RESTART_MOST;
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
report_recorder(const struct supervisor *s, uint32_t child)
{
	for (uint32_t w = child * s->workers; w < (child + 1) * s->workers; w++) {
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
		add_blame(&s->shared[child].blames, line);
		line->call = 0;
		line->crashed = 0;
	}
}

/* What a process did at its end is over, also when it could not say so; what it counted stays. */
static void
leave_lines(struct supervisor *s, uint32_t child)
{
	s->segment->process[child].pid = 0;
	s->segment->process[child].host = 0;
	for (uint32_t w = child * s->workers; w < (child + 1) * s->workers; w++) {
		s->segment->worker[w].pid = 0;
		s->segment->worker[w].state = WORKER_STOPPED;
	}
}

static void
plan_restart(struct supervisor *s, uint32_t i)
{
	struct child *child = &s->child[i];
	int64_t now = clock_mono();
	bool worked = s->shared[i].host_id != child->former;
	int64_t most = worked ? RESTART_MOST_WORKED : RESTART_MOST;

	if (now - child->started_at > STEADY || !child->pause)
		child->pause = RESTART_LEAST;
	if (child->pause > most)
		child->pause = most;
	child->restart_at = now + child->pause;
	child->pause *= 2;
}

static void
child_ended(struct supervisor *s, uint32_t i, int status)
{
	char how[64];

	s->child[i].pid = 0;
	leave_lines(s, i);
	if (WIFEXITED(status) && WEXITSTATUS(status) == HOST_DRAINED && s->stopping)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == HOST_UNFIT) {
		s->unfit = s->stopping = true;
		s->fault = s->shared[i].fault;
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	log_line(LOG_ERROR, "a host process died", "how", how, NULL);
	s->segment->process[i].deaths++;
	report_recorder(s, i);
	if (!s->stopping)
		plan_restart(s, i);
}

static void
reap_children(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (uint32_t i = 0; i < s->n; i++)
			if (s->child[i].pid == pid)
				child_ended(s, i, status);
}

static void
signal_children(struct supervisor *s, int signo)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->child[i].pid)
			kill(s->child[i].pid, signo);
}

static bool
any_alive(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->child[i].pid)
			return true;
	return false;
}

/* ---- the loop ---- */

static void
stop(struct supervisor *s)
{
	if (s->stopping && s->kill_at) { /* asked twice */
		signal_children(s, SIGKILL);
		return;
	}
	s->stopping = true;
	s->kill_at = clock_mono() + s->options->config->set.drain + KILL_GRACE;
	signal_children(s, SIGTERM);
}

static void
start_due(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->child[i].pid && clock_mono() >= s->child[i].restart_at)
			start_child(s, i);
}

static struct timespec
until_next(const struct supervisor *s)
{
	int64_t at = s->kill_at ? s->kill_at : INT64_MAX, now = clock_mono(), ns;

	for (uint32_t i = 0; i < s->n && !s->stopping; i++)
		if (!s->child[i].pid && s->child[i].restart_at < at)
			at = s->child[i].restart_at;
	ns = at > now ? at - now : 0;
	if (ns > 3600 * SEC)
		ns = 3600 * SEC;
	return (struct timespec){ .tv_sec = ns / SEC, .tv_nsec = ns % SEC };
}

static void
supervise(struct supervisor *s)
{
	sigset_t taken;

	sigprocmask(SIG_BLOCK, NULL, &taken);
	while (!s->stopping || any_alive(s)) {
		struct timespec wait = until_next(s);
		int signo = sigtimedwait(&taken, NULL, &wait);

		if (signo == SIGTERM || signo == SIGINT)
			stop(s);
		if (signo == SIGHUP) {
			s->segment->reloads[RELOAD_REFUSED]++;
			log_line(LOG_WARNING,
			         "the configuration is read at start only: restart to change it",
			         NULL);
		}
		reap_children(s);
		if (!s->stopping)
			start_due(s);
		else if (!s->kill_at)
			stop(s);
		if (s->kill_at && clock_mono() >= s->kill_at) {
			log_line(LOG_ERROR, "a host process did not drain in time and is killed",
			         NULL);
			signal_children(s, SIGKILL);
		}
	}
}

static enum status
make_room(struct supervisor *s, char **ret_path, struct fault *fault)
{
	const struct config *config = s->options->config;
	enum status st = file_mkdirs(config->set.run_dir, 0755, fault);

	if (st == OK)
		st = file_mkdirs(config->set.state_dir, 0755, fault);
	if (st != OK)
		return st;
	*ret_path = host_segment_path(config);
	st = counters_create(*ret_path, config->set.name, &s->segment, fault);
	if (st != OK)
		free(*ret_path);
	return st;
}

enum status
host_run(const struct host_options *options, struct fault *fault)
{
	const struct settings *set = &options->config->set;
	struct supervisor s = { .options = options, .n = (uint32_t)set->processes };
	size_t shared_size;
	sigset_t old;
	char *path;
	enum status st;

	if (options->config->n_pipelines == 0) {
		fault_hint(fault, "put one into pipelines.d/ beside penstock.conf");
		return fault_set(fault, INVALID, "no pipeline is configured");
	}
	s.workers = set->workers ? (uint32_t)set->workers : (cores() + s.n - 1) / s.n;
	if (s.n * s.workers > COUNTERS_WORKERS)
		return fault_set(
		    fault, INVALID,
		    "%u processes of %u workers are more than the %u that a host can have", s.n,
		    s.workers, COUNTERS_WORKERS);
	st = make_room(&s, &path, fault);
	if (st != OK)
		return st;
	s.segment->supervisor_pid = getpid();
	s.segment->n_workers = s.n * s.workers;
	s.segment->n_processes = s.n;
	shared_size = s.n * sizeof(*s.shared);
	s.shared = mmap(NULL, shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	                0);
	check(s.shared != MAP_FAILED);
	block_signals(&old);
	for (uint32_t i = 0; i < s.n; i++)
		start_child(&s, i);
	supervise(&s);
	sigprocmask(SIG_SETMASK, &old, NULL);
	munmap(s.shared, shared_size);
	counters_close(s.segment);
	free(path);
	if (s.unfit) {
		*fault = s.fault;
		return fault->status;
	}
	return OK;
}
