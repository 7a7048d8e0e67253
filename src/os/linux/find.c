/* SPDX-License-Identifier: MIT */
/*
 * Finding the kernel.  The ways to it, cheapest first: the page tables that a
 * vCPU uses; VMCOREINFO; the token table of kallsyms, anywhere in RAM.  Each
 * comes to a struct found, and kernel_take() decides whether it is true.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "core/vm.h"
#include "os/linux/kernel.h"
#include "os/linux/ram.h"
#include "os/linux/vmcoreinfo.h"
#include "symbols/kallsyms.h"

/** vCPUs that are asked: one that runs the kernel's tables is enough. */
#define VCPUS_MAX 64U
/** Token tables that are tried, of those in one image. */
#define TOKENS_TRIES 16

struct search {
	struct linux_os *guest;
	const struct mvmi_os_options *options;
	bool done;
	/** Of what came closest: a kernel, but one that is not believed. */
	struct mvmi_error closest;
	/** Why the registers led nowhere. */
	struct mvmi_error registers;
};

/** Failures that end the search, for they say nothing about the guest. */
static bool is_final(enum mvmi_status status)
{
	return status == MVMI_ERR_NOMEM || status == MVMI_ERR_GONE ||
	       status == MVMI_ERR_SYSTEM || status == MVMI_ERR_TIMEOUT;
}

/** Note why a candidate was no kernel. @return OK to go on with the next. */
static enum mvmi_status
set_aside(struct search *search, enum mvmi_status status,
	  const struct mvmi_error *why, struct mvmi_error *err)
{
	if (is_final(status)) {
		if (err)
			*err = *why;
		return status;
	}
	if (status == MVMI_ERR_CORRUPT && search->closest.status == MVMI_OK)
		search->closest = *why;
	return MVMI_OK;
}

/** Read the symbols out of a copy of the image. */
static enum mvmi_status
parse_symbols(const struct ram_copy *copy, mvmi_gva gva,
	      struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct kallsyms_image image = {
		{ copy->bytes.ptr, copy->bytes.len },
		gva.val,
	};
	struct kallsyms_layout layout;
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;
	size_t from = 0;
	size_t tokens;

	for (unsigned i = 0; i < TOKENS_TRIES; i++) {
		if (!kallsyms_find_tokens(image.bytes, from, &tokens))
			break;
		status = kallsyms_parse(&image, tokens, ret, &layout, err);
		if (status == MVMI_OK)
			return status;
		from = tokens + 1;
	}
	if (status != MVMI_ERR_UNSUPPORTED)
		return status;
	return fail(err, status, "the kernel at 0x%" PRIx64 " has no kallsyms",
		    gva.val);
}

/** Find kallsyms in the kernel's read-only data, or else in all of it. */
static enum mvmi_status
read_symbols(struct mvmi_vm *vm, const struct anchor *anchor,
	     struct mvmi_symbols **ret, struct mvmi_error *err)
{
	const uint64_t parts[2][2] = {
		{ anchor->rodata, anchor->rodata_len },
		{ 0, anchor->len },
	};
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;

	for (size_t i = 0; i < 2 && status != MVMI_OK; i++) {
		struct ram_copy copy;

		if (parts[i][1] == 0)
			continue;
		status =
			ram_copy(vm, mvmi_gpa_at(anchor->gpa.val + parts[i][0]),
				 (size_t)parts[i][1], &copy, err);
		if (status != MVMI_OK)
			break;
		status = parse_symbols(
			&copy, mvmi_gva_at(anchor->base.val + parts[i][0]), ret,
			err);
		free(copy.bytes.ptr);
	}
	return status;
}

/** The kernel that these page tables map, if it is one. */
static enum mvmi_status
try_root(struct search *search, const struct mvmi_space_params *params,
	 const char *by, struct mvmi_error *err)
{
	struct mvmi_vm *vm = search->guest->os.vm;
	struct found found = { .by = by };
	enum mvmi_status status;

	status = anchor_of_root(vm, params, &found.anchor, err);
	if (status == MVMI_OK)
		status = read_symbols(vm, &found.anchor, &found.symbols, err);
	if (status == MVMI_OK)
		status = kernel_take(search->guest, search->options, &found,
				     err);
	search->done = status == MVMI_OK;
	mvmi_symbols_destroy(found.symbols);
	return status;
}

static enum mvmi_status
by_registers(struct search *search, struct mvmi_error *err)
{
	struct mvmi_vm *vm = search->guest->os.vm;
	unsigned count = MIN(mvmi_vcpu_count(vm), VCPUS_MAX);
	enum mvmi_status status = MVMI_OK;

	if (count == 0)
		(void)fail(&search->registers, MVMI_ERR_UNSUPPORTED,
			   "the VM shows none");
	for (unsigned i = 0; i < count && !search->done; i++) {
		struct anchor_candidates candidates = { .count = 0 };
		struct mvmi_error *why = &search->registers;

		status = anchor_candidates(vm, i, &candidates, why);
		for (size_t n = 0; n < candidates.count && !search->done; n++)
			status = try_root(search, &candidates.params[n],
					  "registers", why);
		if (search->done)
			return MVMI_OK;
		status = set_aside(search, status, why, err);
		if (status != MVMI_OK)
			return status;
	}
	return MVMI_OK;
}

/** Follow what a page of VMCOREINFO says. */
static enum mvmi_status
try_vmcoreinfo(struct search *search, struct mvmi_bytes page,
	       struct mvmi_error *err)
{
	struct mvmi_space_params params = { .size = sizeof(params),
					    .nxe = true };
	struct mvmi_error why = { .status = MVMI_OK };
	struct vmcoreinfo info;
	enum mvmi_status status = vmcoreinfo_parse(page, &info, &why);

	if (status == MVMI_OK) {
		params.paging = info.five_level ? MVMI_PAGING_5LEVEL
						: MVMI_PAGING_4LEVEL;
		params.root = info.root - KERNEL_MAP_START + info.phys_base;
		params.ignored_bits = info.sme_mask;
		status = try_root(search, &params, "VMCOREINFO", &why);
	}
	return set_aside(search, status, &why, err);
}

/** The last words: what was looked for, and what can be done. */
static enum mvmi_status
give_up(const struct search *search, uint64_t scanned, struct mvmi_error *err)
{
	if (search->closest.status != MVMI_OK) {
		if (err)
			*err = search->closest;
		return search->closest.status;
	}
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "no x86-64 Linux kernel found: not by registers (%.120s), "
		    "nor VMCOREINFO or kallsyms in %" PRIu64
		    " MiB of RAM; let the guest boot first, or give a dump "
		    "with all of its memory",
		    search->registers.msg, scanned >> 20);
}

static enum mvmi_status by_scan(struct search *search, struct mvmi_error *err)
{
	struct ram_walk walk;
	enum mvmi_status status =
		ram_begin(&walk, search->guest->os.vm, 0, err);

	if (status != MVMI_OK)
		return status;
	do {
		status = ram_next(&walk, err);
		for (size_t off = 0; status == MVMI_OK && !search->done &&
				     off + MVMI_PAGE_SIZE <= walk.bytes.len;
		     off += MVMI_PAGE_SIZE) {
			struct mvmi_bytes page = { walk.bytes.ptr + off,
						   MVMI_PAGE_SIZE };

			if (vmcoreinfo_is(page))
				status = try_vmcoreinfo(search, page, err);
		}
	} while (status == MVMI_OK && !search->done && walk.bytes.len);
	if (status == MVMI_OK && !search->done)
		status = give_up(search, walk.scanned, err);
	ram_end(&walk);
	return status;
}

enum mvmi_status
linux_find_kernel(struct linux_os *guest, const struct mvmi_os_options *options,
		  struct mvmi_error *err)
{
	struct search search = { .guest = guest, .options = options };
	enum mvmi_status status = by_registers(&search, err);

	if (status == MVMI_OK && !search.done)
		status = by_scan(&search, err);
	return status;
}

bool linux_is_running(const struct linux_os *guest)
{
	struct mvmi_vm *vm = guest->os.vm;
	enum mvmi_run_state state = MVMI_RUN_STATE_UNKNOWN;

	if (vm->hold_count || (vm->conn->traits & MVMI_TRAIT_STATIC))
		return false;
	if (vm->conn->run &&
	    vm_settle(vm, vm->conn->run->state(vm->conn, &state, NULL)) !=
		    MVMI_OK)
		return true;
	return state != MVMI_RUN_STATE_STOPPED && state != MVMI_RUN_STATE_DUMP;
}
