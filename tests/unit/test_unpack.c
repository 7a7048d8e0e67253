/* SPDX-License-Identifier: MIT */
/* Compressed files: each format there and back, cut short, and as a bomb. */
#define ZLIB_CONST
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/util.h"
#include "harness.h"
#include "symbols/unpack.h"

/* Of text that compresses well, but not to nothing. */
#define TEXT_LEN ((size_t)300000)

static uint8_t text[TEXT_LEN];
static uint8_t packed[TEXT_LEN];

static void make_text(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < TEXT_LEN; i++) {
		state = state * 1664525 + 1013904223;
		text[i] = (uint8_t)("abcdefghij"[state >> 24 & 7]);
	}
}

static size_t pack_gzip(void)
{
	z_stream z = { .next_in = text,
		       .avail_in = TEXT_LEN,
		       .next_out = packed,
		       .avail_out = sizeof(packed) };

	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
	      Z_OK);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	CHECK(deflateEnd(&z) == Z_OK);
	return z.total_out;
}

static size_t pack_xz(void)
{
	size_t len = 0;

	CHECK(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, text, TEXT_LEN,
				      packed, &len, sizeof(packed)) == LZMA_OK);
	return len;
}

static size_t pack_zstd(void)
{
	size_t len = ZSTD_compress(packed, sizeof(packed), text, TEXT_LEN, 3);

	CHECK(!ZSTD_isError(len));
	return len;
}

/** As "lz4 -l" makes it, with what a boot image has behind it. */
static size_t pack_lz4(void)
{
	static const uint8_t magic[4] = { 0x02, 0x21, 0x4c, 0x18 };
	int n = LZ4_compress_default((const char *)text, (char *)packed + 8,
				     TEXT_LEN, (int)sizeof(packed) - 12);
	uint32_t len = (uint32_t)n;

	CHECK(n > 0);
	memcpy(packed, magic, sizeof(magic));
	for (int i = 0; i < 4; i++)
		packed[4 + i] = (uint8_t)(len >> 8 * i);
	memset(packed + 8 + len, 0, 4);
	return 8 + len + 4;
}

static size_t (*const packers[])(void) = { pack_gzip, pack_xz, pack_zstd,
					   pack_lz4 };

static enum mvmi_status
unpack_it(size_t len, size_t max, struct mvmi_span *ret, struct mvmi_error *err)
{
	return unpack((struct mvmi_bytes){ packed, len }, max, ret, err);
}

static void each_format_comes_back_as_it_was(void)
{
	make_text();
	for (size_t i = 0; i < ARRAY_LEN(packers); i++) {
		size_t len = packers[i]();
		struct mvmi_span got = { 0 };

		CHECK(unpack_is_packed((struct mvmi_bytes){ packed, len }));
		CHECK(unpack_it(len, UNPACK_LEN_MAX, &got, NULL) == MVMI_OK);
		CHECK(got.len == TEXT_LEN &&
		      memcmp(got.ptr, text, TEXT_LEN) == 0);
		free(got.ptr);
	}
}

static void a_limit_holds_to_the_byte(void)
{
	make_text();
	for (size_t i = 0; i < ARRAY_LEN(packers); i++) {
		size_t len = packers[i]();
		struct mvmi_span got = { 0 };
		struct mvmi_error err;

		CHECK(unpack_it(len, TEXT_LEN - 1, &got, &err) ==
		      MVMI_ERR_LIMIT);
		CHECK(strstr(err.msg, "more than 299999 bytes") && !got.ptr);
		CHECK(unpack_it(len, TEXT_LEN, &got, NULL) == MVMI_OK);
		free(got.ptr);
	}
}

static void check_cut(size_t len)
{
	struct mvmi_span got = { 0 };

	CHECK(unpack_it(len, UNPACK_LEN_MAX, &got, NULL) == MVMI_ERR_CORRUPT);
	CHECK(!got.ptr);
}

static void what_ends_early_is_corrupt_wherever_it_is_cut(void)
{
	make_text();
	for (size_t i = 0; i < ARRAY_LEN(packers); i++) {
		size_t len = packers[i]();

		for (size_t cut = 8; cut < len; cut += len / 50)
			check_cut(cut);
	}
}

/** Of LZ4's, the last one, nothing but its structure can be checked. */
static void a_damaged_stream_is_corrupt(void)
{
	make_text();
	for (size_t i = 0; i < ARRAY_LEN(packers) - 1; i++) {
		size_t len = packers[i]();
		struct mvmi_span got = { 0 };
		struct mvmi_error err;

		memset(packed + len / 2, 0x5a, 64);
		memset(packed + len - 8, 0x5a, 8);
		CHECK(unpack_it(len, UNPACK_LEN_MAX, &got, &err) ==
		      MVMI_ERR_CORRUPT);
		CHECK(!got.ptr);
	}
}

static void what_is_not_packed_is_not_touched(void)
{
	struct mvmi_span got = { 0 };

	memset(packed, 'x', 64);
	CHECK(!unpack_is_packed((struct mvmi_bytes){ packed, 64 }));
	CHECK(!unpack_is_packed((struct mvmi_bytes){ NULL, 0 }));
	CHECK(unpack_it(64, UNPACK_LEN_MAX, &got, NULL) ==
	      MVMI_ERR_UNSUPPORTED);
}

TESTS(T(each_format_comes_back_as_it_was), T(a_limit_holds_to_the_byte),
      T(what_ends_early_is_corrupt_wherever_it_is_cut),
      T(a_damaged_stream_is_corrupt), T(what_is_not_packed_is_not_touched))
