/* SPDX-License-Identifier: MIT */
/*
 * ELF images: whatever the bytes, read as a file and as memory that a loader
 * mapped, the result is an error or symbols that can all be asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "symbols/elfsym.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_BASE UINT64_C(0x7f0000000000)

struct fuzz_image {
	struct mvmi_bytes bytes;
	uint64_t base;
};

static enum mvmi_status
fuzz_read(void *ctx, uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	const struct fuzz_image *image = ctx;

	off -= image->base;
	if (off > image->bytes.len || dst.len > image->bytes.len - off)
		return fail(err, MVMI_ERR_NOT_PRESENT, "not mapped");
	if (dst.len)
		memcpy(dst.ptr, image->bytes.ptr + off, dst.len);
	return MVMI_OK;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_symbols(enum mvmi_status status, const struct mvmi_error *err,
			  struct mvmi_symbols *symbols)
{
	struct mvmi_symbol sym;

	if (status != MVMI_OK) {
		require(err->status == status && err->msg[0] && !symbols);
		return;
	}
	for (size_t i = 0; i < mvmi_symbols_count(symbols); i++) {
		struct mvmi_symbol same;

		require(mvmi_symbols_get(symbols, i, &sym));
		require(sym.name[0] && sym.type > ' ' && sym.type < 0x7f);
		require(mvmi_symbols_find(symbols, sym.name, &same));
		require(strcmp(sym.name, same.name) == 0);
	}
	mvmi_symbols_destroy(symbols);
}

static void fuzz_file(struct fuzz_image *image)
{
	const struct elf_source source = { fuzz_read, image };
	struct mvmi_symbols *symbols = NULL;
	struct elf_build_id id = { 0 };
	struct mvmi_error err = { 0 };
	enum mvmi_status status;
	struct elf elf;

	if (elf_open(&source, &elf, NULL) != MVMI_OK)
		return;
	if (elf_build_id(&elf, &id, NULL) == MVMI_OK)
		require(id.len <= ELF_BUILD_ID_MAX);
	status = elfsym_load(&elf, 0x1000, &symbols, &err);
	check_symbols(status, &err, symbols);
	(void)elf_find_section(&elf, ".BTF");
	elf_close(&elf);
}

static void fuzz_mapped(struct fuzz_image *image)
{
	const struct elf_source source = { fuzz_read, image };
	struct mvmi_symbols *symbols = NULL;
	struct elf_build_id id = { 0 };
	struct mvmi_error err = { 0 };
	enum mvmi_status status;
	struct elf elf;

	if (elf_open_mapped(&source, image->base, &elf, NULL) != MVMI_OK)
		return;
	if (elf_build_id(&elf, &id, NULL) == MVMI_OK)
		require(id.len <= ELF_BUILD_ID_MAX);
	status = elfsym_load_mapped(&elf, &symbols, &err);
	check_symbols(status, &err, symbols);
	elf_close(&elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_image image = { .bytes = { data, size } };

	fuzz_file(&image);
	image.base = FUZZ_BASE;
	fuzz_mapped(&image);
	return 0;
}
