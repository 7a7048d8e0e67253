/* SPDX-License-Identifier: MIT */
/*
 * usage: bench_target TARGET
 *
 * A real VM: reads of its RAM against process_vm_readv() of the same bytes in
 * its VMM. The VMM's mapping of RAM is found by its size in /proc/PID/maps and
 * by its bytes, so the first region of RAM has to be in one piece.
 */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "bench.h"

#define PAGE	     ((size_t)4096)
#define MIB	     (UINT64_C(1) << 20)
#define BULK_LEN     ((size_t)16 << 20)
#define RANDOM_COUNT 1024
#define SCATTER	     64

struct bench {
	struct mvmi_vm *vm;
	pid_t pid;
	uint64_t host; /**< of guest-physical 0, in the VMM */
	uint64_t len;
	uint8_t *buf; /**< BULK_LEN bytes */
	uint32_t random[RANDOM_COUNT];
};

/** An address in the VMM; here it is a number only. */
static void *address(const struct bench *b, uint64_t gpa)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): it came as text. */
	return (void *)(uintptr_t)(b->host + gpa);
}

static void remote(struct bench *b, uint64_t gpa, struct mvmi_span dst)
{
	struct iovec to = { dst.ptr, dst.len };
	struct iovec from = { address(b, gpa), dst.len };

	if (process_vm_readv(b->pid, &to, 1, &from, 1, 0) != (ssize_t)dst.len)
		bench_die("process_vm_readv", "not all of it");
}

static void ours(struct bench *b, uint64_t gpa, size_t len)
{
	struct mvmi_error err;

	if (mvmi_mem_read(b->vm, mvmi_gpa_at(gpa),
			  (struct mvmi_span){ b->buf, len }, &err) != MVMI_OK)
		bench_die("read", err.msg);
}

static void bulk_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++)
		remote(b, BULK_LEN, (struct mvmi_span){ b->buf, BULK_LEN });
}

static void bulk_ours(void *arg, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ours(arg, BULK_LEN, BULK_LEN);
}

static void random_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++)
		remote(b, b->random[i] * PAGE,
		       (struct mvmi_span){ b->buf, PAGE });
}

static void random_ours(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++)
		ours(b, b->random[i] * PAGE, PAGE);
}

static void scatter_direct(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		const uint32_t *pages = &b->random[i * SCATTER % RANDOM_COUNT];
		struct iovec to[SCATTER];
		struct iovec from[SCATTER];

		for (size_t n = 0; n < SCATTER; n++) {
			to[n] = (struct iovec){ b->buf + n * PAGE, PAGE };
			from[n].iov_base = address(b, pages[n] * PAGE);
			from[n].iov_len = PAGE;
		}
		if (process_vm_readv(b->pid, to, SCATTER, from, SCATTER, 0) !=
		    (ssize_t)(SCATTER * PAGE))
			bench_die("process_vm_readv", "not all of it");
	}
}

static void scatter_ours(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		const uint32_t *pages = &b->random[i * SCATTER % RANDOM_COUNT];
		struct mvmi_mem_op ops[SCATTER];

		for (size_t n = 0; n < SCATTER; n++)
			ops[n] = (struct mvmi_mem_op){
				.gpa = { pages[n] * PAGE },
				.dst = { b->buf + n * PAGE, PAGE },
			};
		if (mvmi_mem_readv(b->vm, ops, SCATTER, NULL) != MVMI_OK ||
		    ops[SCATTER - 1].status != MVMI_OK)
			bench_die("scatter read", "not all of it");
	}
}

/** Does the mapping hold what the guest's memory holds? */
static bool matches(struct bench *b, uint64_t host)
{
	static const uint64_t looks[] = { 0, MIB, 2 * MIB, 16 * MIB };
	uint8_t there[PAGE] = { 0 };

	b->host = host;
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		remote(b, looks[i], (struct mvmi_span){ there, PAGE });
		ours(b, looks[i], PAGE);
		if (memcmp(there, b->buf, PAGE) != 0)
			return false;
	}
	return true;
}

static bool find_host(struct bench *b)
{
	char path[64];
	char line[512];
	bool found = false;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)b->pid);
	maps = fopen(path, "r");
	if (!maps)
		bench_die(path, "cannot be opened");
	while (!found && fgets(line, sizeof(line), maps)) {
		char *end = NULL;
		uint64_t start = strtoull(line, &end, 16);
		uint64_t stop = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;

		found = stop > start && stop - start == b->len &&
			matches(b, start);
	}
	(void)fclose(maps);
	return found;
}

static void bench_init(struct bench *b, const char *target)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_error err;

	if (mvmi_vm_open(target, NULL, &b->vm, &err) != MVMI_OK)
		bench_die(target, err.msg);
	if (mvmi_vm_get_info(b->vm, &info, &err) != MVMI_OK)
		bench_die(target, err.msg);
	b->pid = (pid_t)info.pid;
	/* Firmware shadows some of the first MiB: that is not counted as RAM. */
	b->len = (info.ram_len + MIB - 1) & ~(MIB - 1);
	b->buf = malloc(BULK_LEN);
	if (!b->buf || b->len < 2 * BULK_LEN || info.pid <= 0)
		bench_die(target, "needs a process with 32 MiB of RAM or more");
	memset(b->buf, 0, BULK_LEN);
	if (!find_host(b))
		bench_die(target, "cannot find its RAM in its process");
	for (size_t i = 0; i < RANDOM_COUNT; i++)
		b->random[i] = (uint32_t)(256 + (i * 40503 + 7) %
							(b->len / PAGE - 256));
	(void)fprintf(stderr, "bench: %s, %s\n", info.hypervisor,
		      info.memory_path);
}

int main(int argc, char **argv)
{
	static struct bench b;

	if (argc != 2)
		bench_die("usage", "bench_target TARGET");
	bench_init(&b, argv[1]);
	bench_row_ratio("bulk read, 16 MiB, unmapped RAM vs process_vm_readv",
			&(struct bench_pair){ bulk_direct, bulk_ours, &b, 1 },
			"");
	bench_row_ratio("4 KiB random, unmapped RAM vs process_vm_readv",
			&(struct bench_pair){ random_direct, random_ours, &b,
					      RANDOM_COUNT },
			"");
	bench_row_ratio("64 x 4 KiB scatter, unmapped RAM vs process_vm_readv",
			&(struct bench_pair){ scatter_direct, scatter_ours, &b,
					      RANDOM_COUNT / SCATTER },
			"");
	mvmi_vm_close(b.vm);
	free(b.buf);
	return 0;
}
