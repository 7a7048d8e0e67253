/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A bar with rate and time left, on a terminal's stderr, for what takes longer
 * than a second.
 */
#ifndef MICROVMI_TOOL_PROGRESS_H
#define MICROVMI_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	uint64_t total; /**< bytes */
	uint64_t begin_ms;
	uint64_t drawn_ms; /**< when the line was last drawn, or begin_ms */
	bool enabled;
	bool drawn; /**< there is a line to wipe */
};

void progress_begin(struct progress *progress, uint64_t total);
/** Cheap enough to be called for each chunk. */
void progress_update(struct progress *progress, uint64_t done);
/** Wipe the line, so that messages begin on one of their own. */
void progress_end(struct progress *progress);

#endif /* MICROVMI_TOOL_PROGRESS_H */
