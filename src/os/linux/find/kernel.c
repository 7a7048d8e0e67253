/* SPDX-License-Identifier: MIT */
#include "os/linux/find/kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/find/cache.h"
#include "os/linux/find/notes.h"
#include "os/linux/find/vmcoreinfo.h"
#include "symbols/btf.h"

/** Larger than any kernel's BTF, by a factor of ten. */
#define BTF_LEN_MAX ((uint64_t)64 << 20)
/** All notes of a kernel; they take some 500 bytes. */
#define NOTES_LEN_MAX 8192

bool kernel_root(const struct mvmi_symbols *symbols, mvmi_gva *ret)
{
	static const char *const names[] = { "init_top_pgt", "init_level4_pgt",
					     "swapper_pg_dir" };
	struct mvmi_symbol symbol;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!mvmi_symbols_find(symbols, names[i], &symbol))
			continue;
		*ret = mvmi_gva_at(symbol.addr);
		return true;
	}
	return false;
}

static enum mvmi_status
read_variable(const struct linux_os *guest, const char *name,
	      struct mvmi_span dst, struct mvmi_error *err)
{
	enum mvmi_status status;
	mvmi_gva gva;

	status = linux_symbol(guest, name, &gva, err);
	if (status == MVMI_OK)
		status = mvmi_space_read(guest->os.space, gva, dst, err);
	return fail_context(err, status, "%s", name);
}

enum mvmi_status kernel_read_u64(const struct linux_os *guest, const char *name,
				 uint64_t *ret, struct mvmi_error *err)
{
	uint8_t raw[8];
	enum mvmi_status status = read_variable(
		guest, name, (struct mvmi_span){ raw, sizeof(raw) }, err);

	if (status == MVMI_OK)
		*ret = load_le64(raw);
	return status;
}

enum mvmi_status kernel_read_u32(const struct linux_os *guest, const char *name,
				 uint32_t *ret, struct mvmi_error *err)
{
	uint8_t raw[4];
	enum mvmi_status status = read_variable(
		guest, name, (struct mvmi_span){ raw, sizeof(raw) }, err);

	if (status == MVMI_OK)
		*ret = load_le32(raw);
	return status;
}

/** The symbols and the page tables must name the same first byte. */
static enum mvmi_status
check_base(const struct found *found, struct mvmi_error *err)
{
	struct mvmi_symbol text;

	if (!mvmi_symbols_find(found->symbols, "_text", &text))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's symbols lack _text");
	if (text.addr != found->anchor.base.val)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's symbols put _text at 0x%" PRIx64
			    ", its page tables map it from 0x%" PRIx64 " on",
			    text.addr, found->anchor.base.val);
	return MVMI_OK;
}

/**
 * Go over from the page tables of whatever process a vCPU was in, which end
 * with it, to the kernel's own.
 */
static enum mvmi_status
use_own_root(struct linux_os *guest, const struct anchor *anchor,
	     struct mvmi_error *err)
{
	struct mvmi_space_params own = anchor->params;
	mvmi_gva root;

	guest->kernel.params = own;
	if (!kernel_root(guest->os.symbols, &root))
		return MVMI_OK;
	own.root = root.val - anchor->base.val + anchor->gpa.val;
	if (!anchor_maps(guest->os.vm, &own, anchor->base, anchor->gpa))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's own page tables, at 0x%" PRIx64
			    " by its symbols, don't map its first byte to "
			    "0x%" PRIx64 " as those at 0x%" PRIx64 " do",
			    own.root, anchor->gpa.val, anchor->params.root);
	guest->kernel.params = own;
	return MVMI_OK;
}

static enum mvmi_status
read_banner(struct linux_os *guest, struct mvmi_error *err)
{
	static const char head[] = "Linux version ";
	char *banner = guest->kernel.banner;
	size_t len = sizeof(guest->kernel.banner) - 1;
	enum mvmi_status status = read_variable(
		guest, "linux_banner",
		(struct mvmi_span){ (uint8_t *)banner, len }, err);

	if (status == MVMI_ERR_UNSUPPORTED) {
		banner[0] = '\0';
		return MVMI_OK;
	}
	if (status != MVMI_OK)
		return status;
	banner[len] = '\0';
	banner[strcspn(banner, "\n")] = '\0';
	if (strncmp(banner, head, sizeof(head) - 1) != 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "where the symbols put linux_banner there is none");
	return MVMI_OK;
}

/** The kernel's notes have its build-id; a kernel may have none. */
static void read_build_id(struct linux_os *guest)
{
	uint8_t notes[NOTES_LEN_MAX];
	struct mvmi_bytes copy = { notes, 0 };
	struct note_id id;
	size_t from = 0;
	mvmi_gva start;
	mvmi_gva stop;

	if (linux_symbol(guest, "__start_notes", &start, NULL) != MVMI_OK ||
	    linux_symbol(guest, "__stop_notes", &stop, NULL) != MVMI_OK ||
	    stop.val < start.val || stop.val - start.val > sizeof(notes))
		return;
	copy.len = (size_t)(stop.val - start.val);
	if (mvmi_space_read(guest->os.space, start,
			    (struct mvmi_span){ notes, copy.len },
			    NULL) == MVMI_OK &&
	    note_find_id(copy, &from, &id))
		note_format_hex(&id, guest->kernel.build_id);
}

/** The kernel's VMCOREINFO must tell the same; it need not be there. */
static enum mvmi_status
check_vmcoreinfo(struct linux_os *guest, struct mvmi_error *err)
{
	struct linux_kernel *kernel = &guest->kernel;
	uint64_t phys_base =
		kernel->gpa.val - (kernel->base.val - KERNEL_MAP_START);
	uint8_t page[MVMI_PAGE_SIZE] = { 0 };
	struct vmcoreinfo info;
	uint64_t data;

	if (kernel_read_u64(guest, "vmcoreinfo_data", &data, NULL) != MVMI_OK ||
	    mvmi_space_read(guest->os.space, mvmi_gva_at(data),
			    (struct mvmi_span){ page, sizeof(page) },
			    NULL) != MVMI_OK ||
	    vmcoreinfo_parse((struct mvmi_bytes){ page, sizeof(page) }, &info,
			     NULL) != MVMI_OK)
		return MVMI_OK;
	if (info.phys_base != phys_base)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the page tables say phys_base 0x%" PRIx64
			    ", VMCOREINFO says 0x%" PRIx64,
			    phys_base, info.phys_base);
	if (info.build_id[0] && kernel->build_id[0] &&
	    strcmp(info.build_id, kernel->build_id) != 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's notes say build-id %.40s, VMCOREINFO "
			    "says %.40s",
			    kernel->build_id, info.build_id);
	if (info.slide > kernel->base.val - KERNEL_MAP_START)
		return fail(err, MVMI_ERR_CORRUPT,
			    "VMCOREINFO says KERNELOFFSET 0x%" PRIx64
			    " of a kernel at 0x%" PRIx64,
			    info.slide, kernel->base.val);
	kernel->slide = info.slide;
	if (info.build_id[0])
		memcpy(kernel->build_id, info.build_id,
		       sizeof(kernel->build_id));
	if (strcmp(kernel->found_by, "VMCOREINFO") != 0)
		kernel->checked_by = "VMCOREINFO";
	return MVMI_OK;
}

static enum mvmi_status
read_types(struct linux_os *guest, struct mvmi_error *err)
{
	enum mvmi_status status;
	struct mvmi_span blob;
	mvmi_gva start;
	mvmi_gva stop;

	if (linux_symbol(guest, "__start_BTF", &start, NULL) != MVMI_OK ||
	    linux_symbol(guest, "__stop_BTF", &stop, NULL) != MVMI_OK)
		return MVMI_OK;
	blob.len = stop.val - start.val;
	if (stop.val <= start.val || blob.len > BTF_LEN_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's BTF is from 0x%" PRIx64
			    " to 0x%" PRIx64,
			    start.val, stop.val);
	blob.ptr = malloc(blob.len);
	if (!blob.ptr)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for %zu bytes of BTF", blob.len);
	status = mvmi_space_read(guest->os.space, start, blob, err);
	if (status != MVMI_OK) {
		free(blob.ptr);
		return fail_context(err, status, "the kernel's BTF");
	}
	status = btf_adopt(blob, &guest->os.types, err);
	return fail_context(err, status, "the kernel's BTF");
}

/** By the types, init_task must have the name that every one has. */
static enum mvmi_status
check_types(const struct linux_os *guest, struct mvmi_error *err)
{
	static const char name[] = "swapper";
	char comm[sizeof(name) - 1];
	struct mvmi_field field;
	enum mvmi_status status;
	mvmi_gva init_task;

	if (!guest->os.types ||
	    linux_symbol(guest, "init_task", &init_task, NULL) != MVMI_OK)
		return MVMI_OK;
	status = mvmi_types_field(guest->os.types, "struct task_struct", "comm",
				  &field, err);
	if (status == MVMI_OK)
		status = mvmi_space_read(
			guest->os.space,
			mvmi_gva_at(init_task.val + field.offset),
			(struct mvmi_span){ (uint8_t *)comm, sizeof(comm) },
			err);
	if (status == MVMI_OK && memcmp(comm, name, sizeof(comm)) != 0)
		status = fail(err, MVMI_ERR_CORRUPT,
			      "the types are not this kernel's: where they put "
			      "the name of init_task there is none");
	return status;
}

/** Types of a file, where one is given, go before the guest's own. */
static enum mvmi_status
find_types(struct linux_os *guest, const struct mvmi_os_options *options,
	   struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	if (options->types_file)
		status = mvmi_types_load(options->types_file, &guest->os.types,
					 err);
	else if (!guest->os.types)
		status = read_types(guest, err);
	if (status == MVMI_OK)
		status = check_types(guest, err);
	return options->types_file
		       ? fail_context(err, status, "%s", options->types_file)
		       : status;
}

/** Fill in what follows from place and symbols. */
static enum mvmi_status
fill(struct linux_os *guest, const struct mvmi_os_options *options,
     const struct found *found, struct mvmi_error *err)
{
	struct linux_kernel *kernel = &guest->kernel;
	enum mvmi_status status;
	mvmi_gva end;

	kernel->found_by = found->by;
	kernel->checked_by = found->checked_by;
	kernel->from_profile = found->types != NULL;
	kernel->base = found->anchor.base;
	kernel->gpa = found->anchor.gpa;
	kernel->slide = kernel->base.val - KERNEL_LINKED_BASE;
	if (linux_symbol(guest, "_end", &end, NULL) != MVMI_OK)
		end.val = kernel->base.val + found->anchor.len;
	kernel->end = end;
	status = use_own_root(guest, &found->anchor, err);
	if (status == MVMI_OK)
		status = mvmi_space_create(guest->os.vm, &kernel->params,
					   &guest->os.space, err);
	if (status == MVMI_OK)
		status = read_banner(guest, err);
	if (status != MVMI_OK)
		return status;
	read_build_id(guest);
	status = check_vmcoreinfo(guest, err);
	if (status == MVMI_OK)
		status = find_types(guest, options, err);
	if (status == MVMI_OK)
		status = kernel_read_layout(guest, err);
	return status;
}

enum mvmi_status
kernel_take(struct linux_os *guest, const struct mvmi_os_options *options,
	    struct found *found, struct mvmi_error *err)
{
	enum mvmi_status status = check_base(found, err);

	if (status != MVMI_OK)
		return status;
	guest->os.symbols = found->symbols;
	guest->os.types = found->types;
	status = fill(guest, options, found, err);
	if (status != MVMI_OK) {
		mvmi_space_destroy(guest->os.space);
		if (!found->types)
			mvmi_types_destroy(guest->os.types);
		free(guest->kernel.per_cpu);
		guest->kernel = (struct linux_kernel){ .found_by = NULL };
		guest->os.space = NULL;
		guest->os.types = NULL;
		guest->os.symbols = NULL;
		return status;
	}
	found->symbols = NULL;
	found->types = NULL;
	if (options->profile_dir && !options->types_file &&
	    !guest->kernel.from_profile)
		cache_store(guest, options->profile_dir, found);
	return MVMI_OK;
}
