/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "number.h"

#define DELAY_MS    1000
#define INTERVAL_MS 200
#define BAR_LEN	    24

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / NS_PER_MS;
}

void progress_begin(struct progress *progress, uint64_t total)
{
	uint64_t now = now_ms();

	*progress = (struct progress){
		.total = total,
		.begin_ms = now,
		.drawn_ms = now,
		.enabled = total && isatty(STDERR_FILENO),
	};
}

static void draw(const struct progress *progress, uint64_t done, uint64_t ms)
{
	char bar[BAR_LEN + 1];
	char amount[NUMBER_SIZE_LEN];
	char total[NUMBER_SIZE_LEN];
	char rate[NUMBER_SIZE_LEN];
	double part = (double)done / (double)progress->total;
	double per_ms = (double)done / (double)ms;
	double left_ms = (double)(progress->total - done) / (per_ms + 1e-9);
	size_t full = (size_t)(part * BAR_LEN);

	memset(bar, '-', BAR_LEN);
	memset(bar, '#', full < BAR_LEN ? full : BAR_LEN);
	bar[BAR_LEN] = '\0';
	(void)fprintf(stderr,
		      "\r[%s] %3u%%  %s of %s  %s/s  %" PRIu64 " s left\033[K",
		      bar, (unsigned)(part * 100),
		      number_format_size(amount, done),
		      number_format_size(total, progress->total),
		      number_format_size(rate, (uint64_t)(per_ms * 1000)),
		      (uint64_t)(left_ms / 1000) + 1);
	(void)fflush(stderr);
}

void progress_update(struct progress *progress, uint64_t done)
{
	uint64_t now;

	if (!progress->enabled)
		return;
	now = now_ms();
	if (now - progress->begin_ms < DELAY_MS ||
	    now - progress->drawn_ms < INTERVAL_MS)
		return;
	if (done > progress->total)
		done = progress->total;
	draw(progress, done, now - progress->begin_ms);
	progress->drawn_ms = now;
	progress->drawn = true;
}

void progress_end(struct progress *progress)
{
	if (progress->drawn)
		(void)fprintf(stderr, "\r\033[K");
	progress->drawn = false;
}
