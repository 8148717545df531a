/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_descriptor.c - what the entry function returned, checked and copied.
 *
 * The plugin may be older than this host: only as many bytes as it says are
 * read, and what it does not know is zero. Each check prints both values.
 */
#include "stage/stage_priv.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the descriptor as each minor of this major had it: never less. */
static const size_t size_of_minor[PS_ABI_MINOR_MAX + 1] = {
	offsetof(struct ps_stage, quiesce) + sizeof(ps_quiesce_fn *),
	offsetof(struct ps_stage, quiesce) + sizeof(ps_quiesce_fn *),
};

#define SIZE_MOST 65536u

static enum status
check_head(const struct ps_stage *from, struct fault *fault)
{
	if (from->magic != PS_MAGIC)
		return fault_set(fault, INVALID,
		                 "its descriptor has the magic number 0x%08x, not 0x%08x",
		                 from->magic, PS_MAGIC);
	if (from->abi_major != PS_ABI_MAJOR)
		return fault_set(fault, INVALID,
		                 "its descriptor is of ABI %u, this host has ABI %u",
		                 (unsigned)from->abi_major, (unsigned)PS_ABI_MAJOR);
	if (from->abi_minor > PS_ABI_MINOR_MAX)
		return fault_set(fault, INVALID, "it needs ABI %u.%u or later, this host has %u.%u",
		                 (unsigned)from->abi_major, (unsigned)from->abi_minor,
		                 (unsigned)PS_ABI_MAJOR, (unsigned)PS_ABI_MINOR_MAX);
	if (from->size < size_of_minor[from->abi_minor] || from->size > SIZE_MOST)
		return fault_set(fault, INVALID,
		                 "its descriptor has %u bytes, ABI %u.%u has at least %zu",
		                 from->size, (unsigned)from->abi_major, (unsigned)from->abi_minor,
		                 size_of_minor[from->abi_minor]);
	if (from->need_features & ~STAGE_FEATURES)
		return fault_set(
		    fault, INVALID, "it needs the features 0x%llx, this host has 0x%llx",
		    (unsigned long long)from->need_features, (unsigned long long)STAGE_FEATURES);
	return OK;
}

static enum status
contradiction(struct fault *fault, const char *what, const char *manifest, const char *descriptor)
{
	return fault_set(fault, INVALID, "its manifest says %s '%s', its descriptor '%s'", what,
	                 manifest, descriptor);
}

static enum status
same_text(const char *what, const char *manifest, const char *descriptor, struct fault *fault)
{
	if (!manifest)
		manifest = "";
	if (!descriptor)
		descriptor = "";
	return strcmp(manifest, descriptor) == 0 ? OK
	                                         : contradiction(fault, what, manifest, descriptor);
}

static enum status
same_flag(const char *what, bool manifest, bool descriptor, struct fault *fault)
{
	return manifest == descriptor ? OK
	                              : contradiction(fault, what, manifest ? "true" : "false",
	                                              descriptor ? "true" : "false");
}

static enum status
same_number(const char *what, int64_t manifest, int64_t descriptor, struct fault *fault)
{
	char m[24], d[24];

	if (manifest < 0 || manifest == descriptor) /* -1: could not be read without a compiler */
		return OK;
	snprintf(m, sizeof m, "%lld", (long long)manifest);
	snprintf(d, sizeof d, "%lld", (long long)descriptor);
	return contradiction(fault, what, m, d);
}

static const char *
threading_name(uint32_t threading)
{
	static const char *const names[] = { "reentrant", "per_thread", "serial" };

	return threading < countof(names) ? names[threading] : "?";
}

static enum status
same_routes(const struct stage_manifest *manifest, const struct release *r, struct fault *fault)
{
	enum status st = same_number("number of routes", (int64_t)manifest->n_routes,
	                             (int64_t)r->n_routes, fault);

	for (size_t i = 0; i < r->n_routes && st == OK; i++)
		st = same_text("route", manifest->routes[i], r->routes[i], fault);
	return st;
}

static enum status
same_options(const struct stage_manifest *manifest, const struct release *r, struct fault *fault)
{
	enum status st = same_number("number of options", (int64_t)manifest->n_options,
	                             (int64_t)r->n_options, fault);

	for (size_t i = 0; i < r->n_options && st == OK; i++) {
		const struct stage_manifest_option *m = &manifest->options[i];
		const struct ps_option *d = &r->options[i];
		char what[96];

		snprintf(what, sizeof what, "option %zu", i + 1);
		st = same_text(what, m->name, d->name, fault);
		snprintf(what, sizeof what, "type of option %s", m->name);
		if (st == OK)
			st = same_text(what, m->type, option_type_name(d->type), fault);
		snprintf(what, sizeof what, "default of option %s", m->name);
		if (st == OK)
			st = same_text(what, m->fallback, d->fallback, fault);
		snprintf(what, sizeof what, "choices of option %s", m->name);
		if (st == OK)
			st = same_text(what, m->choices, d->choices, fault);
		snprintf(what, sizeof what, "option %s required", m->name);
		if (st == OK)
			st = same_flag(what, m->required, d->flags & PS_OPTION_REQUIRED, fault);
	}
	return st;
}

static enum status
same_counters(const struct stage_manifest *manifest, const struct release *r, struct fault *fault)
{
	enum status st;

	if (!r->d.counters) /* declared, and not hung on the stage */
		return OK;
	st = same_number("number of counters", (int64_t)manifest->n_counters,
	                 (int64_t)r->n_counters, fault);
	for (size_t i = 0; i < r->n_counters && st == OK; i++)
		st = same_text("counter", manifest->counters[i].name, r->counters[i].name, fault);
	return st;
}

static enum status
check_manifest(const struct stage_manifest *m, const struct release *r, struct fault *fault)
{
	const struct ps_stage *d = &r->d;
	enum status st = same_text("name", m->name, d->name, fault);

	if (st == OK)
		st = same_text("version", m->version, d->version, fault);
	if (st == OK)
		st = same_text("summary", m->summary, d->summary, fault);
	if (st == OK)
		st = same_number("ABI minor", m->abi_minor, d->abi_minor, fault);
	if (st == OK)
		st = same_text("form", m->form, d->each ? "each" : "process", fault);
	if (st == OK)
		st = same_text("threading", m->threading, threading_name(d->threading), fault);
	if (st == OK)
		st = same_flag("transactional", m->transactional, d->flags & PS_FLAG_TRANSACTIONAL,
		               fault);
	if (st == OK)
		st = same_flag("reads_db", m->reads_db, d->flags & PS_FLAG_READS_DB, fault);
	if (st == OK)
		st = same_number("max_in_flight", m->max_in_flight, d->max_in_flight, fault);
	if (st == OK)
		st = same_number("max_call", m->max_call, d->max_call, fault);
	if (st == OK)
		st = same_routes(m, r, fault);
	if (st == OK)
		st = same_options(m, r, fault);
	if (st == OK)
		st = same_counters(m, r, fault);
	return st;
}

/* Elements are as large as the plugin says; the part that we know is copied. */
static enum status
copy_options(struct release *r, struct fault *fault)
{
	const char *from = (const char *)r->d.options;
	size_t element = r->d.option_size, known = sizeof(struct ps_option);

	if (!from)
		return OK;
	if (element < known || element > SIZE_MOST)
		return fault_set(fault, INVALID, "its options have %zu bytes each, ABI %u has %zu",
		                 element, (unsigned)PS_ABI_MAJOR, known);
	for (; ((const struct ps_option *)(const void *)from)->name; from += element) {
		struct ps_option *to;

		if (r->n_options == 1000)
			return fault_set(fault, INVALID, "its options do not end (no NULL name)");
		r->options = mem_array(r->options, r->n_options + 1, sizeof *r->options);
		to = &r->options[r->n_options++];
		memcpy(to, from, known);
		if (to->type == 0 || to->type > PS_TYPE_SECRET)
			return fault_set(fault, INVALID, "its option %s has the unknown type %u",
			                 to->name, to->type);
		if (to->offset > r->d.options_size ||
		    option_size(to->type) > r->d.options_size - to->offset)
			return fault_set(fault, INVALID,
			                 "its option %s lies at byte %u of a struct of %u",
			                 to->name, to->offset, r->d.options_size);
	}
	return OK;
}

static enum status
copy_counters(struct release *r, struct fault *fault)
{
	const char *from = (const char *)r->d.counters;
	size_t element = r->d.counter_size, known = sizeof(struct ps_counter);

	if (!from)
		return OK;
	if (element < known || element > SIZE_MOST)
		return fault_set(fault, INVALID, "its counters have %zu bytes each, ABI %u has %zu",
		                 element, (unsigned)PS_ABI_MAJOR, known);
	for (; ((const struct ps_counter *)(const void *)from)->name; from += element) {
		if (r->n_counters == STAGE_COUNTERS)
			return fault_set(fault, INVALID, "it declares more than %u counters",
			                 STAGE_COUNTERS);
		memcpy(&r->counters[r->n_counters++], from, known);
	}
	return OK;
}

static enum status
check_rest(const struct release *r, struct fault *fault)
{
	const struct ps_stage *d = &r->d;

	if (!d->process == !d->each)
		return fault_set(fault, INVALID, "it has %s process() and each(): one is needed",
		                 d->process ? "both" : "neither");
	if (d->threading > PS_SERIAL)
		return fault_set(fault, INVALID, "its threading is %u, unknown to this host",
		                 d->threading);
	if ((d->flags & PS_FLAG_TRANSACTIONAL) && (d->flags & PS_FLAG_LATER))
		return fault_set(fault, INVALID,
		                 "it is transactional and answers LATER: one excludes the other");
	if ((d->flags & PS_FLAG_LATER) && d->max_in_flight == 0)
		return fault_set(fault, INVALID, "it answers LATER with max_in_flight 0");
	if (!(d->flags & PS_FLAG_LATER) && d->max_in_flight != 0)
		return fault_set(fault, INVALID, "its max_in_flight is %u without LATER",
		                 d->max_in_flight);
	return OK;
}

enum status
stage_descriptor_read(const struct ps_stage *from, const struct stage_manifest *manifest,
                      struct release *release, struct fault *fault)
{
	size_t size;
	enum status st;

	if (!from)
		return fault_set(fault, INVALID, "%s() returned NULL", PS_ENTRY_NAME);
	st = check_head(from, fault);
	if (st != OK)
		return st;
	size = from->size < sizeof release->d ? from->size : sizeof release->d;
	memcpy(&release->d, from, size);
	stage_split(release->d.routes ? release->d.routes : "done", &release->routes,
	            &release->n_routes);
	st = copy_options(release, fault);
	if (st == OK)
		st = copy_counters(release, fault);
	if (st == OK)
		st = check_rest(release, fault);
	if (st == OK)
		st = check_manifest(manifest, release, fault);
	return st;
}
