/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_directory.c - which slot belongs to whom, and what becomes of those
 * that nobody counts in any more.
 *
 * Never lets a writer's death harm anybody: the lock is a robust mutex, and a
 * change is written down before it is made. See the note on the directory in
 * counters.h.
 *
 * Note on doing it again: before word `step` of a slot is changed its old value
 * is in was[step & 1], and only then does `step` name it. Whoever finds the
 * change sets that word to old value + from's value, whether or not that was
 * done already, and goes on with the next.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters/counters_priv.h"

/* Slots are taken back when fewer than one in so many are left. */
#define SCARCE 4u
/* A writer that is stopped in the middle, but not dead, keeps others for so long and not longer. */
#define LOCK_PATIENCE 5 /* s */

void (*counters_step_hook)(void);

static void
step(void)
{
	if (counters_step_hook)
		counters_step_hook();
}

#define STORE(where, v)                                                                            \
	do {                                                                                       \
		__atomic_store_n(&(where), (v), __ATOMIC_RELEASE);                                 \
		step();                                                                            \
	} while (0)

/* ---- words ---- */

static uint64_t
load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void
store(uint64_t *value, uint64_t v)
{
	__atomic_store_n(value, v, __ATOMIC_RELAXED);
}

static double
as_double(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static uint64_t
as_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* Releases may declare other counters, or in another order: the name decides. NULL: no room. */
static const struct own_counter *
own_in(const struct counter_slot *into, const struct own_counter *from)
{
	for (unsigned i = 0; i < COUNTERS_OWN; i++) {
		const struct own_counter *own = &into->own[i];

		if (own->kind == 0 || (own->kind == from->kind &&
		                       strncmp(own->name, from->name, sizeof own->name) == 0))
			return own;
	}
	return NULL;
}

static void
add_own(struct counter_slot *into, const struct own_counter *from, uint64_t was)
{
	struct own_counter *own;

	if (from->kind == 0)
		return;
	own = (struct own_counter *)(uintptr_t)own_in(into, from);
	if (!own)
		return;
	if (from->kind == OWN_COUNTER) {
		store(&own->bits, as_bits(as_double(was) + as_double(from->bits)));
	} else if (from->set_at >= own->set_at) {
		store(&own->bits, from->bits);
		own->set_at = from->set_at;
	}
	if (own->kind == 0) {
		memcpy(own->name, from->name, sizeof own->name);
		__atomic_store_n(&own->kind, from->kind, __ATOMIC_RELEASE);
	}
}

uint64_t
slot_word(const struct counter_slot *into, const struct counter_slot *from, uint32_t word)
{
	const struct own_counter *own;

	if (word < COUNTER_N)
		return load(&into->value[word]);
	word -= COUNTER_N;
	if (word < HISTOGRAM_BUCKETS)
		return load(&into->time.bucket[word]);
	word -= HISTOGRAM_BUCKETS;
	own = from->own[word].kind ? own_in(into, &from->own[word]) : NULL;
	return own ? load(&own->bits) : 0;
}

static void
add_value(struct counter_slot *into, const struct counter_slot *from, enum counter c, uint64_t was)
{
	uint64_t more = load(&from->value[c]);

	switch (counter_kind(c)) {
	case COUNTER_SUM: store(&into->value[c], was + more); break;
	case COUNTER_MAX: store(&into->value[c], more > was ? more : was); break;
	case COUNTER_OF: /* the MAX before it is settled already */
		store(&into->value[c],
		      load(&into->value[c - 1]) == load(&from->value[c - 1]) ? more : was);
		break;
	}
}

void
slot_add_word(struct counter_slot *into, const struct counter_slot *from, uint32_t word,
              uint64_t was)
{
	if (word < COUNTER_N)
		add_value(into, from, (enum counter)word, was);
	else if (word - COUNTER_N < HISTOGRAM_BUCKETS)
		store(&into->time.bucket[word - COUNTER_N],
		      was + load(&from->time.bucket[word - COUNTER_N]));
	else
		add_own(into, &from->own[word - COUNTER_N - HISTOGRAM_BUCKETS], was);
}

void
slot_finish_add(struct counter_slot *into, const struct counter_slot *from, uint32_t at,
                uint64_t was)
{
	for (uint32_t word = at; word < SLOT_WORDS; word++) {
		slot_add_word(into, from, word, was);
		if (word + 1 < SLOT_WORDS)
			was = slot_word(into, from, word + 1);
	}
}

/* ---- changes; under the lock ---- */

static void
begin(struct directory *d)
{
	STORE(d->sequence, d->sequence + 1);
	check(d->sequence % 2 == 1);
}

static void
end(struct directory *d)
{
	STORE(d->sequence, d->sequence + 1);
	check(d->sequence % 2 == 0);
}

static void
rest(struct counter_slot *slot)
{
	slot->left_at = clock_mono();
	STORE(slot->state, SLOT_RESTING);
}

/* From word d->step on, whose old value is written down. */
static void
add_on(struct segment *segment)
{
	struct directory *d = &segment->directory;
	struct counter_slot *from = &segment->slot[d->from], *into = &segment->slot[d->into];

	for (;;) {
		uint32_t next = d->step + 1;

		slot_add_word(into, from, d->step, d->was[d->step & 1]);
		step();
		if (next == SLOT_WORDS)
			break;
		STORE(d->was[next & 1], slot_word(into, from, next));
		STORE(d->step, next);
	}
	rest(from);
	STORE(d->op, CHANGE_NONE);
}

/* What the dead holder of the lock had begun. */
static void
finish_change(struct segment *segment)
{
	struct directory *d = &segment->directory;

	if (d->sequence % 2 == 0)
		return;
	if (d->op == CHANGE_ADD)
		add_on(segment);
	end(d);
}

static void
add_slot(struct segment *segment, struct counter_slot *from, struct counter_slot *into)
{
	struct directory *d = &segment->directory;

	begin(d);
	d->from = from->index;
	d->into = into->index;
	d->was[0] = slot_word(into, from, 0);
	STORE(d->step, 0);
	into->flags |= from->flags;
	STORE(d->op, CHANGE_ADD);
	add_on(segment);
	end(d);
}

/* ---- the lock ---- */

void
directory_init(struct directory *d)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	check(pthread_mutex_init(&d->lock, &attr) == 0);
	pthread_mutexattr_destroy(&attr);
}

/* Tries first: mostly nobody holds it, and ThreadSanitizer knows of a dead owner from a lock that
 * is tried or waited for without end, not from one with a timeout. */
static bool
lock(struct segment *segment)
{
	struct timespec until;
	int error = pthread_mutex_trylock(&segment->directory.lock);

	if (error == EBUSY) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOCK_PATIENCE;
		error = pthread_mutex_timedlock(&segment->directory.lock, &until);
	}
	if (error == EOWNERDEAD) {
		finish_change(segment);
		pthread_mutex_consistent(&segment->directory.lock);
		error = 0;
	}
	return error == 0;
}

static void
unlock(struct segment *segment)
{
	pthread_mutex_unlock(&segment->directory.lock);
}

/* ---- slots ---- */

struct slot_name {
	uint32_t worker;
	char pipeline[64], stage[64], release[24];
};

static bool
same_stage(const struct counter_slot *slot, const struct slot_name *name)
{
	return slot->worker == name->worker &&
	       strncmp(slot->pipeline, name->pipeline, sizeof slot->pipeline) == 0 &&
	       strncmp(slot->stage, name->stage, sizeof slot->stage) == 0;
}

static struct counter_slot *
find(struct segment *segment, const struct slot_name *name, const char *release)
{
	uint32_t n = counters_n_slots(segment);

	for (uint32_t i = 0; i < n; i++) {
		struct counter_slot *slot = &segment->slot[i];

		if (slot->state == SLOT_USED && same_stage(slot, name) &&
		    strncmp(slot->release, release, sizeof slot->release) == 0)
			return slot;
	}
	return NULL;
}

/* Free, or rested for long enough. */
static struct counter_slot *
find_free(struct segment *segment)
{
	uint32_t n = counters_n_slots(segment);
	int64_t now = clock_mono();

	if (n < COUNTERS_SLOTS)
		return &segment->slot[n];
	for (uint32_t i = 0; i < n; i++) {
		struct counter_slot *slot = &segment->slot[i];

		if (slot->state == SLOT_FREE ||
		    (slot->state == SLOT_RESTING && now - slot->left_at >= COUNTERS_REST))
			return slot;
	}
	return NULL;
}

static struct counter_slot *
take(struct segment *segment, struct counter_slot *slot, const struct slot_name *name)
{
	uint32_t index = (uint32_t)(slot - segment->slot);

	begin(&segment->directory);
	STORE(slot->state, SLOT_FREE);
	memset(slot, 0, sizeof *slot);
	step();
	slot->worker = name->worker;
	slot->index = index;
	memcpy(slot->pipeline, name->pipeline, sizeof slot->pipeline);
	memcpy(slot->stage, name->stage, sizeof slot->stage);
	memcpy(slot->release, name->release, sizeof slot->release);
	STORE(slot->state, SLOT_USED);
	if (index >= counters_n_slots(segment))
		atomic_store_explicit(&segment->n_slots, index + 1, memory_order_release);
	step();
	end(&segment->directory);
	return slot;
}

static bool
scarce(const struct segment *segment)
{
	uint32_t n = counters_n_slots(segment), taken = 0;

	for (uint32_t i = 0; i < n; i++)
		taken += segment->slot[i].state != SLOT_FREE;
	return COUNTERS_SLOTS - taken < COUNTERS_SLOTS / SCARCE;
}

static struct counter_slot *
left_longest_ago(struct segment *segment)
{
	struct counter_slot *oldest = NULL;
	uint32_t n = counters_n_slots(segment);

	for (uint32_t i = 0; i < n; i++) {
		struct counter_slot *slot = &segment->slot[i];

		if (slot->state == SLOT_USED && !__atomic_load_n(&slot->live, __ATOMIC_ACQUIRE) &&
		    slot->release[0] && (!oldest || slot->left_at < oldest->left_at))
			oldest = slot;
	}
	return oldest;
}

/* The release that was left longest ago becomes one of the earlier ones of its stage: under
 * another name when it is the first, else by addition, which makes room when it has rested. */
static void
make_room(struct segment *segment)
{
	struct counter_slot *slot = left_longest_ago(segment), *earlier;
	struct slot_name name;

	if (!slot)
		return;
	name.worker = slot->worker;
	memcpy(name.pipeline, slot->pipeline, sizeof name.pipeline);
	memcpy(name.stage, slot->stage, sizeof name.stage);
	earlier = find(segment, &name, "");
	if (earlier) {
		add_slot(segment, slot, earlier);
		return;
	}
	begin(&segment->directory);
	STORE(slot->release[0], '\0'); /* one byte: no reader sees half a name */
	end(&segment->directory);
}

/* What a former process of this worker had promised ended with it. */
static void
enter(struct counter_slot *slot)
{
	uint32_t pid = (uint32_t)getpid();

	if (slot->pid != pid)
		store(&slot->value[COUNTER_later_ended], load(&slot->value[COUNTER_later]));
	slot->pid = pid;
	__atomic_store_n(&slot->live, 1, __ATOMIC_RELEASE);
}

struct counter_slot *
counters_slot(struct segment *segment, uint32_t worker, const char *pipeline, const char *stage,
              const char *release)
{
	struct slot_name name = { .worker = worker };
	struct counter_slot *slot;

	counters_copy_name(name.pipeline, sizeof name.pipeline, pipeline);
	counters_copy_name(name.stage, sizeof name.stage, stage);
	counters_copy_name(name.release, sizeof name.release, release);
	if (!lock(segment))
		return NULL;
	slot = find(segment, &name, name.release);
	if (!slot) {
		if (scarce(segment))
			make_room(segment);
		slot = find_free(segment);
		if (slot)
			take(segment, slot, &name);
	}
	if (slot)
		enter(slot);
	unlock(segment);
	return slot;
}

void
counters_leave(struct counter_slot *slot)
{
	if (!slot)
		return;
	slot->left_at = clock_mono();
	__atomic_store_n(&slot->live, 0, __ATOMIC_RELEASE);
}
