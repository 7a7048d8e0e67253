/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <string.h>

#include "diag.h"
#include "guest.h"
#include "number.h"
#include "target.h"

static int virt_given;
static const char *root_text;
static const char *vcpu_text;
static const char *paging_text;

struct poptOption source_space_options[] = {
	{ "root", '\0', POPT_ARG_STRING, &root_text, 0,
	  "through the page tables at this physical address", "CR3" },
	{ "vcpu", 'c', POPT_ARG_STRING, &vcpu_text, 0,
	  "through the page tables that vCPU N uses now (default 0)", "N" },
	{ "paging", '\0', POPT_ARG_STRING, &paging_text, 0,
	  "with --root: 32-bit, pae, 4-level or 5-level; else as the vCPU",
	  "MODE" },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

struct poptOption source_options[] = {
	{ "virt", 'v', POPT_ARG_NONE, &virt_given, 0,
	  "ADDR is virtual; --root, --vcpu, --pid and a symbol imply it",
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, source_space_options, 0, NULL,
	  NULL },
	POPT_TABLEEND,
};

static int parse_paging(enum mvmi_paging *ret)
{
	for (unsigned i = MVMI_PAGING_32BIT; i <= MVMI_PAGING_5LEVEL; i++) {
		if (strcmp(mvmi_paging_name((enum mvmi_paging)i),
			   paging_text) == 0) {
			*ret = (enum mvmi_paging)i;
			return EXIT_OK;
		}
	}
	return diag_usage("--paging %s: there are 32-bit, pae, 4-level, "
			  "5-level",
			  paging_text);
}

static int parse_vcpu(struct mvmi_vm *vm, unsigned *ret)
{
	unsigned count = mvmi_vcpu_count(vm);
	uint64_t vcpu = 0;
	const char *wrong = vcpu_text ? number_parse(vcpu_text, &vcpu) : NULL;

	if (wrong)
		return diag_usage("--vcpu %s: %s", vcpu_text, wrong);
	if (count && vcpu >= count)
		return diag_usage("there is no vCPU %s; they are 0 to %u",
				  vcpu_text, count - 1);
	*ret = vcpu < UINT32_MAX ? (unsigned)vcpu : UINT32_MAX;
	return EXIT_OK;
}

/** The space that a vCPU's registers say. */
static int params_of_vcpu(struct mvmi_vm *vm, struct mvmi_space_params *ret)
{
	unsigned groups = MVMI_REGS_CONTROL | MVMI_REGS_SEGMENT;
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_error err;
	unsigned vcpu = 0;
	int code = parse_vcpu(vm, &vcpu);

	if (code != EXIT_OK)
		return code;
	if (mvmi_vcpu_get_regs(vm, vcpu, groups, &regs, &err) != MVMI_OK ||
	    mvmi_space_params_of_regs(&regs, ret, &err) != MVMI_OK) {
		code = diag_error(&err, "the address space is not known");
		diag_hint("--root CR3 says which page tables are meant");
		return target_explain(vm, err.status, code);
	}
	return EXIT_OK;
}

/** The space that --root says, in the mode of the vCPU if that is known. */
static int params_of_root(struct mvmi_vm *vm, struct mvmi_space_params *ret)
{
	const char *wrong;
	uint64_t root;
	int code = EXIT_OK;

	/* What most systems use; and bit 63 of an entry is not reserved. */
	ret->paging = MVMI_PAGING_4LEVEL;
	ret->nxe = true;
	ret->pse = true;
	if (paging_text)
		code = parse_paging(&ret->paging);
	else if (mvmi_vcpu_count(vm) || vcpu_text)
		code = params_of_vcpu(vm, ret);
	if (code != EXIT_OK)
		return code;
	if (ret->paging == MVMI_PAGING_NONE)
		return diag_usage("the vCPU has paging off; --paging MODE "
				  "says how to read the tables");
	wrong = number_parse(root_text, &root);
	if (wrong)
		return diag_usage("--root %s: %s", root_text, wrong);
	ret->root = root;
	return EXIT_OK;
}

/** The space of a vCPU or a root, which needs no OS. */
static int open_space(struct source *source)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_error err;
	int code = root_text ? params_of_root(source->vm, &params)
			     : params_of_vcpu(source->vm, &params);

	if (code != EXIT_OK)
		return code;
	if (mvmi_space_create(source->vm, &params, &source->space, &err) !=
	    MVMI_OK)
		return diag_error(&err, "cannot use that address space");
	return EXIT_OK;
}

static int open_process(struct source *source)
{
	struct mvmi_error err;

	if (mvmi_os_process_space(source->os, source->pid, &source->space,
				  &err) != MVMI_OK)
		return diag_plain_error(&err);
	return EXIT_OK;
}

static int check_options(struct source *source)
{
	if (paging_text && !root_text)
		return diag_usage("--paging goes with --root");
	if (guest_has_pid() && (root_text || vcpu_text))
		return diag_usage("--pid goes with neither --root nor --vcpu");
	return guest_pid(&source->pid);
}

int source_open(struct source *source, struct mvmi_vm *vm,
		struct address *address, bool virt)
{
	bool explicit = root_text || vcpu_text;
	int code;

	*source = (struct source){ .vm = vm };
	code = check_options(source);
	if (code == EXIT_OK && (*address->name || guest_has_pid()))
		code = guest_open_os(vm, &source->os);
	source->names.os = source->os;
	if (code == EXIT_OK && source->os)
		code = address_resolve(address, &source->names, source->pid);
	if (code == EXIT_OK && guest_has_pid())
		code = open_process(source);
	else if (code == EXIT_OK && *address->name && !explicit && !virt_given)
		source->space = mvmi_os_kernel_space(source->os);
	else if (code == EXIT_OK && (virt || virt_given || explicit))
		code = open_space(source);
	if (code != EXIT_OK)
		source_close(source);
	return code;
}

void source_close(struct source *source)
{
	if (!source->os || source->space != mvmi_os_kernel_space(source->os))
		mvmi_space_destroy(source->space);
	symname_fini(&source->names);
	mvmi_os_close(source->os);
	*source = (struct source){ .vm = NULL };
}

static bool is_missing(enum mvmi_status status)
{
	return status == MVMI_ERR_FAULT || status == MVMI_ERR_NOT_PRESENT;
}

static size_t page_rest(uint64_t addr, size_t len)
{
	size_t rest = (size_t)(MVMI_PAGE_SIZE - addr % MVMI_PAGE_SIZE);

	return rest < len ? rest : len;
}

/** Physical bytes before the first that is missing. */
static size_t read_physical(struct mvmi_vm *vm, mvmi_gpa gpa,
			    struct mvmi_span dst, struct mvmi_error *err)
{
	struct mvmi_mem_op op = { .gpa = gpa, .dst = dst };
	struct mvmi_error second;

	/* This tells where it ends, but not what came before. */
	if (mvmi_mem_read(vm, gpa, dst, err) == MVMI_OK)
		return dst.len;
	if (!is_missing(err->status) && err->status != MVMI_ERR_DENIED)
		return 0;
	if (mvmi_mem_readv(vm, &op, 1, &second) != MVMI_OK) {
		*err = second;
		return 0;
	}
	return op.status == MVMI_OK ? dst.len : op.done;
}

/** Bytes of a page that is mapped, or that the guest has in its cache. */
static size_t read_page(struct source *source, uint64_t addr,
			struct mvmi_span dst, struct mvmi_error *err)
{
	mvmi_gpa gpa;

	if (source->pid != MVMI_OS_ALL)
		return mvmi_os_process_read(source->os, source->pid,
					    mvmi_gva_at(addr), dst,
					    err) == MVMI_OK
			       ? dst.len
			       : 0;
	if (mvmi_space_translate(source->space, mvmi_gva_at(addr), &gpa, err) !=
	    MVMI_OK)
		return 0;
	return read_physical(source->vm, gpa, dst, err);
}

/** Virtual bytes before the first that is missing. */
static size_t read_virtual(struct source *source, uint64_t addr,
			   struct mvmi_span dst, struct mvmi_error *err)
{
	size_t done = 0;

	if (mvmi_space_read(source->space, mvmi_gva_at(addr), dst, err) ==
	    MVMI_OK)
		return dst.len;
	while (is_missing(err->status) && done < dst.len) {
		size_t n = page_rest(addr + done, dst.len - done);
		struct mvmi_span part = { dst.ptr + done, n };

		n = read_page(source, addr + done, part, err);
		done += n;
		if (n < part.len)
			return done;
	}
	return done;
}

/** Zero from addr to where memory may begin again. @return 0 on failure */
static size_t
fill_hole(struct source *source, uint64_t addr, struct mvmi_span dst)
{
	struct mvmi_extent extent;
	size_t n = page_rest(addr, dst.len);

	if (!source->space) {
		if (mvmi_mem_extent(source->vm, mvmi_gpa_at(addr), &extent,
				    NULL) != MVMI_OK)
			return 0;
		n = extent.len < dst.len ? (size_t)extent.len : dst.len;
		/* It came back between the two looks: read again. */
		if (extent.kind != MVMI_EXTENT_NONE)
			n = 1;
	}
	memset(dst.ptr, 0, n);
	return n;
}

size_t source_read(struct source *source, uint64_t addr, struct mvmi_span dst,
		   struct mvmi_error *err)
{
	size_t done = 0;

	while (done < dst.len) {
		struct mvmi_span rest = { dst.ptr + done, dst.len - done };
		size_t n =
			source->space
				? read_virtual(source, addr + done, rest, err)
				: read_physical(source->vm,
						mvmi_gpa_at(addr + done), rest,
						err);

		done += n;
		if (n == rest.len || !source->zero || !is_missing(err->status))
			break;
		rest = (struct mvmi_span){ rest.ptr + n, rest.len - n };
		n = fill_hole(source, addr + done, rest);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

enum mvmi_status
source_write(struct source *source, uint64_t addr, struct mvmi_bytes src,
	     enum mvmi_write_mode mode, struct mvmi_error *err)
{
	if (source->space)
		return mvmi_space_write(source->space, mvmi_gva_at(addr), src,
					mode, err);
	return mvmi_mem_write(source->vm, mvmi_gpa_at(addr), src, mode, err);
}
