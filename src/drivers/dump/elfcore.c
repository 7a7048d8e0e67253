/* SPDX-License-Identifier: MIT */
/*
 * The ELF of a core file: header, program headers, and which of them are memory
 * and which are notes. System V ABI (gABI), chapters 4 and 5.
 */
#include "drivers/dump/elfcore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "drivers/dump/notes.h"

#define ELF_CLASS32   1
#define ELF_CLASS64   2
#define ELF_LITTLE    1
#define ELF_TYPE_CORE 4
#define ELF_PT_LOAD   1
#define ELF_PT_NOTE   4
#define ELF_PN_XNUM   0xffff
/* In Linux's cores: memory that is virtual only. */
#define ELF_PADDR_UNKNOWN(elf) ((elf)->word == 8 ? UINT64_MAX : UINT32_MAX)

#define ELF_EHDR_LEN64	       64
#define ELF_SHDR_LEN64	       64
#define ELF_PHDR_LEN32	       32
#define ELF_PHDR_LEN64	       56
/* Of e_phentsize; ELF allows larger entries, nobody writes them. */
#define ELF_PHDR_LEN_MAX 256

/* A VirtualBox VM of 64 vCPUs has 0.6 MiB of notes. */
#define ELF_NOTES_LEN_MAX ((uint64_t)16 << 20)

struct elf {
	const struct dump_source *source;
	size_t word; /**< bytes of an address: 4 or 8 */
	uint16_t machine;
	uint64_t phoff;
	uint64_t shoff;
	uint16_t phentsize;
	uint32_t phnum;
};

struct elf_phdr {
	uint32_t type;
	uint64_t offset;
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t filesz;
	uint64_t memsz;
};

static const uint8_t elf_magic[ELFCORE_MAGIC_LEN] = { 0x7f, 'E', 'L', 'F' };

bool elfcore_is_elf(const uint8_t *magic)
{
	return memcmp(magic, elf_magic, sizeof(elf_magic)) == 0;
}

static enum mvmi_status
elf_check_ident(struct elf *elf, struct cursor *c, struct mvmi_error *err)
{
	struct mvmi_bytes magic = cursor_take(c, sizeof(elf_magic));
	uint8_t class = cursor_u8(c);
	uint8_t data = cursor_u8(c);

	(void)cursor_take(c, 10);
	if (!cursor_ok(c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the file ends within its ELF header");
	if (!elfcore_is_elf(magic.ptr))
		return fail(err, MVMI_ERR_INVALID, "not an ELF file");
	if (class != ELF_CLASS32 && class != ELF_CLASS64)
		return fail(err, MVMI_ERR_CORRUPT,
			    "ELF class %u is neither 32-bit nor 64-bit", class);
	if (data != ELF_LITTLE)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "only little-endian ELF cores can be read");
	elf->word = class == ELF_CLASS64 ? 8 : 4;
	return MVMI_OK;
}

static enum mvmi_status
elf_check_type(uint16_t type, uint16_t machine, struct mvmi_error *err)
{
	if (type != ELF_TYPE_CORE)
		return fail(err, MVMI_ERR_INVALID,
			    "an ELF file of type %u, not a core; if it is the "
			    "memory of a VM all the same, say format=raw",
			    type);
	if (machine != NOTES_MACHINE_X86_64 && machine != NOTES_MACHINE_386)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "an ELF core of machine %u; x86 can be read",
			    machine);
	return MVMI_OK;
}

/** With PN_XNUM the number of program headers is in section header 0. */
static enum mvmi_status elf_read_xnum(struct elf *elf, struct mvmi_error *err)
{
	uint8_t raw[ELF_SHDR_LEN64];
	struct cursor c = cursor_of((struct mvmi_bytes){ raw, sizeof(raw) });
	size_t len = elf->word == 8 ? ELF_SHDR_LEN64 : 40;
	enum mvmi_status status;

	if (elf->shoff == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the number of program headers is in a section "
			    "header, but there is none");
	status = elf->source->read(elf->source, elf->shoff,
				   (struct mvmi_span){ raw, len }, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "section header 0");
	/* name, type; flags, addr, offset, size; link */
	(void)cursor_take(&c, 8 + 4 * elf->word + 4);
	elf->phnum = cursor_u32le(&c);
	return MVMI_OK;
}

static enum mvmi_status elf_read_header(struct elf *elf, struct mvmi_error *err)
{
	uint8_t raw[ELF_EHDR_LEN64] = { 0 };
	size_t len = elf->source->size < sizeof(raw) ? (size_t)elf->source->size
						     : sizeof(raw);
	struct cursor c = cursor_of((struct mvmi_bytes){ raw, len });
	enum mvmi_status status;
	uint16_t type;

	status = elf->source->read(elf->source, 0,
				   (struct mvmi_span){ raw, len }, err);
	if (status == MVMI_OK)
		status = elf_check_ident(elf, &c, err);
	if (status != MVMI_OK)
		return status;
	type = cursor_u16le(&c);
	elf->machine = cursor_u16le(&c);
	(void)cursor_take(&c, 4 + elf->word); /* version, entry */
	elf->phoff = cursor_le(&c, elf->word);
	elf->shoff = cursor_le(&c, elf->word);
	/* flags; e_ehsize, which QEMU 7.2 sets to 8 */
	(void)cursor_take(&c, 4 + 2);
	elf->phentsize = cursor_u16le(&c);
	elf->phnum = cursor_u16le(&c);
	(void)cursor_take(&c, 6); /* shentsize, shnum, shstrndx */
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the file ends within its ELF header");
	status = elf_check_type(type, elf->machine, err);
	if (status == MVMI_OK && elf->phnum == ELF_PN_XNUM)
		status = elf_read_xnum(elf, err);
	return status;
}

static struct elf_phdr elf_take_phdr(struct cursor *c, size_t word)
{
	struct elf_phdr phdr = { .type = cursor_u32le(c) };

	if (word == 8)
		(void)cursor_u32le(c); /* flags */
	phdr.offset = cursor_le(c, word);
	phdr.vaddr = cursor_le(c, word);
	phdr.paddr = cursor_le(c, word);
	phdr.filesz = cursor_le(c, word);
	phdr.memsz = cursor_le(c, word);
	return phdr;
}

/** What elf_scan() gathers over the program headers. */
struct elf_scan {
	struct dump_image *image;
	struct notes *notes;
	bool has_paddr; /**< a PT_LOAD says where it is in physical memory */
	bool has_vaddr;
};

static enum mvmi_status
elf_read_notes(struct elf *elf, struct elf_scan *scan,
	       const struct elf_phdr *phdr, struct mvmi_error *err)
{
	struct mvmi_span room;
	enum mvmi_status status;

	if (phdr->filesz == 0)
		return MVMI_OK;
	if (phdr->filesz > ELF_NOTES_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "0x%" PRIx64 " bytes of notes, more than %u MiB",
			    phdr->filesz, (unsigned)(ELF_NOTES_LEN_MAX >> 20));
	if (phdr->offset > elf->source->size ||
	    phdr->filesz > elf->source->size - phdr->offset)
		return fail(err, MVMI_ERR_CORRUPT,
			    "0x%" PRIx64
			    " bytes of notes at file offset 0x%" PRIx64
			    ", but the file ends at 0x%" PRIx64,
			    phdr->filesz, phdr->offset, elf->source->size);
	status = notes_add(scan->notes, (size_t)phdr->filesz, &room, err);
	if (status != MVMI_OK)
		return status;
	return elf->source->read(elf->source, phdr->offset, room, err);
}

static enum mvmi_status
elf_take_segment(struct elf *elf, struct elf_scan *scan, struct cursor *c,
		 struct mvmi_error *err)
{
	struct elf_phdr phdr = elf_take_phdr(c, elf->word);
	struct dump_segment segment = {
		.start = phdr.paddr,
		.len = phdr.memsz,
		.file_len = phdr.filesz,
		.off = phdr.offset,
	};

	if (phdr.type == ELF_PT_NOTE)
		return elf_read_notes(elf, scan, &phdr, err);
	if (phdr.type != ELF_PT_LOAD || phdr.paddr == ELF_PADDR_UNKNOWN(elf))
		return MVMI_OK;
	scan->has_paddr |= phdr.paddr != 0;
	scan->has_vaddr |= phdr.vaddr != 0;
	if (phdr.filesz && phdr.memsz == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a segment has bytes but no length");
	return image_add(scan->image, &segment, elf->source->size, err);
}

/** Read the table of program headers once, into memory of our own. */
static enum mvmi_status
elf_read_phdrs(struct elf *elf, uint8_t **ret, struct mvmi_error *err)
{
	size_t least = elf->word == 8 ? ELF_PHDR_LEN64 : ELF_PHDR_LEN32;
	enum mvmi_status status;
	uint64_t len;
	uint8_t *raw = NULL;

	if (elf->phentsize < least || elf->phentsize > ELF_PHDR_LEN_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "program headers of %u bytes", elf->phentsize);
	if (elf->phnum > DUMP_SEGMENTS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "%" PRIu32 " program headers, more than %d",
			    elf->phnum, DUMP_SEGMENTS_MAX);
	len = (uint64_t)elf->phnum * elf->phentsize;
	if (elf->phoff > elf->source->size ||
	    len > elf->source->size - elf->phoff)
		return fail(err, MVMI_ERR_CORRUPT,
			    "%" PRIu32
			    " program headers at file offset 0x%" PRIx64
			    ", but the file ends at 0x%" PRIx64,
			    elf->phnum, elf->phoff, elf->source->size);
	raw = malloc(len ? (size_t)len : 1);
	if (!raw)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for %" PRIu32 " program headers",
			    elf->phnum);
	status = elf->source->read(elf->source, elf->phoff,
				   (struct mvmi_span){ raw, (size_t)len }, err);
	if (status != MVMI_OK) {
		free(raw);
		return status;
	}
	*ret = raw;
	return MVMI_OK;
}

static enum mvmi_status
elf_scan(struct elf *elf, struct elf_scan *scan, struct mvmi_error *err)
{
	enum mvmi_status status;
	struct cursor table;
	uint8_t *raw = NULL;

	status = elf_read_phdrs(elf, &raw, err);
	if (status != MVMI_OK)
		return status;
	table = cursor_of((struct mvmi_bytes){ raw, (size_t)elf->phnum *
							    elf->phentsize });
	for (uint32_t i = 0; status == MVMI_OK && i < elf->phnum; i++) {
		struct cursor c =
			cursor_of(cursor_take(&table, elf->phentsize));

		status = elf_take_segment(elf, scan, &c, err);
		status =
			fail_context(err, status, "program header %" PRIu32, i);
	}
	free(raw);
	return status;
}

/** What only the whole shows: a core of a process, or of nothing. */
static enum mvmi_status
elf_check_whole(const struct elf_scan *scan, struct mvmi_error *err)
{
	if (scan->image->segment_count == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "an ELF core without any memory in it");
	if (scan->image->segment_count > 1 && scan->has_vaddr &&
	    !scan->has_paddr)
		return fail(err, MVMI_ERR_INVALID,
			    "a core of a process, not of a machine: no segment "
			    "says where it is in physical memory");
	return MVMI_OK;
}

enum mvmi_status elfcore_parse(const struct dump_source *source,
			       struct dump_image *ret, struct mvmi_error *err)
{
	struct elf elf = { .source = source };
	struct dump_image image = { 0 };
	struct notes notes = { 0 };
	struct elf_scan scan = { .image = &image, .notes = &notes };
	enum mvmi_status status = elf_read_header(&elf, err);

	if (status == MVMI_OK)
		status = elf_scan(&elf, &scan, err);
	if (status == MVMI_OK)
		status = elf_check_whole(&scan, err);
	if (status == MVMI_OK)
		status = notes_apply(&notes, elf.machine, &image, err);
	notes_fini(&notes);
	if (status != MVMI_OK) {
		image_fini(&image);
		return status;
	}
	image_trim(&image);
	*ret = image;
	return MVMI_OK;
}
