/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_web.c - the process that serves HTTP, below the supervisor.
 *
 * It is no host process: it has no jobs, belongs to no generation, and whatever
 * becomes of it, they go on. It runs by the configuration of the start.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host_priv.h"
#include "web/web.h"

#define PAUSE_LEAST (100 * MSEC)
#define PAUSE_MOST (30 * SEC)
#define LASTED (60 * SEC) /* its next end is a first one again */
#define GRACE (2 * SEC)

_Noreturn static void
web_main(struct supervisor *s, pid_t parent)
{
	struct fault fault = { 0 };
	sigset_t stop;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NAME, "penstock-web"); /* as ps -o comm shows it */
	if (getppid() != parent)
		_exit(0);
	control_server_forget(s->control);
	close(s->signal_fd);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (web_run(s->options->config, s->segment, signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK),
	            &fault) == OK)
		_exit(0);
	log_fault(LOG_ERROR, "metrics are not served", &fault);
	_exit(1);
}

static bool
wanted(const struct supervisor *s)
{
	return s->options->config->set.http[0] && !s->web.pid && !s->stopping;
}

void
host_web_start_due(struct supervisor *s)
{
	pid_t parent = getpid(), pid;

	if (!wanted(s) || clock_mono() < s->web.restart_at)
		return;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		web_main(s, parent);
	s->web.started_at = clock_mono();
	s->web.restart_at = pid > 0 ? INT64_MAX : s->web.started_at + PAUSE_MOST;
	s->web.pid = pid > 0 ? pid : 0;
}

int64_t
host_web_until(const struct supervisor *s)
{
	return wanted(s) ? s->web.restart_at : INT64_MAX;
}

/* However it ended, it is started again: more slowly each time that it does not last. */
bool
host_web_ended(struct supervisor *s, pid_t pid, int status)
{
	int64_t now = clock_mono();
	char how[64];

	if (!s->web.pid || s->web.pid != pid)
		return false;
	s->web.pid = 0;
	if (s->stopping)
		return true;
	if (now - s->web.started_at > LASTED || !s->web.pause)
		s->web.pause = PAUSE_LEAST;
	s->web.restart_at = now + s->web.pause;
	s->web.pause = s->web.pause * 2 < PAUSE_MOST ? s->web.pause * 2 : PAUSE_MOST;
	generation_death(status, how, sizeof how);
	log_line(LOG_WARNING, "the process that serves metrics ended; it is started again", "how",
	         how, NULL);
	return true;
}

void
host_web_stop(struct supervisor *s)
{
	int64_t until = clock_mono() + GRACE;

	if (!s->web.pid)
		return;
	kill(s->web.pid, SIGTERM);
	while (waitpid(s->web.pid, NULL, WNOHANG) == 0) {
		if (clock_mono() >= until)
			kill(s->web.pid, SIGKILL);
		poll(NULL, 0, 10);
	}
	s->web.pid = 0;
}
