/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Makes the memory of a small Linux guest: page tables, kallsyms, BTF, notes,
 * VMCOREINFO and what else finding a kernel reads. Tests and fuzzers change
 * what they like in it afterwards. The same arguments make the same bytes.
 *
 * Physical memory, 6 MiB of it:
 *
 *	0x000000  VMCOREINFO, per-CPU areas
 *	0x200000  the kernel's code and data; _text is its first byte
 *	0x400000  its read-only data: kallsyms, then notes and BTF
 */
#ifndef MICROVMI_TEST_LINUX_GEN_H
#define MICROVMI_TEST_LINUX_GEN_H

#include <stdlib.h>

#include "kallsyms_gen.h"
#include "symbols/btf.h"
#include "symbols/btf_builder.h"

#define LGEN_LEN	((size_t)6 << 20)
#define LGEN_BASE	GEN_BASE /* virtual, of _text */
#define LGEN_GPA	UINT64_C(0x200000)
#define LGEN_RODATA_GPA UINT64_C(0x400000)
#define LGEN_SLIDE	(LGEN_BASE - UINT64_C(0xffffffff81000000))
#define LGEN_DIRECT	UINT64_C(0xffff888000000000)
#define LGEN_COUNT	3000 /* symbols that mean nothing */

/* Offsets from _text; in physical memory, too. */
#define LGEN_ENTRY	0x0ff000 /* of system calls */
#define LGEN_PGD	0x100000 /* and the user half of it, behind it */
#define LGEN_P4D	0x102000
#define LGEN_PUD	0x103000
#define LGEN_PMD	0x104000
#define LGEN_DIRECT_PUD 0x105000
#define LGEN_DIRECT_P4D 0x106000
#define LGEN_BANNER	0x110000
#define LGEN_TASK	0x120000
#define LGEN_VARIABLES	0x130000
#define LGEN_TSS	0x131000 /* per-CPU, as linked */
#define LGEN_NOTES	0x2f0000
#define LGEN_BTF	0x300000 /* the last: it grows */

/* Physical. */
#define LGEN_TASKS	0x8000 /* a process and its thread: see lgen_make_tasks() */
#define LGEN_VMCOREINFO 0x10000
#define LGEN_CPUS	0x20000 /* per-CPU areas, 64 KiB each */
#define LGEN_CPU_LEN	UINT64_C(0x10000)

/* Variables, eight bytes each. */
enum lgen_variable {
	LGEN_PAGE_OFFSET_BASE,
	LGEN_VMALLOC_BASE,
	LGEN_VMEMMAP_BASE,
	LGEN_VMCOREINFO_DATA,
	LGEN_NR_CPU_IDS,
	LGEN_ONLINE_MASK,
	LGEN_PER_CPU_0,
	LGEN_PER_CPU_1,
	LGEN_CURRENT_TASK, /**< per-CPU, as linked */
};

#define LGEN_AT(variable) (LGEN_VARIABLES + 8 * (uint64_t)(variable))

/* Some members of struct task_struct. */
#define LGEN_TASK_PID	  16
#define LGEN_TASK_TASKS	  32
#define LGEN_TASK_THREADS 48
#define LGEN_TASK_REAL	  72
#define LGEN_TASK_PARENT  80
#define LGEN_TASK_LEADER  88
#define LGEN_TASK_SIGNAL  96
#define LGEN_TASK_COMM	  256

static const char lgen_build_id[] = "0102030405060708090a0b0c0d0e0f1011121314";
static const char lgen_banner[] =
	"Linux version 6.16.0-test (a@b) (cc) #1 SMP\n";

struct lgen {
	uint8_t *ram; /**< LGEN_LEN bytes; the caller's */
	bool five_level;
	struct gen kallsyms;
	size_t btf_len;
};

static inline void lgen_put(struct lgen *l, uint64_t gpa, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		l->ram[gpa + i] = (uint8_t)(value >> 8 * i);
}

/** Set a variable of the kernel. */
static inline void
lgen_set(struct lgen *l, enum lgen_variable variable, uint64_t value)
{
	lgen_put(l, LGEN_GPA + LGEN_AT(variable), value);
}

static inline void
lgen_text(struct lgen *l, uint64_t gpa, const char *text, size_t len)
{
	memcpy(l->ram + gpa, text, len);
}

static const struct {
	const char *name;
	uint64_t off;
} lgen_symbols[] = {
	{ "entry_SYSCALL_64", LGEN_ENTRY },
	{ "init_top_pgt", LGEN_PGD },
	{ "linux_banner", LGEN_BANNER },
	{ "init_task", LGEN_TASK },
	{ "page_offset_base", LGEN_AT(LGEN_PAGE_OFFSET_BASE) },
	{ "vmalloc_base", LGEN_AT(LGEN_VMALLOC_BASE) },
	{ "vmemmap_base", LGEN_AT(LGEN_VMEMMAP_BASE) },
	{ "vmcoreinfo_data", LGEN_AT(LGEN_VMCOREINFO_DATA) },
	{ "nr_cpu_ids", LGEN_AT(LGEN_NR_CPU_IDS) },
	{ "__cpu_online_mask", LGEN_AT(LGEN_ONLINE_MASK) },
	{ "__per_cpu_offset", LGEN_AT(LGEN_PER_CPU_0) },
	{ "current_task", LGEN_AT(LGEN_CURRENT_TASK) },
	{ "cpu_tss_rw", LGEN_TSS },
	{ "__start_notes", LGEN_NOTES },
	{ "__stop_notes", LGEN_NOTES + 36 },
	{ "__start_BTF", LGEN_BTF },
	{ "__stop_BTF", 0 }, /* behind what is made */
	{ "_end", 0x400000 },
};

#define LGEN_SYMBOLS (sizeof(lgen_symbols) / sizeof(lgen_symbols[0]))

static void
lgen_name(struct gen_symbol *symbol, const char *name, uint64_t addr)
{
	(void)snprintf(symbol->name, sizeof(symbol->name), "%s", name);
	symbol->addr = addr;
	symbol->type = 'D';
}

/** As gen_make(), with names that mean something. */
static void lgen_make_kallsyms(struct lgen *l)
{
	struct gen *g = &l->kallsyms;

	memset(g, 0, sizeof(*g));
	g->layout = &gen_layouts[6];
	g->count = LGEN_COUNT;
	g->random = UINT64_C(0x9e3779b97f4a7c15);
	gen_make_tokens(g);
	gen_make_symbols(g);
	lgen_name(&g->symbols[0], "_text", LGEN_BASE);
	for (size_t i = 0; i < LGEN_SYMBOLS; i++) {
		uint64_t off = lgen_symbols[i].off;

		lgen_name(&g->symbols[g->count++], lgen_symbols[i].name,
			  LGEN_BASE + (off ? off : LGEN_BTF + l->btf_len));
	}
	gen_noise(g, GEN_TABLES);
	g->num_syms = g->len;
	gen_put(g, g->count, g->layout->word);
	gen_align(g);
	gen_put_names(g);
	gen_put_tokens(g);
	gen_put_offsets(g);
	gen_put_seqs(g);
	memcpy(l->ram + LGEN_RODATA_GPA, g->bytes, g->len);
}

enum lgen_type {
	LGEN_STRUCT, /* begins one */
	LGEN_INT,
	LGEN_LONG,
	LGEN_POINTER,
	LGEN_LINKS,
	LGEN_NAME,
	LGEN_POINTERS,
	LGEN_TYPES,
};

/** Structs as tasks are made of, and where their members are. */
static const struct {
	const char *name;
	enum lgen_type type;
	unsigned at; /**< of a struct: its size */
} lgen_members[] = {
	{ "task_struct", LGEN_STRUCT, 512 },
	{ "pid", LGEN_INT, LGEN_TASK_PID },
	{ "tgid", LGEN_INT, 20 },
	{ "flags", LGEN_INT, 24 },
	{ "__state", LGEN_INT, 28 },
	{ "tasks", LGEN_LINKS, LGEN_TASK_TASKS },
	{ "thread_node", LGEN_LINKS, LGEN_TASK_THREADS },
	{ "exit_state", LGEN_INT, 64 },
	{ "on_cpu", LGEN_INT, 68 },
	{ "real_parent", LGEN_POINTER, LGEN_TASK_REAL },
	{ "parent", LGEN_POINTER, LGEN_TASK_PARENT },
	{ "group_leader", LGEN_POINTER, LGEN_TASK_LEADER },
	{ "signal", LGEN_POINTER, LGEN_TASK_SIGNAL },
	{ "real_cred", LGEN_POINTER, 104 },
	{ "mm", LGEN_POINTER, 112 },
	{ "active_mm", LGEN_POINTER, 120 },
	{ "stack", LGEN_POINTER, 128 },
	{ "start_boottime", LGEN_LONG, 136 },
	{ "nsproxy", LGEN_POINTER, 144 },
	{ "files", LGEN_POINTER, 152 },
	{ "fs", LGEN_POINTER, 160 },
	{ "thread_pid", LGEN_POINTER, 168 },
	{ "comm", LGEN_NAME, LGEN_TASK_COMM },
	{ "signal_struct", LGEN_STRUCT, 128 },
	{ "thread_head", LGEN_LINKS, 0 },
	{ "nr_threads", LGEN_INT, 16 },
	{ "pids", LGEN_POINTERS, 24 },
	{ "mm_struct", LGEN_STRUCT, 128 },
	{ "pgd", LGEN_POINTER, 0 },
	{ "arg_start", LGEN_LONG, 8 },
	{ "arg_end", LGEN_LONG, 16 },
	{ "env_start", LGEN_LONG, 24 },
	{ "env_end", LGEN_LONG, 32 },
	{ "exe_file", LGEN_POINTER, 40 },
	{ "start_brk", LGEN_LONG, 48 },
	{ "brk", LGEN_LONG, 56 },
	{ "start_stack", LGEN_LONG, 64 },
	{ "mmap", LGEN_POINTER, 72 },
};

/** Those structs, and as many others as make BTF as large as a kernel's. */
static void lgen_make_btf(struct lgen *l, size_t others)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types = NULL;
	uint32_t ids[LGEN_TYPES];
	uint32_t character = btf_builder_int(b, 0, "char", 1, BTF_INT_CHAR);

	ids[LGEN_INT] = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	ids[LGEN_LONG] = btf_builder_int(b, 0, "unsigned long", 8, 0);
	ids[LGEN_POINTER] = btf_builder_pointer(b, 0, 0);
	ids[LGEN_NAME] = btf_builder_array(b, 0, character, 16);
	ids[LGEN_POINTERS] = btf_builder_array(b, 0, ids[LGEN_POINTER], 4);
	ids[LGEN_LINKS] = btf_builder_struct(b, 0, "list_head", 16);
	btf_builder_member(b, "next", ids[LGEN_POINTER], 0, 0);
	btf_builder_member(b, "prev", ids[LGEN_POINTER], 64, 0);
	for (size_t i = 0; i < sizeof(lgen_members) / sizeof(lgen_members[0]);
	     i++) {
		const char *name = lgen_members[i].name;
		unsigned at = lgen_members[i].at;

		if (lgen_members[i].type == LGEN_STRUCT)
			(void)btf_builder_struct(b, 0, name, at);
		else
			btf_builder_member(b, name, ids[lgen_members[i].type],
					   8 * (uint64_t)at, 0);
	}
	for (size_t i = 0; i < others; i++) {
		char other[64];

		(void)snprintf(other, sizeof(other),
			       "a_struct_of_a_rather_long_name_%zu", i);
		(void)btf_builder_struct(b, 0, other, 4);
		btf_builder_member(b, "pid", ids[LGEN_INT], 0, 0);
	}
	if (btf_builder_finish(b, &types, NULL) != MVMI_OK)
		abort();
	l->btf_len = btf_blob(types).len;
	memcpy(l->ram + LGEN_GPA + LGEN_BTF, btf_blob(types).ptr, l->btf_len);
	mvmi_types_destroy(types);
	btf_builder_destroy(b);
}

#define LGEN_TABLE UINT64_C(0x67) /* present, writable, user, accessed, dirty */
#define LGEN_CODE  UINT64_C(0xe3)
#define LGEN_DATA  (UINT64_C(0x80000000000000e1))

/** Set an entry of a table. */
static inline void
lgen_entry(struct lgen *l, uint64_t table, uint64_t index, uint64_t entry)
{
	lgen_put(l, table + 8 * index, entry);
}

/** Tables of four levels, or of five. */
static void lgen_make_tables(struct lgen *l)
{
	uint64_t top = LGEN_GPA + LGEN_PGD;
	uint64_t pud = LGEN_GPA + LGEN_PUD;
	uint64_t pmd = LGEN_GPA + LGEN_PMD;
	uint64_t direct = LGEN_GPA + LGEN_DIRECT_PUD;
	uint64_t slot = (LGEN_BASE & 0x3fffffff) >> 21;

	if (l->five_level) {
		lgen_entry(l, top, 511, (LGEN_GPA + LGEN_P4D) | LGEN_TABLE);
		top = LGEN_GPA + LGEN_P4D;
	}
	lgen_entry(l, top, 511, pud | LGEN_TABLE);
	lgen_entry(l, top, LGEN_DIRECT >> 39 & 511, direct | LGEN_TABLE);
	lgen_entry(l, direct, 0, LGEN_CODE); /* one GiB */
	lgen_entry(l, pud, 510, pmd | LGEN_TABLE);
	lgen_entry(l, pmd, slot, LGEN_GPA | LGEN_CODE);
	lgen_entry(l, pmd, slot + 1, LGEN_RODATA_GPA | LGEN_DATA);
}

/** Let user mode have tables of its own, which map one entry point only. */
static inline void lgen_isolate(struct lgen *l)
{
	/* The same tables do: nobody looks at what they map besides. */
	memcpy(l->ram + LGEN_GPA + LGEN_PGD + 4096,
	       l->ram + LGEN_GPA + LGEN_PGD, 4096);
}

static void lgen_make_vmcoreinfo(struct lgen *l, uint64_t phys_base)
{
	char text[1024];
	int len = snprintf(text, sizeof(text),
			   "OSRELEASE=6.16.0-test\nBUILD-ID=%s\nPAGESIZE=4096\n"
			   "SYMBOL(swapper_pg_dir)=%llx\nSYMBOL(_stext)=%llx\n"
			   "NUMBER(phys_base)=%lld\nSYMBOL(init_top_pgt)=%llx\n"
			   "NUMBER(pgtable_l5_enabled)=%d\nKERNELOFFSET=%llx\n",
			   lgen_build_id,
			   (unsigned long long)(LGEN_BASE + LGEN_PGD),
			   (unsigned long long)LGEN_BASE, (long long)phys_base,
			   (unsigned long long)(LGEN_BASE + LGEN_PGD),
			   l->five_level, (unsigned long long)LGEN_SLIDE);

	memset(l->ram + LGEN_VMCOREINFO, 0, 4096);
	lgen_text(l, LGEN_VMCOREINFO, text, (size_t)len);
}

#define LGEN_PHYS_BASE (LGEN_GPA - (LGEN_BASE - UINT64_C(0xffffffff80000000)))

/** What a CPU adds to the addresses of per-CPU variables. */
static inline uint64_t lgen_per_cpu(uint64_t cpu)
{
	return LGEN_DIRECT + LGEN_CPUS + cpu * LGEN_CPU_LEN -
	       (LGEN_BASE + LGEN_VARIABLES);
}

static void lgen_make_data(struct lgen *l)
{
	static const uint8_t note[] = { 4, 0, 0, 0, 20,	 0,   0,   0,
					3, 0, 0, 0, 'G', 'N', 'U', 0 };
	uint64_t task = LGEN_GPA + LGEN_TASK;

	lgen_text(l, LGEN_GPA + LGEN_BANNER, lgen_banner, sizeof(lgen_banner));
	memcpy(l->ram + LGEN_GPA + LGEN_NOTES, note, sizeof(note));
	for (unsigned i = 0; i < 20; i++)
		l->ram[LGEN_GPA + LGEN_NOTES + sizeof(note) + i] =
			(uint8_t)(i + 1);
	lgen_text(l, task + LGEN_TASK_COMM, "swapper/0", 10);
	lgen_put(l, task + LGEN_TASK_PARENT, LGEN_BASE + LGEN_TASK);
	lgen_put(l, task + LGEN_TASK_REAL, LGEN_BASE + LGEN_TASK);
	lgen_put(l, task + LGEN_TASK_LEADER, LGEN_BASE + LGEN_TASK);
	lgen_set(l, LGEN_PAGE_OFFSET_BASE, LGEN_DIRECT);
	lgen_set(l, LGEN_VMALLOC_BASE, UINT64_C(0xffffc90000000000));
	lgen_set(l, LGEN_VMEMMAP_BASE, UINT64_C(0xffffea0000000000));
	lgen_set(l, LGEN_VMCOREINFO_DATA, LGEN_DIRECT + LGEN_VMCOREINFO);
	lgen_set(l, LGEN_NR_CPU_IDS, 2);
	lgen_set(l, LGEN_ONLINE_MASK, 3);
	for (uint64_t cpu = 0; cpu < 2; cpu++)
		lgen_put(l, LGEN_GPA + LGEN_AT(LGEN_PER_CPU_0) + 8 * cpu,
			 lgen_per_cpu(cpu));
}

/** The process 1, of two threads, and what hangs on them. */
static void lgen_make_tasks(struct lgen *l)
{
	const uint64_t init = LGEN_BASE + LGEN_TASK + LGEN_TASK_TASKS;
	const uint64_t first = LGEN_DIRECT + LGEN_TASKS;
	const uint64_t second = first + 0x400;
	const uint64_t signal = first + 0x800;
	const uint64_t node = LGEN_TASK_THREADS;

	lgen_put(l, LGEN_GPA + LGEN_TASK + LGEN_TASK_TASKS,
		 first + LGEN_TASK_TASKS);
	lgen_put(l, LGEN_GPA + LGEN_TASK + LGEN_TASK_TASKS + 8,
		 first + LGEN_TASK_TASKS);
	for (uint64_t i = 0; i < 2; i++) {
		uint64_t at = LGEN_TASKS + 0x400 * i;

		lgen_put(l, at + LGEN_TASK_PID, (i + 1) | UINT64_C(1) << 32);
		lgen_put(l, at + LGEN_TASK_TASKS, i ? first : init);
		lgen_put(l, at + LGEN_TASK_TASKS + 8, i ? first : init);
		lgen_put(l, at + LGEN_TASK_REAL, LGEN_BASE + LGEN_TASK);
		lgen_put(l, at + LGEN_TASK_PARENT, LGEN_BASE + LGEN_TASK);
		lgen_put(l, at + LGEN_TASK_LEADER, first);
		lgen_put(l, at + LGEN_TASK_SIGNAL, signal);
		lgen_put(l, at + node, i ? signal : second + node);
		lgen_put(l, at + node + 8, i ? first + node : signal);
		lgen_text(l, at + LGEN_TASK_COMM, "init", 5);
	}
	lgen_put(l, LGEN_TASKS + 0x800, first + node);
	lgen_put(l, LGEN_TASKS + 0x808, second + node);
	lgen_put(l, LGEN_TASKS + 0x810, 2);
}

/**
 * Make a guest in ram, which is LGEN_LEN zeroed bytes.
 *
 * @param large_btf  BTF of a size by which a search takes it for a kernel's.
 */
static void
lgen_make(struct lgen *l, uint8_t *ram, bool five_level, bool large_btf)
{
	l->ram = ram;
	l->five_level = five_level;
	lgen_make_btf(l, large_btf ? 10000 : 0);
	lgen_make_kallsyms(l);
	lgen_make_tables(l);
	lgen_make_data(l);
	lgen_make_tasks(l);
	lgen_make_vmcoreinfo(l, LGEN_PHYS_BASE);
}

#endif /* MICROVMI_TEST_LINUX_GEN_H */
