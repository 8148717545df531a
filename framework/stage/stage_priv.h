/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_priv.h - what the files of stage/ share and nobody else sees.
 */
#ifndef PENSTOCK_STAGE_PRIV_H
#define PENSTOCK_STAGE_PRIV_H

#include "stage/stage.h"

#include <elf.h>
#include <pthread.h>

#define STAGE_COUNTERS 16u       /* most a plugin may declare */
#define STAGE_MESSAGE_MOST 2048u /* bytes of an outcome's message */
#define STAGE_CODE_MOST 64u      /* bytes of an outcome's code */
#define STAGE_PLUGIN_MOST ((size_t)256 << 20)
#define STAGE_MANIFEST_MOST ((size_t)256 << 10)
#define STAGE_FEATURES UINT64_C(0) /* the optional parts of the ABI that this host has */
#define BODY_MOST ((size_t)64 << 20)

/* ---- the file ---- */

/* An ELF file of this machine in memory, whose header, segments and table of sections are known to
 * lie inside. stage_elf.c, here and below */
struct elf {
	const char *bytes;
	size_t size;
	Elf64_Ehdr head;
};
enum status stage_elf_open(const void *bytes, size_t size, struct elf *ret, struct fault *fault);
/* Does it ask for a stack that can be executed? */
bool stage_elf_wants_stack(const struct elf *file);
enum status stage_elf_check_stack(const void *bytes, size_t size, struct fault *fault);
void stage_elf_segment(const struct elf *file, unsigned i, Elf64_Phdr *ret); /* i < e_phnum */
/* False: there is none, or its content is not in the file. *ret is filled while i < e_shnum. */
bool stage_elf_section_at(const struct elf *file, unsigned i, Elf64_Shdr *ret);
/* The text at an offset of a section that is in the file; "" when it does not end there. */
const char *stage_elf_text(const struct elf *file, const Elf64_Shdr *texts, uint64_t at);
/* The first section of that type and the texts that it is linked with; returns how many entries of
 * that size it has, 0 also when there is none. */
size_t stage_elf_entries(const struct elf *file, unsigned type, size_t size, Elf64_Shdr *ret,
                         Elf64_Shdr *ret_texts);
void stage_elf_entry(const struct elf *file, const Elf64_Shdr *section, size_t i, void *ret,
                     size_t size);
/* The section's bytes inside of `file`; every offset is checked. */
enum status stage_elf_section(const void *file, size_t size, const char *name, const char **ret,
                              size_t *ret_size, struct fault *fault);
/* From the bytes of a file. stage_manifest.c */
enum status stage_manifest_parse(const char *path, const void *file, size_t size,
                                 struct stage_manifest **ret, struct fault *fault);
/* One object, all of it; the caller frees. stage_manifest_json.c */
char *stage_manifest_json(const struct stage_manifest *manifest);
/* For reading, whoever may write it: see stage_trust_open(). */
enum status stage_file_open(const char *path, int *ret_fd, struct fault *fault);
/* Of an open file, which it closes: its bytes, and the manifest in them. */
enum status stage_manifest_take(int fd, const char *path, struct buf *file,
                                struct stage_manifest **ret, struct fault *fault);
/* Appends the bytes of an open file. */
enum status stage_file_read(int fd, const char *path, struct buf *ret, struct fault *fault);
/* "a, b,c" to a list of words; blanks around them and empty ones fall away. */
void stage_split(const char *text, char ***ret_words, size_t *ret_n);
void stage_split_free(char **words, size_t n);
/* Appends JSON whose strings are written as C writes them, as JSON has them: adjacent ones joined,
 * escapes translated. stage_literal.c */
void stage_literal_tidy(const char *text, size_t len, struct buf *out);
/* A constant as C writes it: 64, 0x40, 1 << 6, 64 * 1024, (1u << 20), 0.5. False: another. */
bool stage_constant(const char *text, double *ret);
/* Opens for reading; with `strict` refuses what stage_trust() refuses, else logs a warning. */
enum status stage_trust_open(const char *path, bool strict, int *ret_fd, struct fault *fault);

/* ---- options ---- */

/* What a table row and a line of configuration make: one value of the row's type. */
struct option_value {
	bool boolean;
	int64_t integer; /* also enum, duration (ms), size */
	double number;
	char *text; /* string, path, secret; the caller frees */
	struct {
		char **items;
		size_t n;
	} list;
};
/* `given` NULL: the default. secrets: false leaves their files alone. */
enum status option_read(const struct ps_option *row, const struct config_option *given,
                        bool secrets, struct option_value *ret, struct fault *fault);
void option_value_done(struct option_value *value);
const char *option_type_name(uint32_t type); /* "duration"; "?" */
/* 0: none of this name, which may carry PS_TYPE_. */
uint32_t option_type_of(const char *name);
/* Rows of a manifest as the table has them; names point into the manifest. The caller frees. */
struct ps_option *stage_manifest_rows(const struct stage_manifest *manifest);
/* Unknown keys, wrong types, ranges, what is missing: a line each. Returns the number of problems;
 * the fault has the first. */
size_t options_check(const char *plugin, const struct ps_option *rows, size_t n,
                     const struct config_stage *stage, bool secrets, struct buf *report,
                     struct fault *fault);
size_t option_size(uint32_t type); /* bytes in the plugin's struct */
/* A struct of `size` bytes filled by the table; *ret_keep is what it points to. */
enum status options_fill(const struct ps_option *rows, size_t n, size_t size,
                         const struct config_stage *stage, void **ret_options,
                         struct option_value **ret_keep, struct fault *fault);

/* ---- a release ---- */

#define LOG_SITES 64u

struct log_site {
	const char *file;
	int line;
	uint32_t n, dropped;
	int64_t since;
};

/* What a worker keeps of a release: touched by that worker's thread only. */
struct release_worker {
	bool ready;
	void *instance; /* of a per-thread stage, else the release's */
	void *thread;
	struct ps_job *jobs; /* what a call lends to the plugin, used again by the next */
	size_t jobs_room;
	int64_t mean_ns; /* of a job; decides whether each is timed */
	uint64_t sample; /* state of the generator that picks jobs to time */
	uint32_t cpu_turn;
	double cpu_share; /* CPU in wall time of the last call whose CPU was read */
	struct log_site sites[LOG_SITES];
} __attribute__((aligned(64)));

struct release {
	char id[17];
	char *pipeline, *stage;
	char *path; /* of the file that was loaded */
	void *handle;
	struct ps_stage d;
	struct ps_option *options;
	size_t n_options;
	struct ps_counter counters[STAGE_COUNTERS];
	size_t n_counters;
	char **routes;
	size_t n_routes;
	void *option_struct;
	struct option_value *option_values;
	void *instance; /* NULL for per-thread ones */
	pthread_mutex_t serial;
	struct release_worker *workers;
	uint32_t n_workers;
	uint32_t number;        /* of all that this process opened: the head of its tokens */
	uint64_t out;           /* tokens that the plugin holds; under the registry's lock */
	_Atomic uint64_t stale; /* refused completions that no worker has counted yet */
	struct list node;       /* of all releases; under the registry's lock */
};

/* Copies what the plugin returned, checked against the ABI and its manifest. stage_descriptor.c */
enum status stage_descriptor_read(const struct ps_stage *from,
                                  const struct stage_manifest *manifest, struct release *release,
                                  struct fault *fault);
/* open() of the plugin. */
enum status stage_instance_open(struct release *release, void **ret_instance, struct fault *fault);

/* ---- a call ---- */

extern const struct ps_host stage_host; /* stage_host.c */

/* Beside struct stage_call while it runs. */
struct running {
	struct stage_call *call;
	struct release_worker *worker;
	struct ps_call ps;
	struct log_about about; /* of lines that are written meanwhile */
	int64_t began;          /* mono ns */
	int64_t deadline;       /* mono ns; INT64_MAX: none */
	int64_t db_since;       /* first use of a lent connection; 0: none */
	int code;               /* that process() returned */
	uint64_t bytes_in, bytes_out;
	uint64_t breaches;
};

/* Outcome texts made fit for a row: codes of [A-Z0-9_], messages of UTF-8 without control bytes,
 * both cut to their most. Return the bytes written without the NUL; out has room for
 * STAGE_CODE_MOST + 1, and for 3 * STAGE_MESSAGE_MOST + 1. stage_host.c */
size_t stage_clean_code(const char *code, char *out);
size_t stage_clean_message(const char *message, char *out);
bool stage_outcome_known(uint32_t outcome); /* one that a plugin may choose, LATER included */
enum counter stage_outcome_counter(uint32_t outcome);
/* What stage_loads() asks, of a file's bytes; stage_loader.c. INVALID: the fault has the loader's
 * reason alone, and what to do about it. */
enum status stage_loader_ask(const struct buf *file, struct fault *fault);
/* The same in the words of a refusal: "cannot load it: ...", where. */
enum status stage_loader_takes(const char *path, const struct buf *file, struct fault *fault);
/* What to do about what the loader said. */
void stage_loader_hint(struct fault *fault);
void stage_open_error(const struct ps_open *open, const char *text); /* stage_open.c */

/* ---- LATER ---- */

uint64_t later_take(struct running *running, struct stage_job *job,
                    const struct ps_message **ret_in);
/* Takes a token back whose job ended otherwise, also when it has completed meanwhile. */
void later_revoke(struct stage_completions *completions, uint64_t token);
enum ps_status later_complete(uint64_t token, uint32_t outcome, const struct ps_result *result);
void later_register(struct release *release);
void later_unregister(struct release *release); /* tokens that are still out become nobody's */

#endif
