/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_cores.c - who uses the cores of this machine: the host, the database's server, others.
 *
 * Reads /proc and asks the server for its processes; what cannot be seen (a
 * server on another machine, a kernel that does not count waiting) stays
 * PROFILE_UNKNOWN and is never taken for zero.
 */
#include "load/load.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sql_text.h"

/* Seconds by which two clocks' ideas of when a process began may differ. */
#define START_APART 5.0

/* ---- /proc ---- */

/* The n-th number behind the name in parentheses, from 3 on, as proc(5) counts. */
static bool
stat_field(const char *path, int field, double *ret)
{
	struct buf text;
	struct fault fault = { 0 };
	const char *p = NULL;

	buf_init(&text);
	if (file_read(path, 64 * KiB, &text, &fault) == OK && text.len > 0)
		p = strrchr(text.data, ')');
	for (int f = 2; p && f < field; f++)
		if ((p = strchr(p, ' ')))
			p++;
	if (p)
		*ret = strtod(p, NULL);
	buf_done(&text);
	return p != NULL;
}

static double
cpu_of(int pid)
{
	char path[64];
	double user, system;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!stat_field(path, 14, &user) || !stat_field(path, 15, &system))
		return 0;
	return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Seconds that a thread was ready to run and had no core. */
static double
wait_of(int pid, int thread)
{
	char path[96];
	unsigned long long ran, waited;
	double seconds = PROFILE_UNKNOWN;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, thread);
	f = fopen(path, "re");
	if (!f)
		return seconds;
	if (fscanf(f, "%llu %llu", &ran, &waited) == 2)
		seconds = (double)waited / 1e9;
	fclose(f);
	return seconds;
}

/* Is it PostgreSQL, or somebody else by the pid of a server in another namespace? */
static bool
is_postgres(int pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof name, f))
		name[0] = '\0';
	fclose(f);
	return strncmp(name, "postgres", 8) == 0;
}

/* When the machine came up, in seconds since 1970. */
static double
boot_time(void)
{
	char line[256];
	long long at = 0;
	FILE *f = fopen("/proc/stat", "re");

	while (f && at == 0 && fgets(line, sizeof line, f))
		if (sscanf(line, "btime %lld", &at) != 1)
			at = 0;
	if (f)
		fclose(f);
	return (double)at;
}

/* Of two machines with a tunnel between them both may have such a process, but not since the same
 * moment. */
static bool
started_at(int pid, double start_s)
{
	char path[64];
	double ticks;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!stat_field(path, 22, &ticks))
		return false;
	return fabs(boot_time() + ticks / (double)sysconf(_SC_CLK_TCK) - start_s) < START_APART;
}

/* Niced work is work; time that a hypervisor gave to others is not, but is not ours either. */
static void
read_machine(struct load_cores *r)
{
	double t[8] = { 0 };
	double ticks = (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return;
	if (fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4],
	           &t[5], &t[6], &t[7]) == 8) {
		r->busy = (t[0] + t[1] + t[2] + t[5] + t[6]) / ticks;
		r->stolen = t[7] / ticks;
	}
	fclose(f);
}

static double
cores_of(int pid)
{
	cpu_set_t set;

	if (pid > 0 && sched_getaffinity(pid, sizeof set, &set) == 0)
		return CPU_COUNT(&set);
	return (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- one reading ---- */

static void
read_host(const struct segment *segment, struct load_cores *r)
{
	for (uint32_t p = 0; p < segment->n_processes && p < COUNTERS_PROCESSES; p++)
		if (segment->process[p].pid)
			r->host_cpu += cpu_of((int)segment->process[p].pid);
	for (uint32_t w = 0; w < segment->n_workers && w < COUNTERS_WORKERS; w++) {
		const struct worker_line *line = &segment->worker[w];
		double wait;

		if (!line->pid || !line->thread)
			continue;
		wait = wait_of((int)line->pid, (int)line->thread);
		if (wait < 0)
			r->workers_wait = PROFILE_UNKNOWN;
		else if (r->workers_wait >= 0)
			r->workers_wait += wait;
	}
}

/* Columns of profile_server. */
enum { PID, WORKER, HERE, ASKS, START };

static bool
server_here(const struct db_result *result)
{
	for (int i = 0; i < db_rows(result); i++)
		if (db_int(result, i, ASKS))
			return db_int(result, i, HERE) && !db_null(result, i, START) &&
			       is_postgres((int)db_int(result, i, PID)) &&
			       started_at((int)db_int(result, i, PID), db_float(result, i, START));
	return false;
}

static void
read_server(struct db *db, struct load_cores *r)
{
	struct fault fault = { 0 };
	struct db_result *result;

	if (!db || db_call(db, sql_profile_server, NULL, &result, &fault) != OK)
		return;
	r->server = mem_array(NULL, (size_t)db_rows(result) + 1, sizeof *r->server);
	r->server_here = server_here(result);
	for (int i = 0; r->server_here && i < db_rows(result); i++) {
		int pid = (int)db_int(result, i, PID);

		if (!is_postgres(pid))
			continue; /* it has ended */
		r->server[r->n_server++] = (struct load_process){
			.pid = pid,
			.cpu = cpu_of(pid),
			.wait = db_int(result, i, WORKER) ? wait_of(pid, pid) : 0,
		};
	}
	db_result_free(result);
}

void
load_cores_read(struct db *db, const struct segment *segment, struct load_cores *ret)
{
	*ret = (struct load_cores){ .at = (double)clock_mono() / 1e9 };
	read_server(db, ret);
	read_host(segment, ret);
	read_machine(ret);
	ret->own_cpu = cpu_of((int)getpid());
	ret->cores = cores_of((int)segment->process[0].pid);
}

void
load_cores_done(struct load_cores *r)
{
	free(r->server);
	*r = (struct load_cores){ 0 };
}

/* ---- between two ---- */

/* What a process used before the first reading that knew it is not of this time; the CPU of one
 * that ended meanwhile is lost. */
static void
add_server(const struct load_cores *from, const struct load_cores *to, struct load_cores_used *u)
{
	if (!from->server_here || !to->server_here)
		return;
	u->server_cpu = 0;
	for (size_t i = 0; i < to->n_server; i++)
		for (size_t k = 0; k < from->n_server; k++) {
			const struct load_process *a = &from->server[k], *b = &to->server[i];

			if (a->pid != b->pid)
				continue;
			u->server_cpu += fmax(b->cpu - a->cpu, 0);
			if (u->wait >= 0 && a->wait >= 0 && b->wait > a->wait)
				u->wait += b->wait - a->wait;
		}
}

void
load_cores_between(const struct load_cores *from, const struct load_cores *to,
                   struct load_cores_used *ret)
{
	double ours;

	*ret = (struct load_cores_used){
		.seconds = to->at - from->at,
		.cores = to->cores,
		.host_cpu = fmax(to->host_cpu - from->host_cpu, 0),
		.server_cpu = PROFILE_UNKNOWN,
		.wait = from->workers_wait < 0 || to->workers_wait < 0
		            ? PROFILE_UNKNOWN
		            : fmax(to->workers_wait - from->workers_wait, 0),
		.busy = fmax(to->busy - from->busy, 0),
		.stolen = fmax(to->stolen - from->stolen, 0),
	};
	add_server(from, to, ret);
	ours = ret->host_cpu + fmax(ret->server_cpu, 0) + fmax(to->own_cpu - from->own_cpu, 0);
	ret->others = fmax(ret->busy - ours, 0);
}

struct profile_machine
load_cores_machine(const struct load_cores_used *used)
{
	return (struct profile_machine){
		.known = true,
		.seconds = used->seconds,
		.cores = used->cores,
		.used = used->host_cpu + fmax(used->server_cpu, 0),
		.others = used->others,
		.stolen = used->stolen,
		.waited = used->wait,
	};
}
