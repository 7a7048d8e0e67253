/* SPDX-License-Identifier: MIT */
/* Finding the kernel in RAM, without any register. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/util.h"
#include "core/mem.h"
#include "os/linux/find/search.h"
#include "os/linux/find/vmcoreinfo.h"
#include "symbols/kallsyms.h"
#include "symbols/table.h"

/**
 * What lies around a token table: symbols' names before it, addresses on
 * either side. The largest kernel has 7 MiB of it.
 */
#define AROUND_BEFORE ((size_t)16 << 20)
#define AROUND_AFTER  ((size_t)8 << 20)
/** Longest token table with its index, rounded up to pages. */
#define TOKENS_LEN ((size_t)64 << 10)
/** The kernel's data is this near to its read-only data. */
#define ROOT_NEAR (UINT64_C(128) << 20)
/** Candidates that are tried, of each kind: a guest may be full of copies. */
#define TRIES_MAX 256

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
		status = search_root(search, &params, "VMCOREINFO", &why);
	}
	return search_aside(search, status, &why, err);
}

/** Whether page tables at gpa are those that the kernel maps at root. */
static bool is_root(struct search *search, mvmi_gva root, uint64_t gpa,
		    struct mvmi_space_params *ret)
{
	static const enum mvmi_paging modes[] = { MVMI_PAGING_5LEVEL,
						  MVMI_PAGING_4LEVEL };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		*ret = (struct mvmi_space_params){
			.size = sizeof(*ret),
			.paging = modes[i],
			.root = gpa,
			.nxe = true,
		};
		if (anchor_maps(search->guest->os.vm, ret, root,
				mvmi_gpa_at(gpa)))
			return true;
	}
	return false;
}

/**
 * Find the kernel's page tables, given their virtual address: they map
 * themselves. In physical memory they lie at the same offset in one of the
 * slots around the symbols.
 */
static bool find_root(struct search *search, const struct ram_copy *copy,
		      mvmi_gva root, struct mvmi_space_params *ret)
{
	uint64_t first = copy->gpa.val & ~(KERNEL_SLOT_LEN - 1);
	uint64_t start = first - MIN(first, ROOT_NEAR);

	for (uint64_t slot = start; slot < first + 2 * ROOT_NEAR;
	     slot += KERNEL_SLOT_LEN) {
		if (is_root(search, root, slot + root.val % KERNEL_SLOT_LEN,
			    ret))
			return true;
	}
	return false;
}

/**
 * Find where the kernel is whose symbols were found in memory.
 *
 * @param relative  Their addresses count from the copy's first byte; they are
 *                  made absolute.
 */
static enum mvmi_status
locate(struct search *search, const struct ram_copy *copy, bool relative,
       struct found *found, struct mvmi_error *err)
{
	static const enum mvmi_paging modes[] = { MVMI_PAGING_5LEVEL,
						  MVMI_PAGING_4LEVEL };
	struct mvmi_vm *vm = search->guest->os.vm;
	struct mvmi_space_params params;
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;
	mvmi_gva root;

	if (!kernel_root(found->symbols, &root))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the kernel's symbols lack those of its data "
			    "(CONFIG_KALLSYMS_ALL)");
	if (!relative) {
		if (find_root(search, copy, root, &params))
			return anchor_of_root(vm, &params, &found->anchor, err);
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the kernel at 0x%" PRIx64
			    " does not run: no page tables there map "
			    "themselves to 0x%" PRIx64,
			    copy->gpa.val, root.val);
	}
	for (size_t i = 0; i < ARRAY_LEN(modes) && status != MVMI_OK; i++) {
		params = (struct mvmi_space_params){
			.size = sizeof(params),
			.paging = modes[i],
			.root = copy->gpa.val + root.val,
			.nxe = true,
		};
		status = anchor_of_root(vm, &params, &found->anchor, err);
	}
	if (status == MVMI_OK)
		symbols_rebase(found->symbols, found->anchor.base.val +
						       copy->gpa.val -
						       found->anchor.gpa.val);
	return status;
}

/** Read the symbols around a token table, and find their kernel. */
static enum mvmi_status
try_tokens(struct search *search, const struct ram_walk *walk, uint64_t gpa,
	   struct mvmi_error *err)
{
	struct found found = { .by = "token table",
			       .checked_by = "page tables" };
	struct mvmi_error why = { .status = MVMI_OK };
	struct kallsyms_layout layout;
	struct ram_copy copy;
	enum mvmi_status status =
		search_spend(search, AROUND_BEFORE + AROUND_AFTER, &why);

	if (status == MVMI_OK)
		status = ram_around(walk, mvmi_gpa_at(gpa), AROUND_BEFORE,
				    AROUND_AFTER, &copy, &why);
	if (status == MVMI_OK) {
		struct kallsyms_image image = {
			{ copy.bytes.ptr, copy.bytes.len },
			0,
		};

		status = kallsyms_parse(&image, (size_t)(gpa - copy.gpa.val),
					&found.symbols, &layout, &why);
		if (status == MVMI_OK)
			status = locate(search, &copy, layout.relative, &found,
					&why);
		free(copy.bytes.ptr);
	}
	if (status == MVMI_OK)
		status = kernel_take(search->guest, search->options, &found,
				     &why);
	search->done = status == MVMI_OK;
	if (status == MVMI_ERR_UNSUPPORTED)
		search->scan = why;
	mvmi_symbols_destroy(found.symbols);
	return search_aside(search, status, &why, err);
}

static enum mvmi_status
try_page(struct search *search, mvmi_gpa gpa, struct mvmi_error *err)
{
	uint8_t page[MVMI_PAGE_SIZE] = { 0 };

	if (mvmi_mem_read(search->guest->os.vm, gpa,
			  (struct mvmi_span){ page, sizeof(page) },
			  NULL) != MVMI_OK)
		return MVMI_OK;
	return try_vmcoreinfo(search, (struct mvmi_bytes){ page, sizeof(page) },
			      err);
}

/** Does VMCOREINFO begin at gpa? */
static bool is_head(struct mvmi_vm *vm, mvmi_gpa gpa)
{
	uint8_t head[VMCOREINFO_HEAD_LEN] = { 0 };

	return mvmi_mem_read(vm, gpa, (struct mvmi_span){ head, sizeof(head) },
			     NULL) == MVMI_OK &&
	       vmcoreinfo_is((struct mvmi_bytes){ head, sizeof(head) });
}

enum mvmi_status search_heads(struct search *search, struct mvmi_error *err)
{
	struct mvmi_vm *vm = search->guest->os.vm;
	unsigned tries = 0;
	struct ram_walk walk;
	uint64_t len;
	enum mvmi_status status;

	if (!vm->window_count)
		return MVMI_OK; /* search_ram() looks for it as it reads */
	status = ram_begin(&walk, vm, 0, err);
	if (status != MVMI_OK)
		return status;
	do {
		status = ram_find(&walk, &len, err);
		for (uint64_t off = -walk.next % MVMI_PAGE_SIZE;
		     status == MVMI_OK && !search->done && off < len;
		     off += MVMI_PAGE_SIZE) {
			mvmi_gpa gpa = mvmi_gpa_at(walk.next + off);

			if (is_head(vm, gpa) && tries++ < TRIES_MAX)
				status = try_page(search, gpa, err);
		}
		if (status == MVMI_OK)
			ram_pass(&walk, len);
	} while (status == MVMI_OK && !search->done && len);
	ram_end(&walk);
	return status;
}

/** Try every page of VMCOREINFO in a chunk. */
static enum mvmi_status
look_for_vmcoreinfo(struct search *search, const struct ram_walk *walk,
		    unsigned *tries, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	for (size_t off = walk->fresh;
	     status == MVMI_OK && !search->done && off < walk->bytes.len &&
	     walk->bytes.len - off >= MVMI_PAGE_SIZE;
	     off += MVMI_PAGE_SIZE) {
		struct mvmi_bytes page = { walk->bytes.ptr + off,
					   MVMI_PAGE_SIZE };

		if (vmcoreinfo_is(page) && (*tries)++ < TRIES_MAX)
			status = try_vmcoreinfo(search, page, err);
	}
	return status;
}

/** Try every token table that ends in what is new of a chunk. */
static enum mvmi_status
look_for_tokens(struct search *search, const struct ram_walk *walk,
		unsigned *tries, uint64_t *last, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	size_t from = 0;
	size_t off;

	while (status == MVMI_OK && !search->done &&
	       kallsyms_find_tokens(walk->bytes, from, &off)) {
		uint64_t gpa = walk->gpa.val + off;

		from = off + 1;
		if (gpa <= *last)
			continue; /* the chunk before had it */
		*last = gpa;
		/* A program of the guest can fill its memory with them. */
		if ((*tries)++ == TRIES_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "RAM has more than %d token tables of "
				    "kallsyms, of which none is a kernel's",
				    TRIES_MAX);
		status = try_tokens(search, walk, gpa, err);
	}
	return status;
}

enum mvmi_status search_ram(struct search *search, struct mvmi_error *err)
{
	struct ram_walk walk;
	unsigned tries = 0;
	unsigned tables = 0;
	uint64_t last = 0;
	enum mvmi_status status =
		ram_begin(&walk, search->guest->os.vm, TOKENS_LEN, err);

	if (status != MVMI_OK)
		return status;
	do {
		status = ram_next(&walk, err);
		if (status == MVMI_OK)
			status =
				look_for_vmcoreinfo(search, &walk, &tries, err);
		if (status == MVMI_OK && !search->done)
			status = look_for_tokens(search, &walk, &tables, &last,
						 err);
	} while (status == MVMI_OK && !search->done && walk.bytes.len);
	search->scanned = walk.scanned;
	ram_end(&walk);
	return status;
}
