/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The frame of an ELF image: its header, segments, sections and build-id.
 *
 * One parser for two places. A file is read at file offsets and has sections.
 * An image that a guest's loader mapped is read at the guest's addresses and
 * has segments only; what is in it may be anything, so nothing is believed
 * that was not checked. 64-bit little-endian images only. gABI, chapters 4, 5.
 */
#ifndef MICROVMI_SYMBOLS_ELF_H
#define MICROVMI_SYMBOLS_ELF_H

#include <microvmi/types.h>

#define elf_is_magic	  mvmi__elf_is_magic
#define elf_open	  mvmi__elf_open
#define elf_open_mapped	  mvmi__elf_open_mapped
#define elf_find_segment  mvmi__elf_find_segment
#define elf_read_sections mvmi__elf_read_sections
#define elf_find_section  mvmi__elf_find_section
#define elf_has_section	  mvmi__elf_has_section
#define elf_read	  mvmi__elf_read
#define elf_read_block	  mvmi__elf_read_block
#define elf_build_id	  mvmi__elf_build_id
#define elf_fail_stripped mvmi__elf_fail_stripped
#define elf_close	  mvmi__elf_close

#define ELF_MAGIC_LEN	  4

/* What the loader of a hostile image could name; real ones have 9 to 15. */
#define ELF_SEGMENTS_MAX 256

/* A kernel module of -ffunction-sections has some thousands. */
#define ELF_SECTIONS_MAX ((uint32_t)1 << 17)

/* SHA-1 is 20 bytes; linkers also make 8, 16 and 32. */
#define ELF_BUILD_ID_MAX 64

enum elf_type {
	ELF_TYPE_REL = 1, /**< relocatable: an object file, a kernel module */
};

enum elf_machine {
	ELF_MACHINE_X86_64 = 62,
};

enum elf_segment_type {
	ELF_PT_LOAD = 1,
	ELF_PT_DYNAMIC = 2,
	ELF_PT_NOTE = 4,
};

enum elf_flag {
	ELF_PF_X = 1,
	ELF_PF_W = 2,
	ELF_SHF_WRITE = 1,
	ELF_SHF_ALLOC = 2,
	ELF_SHF_EXECINSTR = 4,
	ELF_SHF_COMPRESSED = 0x800,
};

enum elf_section_type {
	ELF_SHT_SYMTAB = 2,
	ELF_SHT_NOTE = 7,
	ELF_SHT_NOBITS = 8,
	ELF_SHT_DYNSYM = 11,
};

/** Where bytes come from: a file, or the memory of a guest. */
struct elf_source {
	/** Read exactly dst.len bytes at an offset or guest address. */
	enum mvmi_status (*read)(void *ctx, uint64_t off, struct mvmi_span dst,
				 struct mvmi_error *err);
	void *ctx; /**< borrowed */
};

struct elf_segment {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t filesz;
	uint64_t memsz;
};

struct elf_section {
	uint32_t name; /**< in the section names */
	uint32_t type;
	uint64_t flags;
	uint64_t addr;
	uint64_t offset;
	uint64_t size;
	uint32_t link;
};

/** An open image. */
struct elf {
	struct elf_source source;
	bool mapped;   /**< read at addresses, not at offsets */
	uint64_t base; /**< of a mapped one: where its header is */
	uint64_t bias; /**< of a mapped one: address less link address */
	uint16_t type;
	uint16_t machine;
	uint64_t shoff;
	uint32_t shnum;
	uint32_t shstrndx;
	struct elf_segment *segments; /**< owned */
	size_t segment_count;
	struct elf_section *sections; /**< owned; elf_read_sections() */
	size_t section_count;
	char *names; /**< owned; of sections, NUL at the end */
	size_t names_len;
};

struct elf_build_id {
	uint8_t len; /**< 0: it has none */
	uint8_t bytes[ELF_BUILD_ID_MAX];
};

bool elf_is_magic(struct mvmi_bytes head);

/**
 * Open a file's image; source.read takes file offsets.
 *
 * @retval MVMI_ERR_UNSUPPORTED  Not 64-bit little-endian.
 * @retval MVMI_ERR_CORRUPT      Its header contradicts itself.
 * @retval MVMI_ERR_LIMIT        More segments than ELF_SEGMENTS_MAX.
 */
MVMI_MUST_CHECK enum mvmi_status
elf_open(const struct elf_source *source, struct elf *ret,
	 struct mvmi_error *err);

/**
 * Open an image that a loader mapped; source.read takes guest addresses.
 *
 * @param base  Where the first page of the file is mapped.
 */
MVMI_MUST_CHECK enum mvmi_status
elf_open_mapped(const struct elf_source *source, uint64_t base, struct elf *ret,
		struct mvmi_error *err);

/** The first segment of a type after "after" (NULL: the first), or NULL. */
const struct elf_segment *
elf_find_segment(const struct elf *elf, enum elf_segment_type type,
		 const struct elf_segment *after);

/** Read the section headers of a file; again is a no-op. None is no error. */
MVMI_MUST_CHECK enum mvmi_status
elf_read_sections(struct elf *elf, struct mvmi_error *err);

/** A section by name, NULL if there is none or it holds no bytes as they are. */
const struct elf_section *
elf_find_section(const struct elf *elf, const char *name);

/** Whether there is a section of this name, compressed or not. */
bool elf_has_section(const struct elf *elf, const char *name);

/** Read exactly dst.len bytes at an offset or address. */
MVMI_MUST_CHECK enum mvmi_status
elf_read(const struct elf *elf, uint64_t off, struct mvmi_span dst,
	 struct mvmi_error *err);

/**
 * Read len bytes at an offset or address into memory of our own, with a NUL
 * byte after them.
 *
 * @param max  Limit of len.
 * @param ret  Release with free().
 */
MVMI_MUST_CHECK enum mvmi_status
elf_read_block(const struct elf *elf, uint64_t off, uint64_t len, uint64_t max,
	       uint8_t **ret, struct mvmi_error *err);

/** Read the build-id; one that is missing has len 0. */
MVMI_MUST_CHECK enum mvmi_status
elf_build_id(struct elf *elf, struct elf_build_id *ret, struct mvmi_error *err);

/** Fail with UNSUPPORTED: it lacks what; the message says where that may be. */
enum mvmi_status
elf_fail_stripped(struct elf *elf, const char *what, struct mvmi_error *err);

/** A zeroed one is a no-op. */
void elf_close(struct elf *elf);

#endif /* MICROVMI_SYMBOLS_ELF_H */
