/* SPDX-License-Identifier: MIT */
#include "symbols/elfsym.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "symbols/table.h"

#define ELFSYM_LEN 24

/* Of dynamic sections; the longest seen have about 60 entries. */
#define ELFSYM_DYNAMIC_LEN_MAX ((uint64_t)64 << 10)

/* Of hash tables; each holds no more buckets than there may be symbols. */
#define ELFSYM_BUCKETS_LEN_MAX (ELFSYM_COUNT_MAX * 4)

/* gABI, "Symbol Table". */
enum elfsym_section {
	ELFSYM_UNDEF = 0,
	ELFSYM_ABS = 0xfff1,
	ELFSYM_COMMON = 0xfff2,
	ELFSYM_RESERVED = 0xff00, /**< from here on they are no sections */
};

enum elfsym_bind {
	ELFSYM_LOCAL = 0,
	ELFSYM_WEAK = 2,
	ELFSYM_UNIQUE = 10,
};

enum elfsym_type {
	ELFSYM_OBJECT = 1,
	ELFSYM_FUNC = 2,
	ELFSYM_SECTION = 3,
	ELFSYM_FILE = 4,
	ELFSYM_TLS = 6,
	ELFSYM_IFUNC = 10,
};

/* gABI, "Dynamic Section". */
enum elfsym_tag {
	ELFSYM_DT_NULL = 0,
	ELFSYM_DT_HASH = 4,
	ELFSYM_DT_STRTAB = 5,
	ELFSYM_DT_SYMTAB = 6,
	ELFSYM_DT_STRSZ = 10,
	ELFSYM_DT_GNU_HASH = 0x6ffffef5,
};

struct elfsym {
	uint32_t name;
	uint8_t bind;
	uint8_t type;
	uint16_t shndx;
	uint64_t value;
	uint64_t size;
};

/** Where a table is: offsets of a file, or addresses. */
struct elfsym_place {
	uint64_t symbols;
	uint64_t count;
	uint64_t names;
	uint64_t names_len;
};

static struct elfsym elfsym_take(struct cursor *c)
{
	struct elfsym sym = { .name = cursor_u32le(c) };
	uint8_t info = cursor_u8(c);

	(void)cursor_u8(c); /* visibility */
	sym.bind = info >> 4;
	sym.type = info & 0xf;
	sym.shndx = cursor_u16le(c);
	sym.value = cursor_u64le(c);
	sym.size = cursor_u64le(c);
	return sym;
}

static char elfsym_section_letter(const struct elf_section *section)
{
	if (section->flags & ELF_SHF_EXECINSTR)
		return 't';
	if (section->type == ELF_SHT_NOBITS)
		return 'b';
	if (section->flags & ELF_SHF_WRITE)
		return 'd';
	return section->flags & ELF_SHF_ALLOC ? 'r' : 'n';
}

/** Where sections are not known, segments tell nearly as much. */
static char
elfsym_segment_letter(const struct elf *elf, const struct elfsym *sym)
{
	const struct elf_segment *load = NULL;

	while ((load = elf_find_segment(elf, ELF_PT_LOAD, load)) != NULL) {
		if (sym->value < load->vaddr ||
		    sym->value - load->vaddr >= load->memsz)
			continue;
		if (load->flags & ELF_PF_X)
			return 't';
		if (!(load->flags & ELF_PF_W))
			return 'r';
		return sym->value - load->vaddr < load->filesz ? 'd' : 'b';
	}
	return sym->type == ELFSYM_FUNC ? 't' : 'd';
}

/** The letter that nm(1) prints for a defined symbol. */
static char elfsym_letter(const struct elf *elf, const struct elfsym *sym)
{
	char letter;

	if (sym->bind == ELFSYM_WEAK)
		return sym->type == ELFSYM_OBJECT ? 'V' : 'W';
	if (sym->bind == ELFSYM_UNIQUE)
		return 'u';
	if (sym->type == ELFSYM_IFUNC)
		return 'i';
	if (sym->shndx == ELFSYM_ABS)
		letter = 'a';
	else if (sym->shndx == ELFSYM_COMMON)
		letter = 'c';
	else if (sym->shndx < elf->section_count)
		letter = elfsym_section_letter(&elf->sections[sym->shndx]);
	else
		letter = elfsym_segment_letter(elf, sym);
	if (sym->bind != ELFSYM_LOCAL)
		letter = (char)(letter - 'a' + 'A');
	return letter;
}

/**
 * Whether it names a place. Those of threads' own variables are offsets in a
 * block that each thread has elsewhere.
 */
static bool elfsym_is_place(const struct elfsym *sym)
{
	return sym->shndx != ELFSYM_UNDEF && sym->type != ELFSYM_SECTION &&
	       sym->type != ELFSYM_FILE && sym->type != ELFSYM_TLS;
}

/** A table that is being read. */
struct elfsym_reader {
	const struct elf *elf;
	struct mvmi_bytes names; /**< with a NUL after them */
	uint64_t bias;
	uint64_t budget; /**< bytes of names still allowed: they may overlap */
	struct symbols_builder *out;
};

static uint64_t elfsym_names_max(const struct elf *elf)
{
	return elf->mapped ? ELFSYM_NAMES_LEN_MAPPED : ELFSYM_NAMES_LEN_MAX;
}

static enum mvmi_status
elfsym_add(struct elfsym_reader *r, const struct elfsym *sym,
	   struct mvmi_error *err)
{
	const char *name = (const char *)r->names.ptr + sym->name;
	struct symbols_new symbol;
	const char *version;
	size_t len;

	if (!elfsym_is_place(sym))
		return MVMI_OK;
	if (sym->name >= r->names.len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a symbol's name at 0x%" PRIx32
			    " in 0x%zx bytes of names",
			    sym->name, r->names.len);
	len = strnlen(name, ELFSYM_NAME_LEN_MAX);
	if (len == ELFSYM_NAME_LEN_MAX || len > r->budget)
		return fail(err, MVMI_ERR_LIMIT,
			    "names of ELF symbols are longer than %d bytes, or "
			    "than 0x%" PRIx64 " together",
			    ELFSYM_NAME_LEN_MAX, elfsym_names_max(r->elf));
	r->budget -= len;
	/* Linkers note the default version: memcpy@@GLIBC_2.14. */
	version = strstr(name, "@@");
	if (version)
		len = (size_t)(version - name);
	if (len == 0)
		return MVMI_OK;
	symbol = (struct symbols_new){
		.name = { (const uint8_t *)name, len },
		.addr = sym->value,
		.size = sym->size,
		.type = elfsym_letter(r->elf, sym),
		.absolute = sym->shndx == ELFSYM_ABS,
	};
	if (!symbol.absolute)
		symbol.addr += r->bias;
	return symbols_builder_add(r->out, &symbol, err);
}

/** Fetch a table with its names, once, and make ours of it. */
static enum mvmi_status
elfsym_read(const struct elf *elf, const struct elfsym_place *place,
	    uint64_t bias, struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct symbols_builder out = { 0 };
	struct elfsym_reader r = {
		.elf = elf,
		.bias = bias,
		.budget = elfsym_names_max(elf),
		.out = &out,
	};
	uint8_t *symbols = NULL;
	uint8_t *names = NULL;
	enum mvmi_status status;
	struct cursor c;

	if (place->count > ELFSYM_COUNT_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "%" PRIu64 " ELF symbols, more than %" PRIu64,
			    place->count, ELFSYM_COUNT_MAX);
	status = elf_read_block(elf, place->symbols, place->count * ELFSYM_LEN,
				UINT64_MAX, &symbols, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "ELF symbols");
	status = elf_read_block(elf, place->names, place->names_len,
				elfsym_names_max(elf), &names, err);
	status = fail_context(err, status, "names of ELF symbols");
	r.names = (struct mvmi_bytes){ names, (size_t)place->names_len };
	c = cursor_of((struct mvmi_bytes){ symbols,
					   (size_t)place->count * ELFSYM_LEN });
	while (status == MVMI_OK && c.rest.len) {
		struct elfsym sym = elfsym_take(&c);

		status = elfsym_add(&r, &sym, err);
	}
	if (status == MVMI_OK)
		status = symbols_builder_finish(&out, ret, err);
	symbols_builder_fini(&out);
	free(symbols);
	free(names);
	return status;
}

static const struct elf_section *
elfsym_find_table(const struct elf *elf, uint32_t type)
{
	for (size_t i = 0; i < elf->section_count; i++) {
		if (elf->sections[i].type == type)
			return &elf->sections[i];
	}
	return NULL;
}

enum mvmi_status elfsym_load(struct elf *elf, uint64_t bias,
			     struct mvmi_symbols **ret, struct mvmi_error *err)
{
	enum mvmi_status status = elf_read_sections(elf, err);
	const struct elf_section *table;
	struct elfsym_place place;

	if (status != MVMI_OK)
		return status;
	table = elfsym_find_table(elf, ELF_SHT_SYMTAB);
	if (!table)
		table = elfsym_find_table(elf, ELF_SHT_DYNSYM);
	if (!table)
		return elf_fail_stripped(elf, "a symbol table", err);
	if (table->link >= elf->section_count)
		return fail(err, MVMI_ERR_CORRUPT,
			    "names of symbols in section %" PRIu32 " of %zu",
			    table->link, elf->section_count);
	place = (struct elfsym_place){
		.symbols = table->offset,
		.count = table->size / ELFSYM_LEN,
		.names = elf->sections[table->link].offset,
		.names_len = elf->sections[table->link].size,
	};
	return elfsym_read(elf, &place, bias, ret, err);
}

/** What the dynamic section says; 0 is not there. */
struct elfsym_dynamic {
	uint64_t symbols;
	uint64_t names;
	uint64_t names_len;
	uint64_t hash;
	uint64_t gnu_hash;
};

/**
 * glibc adds the bias to these pointers in place; the vDSO's and musl's stay
 * as they were linked.
 */
static uint64_t elfsym_pointer(const struct elf *elf, uint64_t value)
{
	return value >= elf->base ? value : value + elf->bias;
}

static struct elfsym_dynamic
elfsym_take_dynamic(const struct elf *elf, struct mvmi_bytes bytes)
{
	struct elfsym_dynamic dynamic = { 0 };
	struct cursor c = cursor_of(bytes);

	while (c.rest.len >= 16) {
		uint64_t tag = cursor_u64le(&c);
		uint64_t value = cursor_u64le(&c);

		if (tag == ELFSYM_DT_NULL)
			break;
		if (tag == ELFSYM_DT_STRSZ)
			dynamic.names_len = value;
		else if (tag == ELFSYM_DT_STRTAB)
			dynamic.names = elfsym_pointer(elf, value);
		else if (tag == ELFSYM_DT_SYMTAB)
			dynamic.symbols = elfsym_pointer(elf, value);
		else if (tag == ELFSYM_DT_HASH)
			dynamic.hash = elfsym_pointer(elf, value);
		else if (tag == ELFSYM_DT_GNU_HASH)
			dynamic.gnu_hash = elfsym_pointer(elf, value);
	}
	return dynamic;
}

/** gABI, "Hash Table": there are as many chains as symbols. */
static enum mvmi_status elfsym_count_hash(const struct elf *elf, uint64_t hash,
					  uint64_t *ret, struct mvmi_error *err)
{
	uint8_t raw[8];
	enum mvmi_status status = elf_read(
		elf, hash, (struct mvmi_span){ raw, sizeof(raw) }, err);

	if (status != MVMI_OK)
		return fail_context(err, status, "DT_HASH");
	*ret = load_le32(raw + 4);
	return MVMI_OK;
}

/** The last symbol of a chain is the one whose hash is odd. */
static enum mvmi_status
elfsym_end_of_chain(const struct elf *elf, uint64_t chains, uint64_t first,
		    uint64_t *ret, struct mvmi_error *err)
{
	for (uint64_t i = first; i < first + ELFSYM_CHAIN_MAX; i++) {
		uint8_t raw[4];
		enum mvmi_status status =
			elf_read(elf, chains + i * 4,
				 (struct mvmi_span){ raw, sizeof(raw) }, err);

		if (status != MVMI_OK)
			return fail_context(err, status,
					    "chain of DT_GNU_HASH");
		if (load_le32(raw) & 1) {
			*ret = i + 1;
			return MVMI_OK;
		}
	}
	return fail(err, MVMI_ERR_LIMIT,
		    "a chain of DT_GNU_HASH is longer than %d symbols",
		    ELFSYM_CHAIN_MAX);
}

/**
 * The GNU hash table: a header of four words, 64-bit words of a filter, the
 * buckets, and a word for each symbol from "offset" on. Symbols are sorted by
 * bucket, so that the last chain holds the last symbol.
 */
static enum mvmi_status elfsym_count_gnu(const struct elf *elf, uint64_t hash,
					 uint64_t *ret, struct mvmi_error *err)
{
	uint8_t head[16];
	enum mvmi_status status = elf_read(
		elf, hash, (struct mvmi_span){ head, sizeof(head) }, err);
	uint64_t len, last = 0, at;
	uint8_t *raw = NULL;
	uint32_t offset;

	if (status != MVMI_OK)
		return fail_context(err, status, "DT_GNU_HASH");
	len = (uint64_t)load_le32(head) * 4;
	offset = load_le32(head + 4);
	at = hash + sizeof(head) + (uint64_t)load_le32(head + 8) * 8;
	status =
		elf_read_block(elf, at, len, ELFSYM_BUCKETS_LEN_MAX, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "buckets of DT_GNU_HASH");
	for (size_t i = 0; i < len; i += 4) {
		uint32_t bucket = load_le32(raw + i);

		last = MAX(last, bucket);
	}
	free(raw);
	if (last < offset) {
		/* No bucket is in use: only what needs no hash is there. */
		*ret = offset;
		return MVMI_OK;
	}
	status = elfsym_end_of_chain(elf, at + len, last - offset, ret, err);
	if (status == MVMI_OK)
		*ret += offset;
	return status;
}

enum mvmi_status
elfsym_load_mapped(const struct elf *elf, struct mvmi_symbols **ret,
		   struct mvmi_error *err)
{
	const struct elf_segment *segment =
		elf_find_segment(elf, ELF_PT_DYNAMIC, NULL);
	struct elfsym_place place = { 0 };
	struct elfsym_dynamic dynamic;
	enum mvmi_status status;
	uint8_t *raw = NULL;

	if (!segment)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the ELF image at 0x%" PRIx64
			    " is linked statically: its symbols are not mapped",
			    elf->base);
	status = elf_read_block(elf, elf->bias + segment->vaddr, segment->memsz,
				ELFSYM_DYNAMIC_LEN_MAX, &raw, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "PT_DYNAMIC");
	dynamic = elfsym_take_dynamic(
		elf, (struct mvmi_bytes){ raw, (size_t)segment->memsz });
	free(raw);
	if (!dynamic.symbols || !dynamic.names)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "PT_DYNAMIC of the ELF image at 0x%" PRIx64
			    " names no symbols",
			    elf->base);
	if (dynamic.gnu_hash)
		status = elfsym_count_gnu(elf, dynamic.gnu_hash, &place.count,
					  err);
	else if (dynamic.hash)
		status =
			elfsym_count_hash(elf, dynamic.hash, &place.count, err);
	else
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "PT_DYNAMIC of the ELF image at 0x%" PRIx64
			      " has no hash table to count symbols by",
			      elf->base);
	if (status != MVMI_OK)
		return status;
	place.symbols = dynamic.symbols;
	place.names = dynamic.names;
	place.names_len = dynamic.names_len;
	return elfsym_read(elf, &place, elf->bias, ret, err);
}
