/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_lint.c - what a plugin's file has in it that would hurt its host.
 *
 * Read from the file, nothing of it is run: symbols that it asks for and that
 * it offers, the libraries that it names, how it was linked. What a library
 * below it does is not seen, but that it is there: see stage_loader.c.
 */
#include "stage/stage_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct linted {
	struct elf elf;
	Elf64_Shdr dynamic, dynamic_texts, symbols, symbol_texts;
	size_t n_dynamic, n_symbols;
	bool asks_host; /* for a symbol, and that was told */
	bool trusted;   /* what others may write is not given to the loader */
	void (*found)(void *data, const struct stage_finding *finding);
	void *data;
};

/* ---- the rules ---- */

enum level { WARNING, ERROR };
struct rule {
	enum level level;
	const char *name, *text, *todo;
	const char *symbols[12]; /* that the file asks for */
};

static const struct rule calls[] = {
	{ ERROR,
	  "exit",
	  "ends the host with all its jobs",
	  "answer ps_fail() or ps_retry()",
	  { "exit", "_exit", "_Exit", "quick_exit", "err", "errx", "verr", "verrx" } },
	{ ERROR,
	  "fork",
	  "copies a host of many threads, with its connections and locks",
	  "use posix_spawn(), or a thread",
	  { "fork", "vfork", "_Fork", "clone", "daemon", "forkpty" } },
	{ WARNING,
	  "shell",
	  "runs a shell beside the host, and waits for it",
	  "use posix_spawn() with the program itself",
	  { "system", "popen" } },
	{ ERROR,
	  "signal",
	  "changes how the whole host takes signals",
	  "ask ps_cancelled(); leave signals to the host",
	  { "signal", "sigaction", "bsd_signal", "sysv_signal", "__sysv_signal", "sigset",
	    "siginterrupt", "sigprocmask", "alarm", "setitimer" } },
	{ ERROR,
	  "setlocale",
	  "changes the locale of all threads, and with it how numbers are written",
	  "use newlocale() and uselocale(), or functions that end in _l",
	  { "setlocale" } },
	{ ERROR,
	  "chdir",
	  "moves the whole host to another folder",
	  "use openat(), or an option of the type PS_PATH, which is made absolute",
	  { "chdir", "fchdir", "chroot" } },
	{ ERROR,
	  "umask",
	  "changes the rights of all files that the host makes",
	  "use fchmod() on the file",
	  { "umask" } },
	{ ERROR,
	  "dlopen",
	  "loads code that nobody checked, and may load it twice",
	  "link the library: the host loads it with the plugin",
	  { "dlopen", "dlmopen" } },
	{ WARNING,
	  "thread_key",
	  "leaves a destructor in each thread that outlives the stage",
	  "keep it in what PS_THREAD_INIT makes, and free it in PS_THREAD_FINI",
	  { "pthread_key_create", "tss_create", "__cxa_thread_atexit",
	    "__cxa_thread_atexit_impl" } },
};

static const struct rule allocator = { ERROR,
	                               "allocator",
	                               "brings an allocator of its own into a host that has one",
	                               "link none: malloc() is the host's",
	                               { "malloc", "calloc", "realloc", "free", "posix_memalign",
	                                 "aligned_alloc", "memalign" } };
static const char *const allocators[] = { "libjemalloc", "libtcmalloc", "libmimalloc", "libhoard",
	                                  "libsnmalloc", "libscudo",    "librpmalloc" };

static const struct rule manifest = { ERROR,
	                              "manifest",
	                              "is why the host refuses it",
	                              "write the stage with PS_STAGE or PS_STAGE_EACH",
	                              { NULL } };
static const struct rule loader = {
	ERROR, "loader", "is why the loader refuses it", NULL, { NULL }
};
static const struct rule entry = { ERROR,
	                           "entry",
	                           "is not exported, so the host finds no stage",
	                           "write the stage with PS_STAGE or PS_STAGE_EACH",
	                           { NULL } };
static const struct rule host_symbol = {
	ERROR,
	"host_symbol",
	"is asked for by name, but what the host offers comes in a table",
	"call what penstock.h declares, and link no part of penstock",
	{ NULL }
};
static const struct rule exports = { WARNING,
	                             "exports",
	                             "is exported beside the entry, where another may take it",
	                             "compile with -fvisibility=hidden",
	                             { NULL } };
static const struct rule unique = { WARNING,
	                            "unique",
	                            "is unique to the process: two versions of the stage share it",
	                            "compile with -fno-gnu-unique, or keep no static in a template",
	                            { NULL } };
static const struct rule static_tls = {
	WARNING,
	"static_tls",
	"thread-local variables take room that is gone when some libraries have it",
	"compile with -fPIC and without -ftls-model=initial-exec",
	{ NULL }
};
static const struct rule textrel = {
	ERROR,
	"textrel",
	"its code must be changed to be loaded, which a hardened service forbids",
	"compile all of it with -fPIC",
	{ NULL }
};
static const struct rule execstack = {
	ERROR,
	"execstack",
	"asks for a stack that can be executed, which a hardened service forbids",
	"link with -Wl,-z,noexecstack; in assembler: .section .note.GNU-stack",
	{ NULL }
};
static const struct rule lazy = { WARNING,
	                          "lazy",
	                          "its calls can be turned elsewhere while it runs",
	                          "link with -Wl,-z,relro,-z,now",
	                          { NULL } };
static const struct rule rpath = { WARNING,
	                           "rpath",
	                           "is where its libraries are looked for, before the system's",
	                           "link without -rpath; libraries belong to the system",
	                           { NULL } };

/* ---- finding ---- */

static void
find(const struct linted *l, const struct rule *rule, const char *what)
{
	struct stage_finding finding = { rule->level == ERROR, rule->name, what, rule->text,
		                         rule->todo };

	l->found(l->data, &finding);
}

static bool
among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n && names[i]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
lint_import(struct linted *l, const char *name)
{
	for (size_t i = 0; i < countof(calls); i++)
		if (among(name, calls[i].symbols, countof(calls[i].symbols)))
			find(l, &calls[i], name);
	if (strncmp(name, "ps_", 3) != 0 && strncmp(name, "penstock_", 9) != 0)
		return;
	find(l, &host_symbol, name);
	l->asks_host = true;
}

/* What C++ has in many objects at once is weak; it is the compiler's, not the author's. */
static void
lint_export(const struct linted *l, const char *name, unsigned char info)
{
	if (among(name, allocator.symbols, countof(allocator.symbols)))
		find(l, &allocator, name);
	else if (ELF64_ST_BIND(info) == STB_GNU_UNIQUE)
		find(l, &unique, name);
	else if (ELF64_ST_BIND(info) == STB_GLOBAL && strcmp(name, PS_ENTRY_NAME) != 0)
		find(l, &exports, name);
}

static void
lint_symbols(struct linted *l)
{
	bool has_entry = false;

	for (size_t i = 1; i < l->n_symbols; i++) {
		Elf64_Sym symbol;
		const char *name;

		stage_elf_entry(&l->elf, &l->symbols, i, &symbol, sizeof symbol);
		name = stage_elf_text(&l->elf, &l->symbol_texts, symbol.st_name);
		if (symbol.st_shndx == SHN_UNDEF)
			lint_import(l, name);
		else
			lint_export(l, name, symbol.st_info);
		has_entry |= symbol.st_shndx != SHN_UNDEF && strcmp(name, PS_ENTRY_NAME) == 0;
	}
	if (!has_entry)
		find(l, &entry, PS_ENTRY_NAME);
}

static void
lint_library(const struct linted *l, const char *name)
{
	for (size_t i = 0; i < countof(allocators); i++)
		if (strncmp(name, allocators[i], strlen(allocators[i])) == 0)
			find(l, &allocator, name);
}

static void
lint_dynamic(const struct linted *l)
{
	bool now = false, has_textrel = false, has_static_tls = false;

	for (size_t i = 0; i < l->n_dynamic; i++) {
		Elf64_Dyn d;

		stage_elf_entry(&l->elf, &l->dynamic, i, &d, sizeof d);
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_NEEDED)
			lint_library(l, stage_elf_text(&l->elf, &l->dynamic_texts, d.d_un.d_val));
		if (d.d_tag == DT_RPATH || d.d_tag == DT_RUNPATH)
			find(l, &rpath, stage_elf_text(&l->elf, &l->dynamic_texts, d.d_un.d_val));
		has_textrel |= d.d_tag == DT_TEXTREL ||
		               (d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_TEXTREL));
		has_static_tls |= d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_STATIC_TLS);
		now |= d.d_tag == DT_BIND_NOW ||
		       (d.d_tag == DT_FLAGS && (d.d_un.d_val & DF_BIND_NOW)) ||
		       (d.d_tag == DT_FLAGS_1 && (d.d_un.d_val & DF_1_NOW));
	}
	if (has_textrel)
		find(l, &textrel, "");
	if (has_static_tls)
		find(l, &static_tls, "");
	if (!now)
		find(l, &lazy, "");
}

static void
lint_stack(const struct linted *l)
{
	if (stage_elf_wants_stack(&l->elf))
		find(l, &execstack, "");
}

static void
lint_manifest(const struct linted *l, const char *path, const struct buf *file)
{
	struct stage_manifest *m = NULL;
	struct fault fault = { 0 };

	if (stage_manifest_parse(path, file->data, file->len, &m, &fault) != OK)
		find(l, &manifest, fault.text);
	else
		stage_manifest_free(m);
}

static void
lint_loading(const struct linted *l, const struct buf *file)
{
	struct rule rule = loader;
	struct fault fault = { 0 };

	if (l->asks_host || !l->trusted || stage_loader_ask(file, &fault) == OK)
		return;
	rule.todo = fault.hint[0] ? fault.hint : "build it anew for this machine";
	find(l, &rule, fault.text);
}

static enum status
read_file(struct linted *l, const char *path, struct buf *file, struct fault *fault)
{
	enum status st;
	int fd;

	l->trusted = stage_trust_open(path, true, &fd, NULL) == OK;
	if (!l->trusted)
		return file_read(path, STAGE_PLUGIN_MOST, file, fault);
	st = stage_file_read(fd, path, file, fault);
	close(fd);
	return st;
}

enum status
stage_lint(const char *path, void (*found)(void *data, const struct stage_finding *finding),
           void *data, struct fault *fault)
{
	struct linted l = { .found = found, .data = data };
	struct buf file;
	enum status st;

	buf_init(&file);
	st = read_file(&l, path, &file, fault);
	if (st == OK && (st = stage_elf_open(file.data, file.len, &l.elf, fault)) != OK)
		fault_where(fault, "%s", path);
	if (st == OK) {
		l.n_dynamic = stage_elf_entries(&l.elf, SHT_DYNAMIC, sizeof(Elf64_Dyn), &l.dynamic,
		                                &l.dynamic_texts);
		l.n_symbols = stage_elf_entries(&l.elf, SHT_DYNSYM, sizeof(Elf64_Sym), &l.symbols,
		                                &l.symbol_texts);
		lint_manifest(&l, path, &file);
		lint_symbols(&l);
		lint_dynamic(&l);
		lint_stack(&l);
		lint_loading(&l, &file);
	}
	buf_done(&file);
	return st;
}
