/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_open.c - load one version of a stage: its bytes and its options.
 *
 * The file is read once. What was read is hashed, checked and copied under its
 * hash, and that copy is loaded: the package manager may overwrite the original
 * while we run, and the loader would return the old code for a known path.
 * Code is never unloaded: a thread may still have a destructor in it.
 */
#include "stage/stage_priv.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- identity ---- */

static void
identify(struct release *r, const struct stage_manifest *manifest, const struct config_stage *stage)
{
	struct buf text;
	struct sha256 options;

	buf_init(&text);
	config_options_text(stage, &text);
	sha256_of(text.data ? text.data : "", text.len, &options);
	buf_done(&text);
	for (size_t i = 0; i < 8; i++)
		snprintf(r->id + 2 * i, 3, "%02x",
		         (unsigned)(manifest->sum.bytes[i] ^ options.bytes[i]));
}

/* ---- the file ---- */

/* The copy of an earlier start is used again when it still holds what its name says. */
static bool
copy_is_there(const char *path, const struct sha256 *sum)
{
	struct fault ignored = { 0 };
	struct sha256 found;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool same;

	if (fd < 0)
		return false;
	same = sha256_file(fd, &found, &ignored) == OK && memcmp(&found, sum, sizeof found) == 0;
	close(fd);
	return same;
}

static enum status
keep_copy(const struct stage_spec *spec, const struct stage_manifest *manifest,
          const struct buf *file, char **ret_path, struct fault *fault)
{
	char hex[65], *folder, *path;
	enum status st = OK;

	sha256_hex(&manifest->sum, hex);
	folder = mem_printf("%s/plugins/%s", spec->state_dir, hex);
	path = mem_printf("%s/%s.so", folder, manifest->name);
	if (!copy_is_there(path, &manifest->sum)) {
		st = file_mkdirs(folder, 0755, fault);
		if (st == OK)
			st = file_write(path, file->data, file->len, 0555, fault);
	}
	free(folder);
	if (st == OK)
		*ret_path = path;
	else
		free(path);
	return st;
}

static enum status
read_file(const struct stage_spec *spec, struct buf *file, struct stage_manifest **ret_manifest,
          char **ret_path, struct fault *fault)
{
	enum status st;
	int fd;

	st = stage_trust_open(spec->path, spec->strict, &fd, fault);
	if (st != OK)
		return st;
	st = stage_file_read(fd, spec->path, file, fault);
	close(fd);
	if (st == OK)
		st = stage_elf_check_stack(file->data, file->len, fault);
	if (st != OK && !fault->where[0])
		fault_where(fault, "%s", spec->path);
	if (st == OK)
		st = stage_manifest_parse(spec->path, file->data, file->len, ret_manifest, fault);
	if (st != OK)
		return st;
	if (spec->state_dir)
		st = keep_copy(spec, *ret_manifest, file, ret_path, fault);
	else if (!(*ret_path = realpath(spec->path, NULL)))
		st = fault_errno(fault, errno, "cannot find %s", spec->path);
	if (st != OK)
		stage_manifest_free(*ret_manifest);
	return st;
}

/* ---- the code ---- */

/* dlerror() begins with the path that it could not load: ours already says it. */
static const char *
loader_text(const char *path)
{
	const char *text = dlerror();
	size_t len = strlen(path);

	if (!text)
		return "the loader does not say why";
	if (strncmp(text, path, len) == 0 && text[len] == ':')
		text += len + 1 + strspn(text + len + 1, " ");
	return text;
}

static enum status
load(struct release *r, const struct stage_manifest *manifest, struct fault *fault)
{
	union {
		void *address;
		ps_entry_fn *call;
	} entry;

	r->handle = dlopen(r->path, RTLD_NOW | RTLD_LOCAL);
	if (!r->handle) {
		fault_set(fault, INVALID, "cannot load it: %s", loader_text(r->path));
		stage_loader_hint(fault);
		return INVALID;
	}
	entry.address = dlsym(r->handle, PS_ENTRY_NAME);
	if (!entry.address)
		return fault_set(fault, INVALID, "it exports no function %s", PS_ENTRY_NAME);
	return stage_descriptor_read(entry.call(), manifest, r, fault);
}

/* ---- the instance ---- */

/* What ps_open.host_data points to while open() runs. */
struct opening {
	char text[512];
};

void
stage_open_error(const struct ps_open *open, const char *text)
{
	struct opening *opening = open->host_data;

	text_clean(text ? text : "", text ? strlen(text) : 0, opening->text, sizeof opening->text);
}

enum status
stage_instance_open(struct release *r, void **ret_instance, struct fault *fault)
{
	struct opening opening = { "" };
	struct ps_open open = {
		.size = sizeof open,
		.host = &stage_host,
		.options = r->option_struct,
		.pipeline = r->pipeline,
		.stage = r->stage,
		.host_data = &opening,
	};
	void *instance = NULL;
	int code;

	if (!r->d.open) {
		*ret_instance = NULL;
		return OK;
	}
	code = r->d.open(&open, &instance);
	if (code != 0) {
		if (opening.text[0])
			fault_set(fault, INVALID, "the stage does not open: %s", opening.text);
		else
			fault_set(fault, INVALID,
			          "the stage does not open: open() gave %d and does not say why",
			          code);
		fault_where(fault, "%s.%s", r->pipeline, r->stage);
		return INVALID;
	}
	*ret_instance = instance;
	return OK;
}

/* ---- the whole ---- */

static void
release_free(struct release *r)
{
	for (size_t i = 0; i < r->n_options && r->option_values; i++)
		option_value_done(&r->option_values[i]);
	for (uint32_t i = 0; i < r->n_workers; i++)
		free(r->workers[i].jobs);
	free(r->workers);
	free(r->option_values);
	free(r->option_struct);
	free(r->options);
	stage_split_free(r->routes, r->n_routes);
	free(r->pipeline);
	free(r->stage);
	free(r->path);
	pthread_mutex_destroy(&r->serial);
	free(r);
}

static enum status
configure(struct release *r, const struct stage_spec *spec, struct fault *fault)
{
	enum status st;

	if (options_check(r->d.name, r->options, r->n_options, spec->stage, false, NULL, fault) > 0)
		return INVALID;
	st = options_fill(r->options, r->n_options, r->d.options_size, spec->stage,
	                  &r->option_struct, &r->option_values, fault);
	if (st != OK)
		return st;
	if (r->d.threading == PS_PER_THREAD) /* opened by stage_thread_init() */
		return OK;
	return stage_instance_open(r, &r->instance, fault);
}

static struct release *
release_new(const struct stage_spec *spec)
{
	struct release *r = mem_alloc(sizeof *r);

	r->pipeline = mem_dup(spec->pipeline);
	r->stage = mem_dup(spec->stage->name);
	r->n_workers = spec->workers;
	r->workers = aligned_alloc(64, (spec->workers + 1) * sizeof *r->workers);
	check(r->workers);
	memset(r->workers, 0, (spec->workers + 1) * sizeof *r->workers);
	pthread_mutex_init(&r->serial, NULL);
	return r;
}

enum status
stage_open(const struct stage_spec *spec, struct release **ret_release, struct fault *fault)
{
	struct release *r = release_new(spec);
	struct stage_manifest *manifest = NULL;
	struct fault local = { 0 };
	struct buf file;
	enum status st;

	if (!fault)
		fault = &local;
	buf_init(&file);
	st = read_file(spec, &file, &manifest, &r->path, fault);
	buf_done(&file);
	if (st != OK)
		goto fail;
	identify(r, manifest, spec->stage);
	st = load(r, manifest, fault);
	stage_manifest_free(manifest);
	if (st != OK) {
		fault_where(fault, "%s", spec->path);
		goto fail;
	}
	st = configure(r, spec, fault);
	if (st != OK)
		goto fail;
	later_register(r);
	*ret_release = r;
	return OK;

fail:
	release_free(r);
	return st;
}

void
stage_close(struct release *r)
{
	if (!r)
		return;
	if (r->d.threading != PS_PER_THREAD) {
		if (r->d.quiesce)
			r->d.quiesce(r->instance);
		if (r->d.close)
			r->d.close(r->instance);
	}
	later_unregister(r);
	release_free(r);
}

enum status
stage_thread_init(struct release *r, uint32_t worker, struct fault *fault)
{
	struct release_worker *w = &r->workers[worker];
	enum status st;
	int code;

	check(worker < r->n_workers && !w->ready);
	w->instance = r->instance;
	w->sample = splitmix64(worker + 1);
	w->mean_ns = 2 * 10000; /* until it is known, each job is timed */
	if (r->d.threading == PS_PER_THREAD) {
		st = stage_instance_open(r, &w->instance, fault);
		if (st != OK)
			return st;
	}
	w->thread = NULL;
	code = r->d.thread_init ? r->d.thread_init(w->instance, &w->thread) : 0;
	if (code != 0) {
		if (r->d.threading == PS_PER_THREAD && r->d.close)
			r->d.close(w->instance);
		fault_set(fault, INVALID, "thread_init() failed with %d", code);
		fault_where(fault, "%s.%s", r->pipeline, r->stage);
		return INVALID;
	}
	w->ready = true;
	return OK;
}

void
stage_thread_fini(struct release *r, uint32_t worker)
{
	struct release_worker *w = &r->workers[worker];

	if (worker >= r->n_workers || !w->ready)
		return;
	w->ready = false;
	if (r->d.thread_fini)
		r->d.thread_fini(w->instance, w->thread);
	if (r->d.threading != PS_PER_THREAD)
		return;
	if (r->d.quiesce)
		r->d.quiesce(w->instance);
	if (r->d.close)
		r->d.close(w->instance);
}

/* ---- what others ask ---- */

const char *
release_id(const struct release *release)
{
	return release->id;
}

const char *
release_pipeline(const struct release *release)
{
	return release->pipeline;
}

const char *
release_stage(const struct release *release)
{
	return release->stage;
}

const struct ps_stage *
release_descriptor(const struct release *release)
{
	return &release->d;
}

bool
release_has_route(const struct release *release, const char *route)
{
	for (size_t i = 0; i < release->n_routes; i++)
		if (strcmp(release->routes[i], route) == 0)
			return true;
	return false;
}

const char *
release_default_route(const struct release *release)
{
	return release->routes[0];
}
