/* SPDX-License-Identifier: MIT */
/** @file ELF cores built by hand, and what the parser makes of them. */
#ifndef MICROVMI_TEST_DUMP_ELF_H
#define MICROVMI_TEST_DUMP_ELF_H

#include <microvmi/vcpu.h>
#include <string.h>

#include "base/error.h"
#include "drivers/dump/elfcore.h"

#define BUILD_LEN_MAX 65536

/** A core under construction. */
struct build {
	uint8_t bytes[BUILD_LEN_MAX];
	size_t len;
	size_t word; /**< 8 or 4 */
	unsigned phnum;
};

static inline void put_le(uint8_t *at, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline void put(struct build *b, uint64_t value, size_t width)
{
	put_le(b->bytes + b->len, value, width);
	b->len += width;
}

static inline void put_zeros(struct build *b, size_t n)
{
	memset(b->bytes + b->len, 0, n);
	b->len += n;
}

static inline size_t build_ehdr_len(const struct build *b)
{
	return b->word == 8 ? 64 : 52;
}

static inline size_t build_phdr_len(const struct build *b)
{
	return b->word == 8 ? 56 : 32;
}

/** Header and room for phnum program headers, which follow it. */
static inline void
build_start(struct build *b, size_t word, unsigned machine, unsigned phnum)
{
	*b = (struct build){ .word = word };
	put(b, 0x464c457f, 4);
	put(b, word == 8 ? 2 : 1, 1);
	put(b, 1, 1);
	put(b, 1, 1);
	put_zeros(b, 9);
	put(b, 4, 2); /* ET_CORE */
	put(b, machine, 2);
	put(b, 1, 4);
	put(b, 0, word);
	put(b, build_ehdr_len(b), word);
	put(b, 0, word);
	put(b, 0, 4);
	put(b, build_ehdr_len(b), 2);
	put(b, build_phdr_len(b), 2);
	put(b, phnum, 2);
	put_zeros(b, 6);
	put_zeros(b, phnum * build_phdr_len(b));
}

/** Where e_phnum lies. */
static inline uint8_t *build_phnum_at(struct build *b)
{
	return b->bytes + (b->word == 8 ? 56 : 44);
}

static inline uint8_t *build_shoff_at(struct build *b)
{
	return b->bytes + (b->word == 8 ? 40 : 32);
}

/** Fill the next program header; vaddr is paddr. */
static inline void build_phdr(struct build *b, uint32_t type, uint64_t off,
			      uint64_t paddr, uint64_t filesz, uint64_t memsz)
{
	uint8_t *at =
		b->bytes + build_ehdr_len(b) + b->phnum++ * build_phdr_len(b);
	size_t w = b->word;

	put_le(at, type, 4);
	at += w == 8 ? 8 : 4;
	put_le(at, off, w);
	put_le(at + w, paddr, w);
	put_le(at + 2 * w, paddr, w);
	put_le(at + 3 * w, filesz, w);
	put_le(at + 4 * w, memsz, w);
}

/** A PT_LOAD of len bytes of fill, appended to the file. */
static inline void
build_load(struct build *b, uint64_t paddr, size_t len, uint8_t fill)
{
	build_phdr(b, 1, b->len, paddr, len, len);
	memset(b->bytes + b->len, fill, len);
	b->len += len;
}

/** The head of a note; namesz counts the NUL, desc is the caller's to put. */
static inline void
build_note(struct build *b, const char *name, uint32_t type, uint32_t descsz)
{
	size_t namesz = strlen(name) + 1;

	put(b, namesz, 4);
	put(b, descsz, 4);
	put(b, type, 4);
	memcpy(b->bytes + b->len, name, namesz);
	b->len += namesz;
	put_zeros(b, (4 - namesz % 4) % 4);
}

/** Make what was appended since start the core's notes. */
static inline void build_notes_end(struct build *b, size_t start)
{
	build_phdr(b, 4, start, 0, b->len - start, b->len - start);
}

/** Memory as a parser's source. */
struct mem_source {
	struct dump_source source; /**< first */
	const uint8_t *bytes;
};

static inline enum mvmi_status
mem_source_read(const struct dump_source *source, uint64_t off,
		struct mvmi_span dst, struct mvmi_error *err)
{
	const struct mem_source *from =
		(const struct mem_source *)(const void *)source;

	if (off > source->size || dst.len > source->size - off)
		return fail(err, MVMI_ERR_CORRUPT, "the source ends before");
	if (dst.len)
		memcpy(dst.ptr, from->bytes + off, dst.len);
	return MVMI_OK;
}

static inline enum mvmi_status
parse_bytes(struct mvmi_bytes bytes, struct dump_image *ret,
	    struct mvmi_error *err)
{
	struct mem_source source = {
		.source = { .size = bytes.len, .read = mem_source_read },
		.bytes = bytes.ptr,
	};

	return elfcore_parse(&source.source, ret, err);
}

#define X86_64 62
#define I386   3

/** The core that is built, and what parse() made of it last. */
static struct build b;
static struct dump_image image;

static inline enum mvmi_status parse_error(struct mvmi_error *err)
{
	struct dump_image parsed = { 0 };
	enum mvmi_status status;

	image_fini(&image);
	status = parse_bytes((struct mvmi_bytes){ b.bytes, b.len }, &parsed,
			     err);
	if (status == MVMI_OK)
		image = parsed;
	return status;
}

static inline enum mvmi_status parse(void)
{
	return parse_error(NULL);
}

static inline bool has(unsigned vcpu, enum mvmi_reg reg)
{
	return vcpu < image.vcpu_count &&
	       mvmi_regset_has(image.vcpus[vcpu].valid, reg);
}

static inline bool is(unsigned vcpu, enum mvmi_reg reg, uint64_t value)
{
	return has(vcpu, reg) &&
	       *mvmi_regs_scalar(&image.vcpus[vcpu], reg) == value;
}

/** A core with some memory, notes to follow. @return where they start. */
static inline size_t start_with_notes(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0, 16, 0x11);
	return b.len;
}

#endif /* MICROVMI_TEST_DUMP_ELF_H */
