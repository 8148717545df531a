/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_segment.c - make and map the shared-memory segment.
 *
 * The file is made whole under another name and renamed: a reader maps either
 * the old one or the new one, never one that shrinks under it. Nothing here is
 * ever freed while a process lives; the file stays for who wants the last
 * values of a dead host.
 */
#include "counters/counters_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct recorder_line) == 64, "a recorder line is one cache line");
_Static_assert(sizeof(struct counter_slot) % 64 == 0, "slots do not share cache lines");
_Static_assert(sizeof(struct worker_line) % 64 == 0, "nor do the lines of workers");

void
counters_copy_name(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

/* Blocks are reserved at once: a store into a hole of a full file system would be SIGBUS. */
static enum status
make_file(const char *path, int *ret_fd, struct fault *fault)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int error;

	if (fd < 0)
		return fault_errno(fault, errno, "cannot create the counters file %s", path);
	error = posix_fallocate(fd, 0, (off_t)sizeof(struct segment));
	if (error) {
		close(fd);
		unlink(path);
		return fault_errno(fault, error,
		                   "cannot reserve %zu bytes for the counters file %s",
		                   sizeof(struct segment), path);
	}
	*ret_fd = fd;
	return OK;
}

static void
fill_header(struct segment *segment, const char *host)
{
	segment->size = sizeof *segment;
	segment->started_wall_ns = clock_wall();
	segment->started_mono_ns = clock_mono();
	segment->supervisor_pid = (int32_t)getpid();
	counters_copy_name(segment->host, sizeof segment->host, host);
	directory_init(&segment->directory);
	segment->version = COUNTERS_VERSION;
	segment->magic = COUNTERS_MAGIC;
}

enum status
counters_create(const char *path, const char *host, struct segment **ret_segment,
                struct fault *fault)
{
	char *beside = mem_printf("%s.%d", path, (int)getpid());
	struct segment *segment;
	enum status st;
	int fd = -1;

	unlink(beside); /* of an earlier process with our pid that died here */
	st = make_file(beside, &fd, fault);
	if (st != OK)
		goto out;
	segment = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (segment == MAP_FAILED) {
		st = fault_errno(fault, errno, "cannot map the counters file %s", path);
		goto fail;
	}
	fill_header(segment, host);
	if (rename(beside, path) != 0) {
		st = fault_errno(fault, errno, "cannot put the counters file at %s", path);
		munmap(segment, sizeof *segment);
		goto fail;
	}
	close(fd);
	*ret_segment = segment;
	st = OK;
	goto out;

fail:
	close(fd);
	unlink(beside);
out:
	free(beside);
	return st;
}

static enum status
check_header(const struct segment *segment, const char *path, struct fault *fault)
{
	if (segment->magic != COUNTERS_MAGIC)
		return fault_set(fault, INVALID, "%s is not a counters file", path);
	if (segment->version != COUNTERS_VERSION)
		return fault_set(fault, INVALID,
		                 "%s has layout version %u, this program reads version %u", path,
		                 segment->version, COUNTERS_VERSION);
	if (segment->size != sizeof *segment)
		return fault_set(fault, INVALID, "%s says that it has %llu bytes, not %zu", path,
		                 (unsigned long long)segment->size, sizeof *segment);
	return OK;
}

/* Another version may be shorter than our struct: its header is read, not mapped. */
static enum status
check_file(int fd, const char *path, struct fault *fault)
{
	struct segment *header = mem_alloc(offsetof(struct segment, worker));
	enum status st;
	struct stat info;
	ssize_t got;

	got = pread(fd, header, offsetof(struct segment, worker), 0);
	if (got < 0)
		st = fault_errno(fault, errno, "cannot read %s", path);
	else if (got < (ssize_t)offsetof(struct segment, started_wall_ns))
		st = fault_set(fault, INVALID, "%s is not a counters file: too short", path);
	else
		st = check_header(header, path, fault);
	if (st == OK && (fstat(fd, &info) != 0 || info.st_size < (off_t)sizeof(struct segment)))
		st = fault_set(fault, INVALID, "%s is cut short", path);
	free(header);
	return st;
}

enum status
counters_open(const char *path, const struct segment **ret_segment, struct fault *fault)
{
	const struct segment *segment;
	enum status st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return fault_set(fault, NOT_FOUND, "there is no counters file %s", path);
	if (fd < 0)
		return fault_errno(fault, errno, "cannot open %s", path);
	st = check_file(fd, path, fault);
	if (st != OK)
		goto out;
	segment = mmap(NULL, sizeof *segment, PROT_READ, MAP_SHARED, fd, 0);
	if (segment == MAP_FAILED)
		st = fault_errno(fault, errno, "cannot map %s", path);
	else
		*ret_segment = segment;
out:
	close(fd);
	return st;
}

void
counters_close(const struct segment *segment)
{
	if (segment)
		munmap((void *)(uintptr_t)segment, sizeof *segment);
}

/* Processes of one supervisor may come in any order. */
void
counters_boot(struct segment *segment, int64_t host, int64_t at_us, int64_t beside)
{
	int64_t first = __atomic_load_n(&segment->first_boot, __ATOMIC_ACQUIRE);
	int64_t at = __atomic_load_n(&segment->first_boot_us, __ATOMIC_ACQUIRE);

	while ((first == 0 || host < first) &&
	       !__atomic_compare_exchange_n(&segment->first_boot, &first, host, false,
	                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
	while ((at == 0 || at_us < at) &&
	       !__atomic_compare_exchange_n(&segment->first_boot_us, &at, at_us, false,
	                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
	__atomic_fetch_add(&segment->boots_beside, (uint64_t)beside, __ATOMIC_RELAXED);
	__atomic_fetch_add(&segment->n_boots, 1, __ATOMIC_RELEASE);
}

static double
as_double(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

void
counter_own(struct counter_slot *slot, unsigned i, const char *name, enum own_kind kind,
            double value)
{
	struct own_counter *own;
	uint64_t bits;

	if (!slot || i >= COUNTERS_OWN)
		return;
	own = &slot->own[i];
	if (kind == OWN_COUNTER)
		value += as_double(own->bits);
	memcpy(&bits, &value, sizeof bits);
	__atomic_store_n(&own->bits, bits, __ATOMIC_RELAXED);
	if (kind == OWN_GAUGE)
		__atomic_store_n(&own->set_at, clock_mono(), __ATOMIC_RELAXED);
	if (own->kind == 0) {
		counters_copy_name(own->name, sizeof own->name, name);
		__atomic_store_n(&own->kind, (uint32_t)kind, __ATOMIC_RELEASE);
	}
}
