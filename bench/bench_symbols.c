/* SPDX-License-Identifier: MIT */
/*
 * What symbols cost: a System.map as large as the largest kernel's is read and
 * indexed, then its names and addresses are looked up in no order.
 */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define SYMBOLS 200000
#define LOOKUPS 8192

struct bench {
	char path[64];
	const struct mvmi_symbols *symbols;
	const char *names[LOOKUPS];
	mvmi_gva addrs[LOOKUPS];
};

static void require(enum mvmi_status status)
{
	if (status != MVMI_OK)
		bench_die("operation", mvmi_status_name(status));
}

/** Numbers that look random, the same in each run. */
static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/** Write a System.map with names as long as a kernel's are. */
static void write_map(struct bench *b)
{
	static const char *const words[] = {
		"xfs_",	 "__pfx_", "inode",  "_attr", "tcp_", "_queue", "page_",
		"_init", "pci",	   "_probe", "nf_",   "_ops", "read",	"_lock",
	};
	const uint32_t count = sizeof(words) / sizeof(words[0]);
	uint64_t addr = UINT64_C(0xffffffff81000000);
	uint32_t state = 1;
	FILE *file;
	int fd;

	(void)snprintf(b->path, sizeof(b->path), "/tmp/bench-symbols-XXXXXX");
	fd = mkstemp(b->path);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		bench_die("temporary file", b->path);
	for (uint32_t i = 0; i < SYMBOLS; i++) {
		(void)fprintf(file, "%016llx %c %s%s%s_%u\n",
			      (unsigned long long)addr, "tTdr"[i % 4],
			      words[next_random(&state) % count],
			      words[next_random(&state) % count],
			      words[next_random(&state) % count], i / 2);
		addr += next_random(&state) % 512;
	}
	if (fclose(file) != 0)
		bench_die("temporary file", b->path);
}

static void load(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_symbols *symbols;

		require(mvmi_symbols_load(b->path, 0, &symbols, NULL));
		mvmi_symbols_destroy(symbols);
	}
}

static void load_and_index(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_symbols *symbols;

		require(mvmi_symbols_load(b->path, 0, &symbols, NULL));
		require(mvmi_symbols_prepare(symbols, NULL));
		mvmi_symbols_destroy(symbols);
	}
}

static void find_name(void *arg, unsigned count)
{
	struct bench *b = arg;
	struct mvmi_symbol s;

	for (unsigned i = 0; i < count; i++) {
		if (!mvmi_symbols_find(b->symbols, b->names[i % LOOKUPS], &s))
			bench_die("lookup", b->names[i % LOOKUPS]);
		bench_keep(&s);
	}
}

static void find_addr(void *arg, unsigned count)
{
	struct bench *b = arg;
	struct mvmi_symbol s;

	for (unsigned i = 0; i < count; i++) {
		(void)mvmi_symbols_find_addr(b->symbols, b->addrs[i % LOOKUPS],
					     &s);
		bench_keep(&s);
	}
}

int main(void)
{
	static struct bench b;
	struct mvmi_symbols *symbols;
	struct mvmi_symbol s;
	uint32_t state = 7;

	write_map(&b);
	bench_row_ns("read a System.map of 200,000 symbols",
		     bench_ns(load, &b, 1), "");
	bench_row_ns("the same, and make both indices",
		     bench_ns(load_and_index, &b, 1), "");
	require(mvmi_symbols_load(b.path, 0, &symbols, NULL));
	(void)unlink(b.path);
	require(mvmi_symbols_prepare(symbols, NULL));
	b.symbols = symbols;
	for (size_t i = 0; i < LOOKUPS; i++) {
		if (!mvmi_symbols_get(symbols, next_random(&state) % SYMBOLS,
				      &s))
			bench_die("symbols", "too few");
		b.names[i] = s.name;
		b.addrs[i] = mvmi_gva_at(s.addr + s.size / 2);
	}
	bench_row_ns("name to address, of 200,000",
		     bench_ns(find_name, &b, LOOKUPS), "<= 1 us");
	bench_row_ns("address to name, of 200,000",
		     bench_ns(find_addr, &b, LOOKUPS), "<= 1 us");
	mvmi_symbols_destroy(symbols);
	return 0;
}
