/* SPDX-License-Identifier: MIT */
/*
 * A kernel without kallsyms.  Its BTF tells where the members of a task_struct
 * are; one of these in memory is init_task: swapper, its own parent and leader,
 * so that its virtual address stands in it.  The little that is learnt so
 * becomes a table of symbols like any other.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/find/search.h"
#include "os/shape.h"
#include "symbols/btf.h"
#include "symbols/table.h"

/** BTF of a kernel is megabytes, that of a module is not. */
#define BTF_LEN_MIN ((uint64_t)512 << 10)
#define BTF_LEN_MAX ((uint64_t)64 << 20)
#define BTF_ALIGN   4
/** Headers that are followed: each loaded module has a copy of the kernel's. */
#define BTF_TRIES_MAX 64
/** How near to init_task page tables are sought. */
#define TABLES_NEAR (UINT64_C(128) << 20)
#define TASK_ALIGN  16
#define ENTRY_LAST  (MVMI_PAGE_SIZE - 8)
/** Bits of an entry of a top-level table: present; and those that are zero. */
#define ENTRY_PRESENT  UINT64_C(1)
#define ENTRY_RESERVED UINT64_C(0x7ff0000000000080)

enum {
	INIT_COMM,
	INIT_PID,
	INIT_PARENT,
	INIT_REAL_PARENT,
	INIT_LEADER,
	INIT_FIELDS
};
static const char *const init_paths[INIT_FIELDS] = {
	[INIT_COMM] = "comm",		[INIT_PID] = "pid",
	[INIT_PARENT] = "parent",	[INIT_REAL_PARENT] = "real_parent",
	[INIT_LEADER] = "group_leader",
};
static const struct shape_spec init_spec = { "task_struct", init_paths,
					     INIT_FIELDS };

/** What is known of such a kernel so far, in physical memory. */
struct bare {
	struct search *search;
	uint64_t start; /**< where to look */
	uint64_t end;
	struct mvmi_types *types; /**< owned */
	uint64_t btf_gpa;	  /**< 0: it was not found in the guest */
	uint64_t btf_len;
	struct shape task;
	uint64_t init_task;	/**< virtual */
	uint64_t init_task_gpa; /**< 0: not found */
};

/** The length that a header of BTF says; 0: it is none. */
static uint64_t btf_len_of(const uint8_t *header)
{
	uint64_t header_len = load_le32(header + 4);
	uint64_t types_end =
		header_len + load_le32(header + 8) + load_le32(header + 12);
	uint64_t strings_end =
		header_len + load_le32(header + 16) + load_le32(header + 20);
	uint64_t len = MAX(types_end, strings_end);

	if (header_len < BTF_HEADER_LEN ||
	    !btf_has_magic((struct mvmi_bytes){ header, BTF_HEADER_LEN }))
		return 0;
	return len >= BTF_LEN_MIN && len <= BTF_LEN_MAX ? len : 0;
}

/** Keep the types at gpa if they are a kernel's. */
static enum mvmi_status
try_types(struct bare *bare, uint64_t gpa, uint64_t len, struct mvmi_error *err)
{
	struct mvmi_types *types = NULL;
	struct shape task = { .spec = NULL };
	struct ram_copy copy;
	enum mvmi_status status = search_spend(bare->search, len, err);

	if (status == MVMI_OK)
		status = ram_copy(bare->search->guest->os.vm, mvmi_gpa_at(gpa),
				  (size_t)len, &copy, err);
	if (status == MVMI_OK)
		status = btf_adopt(copy.bytes, &types, err);
	if (status == MVMI_OK)
		status = shape_resolve(&task, &init_spec, types, err);
	if (status != MVMI_OK) {
		mvmi_types_destroy(types);
		return status;
	}
	bare->types = types;
	bare->task = task;
	bare->btf_gpa = gpa;
	bare->btf_len = len;
	return MVMI_OK;
}

static enum mvmi_status find_types(struct bare *bare, struct mvmi_error *err)
{
	struct search *search = bare->search;
	const struct mvmi_error closest = search->closest;
	unsigned tries = 0;
	struct ram_walk walk;
	enum mvmi_status status = ram_begin(&walk, search->guest->os.vm,
					    BTF_HEADER_LEN - BTF_ALIGN, err);

	if (status != MVMI_OK)
		return status;
	ram_limit(&walk, bare->start, bare->end);
	do {
		status = ram_next(&walk, err);
		for (size_t off = 0;
		     status == MVMI_OK && !bare->types &&
		     tries < BTF_TRIES_MAX && off < walk.bytes.len &&
		     walk.bytes.len - off >= BTF_HEADER_LEN;
		     off += BTF_ALIGN) {
			const uint8_t *at = walk.bytes.ptr + off;
			struct mvmi_error why;
			uint64_t len;

			if (at[0] != 0x9f || at[1] != 0xeb)
				continue;
			len = btf_len_of(at);
			if (!len)
				continue;
			tries++;
			status = try_types(bare, walk.gpa.val + off, len, &why);
			status = search_aside(search, status, &why, err);
		}
	} while (status == MVMI_OK && !bare->types && walk.bytes.len &&
		 tries < BTF_TRIES_MAX);
	ram_end(&walk);
	/* What only looks like BTF is no fault of the guest's. */
	search->closest = closest;
	if (status == MVMI_OK && !bare->types)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "there are neither kallsyms nor BTF");
	return status;
}

/** Whether the task_struct at gpa is init_task: it names its own address. */
static bool is_init_task(struct bare *bare, uint64_t gpa)
{
	struct object task = { .shape = &bare->task };
	uint64_t own;

	if (gpa % TASK_ALIGN ||
	    mvmi_mem_read(bare->search->guest->os.vm,
			  mvmi_gpa_at(gpa + bare->task.start),
			  (struct mvmi_span){ task.bytes, bare->task.len },
			  NULL) != MVMI_OK)
		return false;
	own = object_u64(&task, INIT_LEADER);
	if (own < KERNEL_MAP_START ||
	    own - KERNEL_MAP_START >= KERNEL_MAP_LEN ||
	    (own - gpa) % KERNEL_SLOT_LEN || object_u64(&task, INIT_PID) != 0 ||
	    object_u64(&task, INIT_PARENT) != own ||
	    object_u64(&task, INIT_REAL_PARENT) != own)
		return false;
	bare->init_task = own;
	bare->init_task_gpa = gpa;
	return true;
}

/** The next "swapper", alone or as that of CPU 0, at or after from. */
static bool find_swapper(struct mvmi_bytes bytes, size_t from, size_t *ret)
{
	static const char name[] = "swapper";
	const size_t len = sizeof(name) - 1;

	while (from < bytes.len && bytes.len - from >= len + 3) {
		const uint8_t *at = memchr(bytes.ptr + from, name[0],
					   bytes.len - from - len - 2);

		if (!at)
			return false;
		from = (size_t)(at - bytes.ptr) + 1;
		if (memcmp(at, name, len) == 0 &&
		    (at[len] == '\0' || memcmp(at + len, "/0", 3) == 0)) {
			*ret = from - 1;
			return true;
		}
	}
	return false;
}

static enum mvmi_status
find_init_task(struct bare *bare, struct mvmi_error *err)
{
	uint64_t comm = shape_offset(&bare->task, INIT_COMM);
	struct ram_walk walk;
	enum mvmi_status status =
		ram_begin(&walk, bare->search->guest->os.vm, 16, err);

	if (status != MVMI_OK)
		return status;
	ram_limit(&walk, bare->start, bare->end);
	do {
		size_t off = 0;

		status = ram_next(&walk, err);
		while (status == MVMI_OK && !bare->init_task_gpa &&
		       find_swapper(walk.bytes, off, &off)) {
			(void)is_init_task(bare, walk.gpa.val + off - comm);
			off++;
		}
	} while (status == MVMI_OK && !bare->init_task_gpa && walk.bytes.len);
	ram_end(&walk);
	if (status == MVMI_OK && !bare->init_task_gpa)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "there are BTF and no kallsyms, but no init_task "
			      "that its types describe");
	return status;
}

/** Could the page at gpa be a top-level table, by its last entry? */
static bool may_be_table(struct mvmi_vm *vm, uint64_t gpa)
{
	uint8_t raw[8] = { 0 };
	uint64_t entry;

	if (mvmi_mem_read(vm, mvmi_gpa_at(gpa + ENTRY_LAST),
			  (struct mvmi_span){ raw, sizeof(raw) },
			  NULL) != MVMI_OK)
		return false;
	entry = load_le64(raw);
	return (entry & ENTRY_PRESENT) && !(entry & ENTRY_RESERVED);
}

/** Find a table in memory that maps init_task to where it was found. */
static bool find_table(const struct bare *bare, uint64_t start, uint64_t end,
		       enum mvmi_paging paging, struct mvmi_space_params *ret)
{
	struct mvmi_vm *vm = bare->search->guest->os.vm;

	for (uint64_t gpa = start; gpa < end; gpa += MVMI_PAGE_SIZE) {
		*ret = (struct mvmi_space_params){
			.size = sizeof(*ret),
			.paging = paging,
			.root = gpa,
			.nxe = true,
		};
		if (may_be_table(vm, gpa) &&
		    anchor_maps(vm, ret, mvmi_gva_at(bare->init_task),
				mvmi_gpa_at(bare->init_task_gpa)))
			return true;
	}
	return false;
}

/**
 * Find the kernel's place, given init_task's. Five levels go first: of such a
 * guest, one table looks like the top of four.
 */
static enum mvmi_status
find_anchor(const struct bare *bare, struct anchor *ret, struct mvmi_error *err)
{
	uint64_t at = bare->init_task_gpa & ~(KERNEL_SLOT_LEN - 1);
	uint64_t start = at - MIN(at, TABLES_NEAR);
	uint64_t end = at + TABLES_NEAR;
	struct mvmi_space_params params;

	if (!find_table(bare, start, end, MVMI_PAGING_5LEVEL, &params) &&
	    !find_table(bare, start, end, MVMI_PAGING_4LEVEL, &params))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "there is an init_task, but no page tables that "
			    "map it");
	return anchor_of_root(bare->search->guest->os.vm, &params, ret, err);
}

/** The kernel's banner, which is the first of its kind in the image. */
static uint64_t find_banner(struct mvmi_vm *vm, const struct anchor *anchor)
{
	static const char head[] = "Linux version ";
	const size_t len = sizeof(head) - 1;
	struct ram_walk walk;
	uint64_t found = 0;

	if (ram_begin(&walk, vm, len, NULL) != MVMI_OK)
		return 0;
	ram_limit(&walk, anchor->gpa.val, anchor->gpa.val + anchor->len);
	while (!found && ram_next(&walk, NULL) == MVMI_OK && walk.bytes.len) {
		struct mvmi_bytes rest = walk.bytes;

		while (!found && rest.len > len) {
			const uint8_t *at =
				memchr(rest.ptr, head[0], rest.len - len);

			if (!at)
				break;
			if (memcmp(at, head, len) == 0 && at[len] >= '1' &&
			    at[len] <= '9')
				found = walk.gpa.val +
					(uint64_t)(at - walk.bytes.ptr);
			rest.len -= (size_t)(at - rest.ptr) + 1;
			rest.ptr = at + 1;
		}
	}
	ram_end(&walk);
	return found;
}

/** Make symbols of what is known. */
static enum mvmi_status
make_symbols(const struct bare *bare, const struct anchor *anchor,
	     struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct mvmi_vm *vm = bare->search->guest->os.vm;
	struct symbols_builder builder = { .count = 0 };
	uint64_t end = anchor->gpa.val + anchor->len;
	struct mvmi_space_params own = { .root = 0 };
	enum mvmi_status status = MVMI_OK;

	/* The kernel's own page tables are those inside of its image. */
	if (!find_table(bare, anchor->gpa.val, end, anchor->params.paging,
			&own))
		own.root = 0;
	const struct {
		const char *name;
		uint64_t gpa; /**< 0: unknown */
	} known[] = {
		{ "_text", anchor->gpa.val },
		{ "linux_banner", find_banner(vm, anchor) },
		{ "__start_BTF", bare->btf_gpa },
		{ "__stop_BTF", bare->btf_gpa + bare->btf_len },
		{ "init_top_pgt", own.root },
		{ "init_task", bare->init_task_gpa },
	};
	for (size_t i = 0; status == MVMI_OK && i < ARRAY_LEN(known); i++) {
		const char *name = known[i].name;
		struct symbols_new symbol = {
			.name = { (const uint8_t *)name, strlen(name) },
			.addr = known[i].gpa - anchor->gpa.val +
				anchor->base.val,
			.type = 'D',
		};

		if (known[i].gpa)
			status = symbols_builder_add(&builder, &symbol, err);
	}
	if (status == MVMI_OK)
		status = symbols_builder_finish(&builder, ret, err);
	symbols_builder_fini(&builder);
	return status;
}

/** Look for types and for init_task. */
static enum mvmi_status look(struct bare *bare, struct mvmi_error *err)
{
	const char *path = bare->search->options->types_file;
	enum mvmi_status status;

	if (path) {
		status = mvmi_types_load(path, &bare->types, err);
		if (status == MVMI_OK)
			status = shape_resolve(&bare->task, &init_spec,
					       bare->types, err);
		status = fail_context(err, status, "%s", path);
	} else {
		status = find_types(bare, err);
	}
	if (status == MVMI_OK)
		status = find_init_task(bare, err);
	return status;
}

enum mvmi_status
bare_symbols(struct search *search, struct found *found, struct mvmi_error *err)
{
	const struct anchor *anchor = &found->anchor;
	struct bare bare = {
		.search = search,
		.start = anchor->gpa.val,
		.end = anchor->gpa.val + anchor->len,
	};
	enum mvmi_status status = look(&bare, err);

	if (status == MVMI_OK && bare.init_task - bare.init_task_gpa !=
					 anchor->base.val - anchor->gpa.val)
		status = fail(err, MVMI_ERR_CORRUPT,
			      "init_task says that it is at 0x%" PRIx64
			      ", the page tables map it to 0x%" PRIx64,
			      bare.init_task,
			      bare.init_task_gpa - anchor->gpa.val +
				      anchor->base.val);
	if (status == MVMI_OK)
		status = make_symbols(&bare, anchor, &found->symbols, err);
	if (status == MVMI_OK)
		found->checked_by = "init_task";
	mvmi_types_destroy(bare.types);
	return status;
}

enum mvmi_status search_bare(struct search *search, struct mvmi_error *err)
{
	struct found found = { .by = "init_task", .checked_by = "page tables" };
	struct bare bare = { .search = search, .end = UINT64_MAX };
	struct mvmi_error why = { .status = MVMI_OK };
	enum mvmi_status status = look(&bare, &why);

	if (status == MVMI_OK)
		status = find_anchor(&bare, &found.anchor, &why);
	if (status == MVMI_OK)
		status = make_symbols(&bare, &found.anchor, &found.symbols,
				      &why);
	if (status == MVMI_OK)
		status = kernel_take(search->guest, search->options, &found,
				     &why);
	search->done = status == MVMI_OK;
	if (status == MVMI_ERR_UNSUPPORTED && !search->scan.msg[0])
		search->scan = why;
	mvmi_symbols_destroy(found.symbols);
	mvmi_types_destroy(bare.types);
	return search_aside(search, status, &why, err);
}
