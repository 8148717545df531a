/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_import.c - put a function of ours where a plugin calls one of a library.
 *
 * For `plugin test` alone: a clock that stands, an allocation that fails. Only
 * what the plugin itself calls is turned; the libraries below it, and the
 * host, go on as they were. A call that the compiler made a part of the plugin
 * cannot be turned, nor one through dlsym().
 */
#include "stage/stage_priv.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SLOT_TYPES R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_64
#elif defined(__aarch64__)
#define SLOT_TYPES R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_ABS64
#elif defined(__riscv)
#define SLOT_TYPES R_RISCV_JUMP_SLOT, R_RISCV_64
#elif defined(__powerpc64__)
#define SLOT_TYPES R_PPC64_JMP_SLOT, R_PPC64_GLOB_DAT, R_PPC64_ADDR64
#elif defined(__s390x__)
#define SLOT_TYPES R_390_JMP_SLOT, R_390_GLOB_DAT, R_390_64
#endif

/* What of the dynamic section is needed, as addresses of this process. */
struct loaded {
	ElfW(Addr) base;
	const ElfW(Sym) * symbols;
	const char *names;
	const ElfW(Rela) * plt, *rela;
	size_t n_plt, n_rela;
};

/* Some loaders leave offsets in the section, most put addresses there. */
static const void *
address(const struct loaded *l, ElfW(Addr) value)
{
	return (const void *)(value < l->base ? value + l->base : value);
}

static bool
read_dynamic(void *handle, struct loaded *ret)
{
	struct link_map *map;

	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
		return false;
	*ret = (struct loaded){ .base = map->l_addr };
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_SYMTAB: ret->symbols = address(ret, d->d_un.d_ptr); break;
		case DT_STRTAB: ret->names = address(ret, d->d_un.d_ptr); break;
		case DT_JMPREL: ret->plt = address(ret, d->d_un.d_ptr); break;
		case DT_RELA: ret->rela = address(ret, d->d_un.d_ptr); break;
		case DT_PLTRELSZ: ret->n_plt = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		case DT_RELASZ: ret->n_rela = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		default: break;
		}
	return ret->symbols && ret->names;
}

static bool
is_slot(const struct loaded *l, const ElfW(Rela) * r, const char *name)
{
	static const unsigned types[] = { SLOT_TYPES };

	for (size_t i = 0; i < countof(types); i++)
		if (ELF64_R_TYPE(r->r_info) == types[i] && r->r_addend == 0)
			return strcmp(l->names + l->symbols[ELF64_R_SYM(r->r_info)].st_name,
			              name) == 0;
	return false;
}

/* The table was made read-only after it had been filled. */
static bool
write_slot(uintptr_t slot, void (*fn)(void))
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = slot & ~(page - 1);

	if (mprotect((void *)begin, slot - begin + sizeof fn, PROT_READ | PROT_WRITE) != 0)
		return false;
	memcpy((void *)slot, &fn, sizeof fn);
	return true;
}

static size_t
turn(const struct loaded *l, const ElfW(Rela) * table, size_t n, const char *name, void (*fn)(void))
{
	size_t turned = 0;

	for (size_t i = 0; table && i < n; i++)
		if (is_slot(l, &table[i], name) && write_slot(l->base + table[i].r_offset, fn))
			turned++;
	return turned;
}

size_t
stage_replace_import(struct release *release, const char *name, void (*fn)(void))
{
	struct loaded l;

	if (!read_dynamic(release->handle, &l))
		return 0;
	return turn(&l, l.plt, l.n_plt, name, fn) + turn(&l, l.rela, l.n_rela, name, fn);
}
