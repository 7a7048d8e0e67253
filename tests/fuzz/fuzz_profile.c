/* SPDX-License-Identifier: MIT */
/*
 * Profiles: whatever became of a file, it is refused, or its tables are those
 * that were stored. An input edits a good file: the first two bytes are how
 * much of its end is missing, then each six say where a byte changes, to what,
 * and how many times. An input that begins with 0xff is a whole file itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "symbols/btf_builder.h"
#include "symbols/profile_file.h"
#include "symbols/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_SYMBOLS 40

static const uint8_t fuzz_id[20] = { 1, 2, 3 };
static const struct mvmi_bytes fuzz_build_id = { fuzz_id, sizeof(fuzz_id) };

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct mvmi_symbols *fuzz_symbols(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols = NULL;

	for (unsigned i = 0; i < FUZZ_SYMBOLS; i++) {
		char name[16];
		struct symbols_new symbol = { .addr = 0x1000 + i, .type = 'T' };

		symbol.name.ptr = (const uint8_t *)name;
		symbol.name.len =
			(size_t)snprintf(name, sizeof(name), "name%u", i);
		require(symbols_builder_add(&b, &symbol, NULL) == MVMI_OK);
	}
	require(symbols_builder_finish(&b, &symbols, NULL) == MVMI_OK);
	require(mvmi_symbols_prepare(symbols, NULL) == MVMI_OK);
	return symbols;
}

static struct mvmi_types *fuzz_types(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types = NULL;

	(void)btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	require(btf_builder_finish(b, &types, NULL) == MVMI_OK);
	btf_builder_destroy(b);
	return types;
}

/** The bytes of a good file. */
static struct mvmi_span fuzz_good(void)
{
	static struct mvmi_span good;
	struct profile profile = { .key = 42 };
	struct stat st;
	int fd;

	if (good.ptr)
		return good;
	profile.symbols = fuzz_symbols();
	profile.types = fuzz_types();
	fd = memfd_create("good", MFD_CLOEXEC);
	require(fd >= 0);
	require(profile_write_file(fd, fuzz_build_id, &profile, NULL) ==
		MVMI_OK);
	require(fstat(fd, &st) == 0);
	good.len = (size_t)st.st_size;
	good.ptr = malloc(good.len);
	require(good.ptr &&
		pread(fd, good.ptr, good.len, 0) == (ssize_t)good.len);
	(void)close(fd);
	profile_fini(&profile);
	return good;
}

static void fuzz_edit(struct cursor *c, struct mvmi_span file)
{
	while (c->rest.len >= 6) {
		uint32_t at = cursor_u32le(c);
		uint8_t value = cursor_u8(c);
		uint8_t count = cursor_u8(c);

		for (size_t i = 0; i < count && file.len; i++)
			file.ptr[(at + i) % file.len] = value;
	}
}

static void fuzz_check(const struct profile *got)
{
	struct mvmi_symbol sym;
	struct mvmi_type type;

	require(mvmi_symbols_count(got->symbols) == FUZZ_SYMBOLS);
	require(mvmi_symbols_find(got->symbols, "name7", &sym));
	require(sym.addr == 0x1007);
	require(mvmi_symbols_find_addr(got->symbols, mvmi_gva_at(0x1008),
				       &sym));
	require(mvmi_types_find(got->types, "int", &type) && type.size == 4);
}

static void fuzz_load(struct mvmi_bytes file)
{
	struct profile got = { 0 };
	struct mvmi_error err = { 0 };
	enum mvmi_status status;
	int fd = memfd_create("profile", MFD_CLOEXEC);

	require(fd >= 0);
	require(write(fd, file.ptr, file.len) == (ssize_t)file.len);
	status = profile_read_file(fd, file.len, fuzz_build_id, &got, &err);
	(void)close(fd);
	if (status == MVMI_OK)
		fuzz_check(&got);
	else
		require(err.status == status && err.msg[0] && !got.symbols);
	profile_fini(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvmi_span good = fuzz_good();
	struct mvmi_span file = { NULL, good.len };
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });
	size_t missing;

	if (size && data[0] == 0xff) {
		fuzz_load((struct mvmi_bytes){ data + 1, size - 1 });
		return 0;
	}
	file.ptr = malloc(good.len);
	require(file.ptr);
	memcpy(file.ptr, good.ptr, good.len);
	missing = cursor_u16le(&c);
	file.len -= missing < file.len ? missing : file.len;
	fuzz_edit(&c, file);
	fuzz_load((struct mvmi_bytes){ file.ptr, file.len });
	free(file.ptr);
	return 0;
}
