/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * supervisor.c - one poll loop: signals, news of processes, the control socket.
 *
 * Runs no plugin code, no libpq and no threads, so that nothing of theirs can
 * take it down.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host_priv.h"

char *
host_segment_path(const struct config *config)
{
	const char *name = config->set.name;

	return mem_printf("%s/%s.counters", config->set.run_dir, name[0] ? name : "host");
}

/* ---- signals ---- */

static enum status
take_signals(struct supervisor *s, sigset_t *ret_old, struct fault *fault)
{
	const int taken[] = { SIGTERM, SIGINT, SIGCHLD, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < countof(taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, ret_old);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->signal_fd < 0 || s->news_fd < 0)
		return fault_errno(fault, errno, "cannot watch for signals");
	return OK;
}

static void
kill_all(struct supervisor *s)
{
	generation_signal(s->now, SIGKILL);
	generation_signal(s->next, SIGKILL);
	generation_signal(s->old, SIGKILL);
}

void
supervisor_stop(struct supervisor *s)
{
	int64_t drain = s->now->config->set.drain;

	if (s->stopping && s->now->kill_at) { /* asked twice */
		kill_all(s);
		return;
	}
	s->stopping = true;
	host_notify("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%lld",
	            (long long)((drain + 2 * KILL_GRACE) / 1000));
	reload_abandon(s);
	generation_stop(s->now, drain);
	generation_stop(s->next, drain);
	generation_stop(s->old, drain);
}

/* ---- processes that ended ---- */

static void
end_unfit(struct supervisor *s, const struct fault *fault)
{
	s->unfit = s->stopping = true;
	s->fault = *fault;
}

/* None of its processes has begun to work: there is nothing that could be drained. */
static void
end_at_start(struct supervisor *s, const struct fault *fault)
{
	if (!s->unfit)
		end_unfit(s, fault);
	generation_signal(s->now, SIGKILL);
}

static void
child_ended(struct supervisor *s, struct generation *g, uint32_t i, int status)
{
	bool exited = WIFEXITED(status), unfit = generation_unfit(g, i, status);
	struct fault fault = { 0 };
	char how[64];

	generation_leave(s, g, i);
	if (exited && WEXITSTATUS(status) == HOST_DRAINED && g->kill_at)
		return;
	if (g == s->next && !s->stopping) {
		reload_child_ended(s, i, status);
		return;
	}
	if (unfit && g == s->now && !s->unfit) {
		end_unfit(s, &g->shared[i].fault);
		return;
	}
	if (unfit || (s->unfit && g == s->now))
		return; /* of a generation that is given up, or of one more: it was said */
	generation_death(status, how, sizeof how);
	if (!generation_opening_fault(g, i, how, &fault)) {
		log_line(LOG_ERROR, "a host process died", "how", how, NULL);
	} else if (g == s->now && !generation_worked(g) && !s->stopping) {
		end_at_start(s, &fault);
		return;
	} else {
		log_fault(LOG_ERROR, "a host process died", &fault);
	}
	generation_restart(s, g, i);
}

static void
find_child(struct supervisor *s, pid_t pid, int status)
{
	struct generation *const all[] = { s->now, s->next, s->old };

	for (size_t k = 0; k < countof(all); k++)
		for (uint32_t i = 0; all[k] && i < all[k]->n; i++)
			if (all[k]->child[i].pid == pid) {
				child_ended(s, all[k], i, status);
				return;
			}
}

static void
reap_children(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!host_web_ended(s, pid, status))
			find_child(s, pid, status);
}

static void
hear_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			supervisor_stop(s);
		if (info.ssi_signo == SIGHUP && !s->stopping)
			reload_begin(s, s->now->config->set.reload_drain);
	}
	reap_children(s);
}

/* ---- the loop ---- */

static void
kill_late(struct generation *g)
{
	if (!generation_alive(g) || !g->kill_at || clock_mono() < g->kill_at)
		return;
	log_line(LOG_ERROR, "a host process did not drain in time and is killed", NULL);
	generation_signal(g, SIGKILL);
	g->kill_at = clock_mono() + KILL_GRACE;
}

/* A plugin that does not come back from its open(). Before the line of a reload that is the
 * reload's affair. */
static void
look_at_opening(struct supervisor *s, struct generation *g)
{
	int64_t now = clock_mono();

	for (uint32_t i = 0; g && g->crossed && !g->kill_at && i < g->n; i++) {
		struct fault fault = { 0 };

		if (now < generation_opens_until(g, i))
			continue;
		if (!generation_opening_fault(g, i, NULL, &fault))
			fault_set(&fault, INVALID,
			          "the stages were not open within reload_timeout");
		if (g == s->now && !generation_worked(g)) {
			end_at_start(s, &fault);
			return;
		}
		log_fault(LOG_ERROR, "a host process is killed", &fault);
		kill(g->child[i].pid, SIGKILL);
		atomic_store(&g->shared[i].line.opening_since, 0);
	}
}

static void
tell_state(struct supervisor *s)
{
	const struct config *config = s->now->config;
	size_t stages = 0;
	uint32_t i;

	for (i = 0; i < s->now->n; i++) {
		enum pool_phase phase = generation_phase(s->now, i);

		if (phase != POOL_READY && phase != POOL_WAITING)
			return;
	}
	for (size_t p = 0; p < config->n_pipelines; p++)
		stages += config->pipelines[p].n_stages;
	s->ready_told = true;
	host_notify("READY=1\nSTATUS=%zu stages in %zu pipelines, %u workers in %u processes",
	            stages, config->n_pipelines, s->now->n * s->now->workers, s->now->n);
}

static void
tell_watchdog(struct supervisor *s)
{
	int64_t now = clock_mono();

	if (!s->watchdog || now < s->watchdog_at)
		return;
	s->watchdog_at = now + s->watchdog;
	if (host_moves(s, now))
		host_notify("WATCHDOG=1");
	else
		log_line(LOG_ERROR, "a host process does not move: systemd's watchdog is not fed",
		         NULL);
}

static void
do_round(struct supervisor *s)
{
	if (s->stopping && !s->now->kill_at)
		supervisor_stop(s);
	if (!s->stopping) {
		generation_start_due(s, s->now);
		if (s->next && s->next->crossed)
			generation_start_due(s, s->next);
		reload_step(s);
		look_at_opening(s, s->now);
		look_at_opening(s, s->next);
		host_web_start_due(s);
		if (!s->ready_told)
			tell_state(s);
	}
	kill_late(s->now);
	kill_late(s->next);
	kill_late(s->old);
	tell_watchdog(s);
	control_server_ask_again(s->control);
}

static void
sooner(int64_t *at, int64_t other)
{
	if (other < *at)
		*at = other;
}

static void
sooner_of(int64_t *at, const struct generation *g, bool stopping)
{
	if (!g)
		return;
	if (g->kill_at)
		sooner(at, g->kill_at);
	for (uint32_t i = 0; i < g->n && !stopping && !g->kill_at; i++) {
		if (!g->child[i].pid)
			sooner(at, g->child[i].restart_at);
		if (g->crossed)
			sooner(at, generation_opens_until(g, i));
	}
}

static int
until_next(const struct supervisor *s)
{
	int64_t at = clock_mono() + 3600 * SEC, now = clock_mono();

	sooner_of(&at, s->now, s->stopping);
	sooner_of(&at, s->next, s->stopping);
	sooner_of(&at, s->old, s->stopping);
	sooner(&at, reload_until(s));
	sooner(&at, control_server_until(s->control));
	sooner(&at, host_web_until(s));
	if (s->watchdog)
		sooner(&at, s->watchdog_at);
	return at > now ? (int)((at - now) / MSEC) + 1 : 0;
}

static void
supervise(struct supervisor *s)
{
	struct pollfd fds[2 + CONTROL_FDS];
	eventfd_t news;

	while (!s->stopping || generation_alive(s->now) || generation_alive(s->next) ||
	       generation_alive(s->old)) {
		size_t n = 2 + control_server_fds(s->control, fds + 2);

		fds[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = s->news_fd, .events = POLLIN };
		if (poll(fds, n, until_next(s)) > 0) {
			if (fds[0].revents)
				hear_signals(s);
			eventfd_read(s->news_fd, &news);
			control_server_serve(s->control, fds + 2, n - 2);
		}
		do_round(s);
	}
}

/* ---- the whole ---- */

static enum status
make_room(struct supervisor *s, struct fault *fault)
{
	const struct config *config = s->options->config;
	char *path = host_segment_path(config);
	enum log_level level = LOG_INFO;
	enum status st = file_mkdirs(config->set.run_dir, 0755, fault);

	if (st == OK)
		st = file_mkdirs(config->set.state_dir, 0755, fault);
	if (st == OK)
		st = counters_create(path, config->set.name, &s->segment, fault);
	free(path);
	if (st != OK)
		return st;
	log_level_of(config->set.log_level, &level);
	s->segment->log_level = level;
	s->segment->supervisor_pid = getpid();
	log_follow(&s->segment->log_level);
	return control_server_open(config->set.run_dir, config->set.name, host_control, s,
	                           &s->control, fault);
}

static void
close_room(struct supervisor *s)
{
	control_server_close(s->control);
	if (s->segment) {
		log_follow(NULL);
		counters_close(s->segment);
	}
	generation_free(s->old);
	generation_free(s->next);
	generation_free(s->now);
	buf_done(&s->reload.problems);
	buf_done(&s->reload.restarts);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->news_fd >= 0)
		close(s->news_fd);
}

static void
open_log(const struct settings *set)
{
	enum log_level level = LOG_INFO;

	log_level_of(set->log_level, &level);
	log_open(STDERR_FILENO, level, log_format_of(set->log_format, STDERR_FILENO));
}

enum status
host_run(const struct host_options *options, struct fault *fault)
{
	struct config *config = (struct config *)(uintptr_t)options->config; /* not changed */
	struct supervisor *s = mem_alloc(sizeof *s);
	sigset_t old;
	enum status st;

	open_log(&config->set);
	if (config->n_pipelines == 0) {
		free(s);
		fault_hint(fault, "put one into pipelines.d/ beside penstock.conf");
		return fault_set(fault, INVALID, "no pipeline is configured");
	}
	*s = (struct supervisor){
		.options = options, .id = uuid_random(), .signal_fd = -1, .news_fd = -1
	};
	buf_init(&s->reload.problems);
	buf_init(&s->reload.restarts);
	st = take_signals(s, &old, fault);
	if (st == OK)
		st = generation_create(s, config, false, &s->now, fault);
	if (st == OK)
		st = make_room(s, fault);
	if (st == OK) {
		s->watchdog = host_watchdog_interval();
		s->watchdog_at = clock_mono() + s->watchdog;
		s->segment->generation = s->now->number;
		s->now->crossed = true; /* there is nothing to go back to */
		generation_start(s, s->now);
		supervise(s);
		host_web_stop(s);
	}
	if (s->unfit) {
		*fault = s->fault;
		st = fault->status;
	}
	close_room(s);
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(s);
	return st;
}
