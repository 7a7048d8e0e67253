/* SPDX-License-Identifier: MIT */
/*
 * Writes the memory of a small Linux guest to stdout, for the command to look
 * into: a kernel that is found by its VMCOREINFO, and five tasks with names
 * and parents as only a hostile guest has them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "linux_gen.h"

/* Offsets from _text, behind init_task. */
#define TASK_LEN   512
#define SIGNALS	   0x124000
#define SIGNAL_LEN 128
#define PF_KTHREAD 0x00200000

/** A process, each with a parent that is named by its place here. */
static const struct {
	uint32_t pid;
	unsigned parent;
	uint32_t state;
	bool is_kernel;
	const char *comm;
} tasks[] = {
	{ 0, 0, 0, true, "swapper/0" },
	{ 1, 0, 1, false, "init" },
	{ 2, 0, 1, true, "kthreadd" },
	{ 40, 1, 0, false, "busy" },
	{ 41, 3, 2, false, "\033[31mred\xc2\x9b\xff" },
	{ 42, 5, 1, false, "own parent" },
};

#define TASKS (sizeof(tasks) / sizeof(tasks[0]))

static uint64_t task_off(size_t i)
{
	return LGEN_TASK + TASK_LEN * i;
}

static void put32(struct lgen *l, uint64_t gpa, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		l->ram[gpa + i] = (uint8_t)(value >> 8 * i);
}

/** Two list heads that are each other's neighbours, in a ring of all. */
static void link_to(struct lgen *l, size_t i)
{
	size_t next = (i + 1) % TASKS;
	uint64_t from = task_off(i) + LGEN_TASK_TASKS;
	uint64_t to = task_off(next) + LGEN_TASK_TASKS;

	lgen_put(l, LGEN_GPA + from, LGEN_BASE + to);
	lgen_put(l, LGEN_GPA + to + 8, LGEN_BASE + from);
}

/** A ring of one: thread_head and the thread_node of its only thread. */
static void put_signal(struct lgen *l, size_t i)
{
	uint64_t signal = SIGNALS + SIGNAL_LEN * i;
	uint64_t node = task_off(i) + 48;

	lgen_put(l, LGEN_GPA + task_off(i) + LGEN_TASK_SIGNAL,
		 LGEN_BASE + signal);
	lgen_put(l, LGEN_GPA + signal, LGEN_BASE + node);
	lgen_put(l, LGEN_GPA + signal + 8, LGEN_BASE + node);
	lgen_put(l, LGEN_GPA + node, LGEN_BASE + signal);
	lgen_put(l, LGEN_GPA + node + 8, LGEN_BASE + signal);
	put32(l, LGEN_GPA + signal + 16, 1);
}

static void put_task(struct lgen *l, size_t i)
{
	uint64_t at = LGEN_GPA + task_off(i);
	uint64_t parent = LGEN_BASE + task_off(tasks[i].parent);

	put32(l, at + LGEN_TASK_PID, tasks[i].pid);
	put32(l, at + LGEN_TASK_PID + 4, tasks[i].pid);
	put32(l, at + 24, tasks[i].is_kernel ? PF_KTHREAD : 0);
	put32(l, at + 28, tasks[i].state);
	lgen_put(l, at + LGEN_TASK_REAL, parent);
	lgen_put(l, at + LGEN_TASK_PARENT, parent);
	lgen_put(l, at + LGEN_TASK_LEADER, LGEN_BASE + task_off(i));
	lgen_put(l, at + 136, UINT64_C(1500000000) * i);
	lgen_text(l, at + LGEN_TASK_COMM, tasks[i].comm,
		  strlen(tasks[i].comm) + 1);
	link_to(l, i);
	put_signal(l, i);
}

int main(void)
{
	static struct lgen guest;
	uint8_t *ram = calloc(1, LGEN_LEN);
	size_t n;

	if (!ram)
		return 1;
	lgen_make(&guest, ram, false, false);
	for (size_t i = 0; i < TASKS; i++)
		put_task(&guest, i);
	n = fwrite(ram, 1, LGEN_LEN, stdout);
	free(ram);
	return n != LGEN_LEN || fflush(stdout) != 0;
}
