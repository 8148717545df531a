/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_elf.c - read an ELF64 file without trusting a byte of it.
 *
 * Every offset and size that the file names is compared with the file's own
 * size before it is used, also those of the segments: the loader would map
 * them blindly and die by SIGBUS where the file ends too early.
 */
#include "stage/stage_priv.h"

#include <string.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#else
#error "stage_elf.c: name the machine of this compiler"
#endif
#define OUR_ORDER (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

static const char *
machine_name(unsigned machine)
{
	switch (machine) {
	case EM_X86_64: return "x86-64";
	case EM_AARCH64: return "AArch64";
	case EM_386: return "i386";
	case EM_ARM: return "ARM";
	case EM_RISCV: return "RISC-V";
	case EM_PPC64: return "PowerPC64";
	case EM_S390: return "S/390";
	default: return "an unknown machine";
	}
}

static bool
within(const struct elf *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

/* Tables in a file need not be aligned for us: entries are copied out. */
static void
entry(const struct elf *file, uint64_t offset, void *ret, size_t size)
{
	memcpy(ret, file->bytes + offset, size);
}

static enum status
check_ident(const struct elf *file, Elf64_Ehdr *ret, struct fault *fault)
{
	if (file->size < SELFMAG || memcmp(file->bytes, ELFMAG, SELFMAG) != 0)
		return fault_set(fault, INVALID, "not a shared object (no ELF file)");
	if (file->size < sizeof *ret)
		return fault_set(fault, INVALID, "truncated: %zu bytes are less than an ELF header",
		                 file->size);
	entry(file, 0, ret, sizeof *ret);
	if (ret->e_ident[EI_CLASS] != ELFCLASS64)
		return fault_set(fault, INVALID, "not a 64-bit shared object");
	if (ret->e_ident[EI_DATA] != OUR_ORDER)
		return fault_set(fault, INVALID, "made for the other byte order");
	if (ret->e_machine != OUR_MACHINE)
		return fault_set(fault, INVALID,
		                 "made for %s (ELF machine %u), this host is %s (%u)",
		                 machine_name(ret->e_machine), (unsigned)ret->e_machine,
		                 machine_name(OUR_MACHINE), (unsigned)OUR_MACHINE);
	if (ret->e_type != ET_DYN)
		return fault_set(fault, INVALID, "not a shared object (ELF type %u, not %u)",
		                 (unsigned)ret->e_type, (unsigned)ET_DYN);
	return OK;
}

static enum status
check_segments(const struct elf *file, const Elf64_Ehdr *head, struct fault *fault)
{
	uint64_t table = (uint64_t)head->e_phnum * sizeof(Elf64_Phdr);

	if (head->e_phnum == 0 || head->e_phentsize != sizeof(Elf64_Phdr))
		return fault_set(fault, INVALID, "malformed: no segments to load");
	if (!within(file, head->e_phoff, table))
		return fault_set(fault, INVALID,
		                 "truncated: the program headers reach beyond its %zu bytes",
		                 file->size);
	for (unsigned i = 0; i < head->e_phnum; i++) {
		Elf64_Phdr segment;

		entry(file, head->e_phoff + i * sizeof segment, &segment, sizeof segment);
		if (segment.p_type != PT_NULL && !within(file, segment.p_offset, segment.p_filesz))
			return fault_set(
			    fault, INVALID,
			    "truncated: segment %u needs %llu bytes from %llu, the file has %zu", i,
			    (unsigned long long)segment.p_filesz,
			    (unsigned long long)segment.p_offset, file->size);
	}
	return OK;
}

static enum status
check_sections(const struct elf *file, const Elf64_Ehdr *head, struct fault *fault)
{
	uint64_t table = (uint64_t)head->e_shnum * sizeof(Elf64_Shdr);

	if (head->e_shnum == 0)
		return fault_set(fault, INVALID,
		                 "no manifest: the section headers were stripped from the file");
	if (head->e_shentsize != sizeof(Elf64_Shdr))
		return fault_set(fault, INVALID, "malformed: section headers of %u bytes, not %zu",
		                 (unsigned)head->e_shentsize, sizeof(Elf64_Shdr));
	if (!within(file, head->e_shoff, table))
		return fault_set(
		    fault, INVALID,
		    "truncated: the section headers reach to byte %llu, the file has %zu",
		    (unsigned long long)(head->e_shoff + table), file->size);
	if (head->e_shstrndx >= head->e_shnum)
		return fault_set(fault, INVALID, "malformed: its sections have no names");
	return OK;
}

enum status
stage_elf_open(const void *bytes, size_t size, struct elf *ret, struct fault *fault)
{
	enum status st;

	*ret = (struct elf){ .bytes = bytes, .size = size };
	st = check_ident(ret, &ret->head, fault);
	if (st == OK)
		st = check_segments(ret, &ret->head, fault);
	if (st == OK)
		st = check_sections(ret, &ret->head, fault);
	return st;
}

void
stage_elf_segment(const struct elf *file, unsigned i, Elf64_Phdr *ret)
{
	entry(file, file->head.e_phoff + i * sizeof *ret, ret, sizeof *ret);
}

bool
stage_elf_section_at(const struct elf *file, unsigned i, Elf64_Shdr *ret)
{
	if (i >= file->head.e_shnum)
		return false;
	entry(file, file->head.e_shoff + i * sizeof *ret, ret, sizeof *ret);
	return ret->sh_type != SHT_NOBITS && within(file, ret->sh_offset, ret->sh_size);
}

const char *
stage_elf_text(const struct elf *file, const Elf64_Shdr *texts, uint64_t at)
{
	const char *text = file->bytes + texts->sh_offset;

	if (at >= texts->sh_size || !memchr(text + at, '\0', texts->sh_size - at))
		return "";
	return text + at;
}

size_t
stage_elf_entries(const struct elf *file, unsigned type, size_t size, Elf64_Shdr *ret,
                  Elf64_Shdr *ret_texts)
{
	for (unsigned i = 0; i < file->head.e_shnum; i++)
		if (stage_elf_section_at(file, i, ret) && ret->sh_type == type &&
		    stage_elf_section_at(file, ret->sh_link, ret_texts))
			return ret->sh_size / size;
	return 0;
}

void
stage_elf_entry(const struct elf *file, const Elf64_Shdr *section, size_t i, void *ret, size_t size)
{
	entry(file, section->sh_offset + i * size, ret, size);
}

enum status
stage_elf_section(const void *bytes, size_t size, const char *name, const char **ret,
                  size_t *ret_size, struct fault *fault)
{
	struct elf file;
	Elf64_Shdr names, section;
	enum status st = stage_elf_open(bytes, size, &file, fault);

	if (st != OK)
		return st;
	if (!stage_elf_section_at(&file, file.head.e_shstrndx, &names))
		return fault_set(fault, INVALID,
		                 "truncated: its section names are not in the file");
	for (unsigned i = 0; i < file.head.e_shnum; i++) {
		bool there = stage_elf_section_at(&file, i, &section);

		if (strcmp(stage_elf_text(&file, &names, section.sh_name), name) != 0)
			continue;
		if (!there)
			return fault_set(fault, INVALID, "truncated: section %s is not in the file",
			                 name);
		*ret = file.bytes + section.sh_offset;
		*ret_size = section.sh_size;
		return OK;
	}
	return fault_set(fault, INVALID, "no manifest: no section %s, so it is no penstock plugin",
	                 name);
}

/* Without the header the loader of x86-64 gives a stack that can be executed. */
bool
stage_elf_wants_stack(const struct elf *file)
{
	bool executable = true;

	for (unsigned i = 0; i < file->head.e_phnum; i++) {
		Elf64_Phdr segment;

		stage_elf_segment(file, i, &segment);
		if (segment.p_type == PT_GNU_STACK)
			executable = segment.p_flags & PF_X;
	}
	return executable;
}

enum status
stage_elf_check_stack(const void *bytes, size_t size, struct fault *fault)
{
	struct elf file;
	enum status st = stage_elf_open(bytes, size, &file, fault);

	if (st != OK || !stage_elf_wants_stack(&file))
		return st;
	fault_set(fault, INVALID, "it asks for a stack that can be executed, for all threads");
	fault_hint(fault, "link with -Wl,-z,noexecstack; in assembler: .section .note.GNU-stack");
	return INVALID;
}
