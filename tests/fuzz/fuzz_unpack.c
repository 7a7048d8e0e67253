/* SPDX-License-Identifier: MIT */
/*
 * Compressed files: whatever the bytes, the result is an error, or no more
 * bytes than allowed.
 */
#include <stdlib.h>

#include "symbols/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_LEN_MAX ((size_t)1 << 20)

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mvmi_bytes packed = { data, size };
	struct mvmi_span got = { 0 };
	struct mvmi_error err = { 0 };
	enum mvmi_status status = unpack(packed, FUZZ_LEN_MAX, &got, &err);
	unsigned sum = 0;

	require(unpack_is_packed(packed) || status == MVMI_ERR_UNSUPPORTED);
	require(status == MVMI_OK ? got.len <= FUZZ_LEN_MAX
				  : err.msg[0] && !got.ptr);
	for (size_t i = 0; got.ptr && i < got.len; i++)
		sum += got.ptr[i];
	require(sum <= got.len * UINT8_MAX);
	free(got.ptr);
	return 0;
}
