/* SPDX-License-Identifier: MIT */
/* What a Linux guest says of itself: uname(2), uptime. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/linux.h"

enum {
	UTS_NODE,
	UTS_RELEASE,
	UTS_VERSION,
	UTS_MACHINE,
	UTS_FIELDS
};
static const char *const uts_paths[UTS_FIELDS] = {
	[UTS_NODE] = "name.nodename",
	[UTS_RELEASE] = "name.release",
	[UTS_VERSION] = "name.version",
	[UTS_MACHINE] = "name.machine",
};
static const struct shape_spec uts_spec = { "uts_namespace", uts_paths,
					    UTS_FIELDS };

enum {
	CLOCK_SOURCE,
	CLOCK_BASE,
	CLOCK_NSEC,
	CLOCK_SHIFT,
	CLOCK_OFFS_BOOT,
	CLOCK_FIELDS
};
static const char *const clock_paths[CLOCK_FIELDS] = {
	[CLOCK_SOURCE] = "tkr_mono.clock",    [CLOCK_BASE] = "tkr_mono.base",
	[CLOCK_NSEC] = "tkr_mono.xtime_nsec", [CLOCK_SHIFT] = "tkr_mono.shift",
	[CLOCK_OFFS_BOOT] = "offs_boot",
};
static const struct shape_spec clock_spec = { "timekeeper", clock_paths,
					      CLOCK_FIELDS };

static void copy_text(char *dst, size_t len, struct mvmi_bytes src)
{
	size_t n = MIN(len - 1, src.len);

	if (n)
		memcpy(dst, src.ptr, n);
	dst[n] = '\0';
}

/** What uname(2) says in the initial namespace. */
static void read_names(struct linux_os *guest, struct mvmi_os_info *info)
{
	struct shape shape = { .spec = NULL };
	struct object uts;
	mvmi_gva gva;

	if (linux_symbol(guest, "init_uts_ns", &gva, NULL) != MVMI_OK ||
	    shape_resolve(&shape, &uts_spec, guest->os.types, NULL) !=
		    MVMI_OK ||
	    object_read(&uts, guest->os.space, &shape, gva, NULL) != MVMI_OK)
		return;
	copy_text(info->hostname, sizeof(info->hostname),
		  object_bytes(&uts, UTS_NODE));
	copy_text(info->release, sizeof(info->release),
		  object_bytes(&uts, UTS_RELEASE));
	copy_text(info->version, sizeof(info->version),
		  object_bytes(&uts, UTS_VERSION));
	copy_text(info->machine, sizeof(info->machine),
		  object_bytes(&uts, UTS_MACHINE));
}

/** The kernel's name, out of its banner, where uname is not to be had. */
static void names_of_banner(const char *banner, struct mvmi_os_info *info)
{
	static const char head[] = "Linux version ";
	const char *release = banner + sizeof(head) - 1;
	const char *build = strchr(banner, '#');

	if (strncmp(banner, head, sizeof(head) - 1) != 0)
		return;
	(void)snprintf(info->release, sizeof(info->release), "%.*s",
		       (int)strcspn(release, " "), release);
	(void)snprintf(info->version, sizeof(info->version), "%s",
		       build ? build : "");
}

/**
 * Where the core timekeeper is: behind its sequence counter, aligned to eight
 * bytes. From 6.13 on a named struct tells.
 */
static bool find_clock(struct linux_os *guest, mvmi_gva *ret)
{
	static const char *const counters[] = { "seqcount_raw_spinlock",
						"seqcount" };
	const struct mvmi_types *types = guest->os.types;
	struct mvmi_field field;
	struct mvmi_type type = { .size = 0 };

	if (!types ||
	    (linux_symbol(guest, "tk_core", ret, NULL) != MVMI_OK &&
	     linux_symbol(guest, "timekeeper_data", ret, NULL) != MVMI_OK))
		return false;
	if (mvmi_types_field(types, "struct tk_data", "timekeeper", &field,
			     NULL) == MVMI_OK) {
		ret->val += field.offset;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(counters) && !type.size; i++)
		(void)mvmi_types_find(types, counters[i], &type);
	ret->val += (type.size + 7) / 8 * 8;
	return type.size != 0;
}

/** Read the clock, twice the same: a running guest sets it every few ms. */
static bool read_clock(struct linux_os *guest, const struct shape *shape,
		       struct object *ret)
{
	mvmi_gva gva;

	if (!find_clock(guest, &gva))
		return false;
	for (unsigned i = 0; i < LINUX_TRIES; i++) {
		uint8_t again[SHAPE_LEN_MAX] = { 0 };

		if (object_read(ret, guest->os.space, shape, gva, NULL) !=
			    MVMI_OK ||
		    mvmi_space_read(guest->os.space,
				    mvmi_gva_at(gva.val + shape->start),
				    (struct mvmi_span){ again, shape->len },
				    NULL) != MVMI_OK)
			return false;
		if (memcmp(again, ret->bytes, shape->len) == 0)
			return true;
	}
	return false;
}

/** Time since boot, suspension included, when the clock last ticked. */
static uint64_t read_uptime(struct linux_os *guest)
{
	struct shape shape = { .spec = NULL };
	struct object clock;
	uint64_t shift;

	if (shape_resolve(&shape, &clock_spec, guest->os.types, NULL) !=
		    MVMI_OK ||
	    !read_clock(guest, &shape, &clock))
		return 0;
	/* A clock source is one of the kernel's own objects: else no clock. */
	shift = object_u64(&clock, CLOCK_SHIFT);
	if (shift >= 64 || object_u64(&clock, CLOCK_SOURCE) >> 63 == 0)
		return 0;
	return object_u64(&clock, CLOCK_BASE) +
	       (object_u64(&clock, CLOCK_NSEC) >> shift) +
	       object_u64(&clock, CLOCK_OFFS_BOOT);
}

enum mvmi_status linux_get_info(struct mvmi_os *os, struct mvmi_os_info *ret,
				struct mvmi_error *err)
{
	struct linux_os *guest = linux_of(os);
	const struct linux_kernel *kernel = &guest->kernel;
	struct mvmi_os_info info = {
		.size = ret->size,
		.family = MVMI_OS_LINUX,
		.name = "Linux",
		.machine = "x86_64",
		.kernel_base = kernel->base,
		.kernel_end = kernel->end,
		.kernel_gpa = kernel->gpa,
		.slide = kernel->slide,
		.uptime_ns = read_uptime(guest),
		.paging = kernel->params.paging,
		.page_table_isolation = kernel->page_table_isolation,
		.from_profile = kernel->from_profile,
		.cpus = kernel->cpu_count,
		.symbol_count = mvmi_symbols_count(os->symbols),
		.type_count = os->types ? mvmi_types_count(os->types) : 0,
	};

	(void)err;
	names_of_banner(kernel->banner, &info);
	read_names(guest, &info);
	(void)snprintf(info.build_id, sizeof(info.build_id), "%s",
		       kernel->build_id);
	(void)snprintf(info.found_by, sizeof(info.found_by), "%s",
		       kernel->found_by);
	(void)snprintf(info.checked_by, sizeof(info.checked_by), "%s",
		       kernel->checked_by);
	memcpy(ret, &info, MIN(ret->size, sizeof(info)));
	return MVMI_OK;
}
