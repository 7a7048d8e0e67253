/* SPDX-License-Identifier: MIT */
/*
 * What the library costs over doing the same by hand: copies out of mapped
 * RAM, translation, and the boundary with a driver.
 */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ram.h"

#define RAM_LEN	      (UINT64_C(256) << 20)
#define BULK_LEN      ((size_t)64 << 20)
#define SCATTER_COUNT 64
#define RANDOM_COUNT  8192
#define PAGE	      ((size_t)4096)

struct bench {
	struct mvmi_vm *vm;
	struct ram *ram;
	struct mvmi_space *space;
	uint8_t *buf;	 /**< BULK_LEN bytes, touched */
	size_t page_len; /**< PAGE, unknown to the compiler as it is to ours */
	uint32_t random[RANDOM_COUNT]; /**< page numbers */
};

static void require(enum mvmi_status status)
{
	if (status != MVMI_OK)
		bench_die("operation", mvmi_status_name(status));
}

static void bulk_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		memcpy(b->buf, b->ram->host + i % 2 * BULK_LEN, BULK_LEN);
		bench_keep(b->buf);
	}
}

static void bulk_ours(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++)
		require(mvmi_mem_read(b->vm, mvmi_gpa_at(i % 2 * BULK_LEN),
				      (struct mvmi_span){ b->buf, BULK_LEN },
				      NULL));
}

static void random_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		memcpy(b->buf, b->ram->host + b->random[i] * PAGE, b->page_len);
		bench_keep(b->buf);
	}
}

static void random_ours(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++)
		require(mvmi_mem_read(b->vm, mvmi_gpa_at(b->random[i] * PAGE),
				      (struct mvmi_span){ b->buf, PAGE },
				      NULL));
}

static void scatter_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		const uint32_t *pages =
			&b->random[i * SCATTER_COUNT % RANDOM_COUNT];

		for (size_t n = 0; n < SCATTER_COUNT; n++)
			memcpy(b->buf + n * PAGE,
			       b->ram->host + pages[n] * PAGE, b->page_len);
		bench_keep(b->buf);
	}
}

static void scatter_ours(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		const uint32_t *pages =
			&b->random[i * SCATTER_COUNT % RANDOM_COUNT];
		struct mvmi_mem_op ops[SCATTER_COUNT];

		for (size_t n = 0; n < SCATTER_COUNT; n++)
			ops[n] = (struct mvmi_mem_op){
				.gpa = { pages[n] * PAGE },
				.dst = { b->buf + n * PAGE, PAGE },
			};
		require(mvmi_mem_readv(b->vm, ops, SCATTER_COUNT, NULL));
	}
}

static void put_entry(struct bench *b, uint64_t gpa, uint64_t entry)
{
	memcpy(b->ram->host + gpa, &entry, sizeof(entry));
}

/** 4-level tables from 1 MiB on; the first 64 pages of 4 MiB are mapped. */
static void make_tables(struct bench *b)
{
	struct mvmi_space_params params = {
		.size = sizeof(params),
		.paging = MVMI_PAGING_4LEVEL,
		.root = 0x100000,
	};

	put_entry(b, 0x100000, 0x101000 | 7);
	put_entry(b, 0x101000, 0x102000 | 7);
	put_entry(b, 0x102010, 0x103000 | 7);
	for (uint64_t i = 0; i < 64; i++)
		put_entry(b, 0x103000 + i * 8, (0x200000 + i * PAGE) | 7);
	require(mvmi_space_create(b->vm, &params, &b->space, NULL));
}

static void translated_warm(void *arg, unsigned count)
{
	struct bench *b = arg;
	uint64_t value;

	for (unsigned i = 0; i < count; i++)
		require(mvmi_space_read_u64(b->space,
					    mvmi_gva_at(0x400000 +
							i % 64 * PAGE +
							i % 500 * UINT64_C(8)),
					    &value, NULL));
}

static void walk_cold(void *arg, unsigned count)
{
	struct bench *b = arg;
	mvmi_gpa gpa;

	for (unsigned i = 0; i < count; i++) {
		mvmi_space_flush(b->space);
		require(mvmi_space_translate(
			b->space, mvmi_gva_at(0x400000 + i % 64 * PAGE), &gpa,
			NULL));
	}
}

static void boundary(struct bench *b, unsigned count, size_t len, bool direct)
{
	for (unsigned i = 0; i < count; i++) {
		struct mvmi_mem_op op = {
			.gpa = { b->random[i % RANDOM_COUNT] % 64 * PAGE },
			.dst = { b->buf, len },
		};

		if (direct)
			require(ram_readv(&b->ram->conn, &op, 1, NULL));
		else
			require(mvmi_mem_read(b->vm, op.gpa, op.dst, NULL));
	}
}

static void boundary_8_direct(void *arg, unsigned count)
{
	boundary(arg, count, 8, true);
}

static void boundary_8_ours(void *arg, unsigned count)
{
	boundary(arg, count, 8, false);
}

static void boundary_page_direct(void *arg, unsigned count)
{
	boundary(arg, count, PAGE, true);
}

static void boundary_page_ours(void *arg, unsigned count)
{
	boundary(arg, count, PAGE, false);
}

static void bench_init(struct bench *b, const char *where)
{
	b->vm = ram_open(where, RAM_LEN, &b->ram);
	memset(b->ram->host, 1, RAM_LEN);
	b->buf = malloc(BULK_LEN);
	if (!b->buf)
		bench_die("buffer", "no memory");
	memset(b->buf, 0, BULK_LEN);
	b->page_len = PAGE;
	bench_keep(b);
	for (size_t i = 0; i < RANDOM_COUNT; i++)
		b->random[i] = (uint32_t)((i * 40503 + 7) % (RAM_LEN / PAGE));
}

static void bench_fini(struct bench *b)
{
	mvmi_space_destroy(b->space);
	mvmi_vm_close(b->vm);
	free(b->buf);
}

static void bench_mapped(void)
{
	static struct bench b;

	bench_init(&b, "map");
	bench_row_ratio("bulk read, 64 MiB, mapped RAM vs memcpy",
			&(struct bench_pair){ bulk_direct, bulk_ours, &b, 1 },
			">= 0.9");
	bench_row_ratio("4 KiB random, mapped RAM vs memcpy",
			&(struct bench_pair){ random_direct, random_ours, &b,
					      RANDOM_COUNT },
			">= 0.9");
	bench_row_ratio("64 x 4 KiB scatter, mapped RAM vs memcpy",
			&(struct bench_pair){ scatter_direct, scatter_ours, &b,
					      RANDOM_COUNT / SCATTER_COUNT },
			">= 0.9");
	make_tables(&b);
	bench_row_ns("translated 8-byte read, warm",
		     bench_ns(translated_warm, &b, 100000), "<= 30 ns");
	bench_row_ns("4-level walk, empty TLB, cached lines",
		     bench_ns(walk_cold, &b, 100000), "<= 100 ns");
	bench_fini(&b);
}

static void bench_boundary(void)
{
	static struct bench b;

	bench_init(&b, "process");
	bench_row_ratio(
		"8-byte read by a driver (process_vm_readv) vs calling it",
		&(struct bench_pair){ boundary_8_direct, boundary_8_ours, &b,
				      4000 },
		">= 0.98");
	bench_row_ratio(
		"4 KiB read by a driver (process_vm_readv) vs calling it",
		&(struct bench_pair){ boundary_page_direct, boundary_page_ours,
				      &b, 4000 },
		">= 0.98");
	bench_fini(&b);
}

int main(void)
{
	bench_mapped();
	bench_boundary();
	return 0;
}
