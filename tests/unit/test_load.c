/* SPDX-License-Identifier: MIT */
/* Files of symbols and types: each format is known by what is in it. */
#define ZLIB_CONST
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "harness.h"
#include "symbols/btf_builder.h"

static char path[64];

/** A file of these bytes, named in path. */
static void make_file(struct mvmi_bytes bytes)
{
	int fd;

	(void)strcpy(path, "test_load.XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK(write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
	CHECK(close(fd) == 0);
}

static struct mvmi_bytes bytes_of(const char *text)
{
	return (struct mvmi_bytes){ (const uint8_t *)text, strlen(text) };
}

static const char map_text[] = "0000000000001000 A fixed\n"
			       "ffffffff81000000 T _text\n"
			       "ffffffff81000100 t helper\n"
			       "ffffffff81000200 D init_task\n";

static enum mvmi_status
load_symbols(struct mvmi_bytes bytes, uint64_t bias, struct mvmi_symbols **ret,
	     struct mvmi_error *err)
{
	enum mvmi_status status;

	make_file(bytes);
	status = mvmi_symbols_load(path, bias, ret, err);
	(void)unlink(path);
	return status;
}

static void check_map(const struct mvmi_symbols *symbols, uint64_t bias)
{
	struct mvmi_symbol sym;

	CHECK(mvmi_symbols_count(symbols) == 4);
	CHECK(mvmi_symbols_find(symbols, "init_task", &sym));
	CHECK(sym.addr == 0xffffffff81000200 + bias && sym.type == 'D');
	CHECK(mvmi_symbols_find(symbols, "fixed", &sym) && sym.addr == 0x1000);
}

static void a_system_map_is_known_plain_and_packed(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_bytes text = bytes_of(map_text);
	uint8_t packed[1024];
	z_stream z = { .next_in = text.ptr,
		       .avail_in = (uInt)text.len,
		       .next_out = packed,
		       .avail_out = sizeof(packed) };
	size_t len;

	CHECK(load_symbols(text, 0x1000000, &symbols, NULL) == MVMI_OK);
	check_map(symbols, 0x1000000);
	mvmi_symbols_destroy(symbols);
	len = ZSTD_compress(packed, sizeof(packed), text.ptr, text.len, 1);
	CHECK(!ZSTD_isError(len));
	CHECK(load_symbols((struct mvmi_bytes){ packed, len }, 0, &symbols,
			   NULL) == MVMI_OK);
	check_map(symbols, 0);
	mvmi_symbols_destroy(symbols);
	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
	      Z_OK);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	CHECK(deflateEnd(&z) == Z_OK);
	CHECK(load_symbols((struct mvmi_bytes){ packed, z.total_out }, 0,
			   &symbols, NULL) == MVMI_OK);
	check_map(symbols, 0);
	mvmi_symbols_destroy(symbols);
}

static void an_elf_image_gives_symbols_and_types(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_types *types = NULL;
	struct mvmi_symbol sym;
	struct mvmi_field field;

	CHECK(mvmi_symbols_load("/proc/self/exe", 0, &symbols, NULL) ==
	      MVMI_OK);
	CHECK(mvmi_symbols_find(symbols, "main", &sym) && sym.type == 'T');
	mvmi_symbols_destroy(symbols);
	CHECK(mvmi_types_load("/proc/self/exe", &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_field(types, "struct mvmi_symbol", "type", &field,
			       NULL) == MVMI_OK);
	CHECK(field.offset == offsetof(struct mvmi_symbol, type));
	mvmi_types_destroy(types);
}

static void bare_btf_gives_types(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types = NULL;
	struct mvmi_types *loaded = NULL;
	struct mvmi_type type;

	(void)btf_builder_struct(b, 0, "empty", 24);
	CHECK(btf_builder_finish(b, &types, NULL) == MVMI_OK);
	btf_builder_destroy(b);
	make_file(btf_blob(types));
	mvmi_types_destroy(types);
	CHECK(mvmi_types_load(path, &loaded, NULL) == MVMI_OK);
	(void)unlink(path);
	CHECK(mvmi_types_find(loaded, "empty", &type) && type.size == 24);
	mvmi_types_destroy(loaded);
}

static void what_is_of_no_known_format_says_what_is_known(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_types *types = NULL;
	struct mvmi_error err;

	CHECK(load_symbols(bytes_of("hello, world\n"), 0, &symbols, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, path) && strstr(err.msg, "System.map"));
	CHECK(load_symbols(bytes_of(""), 0, &symbols, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	make_file(bytes_of(map_text));
	CHECK(mvmi_types_load(path, &types, &err) == MVMI_ERR_UNSUPPORTED);
	(void)unlink(path);
	CHECK(mvmi_types_load(path, &types, &err) == MVMI_ERR_SYSTEM);
	CHECK(!symbols && !types);
}

static void files_without_a_size_are_read_to_their_end(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err = { 0 };

	/* Without privileges all its addresses are zero, which is refused. */
	if (mvmi_symbols_load("/proc/kallsyms", 0, &symbols, &err) == MVMI_OK) {
		CHECK(mvmi_symbols_count(symbols) > 10000);
		mvmi_symbols_destroy(symbols);
	} else {
		CHECK(err.status == MVMI_ERR_CORRUPT ||
		      err.status == MVMI_ERR_DENIED ||
		      strstr(err.msg, "No such file"));
	}
}

TESTS(T(a_system_map_is_known_plain_and_packed),
      T(an_elf_image_gives_symbols_and_types), T(bare_btf_gives_types),
      T(what_is_of_no_known_format_says_what_is_known),
      T(files_without_a_size_are_read_to_their_end))
