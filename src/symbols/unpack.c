/* SPDX-License-Identifier: MIT */
#define ZLIB_CONST
#include "symbols/unpack.h"

#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"

/* The first room for output; doubled whenever it is full. */
#define UNPACK_LEN_FIRST ((size_t)1 << 16)

/* What "xz -9" needs is 65 MiB, the kernel's 32 MiB dictionary half of it. */
#define UNPACK_XZ_MEMORY_MAX ((uint64_t)256 << 20)

/* Zstandard's own limit, too, and what "zstd --ultra -22" uses. */
#define UNPACK_ZSTD_WINDOW_LOG_MAX 27

/* Of one block that was compressed by "lz4 -l", as kernels are. */
#define UNPACK_LZ4_BLOCK_LEN ((size_t)8 << 20)
#define UNPACK_LZ4_MAGIC     UINT32_C(0x184c2102)

/** What decoding one piece led to. */
enum unpack_step {
	UNPACK_MORE,
	UNPACK_DONE,
	UNPACK_BAD,
};

/** Input and output of one decoder. */
struct unpack_flow {
	struct mvmi_bytes in;  /**< not consumed yet */
	struct mvmi_span room; /**< not filled yet */
};

struct unpack_state {
	z_stream gzip;
	lzma_stream xz;
	ZSTD_DCtx *zstd;	    /**< owned */
	uint8_t *lz4;		    /**< owned; one block's output */
	struct mvmi_bytes lz4_rest; /**< in lz4: not given out yet */
};

/** One format. A step consumes or fills something, or is not UNPACK_MORE. */
struct unpack_format {
	const char *name;
	struct mvmi_bytes magic;
	bool (*init)(struct unpack_state *state);
	enum unpack_step (*step)(struct unpack_state *state,
				 struct unpack_flow *flow);
	void (*fini)(struct unpack_state *state);
};

static bool unpack_gzip_init(struct unpack_state *state)
{
	/* 15 bits of window, and 16 says that there is a gzip header. */
	return inflateInit2(&state->gzip, 15 + 16) == Z_OK;
}

static enum unpack_step
unpack_gzip_step(struct unpack_state *state, struct unpack_flow *flow)
{
	z_stream *z = &state->gzip;
	uInt in = (uInt)MIN(flow->in.len, UINT_MAX);
	uInt room = (uInt)MIN(flow->room.len, UINT_MAX);
	int code;

	z->next_in = flow->in.ptr;
	z->avail_in = in;
	z->next_out = flow->room.ptr;
	z->avail_out = room;
	code = inflate(z, Z_NO_FLUSH);
	flow->in.ptr += in - z->avail_in;
	flow->in.len -= in - z->avail_in;
	flow->room.ptr += room - z->avail_out;
	flow->room.len -= room - z->avail_out;
	if (code == Z_STREAM_END)
		return UNPACK_DONE;
	return code == Z_OK ? UNPACK_MORE : UNPACK_BAD;
}

static void unpack_gzip_fini(struct unpack_state *state)
{
	(void)inflateEnd(&state->gzip);
}

static bool unpack_xz_init(struct unpack_state *state)
{
	state->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(&state->xz, UNPACK_XZ_MEMORY_MAX, 0) ==
	       LZMA_OK;
}

static enum unpack_step
unpack_xz_step(struct unpack_state *state, struct unpack_flow *flow)
{
	lzma_stream *xz = &state->xz;
	lzma_ret code;

	xz->next_in = flow->in.ptr;
	xz->avail_in = flow->in.len;
	xz->next_out = flow->room.ptr;
	xz->avail_out = flow->room.len;
	code = lzma_code(xz, LZMA_RUN);
	flow->in = (struct mvmi_bytes){ xz->next_in, xz->avail_in };
	flow->room = (struct mvmi_span){ xz->next_out, xz->avail_out };
	if (code == LZMA_STREAM_END)
		return UNPACK_DONE;
	return code == LZMA_OK ? UNPACK_MORE : UNPACK_BAD;
}

static void unpack_xz_fini(struct unpack_state *state)
{
	lzma_end(&state->xz);
}

static bool unpack_zstd_init(struct unpack_state *state)
{
	state->zstd = ZSTD_createDCtx();
	if (!state->zstd)
		return false;
	return !ZSTD_isError(ZSTD_DCtx_setParameter(
		state->zstd, ZSTD_d_windowLogMax, UNPACK_ZSTD_WINDOW_LOG_MAX));
}

static enum unpack_step
unpack_zstd_step(struct unpack_state *state, struct unpack_flow *flow)
{
	ZSTD_inBuffer in = { flow->in.ptr, flow->in.len, 0 };
	ZSTD_outBuffer out = { flow->room.ptr, flow->room.len, 0 };
	size_t code = ZSTD_decompressStream(state->zstd, &out, &in);

	flow->in.ptr += in.pos;
	flow->in.len -= in.pos;
	flow->room.ptr += out.pos;
	flow->room.len -= out.pos;
	if (ZSTD_isError(code))
		return UNPACK_BAD;
	if (code == 0)
		return UNPACK_DONE;
	return in.pos || out.pos ? UNPACK_MORE : UNPACK_BAD;
}

static void unpack_zstd_fini(struct unpack_state *state)
{
	(void)ZSTD_freeDCtx(state->zstd);
}

static bool unpack_lz4_init(struct unpack_state *state)
{
	state->lz4 = malloc(UNPACK_LZ4_BLOCK_LEN);
	return state->lz4 != NULL;
}

/** Decode the next block. Each has its length before it. */
static bool
unpack_lz4_block(struct unpack_state *state, struct unpack_flow *flow)
{
	uint32_t len;
	int n;

	if (flow->in.len < 4)
		return false;
	len = load_le32(flow->in.ptr);
	flow->in.ptr += 4;
	flow->in.len -= 4;
	/* Several streams may follow one another, each with its magic. */
	if (len == UNPACK_LZ4_MAGIC)
		return true;
	if (len > flow->in.len || len > INT_MAX)
		return false;
	n = LZ4_decompress_safe((const char *)flow->in.ptr, (char *)state->lz4,
				(int)len, (int)UNPACK_LZ4_BLOCK_LEN);
	if (n < 0)
		return false;
	flow->in.ptr += len;
	flow->in.len -= len;
	state->lz4_rest = (struct mvmi_bytes){ state->lz4, (size_t)n };
	return true;
}

/**
 * LZ4's legacy frames: nothing says where they end. Behind the last block a
 * boot image has its length, four bytes.
 */
static enum unpack_step
unpack_lz4_step(struct unpack_state *state, struct unpack_flow *flow)
{
	struct mvmi_bytes *rest = &state->lz4_rest;
	size_t n;

	if (rest->len == 0 && !unpack_lz4_block(state, flow))
		return UNPACK_BAD;
	n = MIN(rest->len, flow->room.len);
	if (n) {
		memcpy(flow->room.ptr, rest->ptr, n);
		rest->ptr += n;
		rest->len -= n;
		flow->room.ptr += n;
		flow->room.len -= n;
	}
	if (rest->ptr && rest->len == 0 &&
	    (flow->in.len == 0 || flow->in.len == 4))
		return UNPACK_DONE;
	return UNPACK_MORE;
}

static void unpack_lz4_fini(struct unpack_state *state)
{
	free(state->lz4);
}

#define UNPACK_MAGIC(text)                                \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static const struct unpack_format unpack_formats[] = {
	{ "gzip", UNPACK_MAGIC("\x1f\x8b\x08"), unpack_gzip_init,
	  unpack_gzip_step, unpack_gzip_fini },
	{ "xz",
	  UNPACK_MAGIC("\xfd"
		       "7zXZ\0"),
	  unpack_xz_init, unpack_xz_step, unpack_xz_fini },
	{ "zstd", UNPACK_MAGIC("\x28\xb5\x2f\xfd"), unpack_zstd_init,
	  unpack_zstd_step, unpack_zstd_fini },
	{ "lz4", UNPACK_MAGIC("\x02\x21\x4c\x18"), unpack_lz4_init,
	  unpack_lz4_step, unpack_lz4_fini },
};

static const struct unpack_format *unpack_find(struct mvmi_bytes head)
{
	for (size_t i = 0; i < ARRAY_LEN(unpack_formats); i++) {
		const struct mvmi_bytes *magic = &unpack_formats[i].magic;

		if (head.len >= magic->len &&
		    memcmp(head.ptr, magic->ptr, magic->len) == 0)
			return &unpack_formats[i];
	}
	return NULL;
}

bool unpack_is_packed(struct mvmi_bytes head)
{
	return unpack_find(head) != NULL;
}

/** Make room for output: twice what is filled, but no more than max. */
static enum mvmi_status
unpack_grow(struct mvmi_span *all, struct mvmi_span *room, size_t max,
	    struct mvmi_error *err)
{
	size_t filled = all->len;
	size_t len = filled > max / 2 ? max : filled * 2;
	uint8_t *grown;

	if (filled == max)
		return fail(err, MVMI_ERR_LIMIT,
			    "it becomes more than %zu bytes", max);
	len = MAX(len, MIN(max, UNPACK_LEN_FIRST));
	grown = realloc(all->ptr, len);
	if (!grown)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu bytes",
			    len);
	all->ptr = grown;
	all->len = len;
	*room = (struct mvmi_span){ grown + filled, len - filled };
	return MVMI_OK;
}

static enum mvmi_status
unpack_run(const struct unpack_format *format, struct unpack_state *state,
	   struct mvmi_bytes packed, size_t max, struct mvmi_span *all,
	   struct mvmi_error *err)
{
	struct unpack_flow flow = { .in = packed };
	enum unpack_step step = UNPACK_MORE;
	enum mvmi_status status;

	while (step == UNPACK_MORE) {
		if (flow.room.len == 0) {
			status = unpack_grow(all, &flow.room, max, err);
			if (status != MVMI_OK)
				return status;
		}
		step = format->step(state, &flow);
		/* All decoders give out what they can before they want more. */
		if (step == UNPACK_MORE && flow.in.len == 0 && flow.room.len)
			return fail(err, MVMI_ERR_CORRUPT,
				    "it ends in the middle");
	}
	if (step == UNPACK_BAD)
		return fail(err, MVMI_ERR_CORRUPT,
			    "it is damaged, or asks for too much memory");
	all->len -= flow.room.len;
	return MVMI_OK;
}

enum mvmi_status unpack(struct mvmi_bytes packed, size_t max,
			struct mvmi_span *ret, struct mvmi_error *err)
{
	const struct unpack_format *format = unpack_find(packed);
	struct unpack_state state = { 0 };
	struct mvmi_span all = { 0 };
	enum mvmi_status status;

	if (!format)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "neither gzip nor xz nor zstd nor lz4");
	if (format->init(&state))
		status = unpack_run(format, &state, packed, max, &all, err);
	else
		status = fail(err, MVMI_ERR_NOMEM, "no memory to unpack with");
	format->fini(&state);
	if (status != MVMI_OK) {
		free(all.ptr);
		return fail_context(err, status, "%s", format->name);
	}
	*ret = all;
	return MVMI_OK;
}
