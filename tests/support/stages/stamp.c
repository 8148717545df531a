/* SPDX-License-Identifier: BSD-2-Clause */
/* stamp.c - writes down when each job began, beside the time that the job brought: for bench/queue.
 */
#include <penstock.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

PS_OPTIONS(stamp, PS_PATH(file, "/dev/null", "one line a job: its attribute t, and now, in ns"))

static enum ps_outcome
stamp(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct timespec now;
	char line[64];
	int fd, len;

	(void)out;
	clock_gettime(CLOCK_MONOTONIC, &now);
	len = snprintf(line, sizeof line, "%lld %lld\n", (long long)ps_get_int(call, in, "t", 0),
	               (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	fd = open(ps_options(call, stamp)->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		ps_log(call, PS_LOG_ERROR, "cannot write the stamp");
	if (fd >= 0)
		close(fd);
	return PS_DONE;
}

PS_STAGE_EACH(stamp, "1.0.0", "Writes down when jobs began")
