/* SPDX-License-Identifier: MIT */
/*
 * What a VMM says: its monitor's stream, its memory map, its command line.
 *
 * The first byte chooses; the input goes through the very parsers that the
 * driver uses, and what they accept has to keep its promises.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/qemu/cmdline.h"
#include "drivers/qemu/mtree.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/qmp.h"

/* A socket's buffer takes this much without a reader. */
#define STREAM_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_stream(const uint8_t *data, size_t size)
{
	struct qmp q = { .timeout_ms = 1 };
	json_t *value = NULL;
	int pair[2];

	if (size > STREAM_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return;
	if (write(pair[1], data, size) != (ssize_t)size)
		abort();
	(void)shutdown(pair[1], SHUT_WR);
	q.fd = pair[0];
	if (qmp_call(&q, "x", NULL, &value, NULL) == MVMI_OK)
		assert(value);
	json_decref(value);
	(void)qmp_poll(&q, NULL);
	qmp_close(&q);
	(void)close(pair[1]);
}

static void fuzz_mtree(const char *text)
{
	static struct mvmi_region regions[MTREE_REGIONS_MAX];
	size_t count = 0;

	if (mtree_parse(text, regions, &count, NULL) != MVMI_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		assert(regions[i].len > 0);
		assert(memchr(regions[i].name, 0, sizeof(regions[i].name)));
		assert(i == 0 ||
		       regions[i].start.val - regions[i - 1].start.val >=
			       regions[i - 1].len);
	}
}

static void fuzz_cmdline(const char *text, size_t len)
{
	struct cmdline c;
	struct proc_map map;

	cmdline_parse(text, len, &c);
	assert(c.monitor_count <= CMDLINE_MONITORS_MAX);
	if (proc_parse_map(text, &map))
		assert(map.start < map.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		fuzz_stream(data + 1, size - 1);
		break;
	case 1:
		fuzz_mtree(text);
		break;
	case 2:
		fuzz_cmdline(text, size - 1);
		break;
	}
	free(text);
	return 0;
}
