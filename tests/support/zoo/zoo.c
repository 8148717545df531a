/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zoo.c - a plugin for each way to misbehave; zoo.def lists them.
 *
 * The macros of penstock.h write a sound plugin, whose entry is renamed; the
 * function below is the real entry and spoils what it returns.
 */
#ifdef ZOO_no_manifest
const int zoo_is_a_library = 1;
#elif defined ZOO_manifest_name
#include <penstock.h>

PS__MANIFEST(zoo_manifest, "{\"abi\":[1,0],\"name\":\"../zoo\",\"version\":\"1\",\"summary\":\"\","
                           "\"form\":\"each\"}")
#else

#include <penstock.h>

#include <string.h>

#ifndef ZOO_LINT /* what lint finds has nothing else about it */
#undef PS_ENTRY
#define PS_ENTRY sound_stage
#endif

#ifdef ZOO_manifest_major
#undef PS_ABI_MAJOR
#define PS_ABI_MAJOR 2
#endif
#ifdef ZOO_manifest_minor
#undef PS_ABI_MINOR
#define PS_ABI_MINOR 5
#endif
#ifdef ZOO_manifest_twice
PS__MANIFEST(twice, "{\"name\":\"second\"}")
#endif
#ifdef ZOO_manifest_broken
PS__MANIFEST(broken, "{\"more\":[}")
#endif

PS_OPTIONS(zoo, PS_INT(size, 3, 0, 0, "an option"))

#if defined ZOO_undefined_symbol || defined ZOO_undefined_symbols || defined ZOO_lint_loader
void zoo_nowhere(void);
void zoo_neither(void);
#endif

/* Written here, so that no header brings more than is meant. */
#if defined ZOO_lint_exit
_Noreturn void _exit(int code);
#elif defined ZOO_lint_fork
int fork(void);
#elif defined ZOO_lint_shell
int system(const char *command);
#elif defined ZOO_lint_signal
int sigaction(int number, const void *action, void *old);
#elif defined ZOO_lint_setlocale
char *setlocale(int category, const char *name);
#elif defined ZOO_lint_chdir
int chdir(const char *path);
#elif defined ZOO_lint_umask
unsigned umask(unsigned mask);
#elif defined ZOO_lint_dlopen
void *dlopen(const char *path, int how);
#elif defined ZOO_lint_thread_key
int pthread_key_create(unsigned *key, void (*destructor)(void *));
#elif defined ZOO_lint_malloc
__attribute__((visibility("default"))) void *
malloc(size_t size)
{
	return (void *)(uintptr_t)(size * 0);
}
#elif defined ZOO_lint_host_symbol
void ps_nowhere(void);
#elif defined ZOO_lint_exports
__attribute__((visibility("default"))) int zoo_for_all = 1;
#elif defined ZOO_lint_unique
__asm__(".pushsection .data\n"
        ".globl zoo_only_one\n"
        ".type zoo_only_one, @gnu_unique_object\n"
        ".size zoo_only_one, 4\n"
        "zoo_only_one: .long 1\n"
        ".popsection");
#elif defined ZOO_lint_static_tls
static __thread int zoo_of_thread __attribute__((tls_model("initial-exec")));
#elif defined ZOO_lint_textrel
__asm__(".pushsection .text\n"
        ".globl zoo_address\n"
        ".hidden zoo_address\n"
        "zoo_address: .quad zoo_address\n"
        ".popsection");
#endif

#ifdef ZOO_open_fails
static int
zoo_open(const struct ps_open *open, void **ret_instance)
{
	(void)ret_instance;
	ps_open_error(open, "the door \033is stuck");
	return 3;
}
#endif

static enum ps_outcome
zoo(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	const struct ps_message *copy;

	(void)in, (void)out, (void)job, (void)copy;
#if defined ZOO_undefined_symbol
	zoo_nowhere();
#elif defined ZOO_lint_loader
	zoo_nowhere();
#elif defined ZOO_undefined_symbols
	zoo_nowhere();
	zoo_neither();
#elif defined ZOO_unset
	return PS_UNSET;
#elif defined ZOO_unknown_outcome
	return (enum ps_outcome)99;
#elif defined ZOO_later_without_token
	return PS_LATER;
#elif defined ZOO_later_undeclared
	if (ps_later(call, job, &copy) == 0)
		return ps_retry(call, job, -1, "NOT_ALLOWED", "no token");
#elif defined ZOO_db_undeclared
	if (!ps_db(call) && !ps_db_read(call))
		return ps_retry(call, job, -1, "NOT_ALLOWED", "no connection");
#elif defined ZOO_bad_route
	return ps_done(call, job, "to nowhere");
#elif defined ZOO_bad_attributes
	out->attributes = "{\"a\": ";
	out->attributes_len = 6;
#elif defined ZOO_null_attributes
	out->attributes = NULL;
#elif defined ZOO_huge_body
	out->body = "x";
	out->body_len = (size_t)65 << 20;
#elif defined ZOO_bad_code
	return ps_retry(call, job, -1,
	                "not a code                                                   xyzzy", NULL);
#elif defined ZOO_later_then_retry
	if (ps_later(call, job, &copy) != 0)
		return ps_retry(call, job, -1, "CHANGED_ITS_MIND", NULL);
#elif defined ZOO_lint_exit
	_exit(1);
#elif defined ZOO_lint_fork
	return fork() ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_shell
	return system("true") ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_signal
	return sigaction(15, NULL, NULL) ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_setlocale
	return setlocale(0, "de_DE") ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_chdir
	return chdir("/") ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_umask
	return umask(0) ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_dlopen
	return dlopen("libm.so.6", 2) ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_thread_key
	return pthread_key_create(&(unsigned){ 0 }, NULL) ? PS_DONE : PS_FAIL;
#elif defined ZOO_lint_host_symbol
	ps_nowhere();
#elif defined ZOO_lint_static_tls
	zoo_of_thread += (int)job->attempt;
	return zoo_of_thread > 3 ? PS_DONE : PS_FAIL;
#endif
	return PS_DONE;
}

#if defined ZOO_open_fails
PS_STAGE_EACH(zoo, "1.0.0", "Misbehaves", PS_OPEN(zoo_open))
#elif defined ZOO_later_then_retry || defined ZOO_later_without_token
PS_STAGE_EACH(zoo, "1.0.0", "Misbehaves", PS_MAY_LATER(4))
#elif defined ZOO_transactional_later
PS_STAGE_EACH(zoo, "1.0.0", "Misbehaves", PS_TRANSACTIONAL, PS_MAY_LATER(4))
#else
PS_STAGE_EACH(zoo, "1.0.0", "Misbehaves")
#endif

#if !defined ZOO_no_entry && !defined ZOO_LINT
__attribute__((visibility("default"))) const struct ps_stage *penstock_stage_v1(void);

const struct ps_stage *
penstock_stage_v1(void)
{
	static struct ps_option options[2];
	static struct ps_stage d;

	d = *sound_stage();
	memcpy(options, d.options, sizeof options);
	d.options = options;
#if defined ZOO_bad_magic
	d.magic = 0x12345678;
#elif defined ZOO_bad_major
	d.abi_major = 9;
#elif defined ZOO_bad_minor
	d.abi_minor = 7;
#elif defined ZOO_bad_size
	d.size = 16;
#elif defined ZOO_huge_size
	d.size = UINT32_MAX;
#elif defined ZOO_bad_feature
	d.need_features = 0x8000;
#elif defined ZOO_null_descriptor
	return NULL;
#elif defined ZOO_other_name
	d.name = "oz";
#elif defined ZOO_other_version
	d.version = "9.9.9";
#elif defined ZOO_other_form
	d.process = (ps_process_fn *)(void *)d.each;
	d.each = NULL;
#elif defined ZOO_other_flags
	d.flags |= PS_FLAG_TRANSACTIONAL;
#elif defined ZOO_other_routes
	d.routes = "done,gone";
#elif defined ZOO_other_default
	options[0].fallback = "4";
#elif defined ZOO_other_options
	options[0].name = NULL;
#elif defined ZOO_small_options
	d.option_size = 8;
#elif defined ZOO_option_outside
	options[0].offset = 4096;
#elif defined ZOO_option_type
	options[0].type = 77;
#elif defined ZOO_no_form
	d.each = NULL;
#elif defined ZOO_both_forms
	d.process = (ps_process_fn *)(void *)d.each;
#elif defined ZOO_threading
	d.threading = 8;
#elif defined ZOO_later_without_limit
	d.flags |= PS_FLAG_LATER;
#endif
	return &d;
}
#endif

#endif
