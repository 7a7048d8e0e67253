/* SPDX-License-Identifier: MIT */
#include "symbols/elf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/util.h"

#define ELF_CLASS64   2
#define ELF_LITTLE    1
#define ELF_XINDEX    0xffff
#define ELF_NT_GNU_ID 3

#define ELF_EHDR_LEN  64
#define ELF_PHDR_LEN  56
#define ELF_SHDR_LEN  64

/* The notes of a kernel are 0.5 KiB, those of a program less. */
#define ELF_NOTES_LEN_MAX ((uint64_t)1 << 20)
#define ELF_NAMES_LEN_MAX ((uint64_t)16 << 20)

static const uint8_t elf_magic[ELF_MAGIC_LEN] = { 0x7f, 'E', 'L', 'F' };

bool elf_is_magic(struct mvmi_bytes head)
{
	return head.len >= sizeof(elf_magic) &&
	       memcmp(head.ptr, elf_magic, sizeof(elf_magic)) == 0;
}

enum mvmi_status elf_read(const struct elf *elf, uint64_t off,
			  struct mvmi_span dst, struct mvmi_error *err)
{
	if (dst.len && off > UINT64_MAX - (dst.len - 1))
		return fail(err, MVMI_ERR_CORRUPT,
			    "an ELF image names 0x%zx bytes at 0x%" PRIx64,
			    dst.len, off);
	return elf->source.read(elf->source.ctx, off, dst, err);
}

enum mvmi_status
elf_read_block(const struct elf *elf, uint64_t off, uint64_t len, uint64_t max,
	       uint8_t **ret, struct mvmi_error *err)
{
	enum mvmi_status status;
	uint8_t *block;

	if (len > max)
		return fail(err, MVMI_ERR_LIMIT,
			    "0x%" PRIx64 " bytes, more than 0x%" PRIx64, len,
			    max);
	block = malloc((size_t)len + 1);
	if (!block)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for 0x%" PRIx64 " bytes", len);
	status = elf_read(elf, off, (struct mvmi_span){ block, (size_t)len },
			  err);
	if (status != MVMI_OK) {
		free(block);
		return status;
	}
	block[len] = 0;
	*ret = block;
	return MVMI_OK;
}

static struct elf_segment elf_take_segment(struct cursor *c)
{
	struct elf_segment segment = {
		.type = cursor_u32le(c),
		.flags = cursor_u32le(c),
		.offset = cursor_u64le(c),
		.vaddr = cursor_u64le(c),
	};

	(void)cursor_u64le(c); /* paddr */
	segment.filesz = cursor_u64le(c);
	segment.memsz = cursor_u64le(c);
	(void)cursor_u64le(c); /* align */
	return segment;
}

static enum mvmi_status
elf_read_segments(struct elf *elf, uint64_t phoff, uint16_t count,
		  struct mvmi_error *err)
{
	uint64_t len = (uint64_t)count * ELF_PHDR_LEN;
	enum mvmi_status status;
	uint8_t *raw = NULL;
	struct cursor c;

	if (count == 0)
		return MVMI_OK;
	if (count > ELF_SEGMENTS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "an ELF image of %u segments, more than %d", count,
			    ELF_SEGMENTS_MAX);
	if (phoff > UINT64_MAX - elf->base)
		return fail(err, MVMI_ERR_CORRUPT,
			    "ELF segments at offset 0x%" PRIx64, phoff);
	elf->segments = calloc(count, sizeof(*elf->segments));
	if (!elf->segments)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %u segments",
			    count);
	status = elf_read_block(elf, elf->base + phoff, len, len, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "ELF program headers");
	c = cursor_of((struct mvmi_bytes){ raw, (size_t)len });
	for (size_t i = 0; i < count; i++)
		elf->segments[i] = elf_take_segment(&c);
	elf->segment_count = count;
	free(raw);
	return MVMI_OK;
}

static enum mvmi_status
elf_check_ident(struct cursor *c, struct mvmi_error *err)
{
	struct mvmi_bytes magic = cursor_take(c, sizeof(elf_magic));
	uint8_t class = cursor_u8(c);
	uint8_t data = cursor_u8(c);

	(void)cursor_take(c, 10);
	if (!elf_is_magic(magic))
		return fail(err, MVMI_ERR_CORRUPT, "not an ELF image");
	if (class != ELF_CLASS64 || data != ELF_LITTLE)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "an ELF image of class %u and data %u; 64-bit "
			    "little-endian ones can be read",
			    class, data);
	return MVMI_OK;
}

static enum mvmi_status elf_read_header(struct elf *elf, struct mvmi_error *err)
{
	uint8_t raw[ELF_EHDR_LEN] = { 0 };
	struct cursor c = cursor_of((struct mvmi_bytes){ raw, sizeof(raw) });
	enum mvmi_status status;
	uint16_t phentsize;
	uint16_t shentsize;
	uint64_t phoff;
	uint16_t phnum;

	status = elf_read(elf, elf->base,
			  (struct mvmi_span){ raw, sizeof(raw) }, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "ELF header");
	status = elf_check_ident(&c, err);
	if (status != MVMI_OK)
		return status;
	elf->type = cursor_u16le(&c);
	elf->machine = cursor_u16le(&c);
	(void)cursor_take(&c, 4 + 8); /* version, entry */
	phoff = cursor_u64le(&c);
	elf->shoff = cursor_u64le(&c);
	(void)cursor_take(&c, 4 + 2); /* flags, ehsize */
	phentsize = cursor_u16le(&c);
	phnum = cursor_u16le(&c);
	shentsize = cursor_u16le(&c);
	elf->shnum = cursor_u16le(&c);
	elf->shstrndx = cursor_u16le(&c);
	if ((phnum && phentsize != ELF_PHDR_LEN) ||
	    (elf->shoff && shentsize != ELF_SHDR_LEN))
		return fail(err, MVMI_ERR_CORRUPT,
			    "ELF headers of %u and %u bytes, not %d and %d",
			    phentsize, shentsize, ELF_PHDR_LEN, ELF_SHDR_LEN);
	return elf_read_segments(elf, phoff, phnum, err);
}

enum mvmi_status elf_open(const struct elf_source *source, struct elf *ret,
			  struct mvmi_error *err)
{
	struct elf elf = { .source = *source };
	enum mvmi_status status = elf_read_header(&elf, err);

	if (status != MVMI_OK) {
		elf_close(&elf);
		return status;
	}
	*ret = elf;
	return MVMI_OK;
}

/** The bias follows from where the segment with the header was linked to. */
static enum mvmi_status elf_find_bias(struct elf *elf, struct mvmi_error *err)
{
	const struct elf_segment *load = NULL;

	do {
		load = elf_find_segment(elf, ELF_PT_LOAD, load);
	} while (load && load->offset >= ELF_EHDR_LEN);
	if (!load)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the ELF image at 0x%" PRIx64
			    " has no segment with its header",
			    elf->base);
	/* Both may be anything; addresses wrap as the guest's would. */
	elf->bias = elf->base - (load->vaddr - load->offset);
	return MVMI_OK;
}

enum mvmi_status elf_open_mapped(const struct elf_source *source, uint64_t base,
				 struct elf *ret, struct mvmi_error *err)
{
	struct elf elf = { .source = *source, .mapped = true, .base = base };
	enum mvmi_status status = elf_read_header(&elf, err);

	if (status == MVMI_OK)
		status = elf_find_bias(&elf, err);
	if (status != MVMI_OK) {
		elf_close(&elf);
		return status;
	}
	elf.shnum = 0;
	*ret = elf;
	return MVMI_OK;
}

const struct elf_segment *
elf_find_segment(const struct elf *elf, enum elf_segment_type type,
		 const struct elf_segment *after)
{
	size_t i = after ? (size_t)(after - elf->segments) + 1 : 0;

	for (; i < elf->segment_count; i++) {
		if (elf->segments[i].type == (uint32_t)type)
			return &elf->segments[i];
	}
	return NULL;
}

static struct elf_section elf_take_section(struct cursor *c)
{
	struct elf_section section = {
		.name = cursor_u32le(c),
		.type = cursor_u32le(c),
		.flags = cursor_u64le(c),
		.addr = cursor_u64le(c),
		.offset = cursor_u64le(c),
		.size = cursor_u64le(c),
		.link = cursor_u32le(c),
	};

	(void)cursor_take(c, 4 + 8 + 8); /* info, addralign, entsize */
	return section;
}

/** Where the counts don't fit into the header, section 0 has them. */
static enum mvmi_status
elf_read_section_count(struct elf *elf, struct mvmi_error *err)
{
	uint8_t raw[ELF_SHDR_LEN];
	struct cursor c = cursor_of((struct mvmi_bytes){ raw, sizeof(raw) });
	struct elf_section first;
	enum mvmi_status status;

	if (elf->shnum && elf->shstrndx != ELF_XINDEX)
		return MVMI_OK;
	status = elf_read(elf, elf->shoff,
			  (struct mvmi_span){ raw, sizeof(raw) }, err);
	if (status != MVMI_OK)
		return status;
	first = elf_take_section(&c);
	if (elf->shnum == 0)
		elf->shnum = (uint32_t)MIN(first.size, UINT32_MAX);
	if (elf->shstrndx == ELF_XINDEX)
		elf->shstrndx = first.link;
	return MVMI_OK;
}

static enum mvmi_status
elf_read_section_names(struct elf *elf, struct mvmi_error *err)
{
	const struct elf_section *names;
	enum mvmi_status status;
	uint8_t *raw = NULL;

	if (elf->shstrndx == 0)
		return MVMI_OK;
	if (elf->shstrndx >= elf->section_count)
		return fail(err, MVMI_ERR_CORRUPT,
			    "section names in section %" PRIu32 " of %zu",
			    elf->shstrndx, elf->section_count);
	names = &elf->sections[elf->shstrndx];
	status = elf_read_block(elf, names->offset, names->size,
				ELF_NAMES_LEN_MAX, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "names of sections");
	elf->names = (char *)raw;
	elf->names_len = (size_t)names->size;
	return MVMI_OK;
}

enum mvmi_status elf_read_sections(struct elf *elf, struct mvmi_error *err)
{
	enum mvmi_status status;
	uint8_t *raw = NULL;
	struct cursor c;
	uint64_t len;

	if (elf->sections || elf->mapped || elf->shoff == 0)
		return MVMI_OK;
	status = elf_read_section_count(elf, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "section header 0");
	if (elf->shnum > ELF_SECTIONS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "an ELF image of %" PRIu32
			    " sections, more than %" PRIu32,
			    elf->shnum, ELF_SECTIONS_MAX);
	len = (uint64_t)elf->shnum * ELF_SHDR_LEN;
	status = elf_read_block(elf, elf->shoff, len, len, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "ELF section headers");
	elf->sections = calloc((size_t)elf->shnum + 1, sizeof(*elf->sections));
	if (!elf->sections) {
		free(raw);
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for %" PRIu32 " sections", elf->shnum);
	}
	c = cursor_of((struct mvmi_bytes){ raw, (size_t)len });
	for (size_t i = 0; i < elf->shnum; i++)
		elf->sections[i] = elf_take_section(&c);
	elf->section_count = elf->shnum;
	free(raw);
	return elf_read_section_names(elf, err);
}

const struct elf_section *
elf_find_section(const struct elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->section_count; i++) {
		const struct elf_section *section = &elf->sections[i];

		if (section->type == ELF_SHT_NOBITS ||
		    (section->flags & ELF_SHF_COMPRESSED) ||
		    section->name >= elf->names_len)
			continue;
		if (strcmp(elf->names + section->name, name) == 0)
			return section;
	}
	return NULL;
}

bool elf_has_section(const struct elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->section_count; i++) {
		const struct elf_section *section = &elf->sections[i];

		if (section->name < elf->names_len &&
		    strcmp(elf->names + section->name, name) == 0)
			return true;
	}
	return false;
}

/** Look for the build-id in a run of notes. gABI, "Note Section". */
static bool elf_find_id(struct mvmi_bytes notes, struct elf_build_id *ret)
{
	struct cursor c = cursor_of(notes);

	/* Each note takes 12 bytes or more. */
	while (cursor_ok(&c) && c.rest.len >= 12) {
		uint32_t name_len = cursor_u32le(&c);
		uint32_t len = cursor_u32le(&c);
		uint32_t type = cursor_u32le(&c);
		struct mvmi_bytes name = cursor_take(&c, name_len);
		struct mvmi_bytes desc;

		(void)cursor_take(&c, -(size_t)name_len & 3);
		desc = cursor_take(&c, len);
		if (!cursor_ok(&c))
			return false;
		if (type == ELF_NT_GNU_ID && name.len == 4 &&
		    memcmp(name.ptr, "GNU", 4) == 0 && desc.len &&
		    desc.len <= ELF_BUILD_ID_MAX) {
			ret->len = (uint8_t)desc.len;
			memcpy(ret->bytes, desc.ptr, desc.len);
			return true;
		}
		(void)cursor_take(&c, MIN(-(size_t)len & 3, c.rest.len));
	}
	return false;
}

/** The same where notes are read from; too long ones are not looked at. */
static enum mvmi_status
elf_read_id(const struct elf *elf, uint64_t off, uint64_t len,
	    struct elf_build_id *ret, struct mvmi_error *err)
{
	enum mvmi_status status;
	uint8_t *raw = NULL;

	if (len == 0 || len > ELF_NOTES_LEN_MAX)
		return MVMI_OK;
	status = elf_read_block(elf, off, len, len, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "ELF notes");
	(void)elf_find_id((struct mvmi_bytes){ raw, (size_t)len }, ret);
	free(raw);
	return MVMI_OK;
}

enum mvmi_status
elf_build_id(struct elf *elf, struct elf_build_id *ret, struct mvmi_error *err)
{
	const struct elf_segment *note = NULL;
	struct elf_build_id id = { 0 };
	enum mvmi_status status = MVMI_OK;

	while (status == MVMI_OK && !id.len &&
	       (note = elf_find_segment(elf, ELF_PT_NOTE, note)) != NULL)
		status = elf_read_id(elf,
				     elf->mapped ? elf->bias + note->vaddr
						 : note->offset,
				     note->filesz, &id, err);
	/* Relocatable files, kernel modules among them, have no segments. */
	if (status == MVMI_OK && !id.len)
		status = elf_read_sections(elf, err);
	for (size_t i = 0;
	     status == MVMI_OK && !id.len && i < elf->section_count; i++) {
		if (elf->sections[i].type == ELF_SHT_NOTE)
			status = elf_read_id(elf, elf->sections[i].offset,
					     elf->sections[i].size, &id, err);
	}
	if (status == MVMI_OK)
		*ret = id;
	return status;
}

enum mvmi_status
elf_fail_stripped(struct elf *elf, const char *what, struct mvmi_error *err)
{
	struct elf_build_id id = { 0 };
	char hex[2 * ELF_BUILD_ID_MAX + 1] = "";

	if (elf_build_id(elf, &id, NULL) != MVMI_OK || id.len < 2)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "an ELF image without %s: look for the file of its "
			    "debug package",
			    what);
	for (size_t i = 1; i < id.len; i++)
		(void)snprintf(hex + 2 * (i - 1), 3, "%02x", id.bytes[i]);
	/* Where distributions put them, GDB manual, "Separate Debug Files". */
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "an ELF image without %s: look for the file of its debug "
		    "package, /usr/lib/debug/.build-id/%02x/%s.debug",
		    what, id.bytes[0], hex);
}

void elf_close(struct elf *elf)
{
	free(elf->segments);
	free(elf->sections);
	free(elf->names);
	*elf = (struct elf){ 0 };
}
