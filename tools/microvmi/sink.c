/* SPDX-License-Identifier: MIT */
#include "sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "number.h"

/* The unit in which file systems keep holes. */
#define BLOCK_LEN 4096

/* The VM waits while we compress: the fastest level, on several CPUs. */
#define ZSTD_LEVEL   1
#define ZSTD_WORKERS 4

static int fail_write(const struct sink *sink)
{
	char size[NUMBER_SIZE_LEN];
	int sys = errno;

	(void)number_format_size(size, sink->pos);
	errno = sys;
	return diag_sys("cannot write %s after %s; the part is removed",
			sink->path, size);
}

static int put(struct sink *sink, struct mvmi_bytes bytes)
{
	size_t done = 0;

	while (done < bytes.len) {
		ssize_t n = write(sink->fd, bytes.ptr + done, bytes.len - done);

		if (n < 0 && errno != EINTR)
			return fail_write(sink);
		done += n > 0 ? (size_t)n : 0;
	}
	return EXIT_OK;
}

static int
pack(struct sink *sink, struct mvmi_bytes bytes, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = { bytes.ptr, bytes.len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { sink->packed, sink->packed_size, 0 };
		int code;

		left = ZSTD_compressStream2(sink->zstd, &out, &in, directive);
		if (ZSTD_isError(left)) {
			diag_say("cannot compress: %s",
				 ZSTD_getErrorName(left));
			return EXIT_FAILED;
		}
		code = put(sink, (struct mvmi_bytes){ sink->packed, out.pos });
		if (code != EXIT_OK)
			return code;
	} while (in.pos < in.size || (directive == ZSTD_e_end && left));
	return EXIT_OK;
}

static void start_zstd(struct sink *sink)
{
	sink->zstd = ZSTD_createCCtx();
	sink->packed_size = ZSTD_CStreamOutSize();
	sink->packed = malloc(sink->packed_size);
	if (!sink->zstd || !sink->packed)
		diag_no_memory();
	(void)ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_compressionLevel,
				     ZSTD_LEVEL);
	(void)ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_checksumFlag, 1);
	/* Refused by a libzstd without threads, and then there are none. */
	(void)ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_nbWorkers,
				     ZSTD_WORKERS);
}

int sink_open(struct sink *sink, const char *path, bool compress)
{
	struct stat st;

	*sink = (struct sink){ .fd = -1 };
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		diag_say("%s is not an ordinary file; a dump is written beside "
			 "its name, then renamed",
			 path);
		return EXIT_FAILED;
	}
	/* A link's file is meant, not the link. */
	sink->path = realpath(path, NULL);
	if (!sink->path)
		sink->path = strdup(path);
	if (!sink->path ||
	    asprintf(&sink->partial, "%s.partial-XXXXXX", sink->path) < 0)
		diag_no_memory();
	sink->fd = mkstemp(sink->partial);
	if (sink->fd < 0) {
		int code = diag_sys("cannot create %s", path);

		free(sink->partial);
		sink->partial = NULL;
		sink_close(sink);
		return code;
	}
	if (compress)
		start_zstd(sink);
	return EXIT_OK;
}

static bool is_zero(const uint8_t *ptr, size_t len)
{
	return ptr[0] == 0 && memcmp(ptr, ptr + 1, len - 1) == 0;
}

/** Leave a hole; the file ends where the last byte is, until the commit. */
static int seek(struct sink *sink, uint64_t len)
{
	if (len > INT64_MAX - sink->pos ||
	    lseek(sink->fd, (off_t)len, SEEK_CUR) < 0)
		return fail_write(sink);
	return EXIT_OK;
}

/** Bytes from the first on that are all in zero blocks, or all not. */
static size_t run_len(struct mvmi_bytes bytes, bool *zero)
{
	size_t len = 0;

	while (len < bytes.len) {
		size_t n = bytes.len - len;
		bool is;

		n = n < BLOCK_LEN ? n : BLOCK_LEN;
		is = n == BLOCK_LEN && is_zero(bytes.ptr + len, n);
		if (len == 0)
			*zero = is;
		if (is != *zero)
			break;
		len += n;
	}
	return len;
}

int sink_write(struct sink *sink, struct mvmi_bytes bytes)
{
	int code = EXIT_OK;

	if (sink->zstd) {
		code = pack(sink, bytes, ZSTD_e_continue);
		sink->pos += bytes.len;
		return code;
	}
	while (code == EXIT_OK && bytes.len) {
		bool zero = false;
		size_t n = run_len(bytes, &zero);

		code = zero ? seek(sink, n)
			    : put(sink, (struct mvmi_bytes){ bytes.ptr, n });
		bytes.ptr += n;
		bytes.len -= n;
		sink->pos += n;
	}
	return code;
}

int sink_skip(struct sink *sink, uint64_t len)
{
	static const uint8_t zeros[1 << 16];
	int code = EXIT_OK;

	if (!sink->zstd) {
		code = seek(sink, len);
		sink->pos += len;
		return code;
	}
	while (code == EXIT_OK && len) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		code = sink_write(sink, (struct mvmi_bytes){ zeros, n });
		len -= n;
	}
	return code;
}

int sink_commit(struct sink *sink)
{
	int code = EXIT_OK;

	if (sink->zstd)
		code = pack(sink, (struct mvmi_bytes){ NULL, 0 }, ZSTD_e_end);
	else if (ftruncate(sink->fd, (off_t)sink->pos) != 0)
		code = fail_write(sink);
	if (code != EXIT_OK)
		return code;
	/* Only now is it known whether the disk took it all. */
	if (fsync(sink->fd) != 0)
		return fail_write(sink);
	if (rename(sink->partial, sink->path) != 0)
		return diag_sys("cannot rename %s to %s", sink->partial,
				sink->path);
	free(sink->partial);
	sink->partial = NULL;
	return EXIT_OK;
}

void sink_close(struct sink *sink)
{
	if (sink->partial)
		(void)unlink(sink->partial);
	if (sink->fd >= 0)
		(void)close(sink->fd);
	(void)ZSTD_freeCCtx(sink->zstd);
	free(sink->packed);
	free(sink->partial);
	free(sink->path);
	*sink = (struct sink){ .fd = -1 };
}
