/* SPDX-License-Identifier: MIT */
/*
 * Finding the kernel.  The ways to it, cheapest first: the page tables that a
 * vCPU uses; VMCOREINFO; the token table of kallsyms, anywhere in RAM; BTF and
 * init_task.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "core/vm.h"
#include "os/linux/find/cache.h"
#include "os/linux/find/search.h"
#include "symbols/kallsyms.h"
#include "symbols/table.h"

/** vCPUs that are asked: one that runs the kernel's tables is enough. */
#define VCPUS_MAX 64U
/** Token tables that are tried, of those in one image. */
#define TOKENS_TRIES 16

#define SYMBOLS_FILE "symbols file"

enum mvmi_status
search_aside(struct search *search, enum mvmi_status status,
	     const struct mvmi_error *why, struct mvmi_error *err)
{
	switch (status) {
	case MVMI_ERR_NOMEM:
	case MVMI_ERR_GONE:
	case MVMI_ERR_SYSTEM:
	case MVMI_ERR_TIMEOUT:
		/* They say nothing about the guest. */
		if (err)
			*err = *why;
		return status;
	case MVMI_ERR_CORRUPT:
	case MVMI_ERR_LIMIT:
		if (search->closest.status == MVMI_OK)
			search->closest = *why;
		return MVMI_OK;
	case MVMI_OK:
	case MVMI_ERR_INVALID:
	case MVMI_ERR_UNSUPPORTED:
	case MVMI_ERR_FAULT:
	case MVMI_ERR_NOT_PRESENT:
	case MVMI_ERR_BUSY:
	case MVMI_ERR_STALE:
	case MVMI_ERR_DENIED:
		break;
	}
	return MVMI_OK;
}

enum mvmi_status
search_spend(struct search *search, uint64_t len, struct mvmi_error *err)
{
	if (len > SEARCH_COPIES_MAX - search->copied)
		return fail(err, MVMI_ERR_LIMIT,
			    "the guest has so much that looks like a kernel, "
			    "and is none, that the search was given up");
	search->copied += len;
	return MVMI_OK;
}

/** Read the symbols out of a copy of the image, off bytes from _text. */
static enum mvmi_status
parse_symbols(const struct search *search, const struct ram_copy *copy,
	      uint64_t off, struct found *found, struct mvmi_error *err)
{
	struct kallsyms_image image = {
		{ copy->bytes.ptr, copy->bytes.len },
		found->anchor.base.val + off,
	};
	struct kallsyms_layout layout;
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;
	size_t from = 0;
	size_t tokens;

	for (unsigned i = 0; i < TOKENS_TRIES; i++) {
		if (!kallsyms_find_tokens(image.bytes, from, &tokens))
			break;
		status = kallsyms_parse(&image, tokens, &found->symbols,
					&layout, err);
		if (status == MVMI_OK && search->options->profile_dir)
			cache_measure(found, image.bytes, off, &layout);
		if (status == MVMI_OK)
			return status;
		from = tokens + 1;
	}
	if (status != MVMI_ERR_UNSUPPORTED)
		return status;
	return fail(err, status,
		    "what is mapped where a kernel would be, at 0x%" PRIx64
		    ", has no kallsyms",
		    found->anchor.base.val);
}

/** Find kallsyms in the kernel's read-only data, or else in all of it. */
static enum mvmi_status
read_symbols(struct search *search, struct found *found, struct mvmi_error *err)
{
	const struct anchor *anchor = &found->anchor;
	const struct {
		uint64_t off, len;
	} parts[] = {
		{ anchor->rodata, anchor->rodata_len },
		{ 0, anchor->len },
	};
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;

	for (size_t i = 0; i < ARRAY_LEN(parts) && status != MVMI_OK; i++) {
		struct ram_copy copy;

		if (parts[i].len == 0)
			continue;
		status = search_spend(search, parts[i].len, err);
		if (status != MVMI_OK)
			break;
		status = ram_copy(search->guest->os.vm,
				  mvmi_gpa_at(anchor->gpa.val + parts[i].off),
				  (size_t)parts[i].len, &copy, err);
		if (status != MVMI_OK)
			break;
		status = parse_symbols(search, &copy, parts[i].off, found, err);
		free(copy.bytes.ptr);
	}
	return status;
}

/** Symbols of a file, for a kernel that is where its page tables say. */
static enum mvmi_status
load_symbols(const struct search *search, struct found *found,
	     struct mvmi_error *err)
{
	const char *path = search->options->symbols_file;
	struct mvmi_symbol text;
	enum mvmi_status status =
		mvmi_symbols_load(path, 0, &found->symbols, err);

	if (status != MVMI_OK)
		return status;
	if (!mvmi_symbols_find(found->symbols, "_text", &text))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the symbols of %s are no kernel's: they lack "
			    "_text",
			    path);
	symbols_rebase(found->symbols, found->anchor.base.val - text.addr);
	found->checked_by = SYMBOLS_FILE;
	return MVMI_OK;
}

/** Where symbols and types come from, once the kernel's place is known. */
static enum mvmi_status
learn(struct search *search, struct found *found, struct mvmi_error *err)
{
	const struct mvmi_os_options *options = search->options;
	enum mvmi_status status;

	if (options->profile_dir && !options->types_file &&
	    cache_load(search->guest->os.vm, options->profile_dir, found))
		return MVMI_OK;
	status = read_symbols(search, found, err);
	if (status != MVMI_ERR_UNSUPPORTED)
		return status;
	if (options->symbols_file)
		return load_symbols(search, found, err);
	return bare_symbols(search, found, err);
}

enum mvmi_status
search_root(struct search *search, const struct mvmi_space_params *params,
	    const char *by, struct mvmi_error *err)
{
	struct found found = { .by = by, .checked_by = "token table" };
	enum mvmi_status status = anchor_of_root(search->guest->os.vm, params,
						 &found.anchor, err);

	if (status == MVMI_OK)
		status = learn(search, &found, err);
	if (status == MVMI_OK)
		status = kernel_take(search->guest, search->options, &found,
				     err);
	if (status != MVMI_OK && strcmp(found.checked_by, SYMBOLS_FILE) == 0)
		status = fail_context(err, status, "%s",
				      search->options->symbols_file);
	search->done = status == MVMI_OK;
	mvmi_symbols_destroy(found.symbols);
	mvmi_types_destroy(found.types);
	return status;
}

/** Try the page tables of each vCPU. */
static enum mvmi_status
try_registers(struct search *search, struct mvmi_error *err)
{
	struct mvmi_vm *vm = search->guest->os.vm;
	unsigned count = MIN(mvmi_vcpu_count(vm), VCPUS_MAX);
	enum mvmi_status status = MVMI_OK;

	if (count == 0)
		(void)fail(&search->registers, MVMI_ERR_UNSUPPORTED,
			   "the VM shows none");
	for (unsigned i = 0; status == MVMI_OK && i < count; i++) {
		struct anchor_candidates candidates = { .count = 0 };
		struct mvmi_error *why = &search->registers;

		status = anchor_candidates(vm, i, &candidates, why);
		search->long_mode |= candidates.count != 0;
		for (size_t n = 0; n < candidates.count && !search->done; n++)
			status = search_root(search, &candidates.params[n],
					     "registers", why);
		if (search->done)
			return MVMI_OK;
		status = search_aside(search, status, why, err);
	}
	return status;
}

/** In a running guest, a process may end while its page tables are read. */
static enum mvmi_status
by_registers(struct search *search, struct mvmi_error *err)
{
	unsigned tries = linux_is_running(search->guest) ? LINUX_TRIES : 1;
	enum mvmi_status status = MVMI_OK;

	while (status == MVMI_OK && !search->done && tries--) {
		search->closest = (struct mvmi_error){ .status = MVMI_OK };
		status = try_registers(search, err);
	}
	return status;
}

/**
 * Of a live VM in long mode, page tables have the last word: where they map no
 * kernel none runs, be there ever so many in memory. The registers of a dump
 * may be a crash's, or made up.
 */
static bool tables_decide(const struct search *search)
{
	return search->long_mode &&
	       !(search->guest->os.vm->conn->traits & MVMI_TRAIT_STATIC);
}

/** The last words: what was looked for, and what can be done. */
static enum mvmi_status
give_up(const struct search *search, struct mvmi_error *err)
{
	if (search->closest.status != MVMI_OK) {
		if (err)
			*err = search->closest;
		return search->closest.status;
	}
	if (tables_decide(search))
		return fail(
			err, MVMI_ERR_UNSUPPORTED,
			"no x86-64 Linux kernel runs: %.200s; let the guest "
			"boot first",
			search->registers.msg);
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "no x86-64 Linux kernel found: not by registers (%.110s), "
		    "nor VMCOREINFO, kallsyms or BTF in %" PRIu64
		    " MiB of RAM (%.110s); let the guest boot first, or give a "
		    "dump with all of its memory",
		    search->registers.msg, search->scanned >> 20,
		    search->scan.msg[0] ? search->scan.msg : "no trace of one");
}

/** What lies there need not be true: nothing of it ends the search. */
static enum mvmi_status by_memory(struct search *search, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (tables_decide(search))
		return MVMI_OK;
	status = search_heads(search, err);
	if (status == MVMI_OK && !search->done)
		status = search_ram(search, err);
	if (status == MVMI_OK && !search->done)
		status = search_bare(search, err);
	return status;
}

enum mvmi_status
linux_find_kernel(struct linux_os *guest, const struct mvmi_os_options *options,
		  struct mvmi_error *err)
{
	struct search search = { .guest = guest, .options = options };
	enum mvmi_status status = by_registers(&search, err);

	/* Where the registers led to a kernel that lies, no other is sought. */
	if (status == MVMI_OK && !search.done && !search.closest.status)
		status = by_memory(&search, err);
	if (status == MVMI_OK && !search.done)
		status = give_up(&search, err);
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
