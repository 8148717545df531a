/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_limits.c - what the control groups of this process leave it, and what fits in there.
 *
 * Both versions of control groups, also mixed, and inside of containers, where a
 * part of the tree is mounted. A limit holds for a group and all below it, so
 * the least one on the way up counts. What cannot be read is no limit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/host_priv.h"

#define PROC_MOST (256 * KiB)
#define PLENTY (INT64_C(1) << 60) /* version 1 writes a number like this for "no limit" */

/* ---- texts of the kernel ---- */

double
limit_cpu_max(const char *text)
{
	long long quota = 0, period = 0;

	if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
		return 0; /* "max 100000" */
	return (double)quota / (double)period;
}

double
limit_cpu_quota(const char *quota_text, const char *period_text)
{
	long long quota = 0, period = 0;

	if (sscanf(quota_text, "%lld", &quota) != 1 || sscanf(period_text, "%lld", &period) != 1 ||
	    quota <= 0 || period <= 0)
		return 0; /* "-1" */
	return (double)quota / (double)period;
}

int64_t
limit_bytes(const char *text)
{
	long long bytes = 0;

	if (sscanf(text, "%lld", &bytes) != 1 || bytes <= 0 || bytes >= PLENTY)
		return 0; /* "max" */
	return bytes;
}

/* The next line of a text, without its end; false behind the last. */
static bool
next_line(const char **text, const char **ret, size_t *ret_len)
{
	if (!**text)
		return false;
	*ret = *text;
	*ret_len = strcspn(*text, "\n");
	*text += *ret_len + ((*text)[*ret_len] == '\n');
	return true;
}

/* Is the word in a list with commas? */
static bool
listed(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t at = 0; at + n <= len; at++)
		if (memcmp(list + at, word, n) == 0 && (at == 0 || list[at - 1] == ',') &&
		    (at + n == len || list[at + n] == ','))
			return true;
	return false;
}

/* This process's group, by a line "4:cpu,cpuacct:/path" of /proc/self/cgroup; version 2 is
 * "0::/path". The caller frees; NULL: it has none. */
static char *
group_of(const char *cgroups, const char *controller)
{
	const char *line;
	size_t len;

	while (next_line(&cgroups, &line, &len)) {
		const char *names = memchr(line, ':', len), *path;

		if (!names)
			continue;
		names++;
		path = memchr(names, ':', len - (size_t)(names - line));
		if (!path)
			continue;
		if (controller ? listed(names, (size_t)(path - names), controller) : path == names)
			return mem_dupn(path + 1, len - (size_t)(path + 1 - line));
	}
	return NULL;
}

/* A line of /proc/self/mountinfo: "31 23 0:28 /root /where options - type source options". */
static bool
mount_of(const char *line, size_t len, const char *controller, char root[4096], char where[4096])
{
	char *text = mem_dupn(line, len), type[64], options[1024];
	const char *rest = strstr(text, " - ");
	bool found = rest && sscanf(text, "%*s %*s %*s %4095s %4095s", root, where) == 2 &&
	             sscanf(rest, " - %63s %*s %1023s", type, options) == 2 &&
	             (controller ? strcmp(type, "cgroup") == 0 &&
	                               listed(options, strlen(options), controller)
	                         : strcmp(type, "cgroup2") == 0);

	free(text);
	return found;
}

bool
limit_folder(const char *mountinfo, const char *cgroups, const char *controller, char **ret_folder,
             char **ret_top)
{
	char *group = group_of(cgroups, controller), root[4096], where[4096];
	const char *line, *below;
	size_t len;

	while (group && next_line(&mountinfo, &line, &len)) {
		if (!mount_of(line, len, controller, root, where))
			continue;
		/* a container sees its own group as the root of what is mounted */
		len = strcmp(root, "/") == 0 ? 0 : strlen(root);
		below = strncmp(group, root, len) == 0 && (!group[len] || group[len] == '/')
		            ? group + len
		            : "";
		*ret_folder = mem_printf("%s%s", where, strcmp(below, "/") == 0 ? "" : below);
		*ret_top = mem_dup(where);
		free(group);
		return true;
	}
	free(group);
	return false;
}

/* ---- what is there ---- */

/* An empty text where there is no such file. */
static void
read_text(const char *prefix, const char *folder, const char *name, struct buf *ret)
{
	char *path = mem_printf("%s%s/%s", prefix, folder, name);
	struct fault ignored = { 0 };

	buf_reset(ret);
	if (file_read(path, PROC_MOST, ret, &ignored) != OK)
		buf_reset(ret);
	buf_adds(ret, "");
	free(path);
}

struct look {
	const char *prefix;
	struct buf one, two;
	struct host_limits *limits;
};

static void
least_cpus(struct look *l, double cpus)
{
	if (cpus > 0 && (l->limits->cpus <= 0 || cpus < l->limits->cpus))
		l->limits->cpus = cpus;
}

static void
least_memory(struct look *l, int64_t bytes)
{
	if (bytes > 0 && (l->limits->memory <= 0 || bytes < l->limits->memory))
		l->limits->memory = bytes;
}

static void
look_v2(struct look *l, const char *folder)
{
	read_text(l->prefix, folder, "cpu.max", &l->one);
	least_cpus(l, limit_cpu_max(l->one.data));
	read_text(l->prefix, folder, "memory.max", &l->one);
	least_memory(l, limit_bytes(l->one.data));
	read_text(l->prefix, folder, "memory.high", &l->one);
	least_memory(l, limit_bytes(l->one.data));
}

static void
look_cpu_v1(struct look *l, const char *folder)
{
	read_text(l->prefix, folder, "cpu.cfs_quota_us", &l->one);
	read_text(l->prefix, folder, "cpu.cfs_period_us", &l->two);
	least_cpus(l, limit_cpu_quota(l->one.data, l->two.data));
}

static void
look_memory_v1(struct look *l, const char *folder)
{
	read_text(l->prefix, folder, "memory.limit_in_bytes", &l->one);
	least_memory(l, limit_bytes(l->one.data));
}

/* From the group up to what is mounted. */
static void
walk(struct look *l, const char *mountinfo, const char *cgroups, const char *controller,
     void (*look)(struct look *l, const char *folder))
{
	char *folder, *top, *slash;

	if (!limit_folder(mountinfo, cgroups, controller, &folder, &top))
		return;
	for (;;) {
		look(l, folder);
		slash = strrchr(folder, '/');
		if (strlen(folder) <= strlen(top) || !slash)
			break;
		*slash = '\0';
	}
	free(folder);
	free(top);
}

void
host_limits_read(const char *prefix, struct host_limits *ret)
{
	struct look l = { .prefix = prefix, .limits = ret };
	struct buf mountinfo, cgroups;

	*ret = (struct host_limits){ 0 };
	buf_init(&l.one);
	buf_init(&l.two);
	buf_init(&mountinfo);
	buf_init(&cgroups);
	read_text(prefix, "/proc/self", "mountinfo", &mountinfo);
	read_text(prefix, "/proc/self", "cgroup", &cgroups);
	walk(&l, mountinfo.data, cgroups.data, NULL, look_v2);
	walk(&l, mountinfo.data, cgroups.data, "cpu", look_cpu_v1);
	walk(&l, mountinfo.data, cgroups.data, "memory", look_memory_v1);
	buf_done(&mountinfo);
	buf_done(&cgroups);
	buf_done(&l.one);
	buf_done(&l.two);
}

/* ---- what fits ---- */

/* Of the memory: stages' own, libraries and PostgreSQL's client need some, too. */
#define MEMORY_SHARE(bytes) ((bytes) / 4 * 3)
#define WORKER_LEAST (16 * MiB) /* as settings.def has them */
#define LEASE_LEAST (64 * KiB)
#define LEASE_PARTS 4 /* of a worker's memory: messages are there more than once */

static uint32_t
whole_cores(uint32_t cores, double cpus)
{
	uint32_t quota = (uint32_t)cpus + (cpus > (double)(uint32_t)cpus);

	return cpus > 0 && quota < cores ? quota : cores;
}

void
host_sizes(const struct settings *set, uint32_t cores, const struct host_limits *limits,
           struct host_sizes *ret)
{
	uint32_t n = (uint32_t)set->processes;
	int64_t each;

	cores = whole_cores(cores, limits->cpus);
	ret->workers = set->workers ? (uint32_t)set->workers : (cores + n - 1) / n;
	if (ret->workers == 0)
		ret->workers = 1;
	ret->worker_memory = set->worker_memory;
	ret->lease_bytes = set->lease_bytes;
	if (limits->memory == 0)
		return;
	each = MEMORY_SHARE(limits->memory) / (int64_t)(n * ret->workers);
	if (each < WORKER_LEAST)
		each = WORKER_LEAST;
	if (ret->worker_memory > each)
		ret->worker_memory = each;
	each = ret->worker_memory / LEASE_PARTS;
	if (each < LEASE_LEAST)
		each = LEASE_LEAST;
	if (ret->lease_bytes > each)
		ret->lease_bytes = each;
}
