/* SPDX-License-Identifier: MIT */
/** @file A mock guest with breakpoints in it, and what is told of them. */
#ifndef MICROVMI_TEST_BP_GUEST_H
#define MICROVMI_TEST_BP_GUEST_H

#include <microvmi/microvmi.h>

#include <stdio.h>
#include <string.h>

#include "core/vm.h"
#include "drivers/mock/mock.h"
#include "harness.h"

#define CODE  UINT64_C(0x5000)
#define OTHER UINT64_C(0x6000)
#define INT3  0xcc

static struct mvmi_vm *vm;
static struct mock_vm *far;

/** What a callback does, and what it was told. */
struct watcher {
	unsigned calls;
	unsigned returns;
	unsigned by_vcpu[2];
	struct mvmi_bp_hit last;
	uint64_t bp;
	uint64_t go_to; /**< rip, if not 0 */
	void (*also)(struct watcher *self);
	enum mvmi_status got;
	enum mvmi_action answer;
	char order[63]; /**< E and R: entries and returns */
	bool condition;
};

static struct watcher a;
static struct watcher b;

static inline void watch(struct mvmi_vm *of, const struct mvmi_bp_hit *hit,
			 struct mvmi_reply *reply, void *arg)
{
	struct watcher *self = arg;

	(void)of;
	if (self->calls + self->returns < sizeof(self->order) - 1)
		self->order[self->calls + self->returns] =
			hit->is_return ? 'R' : 'E';
	self->calls += !hit->is_return;
	self->returns += hit->is_return;
	self->by_vcpu[hit->event->id.vcpu % 2]++;
	self->last = *hit;
	if (self->answer != MVMI_ACTION_CONTINUE)
		reply->action = self->answer;
	if (self->go_to) {
		reply->regs.x86.rip = self->go_to;
		mvmi_regset_add(&reply->regs.dirty, MVMI_REG_RIP);
	}
	if (self->also)
		self->also(self);
}

static inline void fill_code(uint64_t page)
{
	uint8_t bytes[MVMI_PAGE_SIZE];

	memset(bytes, 0x90, sizeof(bytes));
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(page),
			     (struct mvmi_bytes){ bytes, sizeof(bytes) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

static inline void end(void)
{
	mvmi_vm_close(vm);
	vm = NULL;
	mock_vm_unref(far);
	far = NULL;
}

static inline void begin(const char *personality)
{
	char target[64];

	end();
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	(void)snprintf(target, sizeof(target), "mock:%s?vcpus=2", personality);
	CHECK(mvmi_vm_open(target, NULL, &vm, NULL) == MVMI_OK);
	far = mock_vm_of(vm->conn);
	fill_code(CODE);
	fill_code(OTHER);
}

/** What the guest's memory holds; the guest reads it so, too. */
static inline uint8_t byte_at(uint64_t gpa)
{
	uint8_t byte = 0;

	CHECK(mock_peek(far, mvmi_gpa_at(gpa), (struct mvmi_span){ &byte, 1 }));
	return byte;
}

static inline void check_code_is_untouched(void)
{
	for (uint64_t i = 0; i < MVMI_PAGE_SIZE; i++) {
		CHECK(byte_at(CODE + i) == 0x90);
		CHECK(byte_at(OTHER + i) == 0x90);
	}
}

static inline struct mvmi_bp_options at(uint64_t gva)
{
	return (struct mvmi_bp_options){
		.size = sizeof(struct mvmi_bp_options),
		.gva = mvmi_gva_at(gva),
	};
}

/** Such that only an int3 in memory will do. */
static inline struct mvmi_bp_options int3_at(uint64_t gpa)
{
	struct mvmi_bp_options options = at(0);

	options.physical = true;
	options.gpa = mvmi_gpa_at(gpa);
	options.visible = true;
	options.file_backed = true;
	return options;
}

static inline enum mvmi_status
add(struct watcher *watcher, struct mvmi_bp_options options)
{
	return mvmi_bp_add(vm, &options, watch, watcher, &watcher->bp, NULL);
}

static inline struct mvmi_bp_info info_of(const struct watcher *watcher)
{
	struct mvmi_bp_info info = { .size = sizeof(info) };

	CHECK(mvmi_bp_get(vm, watcher->bp, &info, NULL) == MVMI_OK);
	return info;
}

/** Let a vCPU execute a number of instructions from an address on. */
static inline void walk(unsigned vcpu, uint64_t rip, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct mock_insn nop = { .op = MOCK_NOP,
					       .rip = i ? 0 : rip };

		CHECK(mock_push(far, vcpu, &nop));
	}
}

static inline void run(void)
{
	unsigned n = 0;

	while (mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK)
		CHECK(++n < 10000);
	mock_run(far);
}

/** Both executed this many, and nothing else came to them. */
static inline void check_both_went_on(unsigned executed)
{
	for (unsigned i = 0; i < 2; i++) {
		CHECK(mock_seen(far, i).executed == executed);
		CHECK(mock_seen(far, i).delivered == 0);
	}
}

/** How it is done on each. */
static const struct way {
	const char *personality;
	enum mvmi_bp_means means;
	bool int3;
} ways[] = {
	{ "tcg", MVMI_BP_INTERCEPT, false },
	{ "gdbstub", MVMI_BP_INTERCEPT, false },
	{ "xen", MVMI_BP_VIEW, false },
	{ "kvm", MVMI_BP_SLOT, false },
	{ "kvm", MVMI_BP_INT3, true },
	{ "tcg", MVMI_BP_INT3, true },
};

#define EACH_WAY(way)                        \
	for (const struct way *(way) = ways; \
	     (way) < ways + sizeof(ways) / sizeof(ways[0]); (way)++)

static inline struct mvmi_bp_options by(const struct way *way, uint64_t where)
{
	return way->int3 ? int3_at(where) : at(where);
}

#endif /* MICROVMI_TEST_BP_GUEST_H */
