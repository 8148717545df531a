/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_limits.c - control groups as kernels show them, and sizes that fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/host_priv.h"

/* ---- texts ---- */

static void
quotas_are_read(void **state)
{
	(void)state;
	assert_true(limit_cpu_max("150000 100000\n") == 1.5);
	assert_true(limit_cpu_max("max 100000\n") == 0);
	assert_true(limit_cpu_max("") == 0);
	assert_true(limit_cpu_max("100000 0") == 0);
	assert_true(limit_cpu_max("-5 100000") == 0);
	assert_true(limit_cpu_max("nonsense") == 0);
	assert_true(limit_cpu_quota("250000\n", "100000\n") == 2.5);
	assert_true(limit_cpu_quota("-1\n", "100000\n") == 0);
	assert_true(limit_cpu_quota("1", "") == 0);
	assert_int_equal(limit_bytes("536870912\n"), 512 * MiB);
	assert_int_equal(limit_bytes("max\n"), 0);
	assert_int_equal(limit_bytes("9223372036854771712\n"), 0);
	assert_int_equal(limit_bytes(""), 0);
	assert_int_equal(limit_bytes("0"), 0);
}

static void
folders_are_found(void **state)
{
	static const char v1[] =
	    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	    "32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	    "34 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	    "35 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
	static const char groups_v1[] = "5:cpuset:/\n4:memory:/system.slice/p.service\n"
	                                "3:cpu,cpuacct:/system.slice\n1:name=systemd:/x\n0::/y\n";
	static const char docker[] =
	    "99 90 0:30 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
	static const char v2[] = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
	const struct {
		const char *mounts, *groups, *controller, *folder;
	} rows[] = {
		{ v1, groups_v1, "cpu", "/sys/fs/cgroup/cpu,cpuacct/system.slice" },
		{ v1, groups_v1, "memory", "/sys/fs/cgroup/memory/system.slice/p.service" },
		{ v1, groups_v1, "cpuset", "/sys/fs/cgroup/cpuset" },
		{ v1, groups_v1, NULL, "/sys/fs/cgroup/unified/y" },
		{ v1, groups_v1, "pids", NULL },
		{ v1, "4:memory:/", "cpu", NULL },
		{ docker, "3:cpu:/docker/abc\n", "cpu", "/sys/fs/cgroup/cpu" },
		{ docker, "3:cpu:/docker/abc/inner\n", "cpu", "/sys/fs/cgroup/cpu/inner" },
		{ docker, "3:cpu:/docker/abcd\n", "cpu", "/sys/fs/cgroup/cpu" },
		{ docker, "3:cpu:/\n", "cpu", "/sys/fs/cgroup/cpu" },
		{ v2, "0::/system.slice/p.service", NULL, "/sys/fs/cgroup/system.slice/p.service" },
		{ v2, "0::/\n", NULL, "/sys/fs/cgroup" },
		{ v2, "", NULL, NULL },
		{ "", "0::/\n", NULL, NULL },
		{ "short\n\n - \n", "no colon\n0:\n0::/\n", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		char *folder = NULL, *top = NULL;
		bool found = limit_folder(rows[i].mounts, rows[i].groups, rows[i].controller,
		                          &folder, &top);

		assert_int_equal(found, rows[i].folder != NULL);
		if (found)
			assert_string_equal(folder, rows[i].folder);
		free(folder);
		free(top);
	}
}

/* ---- trees ---- */

static char root[32];

static int
enter(void **state)
{
	(void)state;
	memcpy(root, "/tmp/limits.XXXXXX", sizeof "/tmp/limits.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int
leave(void **state)
{
	char *command = mem_printf("rm -rf '%s'", root);
	int end = system(command);

	(void)state;
	free(command);
	return end;
}

static void
put(const char *path, const char *text)
{
	char *whole = mem_printf("%s%s", root, path), *folder = mem_dup(whole);
	struct fault fault = { 0 };

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_mkdirs(folder, 0755, &fault), OK);
	assert_int_equal(file_write(whole, text, strlen(text), 0644, &fault), OK);
	free(folder);
	free(whole);
}

static void
expect(double cpus, int64_t memory)
{
	struct host_limits limits;

	host_limits_read(root, &limits);
	assert_true(limits.cpus == cpus);
	assert_int_equal(limits.memory, memory);
}

static void
without_groups_there_is_no_limit(void **state)
{
	(void)state;
	expect(0, 0);
}

static void
version_2_takes_the_least_on_the_way_up(void **state)
{
	(void)state;
	put("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("/proc/self/cgroup", "0::/a.slice/b.service\n");
	put("/sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a.slice/b.service/memory.max", "1073741824\n");
	expect(0, 1024 * MiB);
	put("/sys/fs/cgroup/a.slice/cpu.max", "250000 100000\n");
	put("/sys/fs/cgroup/a.slice/memory.max", "2147483648\n");
	expect(2.5, 1024 * MiB);
	put("/sys/fs/cgroup/a.slice/b.service/memory.high", "805306368\n");
	expect(2.5, 768 * MiB);
	put("/sys/fs/cgroup/cpu.max", "100000 100000\n"); /* of a container */
	expect(1, 768 * MiB);
}

static void
version_1_has_a_tree_for_each(void **state)
{
	(void)state;
	put("/proc/self/mountinfo", "33 31 0:30 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	                            "34 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n"
	                            "35 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
	put("/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/c/d\n0::/\n");
	put("/cg/cpu/c/d/cpu.cfs_quota_us", "-1\n");
	put("/cg/cpu/c/d/cpu.cfs_period_us", "100000\n");
	put("/cg/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
	expect(0, 0);
	put("/cg/cpu/c/cpu.cfs_quota_us", "50000\n");
	put("/cg/cpu/c/cpu.cfs_period_us", "100000\n");
	put("/cg/memory/m/memory.limit_in_bytes", "536870912\n");
	expect(0.5, 512 * MiB);
}

/* ---- sizes ---- */

static void
sizes_fit_the_limits(void **state)
{
	static const struct {
		int64_t processes, workers, worker_memory, lease_bytes;
		uint32_t cores;
		struct host_limits limits;
		struct host_sizes fit;
	} rows[] = {
		/* no limits: as configured */
		{ 1, 0, 1024 * MiB, 16 * MiB, 8, { 0, 0 }, { 8, 1024 * MiB, 16 * MiB } },
		{ 3, 0, 1024 * MiB, 16 * MiB, 8, { 0, 0 }, { 3, 1024 * MiB, 16 * MiB } },
		/* a quota: its cores, a part of one counts whole; never more than there are */
		{ 1, 0, 1024 * MiB, 16 * MiB, 8, { 1.5, 0 }, { 2, 1024 * MiB, 16 * MiB } },
		{ 1, 0, 1024 * MiB, 16 * MiB, 8, { 0.1, 0 }, { 1, 1024 * MiB, 16 * MiB } },
		{ 1, 0, 1024 * MiB, 16 * MiB, 2, { 6, 0 }, { 2, 1024 * MiB, 16 * MiB } },
		{ 2, 0, 1024 * MiB, 16 * MiB, 8, { 3, 0 }, { 2, 1024 * MiB, 16 * MiB } },
		/* workers that are configured stay */
		{ 1, 6, 1024 * MiB, 16 * MiB, 8, { 2, 0 }, { 6, 1024 * MiB, 16 * MiB } },
		/* memory: three quarters for all workers, a quarter of a worker's for a lease */
		{ 1, 2, 1024 * MiB, 16 * MiB, 8, { 0, 1024 * MiB }, { 2, 384 * MiB, 16 * MiB } },
		{ 2, 2, 1024 * MiB, 64 * MiB, 8, { 0, 512 * MiB }, { 2, 96 * MiB, 24 * MiB } },
		{ 1, 2, 64 * MiB, 1 * MiB, 8, { 0, 4096 * MiB }, { 2, 64 * MiB, 1 * MiB } },
		/* never below what the settings allow */
		{ 4, 8, 1024 * MiB, 16 * MiB, 8, { 0, 64 * MiB }, { 8, 16 * MiB, 4 * MiB } },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const struct settings set = {
			.processes = rows[i].processes,
			.workers = rows[i].workers,
			.worker_memory = rows[i].worker_memory,
			.lease_bytes = rows[i].lease_bytes,
		};
		struct host_sizes fit;

		host_sizes(&set, rows[i].cores, &rows[i].limits, &fit);
		assert_int_equal(fit.workers, rows[i].fit.workers);
		assert_int_equal(fit.worker_memory, rows[i].fit.worker_memory);
		assert_int_equal(fit.lease_bytes, rows[i].fit.lease_bytes);
	}
}

#define TREE(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas_are_read),
		cmocka_unit_test(folders_are_found),
		TREE(without_groups_there_is_no_limit),
		TREE(version_2_takes_the_least_on_the_way_up),
		TREE(version_1_has_a_tree_for_each),
		cmocka_unit_test(sizes_fit_the_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
