/* SPDX-License-Identifier: MIT */
/* Files of symbols and types, told apart by what is in them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/util.h"
#include "symbols/btf.h"
#include "symbols/bzimage.h"
#include "symbols/dwarf.h"
#include "symbols/elfsym.h"
#include "symbols/isf.h"
#include "symbols/sysmap.h"
#include "symbols/table.h"
#include "symbols/unpack.h"

/* Enough to tell any format. */
#define LOAD_HEAD_LEN 4096

/* What a file in /proc, that tells no size, is read by. */
#define LOAD_STEP ((size_t)1 << 20)

/* Of /proc/kallsyms; a kernel with thousands of modules makes 20 MB. */
#define LOAD_PROC_LEN_MAX ((size_t)256 << 20)

/** A file, or what was compressed in it. */
struct load_input {
	struct file file;
	uint8_t head[LOAD_HEAD_LEN];
	size_t head_len;
	struct mvmi_span all; /**< owned; empty until it is needed as a whole */
};

static enum mvmi_status
load_alloc(struct mvmi_span *all, size_t len, struct mvmi_error *err)
{
	uint8_t *grown = realloc(all->ptr, len ? len : 1);

	if (!grown)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu bytes",
			    len);
	all->ptr = grown;
	return MVMI_OK;
}

/** Files in /proc have no size: read until there is no more. */
static enum mvmi_status
load_stream(struct load_input *in, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	size_t room = 0;
	ssize_t n = 1;

	while (n > 0) {
		if (in->all.len == LOAD_PROC_LEN_MAX)
			return fail(err, MVMI_ERR_LIMIT, "more than %zu bytes",
				    LOAD_PROC_LEN_MAX);
		if (in->all.len == room) {
			room = MIN(room + LOAD_STEP, LOAD_PROC_LEN_MAX);
			status = load_alloc(&in->all, room, err);
			if (status != MVMI_OK)
				return status;
		}
		n = pread(in->file.fd, in->all.ptr + in->all.len,
			  room - in->all.len, (off_t)in->all.len);
		if (n < 0)
			return fail_sys(err, errno, "cannot read");
		in->all.len += (size_t)n;
	}
	return MVMI_OK;
}

static enum mvmi_status
load_whole(struct load_input *in, struct mvmi_error *err)
{
	size_t len = (size_t)in->file.size;
	enum mvmi_status status;

	if (in->all.ptr)
		return MVMI_OK;
	if (in->file.size > UNPACK_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "%" PRIu64 " bytes, more than %zu", in->file.size,
			    UNPACK_LEN_MAX);
	if (in->file.size == 0)
		return load_stream(in, err);
	status = load_alloc(&in->all, len, err);
	if (status != MVMI_OK)
		return status;
	in->all.len = len;
	return file_read_at(&in->file, 0, in->all, err);
}

/** Put what was unpacked in place of what it was packed in. */
static void load_replace(struct load_input *in, struct mvmi_span all)
{
	free(in->all.ptr);
	in->all = all;
	in->head_len = MIN(all.len, sizeof(in->head));
	memcpy(in->head, all.ptr, in->head_len);
}

static struct mvmi_bytes load_bytes(const struct load_input *in)
{
	return (struct mvmi_bytes){ in->all.ptr, in->all.len };
}

static struct mvmi_bytes load_head(const struct load_input *in)
{
	return (struct mvmi_bytes){ in->head, in->head_len };
}

/** Unpack a compressed file, and a kernel out of its boot image. */
static enum mvmi_status
load_unpack(struct load_input *in, struct mvmi_error *err)
{
	struct mvmi_span all = { 0 };
	struct mvmi_bytes payload;
	enum mvmi_status status;

	if (unpack_is_packed(load_head(in))) {
		status = load_whole(in, err);
		if (status == MVMI_OK)
			status = unpack(load_bytes(in), UNPACK_LEN_MAX, &all,
					err);
		if (status != MVMI_OK)
			return status;
		load_replace(in, all);
	}
	if (!bzimage_is(load_head(in)))
		return MVMI_OK;
	status = load_whole(in, err);
	if (status == MVMI_OK)
		status = bzimage_payload(load_bytes(in), &payload, err);
	if (status == MVMI_OK)
		status = unpack(payload, UNPACK_LEN_MAX, &all, err);
	if (status == MVMI_OK)
		load_replace(in, all);
	return fail_context(err, status, "kernel in a boot image");
}

static enum mvmi_status
load_read_head(struct load_input *in, struct mvmi_error *err)
{
	enum mvmi_status status;

	in->head_len = (size_t)MIN(in->file.size, sizeof(in->head));
	if (in->file.size)
		return file_read_at(
			&in->file, 0,
			(struct mvmi_span){ in->head, in->head_len }, err);
	status = load_whole(in, err);
	if (status != MVMI_OK)
		return status;
	in->head_len = MIN(in->all.len, sizeof(in->head));
	memcpy(in->head, in->all.ptr, in->head_len);
	return MVMI_OK;
}

static void load_close(struct load_input *in)
{
	free(in->all.ptr);
	file_close(&in->file);
	free(in);
}

static enum mvmi_status
load_open(const char *path, struct load_input **ret, struct mvmi_error *err)
{
	struct load_input *in = calloc(1, sizeof(*in));
	enum mvmi_status status;

	if (!in)
		return fail(err, MVMI_ERR_NOMEM, "no memory to read %s", path);
	status = file_open(&in->file, path, err);
	if (status != MVMI_OK) {
		free(in);
		return status;
	}
	status = load_read_head(in, err);
	if (status == MVMI_OK)
		status = load_unpack(in, err);
	if (status != MVMI_OK) {
		load_close(in);
		(void)fail_context(err, status, "%s", path);
		return status;
	}
	*ret = in;
	return MVMI_OK;
}

static enum mvmi_status
load_read(void *ctx, uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	const struct load_input *in = ctx;

	if (!in->all.ptr)
		return file_read_at(&in->file, off, dst, err);
	if (off > in->all.len || dst.len > in->all.len - off)
		return fail(
			err, MVMI_ERR_CORRUPT,
			"it ends at 0x%zx, within 0x%zx bytes at 0x%" PRIx64,
			in->all.len, dst.len, off);
	if (dst.len)
		memcpy(dst.ptr, in->all.ptr + off, dst.len);
	return MVMI_OK;
}

static enum mvmi_status
load_elf_symbols(struct load_input *in, uint64_t bias,
		 struct mvmi_symbols **ret, struct mvmi_error *err)
{
	const struct elf_source source = { load_read, in };
	enum mvmi_status status;
	struct elf elf;

	status = elf_open(&source, &elf, err);
	if (status != MVMI_OK)
		return status;
	status = elfsym_load(&elf, bias, ret, err);
	/* A stripped kernel still carries its own names. */
	if (status == MVMI_ERR_UNSUPPORTED && bzimage_is_kernel(&elf))
		status = bzimage_symbols(&elf, bias, ret, err);
	elf_close(&elf);
	return status;
}

static enum mvmi_status
load_any_symbols(struct load_input *in, uint64_t bias,
		 struct mvmi_symbols **ret, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (elf_is_magic(load_head(in)))
		return load_elf_symbols(in, bias, ret, err);
	if (sysmap_is(load_head(in))) {
		status = load_whole(in, err);
		if (status != MVMI_OK)
			return status;
		return sysmap_parse(load_bytes(in), bias, ret, err);
	}
	if (isf_is(load_head(in))) {
		status = load_whole(in, err);
		if (status != MVMI_OK)
			return status;
		return isf_load_symbols(in->all, bias, ret, err);
	}
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "neither System.map nor ELF nor ISF");
}

enum mvmi_status
mvmi_symbols_load(const char *path, uint64_t bias, struct mvmi_symbols **ret,
		  struct mvmi_error *err)
{
	struct load_input *in = NULL;
	enum mvmi_status status = load_open(path, &in, err);

	if (status != MVMI_OK)
		return status;
	status = load_any_symbols(in, bias, ret, err);
	load_close(in);
	return fail_context(err, status, "symbols from %s", path);
}

static enum mvmi_status
load_btf_section(const struct elf *elf, const struct elf_section *section,
		 struct mvmi_types **ret, struct mvmi_error *err)
{
	struct mvmi_span blob = { NULL, (size_t)section->size };
	enum mvmi_status status;

	status = elf_read_block(elf, section->offset, section->size,
				UNPACK_LEN_MAX, &blob.ptr, err);
	if (status != MVMI_OK)
		return fail_context(err, status, ".BTF");
	return btf_adopt(blob, ret, err);
}

static enum mvmi_status
load_elf_types(struct load_input *in, struct mvmi_types **ret,
	       struct mvmi_error *err)
{
	const struct elf_source source = { load_read, in };
	const struct elf_section *btf = NULL;
	enum mvmi_status status;
	struct elf elf;
	bool has_dwarf;

	status = elf_open(&source, &elf, err);
	if (status != MVMI_OK)
		return status;
	status = elf_read_sections(&elf, err);
	has_dwarf = elf_has_section(&elf, ".debug_info") ||
		    elf_has_section(&elf, ".zdebug_info");
	if (!has_dwarf || elf.type != ELF_TYPE_REL)
		btf = elf_find_section(&elf, ".BTF");
	if (status == MVMI_OK && btf && elf.type == ELF_TYPE_REL &&
	    elf.machine == ELF_MACHINE_X86_64)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "the BTF of a kernel module only adds to its "
			      "kernel's; load the kernel's");
	else if (status == MVMI_OK && btf)
		status = load_btf_section(&elf, btf, ret, err);
	else if (status == MVMI_OK && !has_dwarf)
		status = elf_fail_stripped(&elf, "BTF or DWARF", err);
	elf_close(&elf);
	if (status != MVMI_OK || btf)
		return status;
	status = load_whole(in, err);
	if (status != MVMI_OK)
		return status;
	return dwarf_load_types(in->all, ret, err);
}

static enum mvmi_status
load_any_types(struct load_input *in, struct mvmi_types **ret,
	       struct mvmi_error *err)
{
	enum mvmi_status status;

	if (elf_is_magic(load_head(in)))
		return load_elf_types(in, ret, err);
	if (btf_has_magic(load_head(in))) {
		status = load_whole(in, err);
		if (status != MVMI_OK)
			return status;
		return btf_parse(load_bytes(in), ret, err);
	}
	if (isf_is(load_head(in))) {
		status = load_whole(in, err);
		if (status != MVMI_OK)
			return status;
		return isf_load_types(in->all, ret, err);
	}
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "neither ELF with BTF or DWARF, nor BTF, nor ISF");
}

enum mvmi_status mvmi_types_load(const char *path, struct mvmi_types **ret,
				 struct mvmi_error *err)
{
	struct load_input *in = NULL;
	enum mvmi_status status = load_open(path, &in, err);

	if (status != MVMI_OK)
		return status;
	status = load_any_types(in, ret, err);
	load_close(in);
	return fail_context(err, status, "types from %s", path);
}
