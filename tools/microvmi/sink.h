/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A file that is seen under its name only once it is whole.
 *
 * Until sink_commit() it is FILE.partial-XXXXXX in the same directory, readable
 * by its owner alone: memory holds keys and passwords.
 */
#ifndef MICROVMI_TOOL_SINK_H
#define MICROVMI_TOOL_SINK_H

#include <microvmi/types.h>
#include <zstd.h>

struct sink {
	char *path;    /**< owned; what it is to be called */
	char *partial; /**< owned; what it is called now */
	int fd;
	uint64_t pos;	    /**< bytes given so far, holes included */
	ZSTD_CCtx *zstd;    /**< owned; NULL: not compressed */
	uint8_t *packed;    /**< owned; what zstd puts out */
	size_t packed_size; /**< room in packed */
};

/** @return An exit code; a failure has been told. So for all below. */
int sink_open(struct sink *sink, const char *path, bool compress);

/** Append bytes. Blocks of zeros become holes of the file. */
int sink_write(struct sink *sink, struct mvmi_bytes bytes);

/** Append len zeros, as a hole where the file isn't compressed. */
int sink_skip(struct sink *sink, uint64_t len);

/** Bring it to the disk and give it its name. */
int sink_commit(struct sink *sink);

/** Remove it, unless it was committed, and free all. */
void sink_close(struct sink *sink);

#endif /* MICROVMI_TOOL_SINK_H */
