/* SPDX-License-Identifier: MIT */
/*
 * Translation: what is instrumented, and dropping code that was translated too
 * early.
 *
 * QEMU asks at each translation, and never again: a breakpoint that is added
 * later needs the code that has it to be translated anew. So it is noted which
 * host pages each virtual page was translated from. A breakpoint then costs
 * one page's code, in whatever address spaces that page is mapped, and what is
 * not on that page costs nothing at all.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define PAGE	UINT64_C(4096)
#define BUCKETS 16384 /* a power of two */

/** A page of code: where it was translated from. */
struct page {
	struct page *next;
	uint64_t virtual; /**< address of the page */
	uintptr_t host;	  /**< where QEMU has it */
};

struct breakpoint {
	struct breakpoint *next;
	uint64_t pc;
	uint64_t span;
	unsigned count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *pages[BUCKETS];
static size_t page_count;
static struct site *sites[BUCKETS];
static struct breakpoint *breakpoints[BUCKETS];
static struct breakpoint *ranges; /* those of more than one byte */
static unsigned breakpoint_count;
static atomic_uint step_round;
static atomic_uint changes;

static size_t bucket(uint64_t value)
{
	/* Fibonacci hashing: the golden ratio of 2^64. */
	return value * UINT64_C(0x9e3779b97f4a7c15) >> 50;
}

void code_changed(void)
{
	atomic_fetch_add(&changes, 1);
}

unsigned code_changes(void)
{
	return atomic_load_explicit(&changes, memory_order_relaxed);
}

unsigned code_step_round(void)
{
	return atomic_load_explicit(&step_round, memory_order_relaxed);
}

/* ---- translation -------------------------------------------------------- */

static void note_page(uint64_t pc, uintptr_t from)
{
	uint64_t virtual = pc & ~(PAGE - 1);
	struct page **head = &pages[bucket(virtual)];
	struct page *page;

	if (!from)
		return;
	from &= ~(uintptr_t)(PAGE - 1);
	for (page = *head; page; page = page->next) {
		if (page->virtual == virtual && page->host == from)
			return;
	}
	page = malloc(sizeof(*page));
	if (!page)
		return;
	*page = (struct page){ *head, virtual, from };
	*head = page;
	page_count++;
}

static bool is_breakpoint(uint64_t pc)
{
	const struct breakpoint *at = breakpoints[bucket(pc)];

	if (!breakpoint_count)
		return false;
	for (; at; at = at->next) {
		if (at->pc == pc)
			return true;
	}
	for (at = ranges; at; at = at->next) {
		if (pc - at->pc < at->span)
			return true;
	}
	return false;
}

/** The site of an instruction: one for all translations of the same bytes. */
static struct site *
site_of(uint64_t pc, const uint8_t *code, size_t len, uint64_t gpa)
{
	struct site **head = &sites[bucket(pc)];
	struct site *site = *head;

	for (; site; site = site->next) {
		if (site->pc == pc && site->insn.len == len &&
		    site->gpa == gpa && memcmp(site->code, code, len) == 0)
			return site;
	}
	site = calloc(1, sizeof(*site));
	if (!site)
		return NULL;
	site->next = *head;
	site->pc = pc;
	site->gpa = gpa;
	site->executes = gpa != UINT64_MAX;
	memcpy(site->code, code, len);
	site->insn = insn_decode(code, len);
	site->kind = insn_kind(&site->insn);
	*head = site;
	return site;
}

/** An instruction's bytes. @return how many. */
static size_t bytes_of(const struct qemu_plugin_insn *insn, uint8_t code[15])
{
	size_t len = api.insn_size(insn);

	if (len == 0 || len > 15)
		return 0;
	if (api.version >= API_INSN_COPY)
		(void)api.insn_data(insn, code, len);
	else
		memcpy(code, api.insn_data(insn, NULL, 0), len);
	return len;
}

void code_translated(const struct qemu_plugin_tb *tb)
{
	size_t count = api.tb_n_insns(tb);
	struct qemu_plugin_insn *insn = NULL;
	bool steps = code_step_round() % 2 != 0;
	uint64_t pc = 0;

	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++) {
		uint8_t code[15];
		size_t len;
		uint64_t gpa = UINT64_MAX;
		bool executes;
		bool stops;

		insn = api.tb_get_insn(tb, i);
		if (i == 0) {
			pc = api.insn_vaddr(insn);
			note_page(pc, (uintptr_t)api.insn_haddr(insn));
		}
		len = bytes_of(insn, code);
		stops = is_breakpoint(pc);
		executes = hooks_watched_for_execution(
			(uintptr_t)api.insn_haddr(insn), &gpa);
		if (len && (stops || steps || executes ||
			    insn_decode(code, len).op != INSN_OTHER)) {
			struct site *site = site_of(pc, code, len, gpa);

			if (site) {
				atomic_store(&site->breakpoint, stops);
				api.register_vcpu_insn_exec_cb(
					insn, insn_reached, API_CB_R_REGS,
					site);
			}
		}
		pc += len;
	}
	if (count > 1)
		note_page(api.insn_vaddr(insn),
			  (uintptr_t)api.insn_haddr(insn));
	(void)pthread_mutex_unlock(&lock);
}

void code_flushed(void)
{
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (sites[i]) {
			struct site *site = sites[i];

			sites[i] = site->next;
			free(site);
		}
		while (pages[i]) {
			struct page *page = pages[i];

			pages[i] = page->next;
			free(page);
		}
	}
	page_count = 0;
	(void)pthread_mutex_unlock(&lock);
}

/* ---- dropping translations ---------------------------------------------- */

/* The first parameter came with QEMU 10.1; before 8.1 `last` was the end. */
static void invalidate(uintptr_t from, size_t len)
{
	uint64_t start = qemu.qemu_ram_addr_from_host((void *)from);
	uint64_t last = start + len;

	if (start == UINT64_MAX)
		return;
	if (qemu.major > 10 || (qemu.major == 10 && qemu.minor >= 1))
		qemu.tb_invalidate_phys_range((uintptr_t)vcpu_sides[0].cpu,
					      start, last);
	else
		qemu.tb_invalidate_phys_range(start, last, 0);
}

/** Host addresses of what was translated at a virtual page; all: of all. */
static size_t collect(uint64_t virtual, bool all, uintptr_t **ret)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&lock);
	*ret = calloc(page_count + 1, sizeof(**ret));
	for (size_t i = 0; *ret && i < BUCKETS; i++) {
		const struct page *page = pages[i];

		if (!all && i != bucket(virtual))
			continue;
		for (; page; page = page->next) {
			if (all || page->virtual == virtual)
				(*ret)[count++] = page->host;
		}
	}
	(void)pthread_mutex_unlock(&lock);
	return count;
}

/* The lock isn't held: QEMU locks pages of code around a translation. */
static void invalidate_page(uint64_t virtual, uint64_t offset, uint64_t len)
{
	uintptr_t *hosts;
	size_t count = collect(virtual, false, &hosts);

	for (size_t i = 0; i < count; i++)
		invalidate(hosts[i] + offset, len);
	free(hosts);
}

void code_invalidate(uint64_t pc, uint64_t span)
{
	uint64_t done = 0;

	while (done < span) {
		uint64_t at = pc + done;
		uint64_t offset = at % PAGE;
		uint64_t len = PAGE - offset;

		if (len > span - done)
			len = span - done;
		invalidate_page(at - offset, offset, len);
		done += len;
	}
	code_changed();
}

void code_invalidate_host(uintptr_t page)
{
	invalidate(page, PAGE - 1);
	code_changed();
}

void code_invalidate_all(void)
{
	uintptr_t *hosts;
	size_t count = collect(0, true, &hosts);

	for (size_t i = 0; i < count; i++)
		invalidate(hosts[i], PAGE - 1);
	free(hosts);
	code_changed();
}

/* ---- breakpoints, steps ------------------------------------------------- */

static struct breakpoint **head_of(uint64_t pc, uint64_t span)
{
	return span > 1 ? &ranges : &breakpoints[bucket(pc)];
}

static struct breakpoint **find(uint64_t pc, uint64_t span)
{
	struct breakpoint **at = head_of(pc, span);

	while (*at && ((*at)->pc != pc || (*at)->span != span))
		at = &(*at)->next;
	return at;
}

bool code_add_breakpoint(uint64_t pc, uint64_t span)
{
	struct breakpoint **at;
	bool added = false;

	(void)pthread_mutex_lock(&lock);
	at = find(pc, span);
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		added = *at != NULL;
		if (added)
			**at = (struct breakpoint){ NULL, pc, span, 0 };
	}
	if (*at) {
		(*at)->count++;
		breakpoint_count++;
	}
	(void)pthread_mutex_unlock(&lock);
	return added;
}

bool code_remove_breakpoint(uint64_t pc, uint64_t span)
{
	struct breakpoint **at;
	bool removed = false;

	(void)pthread_mutex_lock(&lock);
	at = find(pc, span);
	if (*at) {
		breakpoint_count--;
		if (--(*at)->count == 0) {
			struct breakpoint *gone = *at;

			*at = gone->next;
			free(gone);
			removed = true;
		}
	}
	(void)pthread_mutex_unlock(&lock);
	return removed;
}

/* An odd round is one in which steps are wanted. */
void code_step(bool on)
{
	unsigned round = code_step_round();

	if ((round % 2 != 0) == on)
		return;
	atomic_store(&step_round, round + 1);
	code_invalidate_all();
}
