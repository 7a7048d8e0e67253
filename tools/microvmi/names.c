/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "output.h"

const struct name names_capabilities[] = {
	{ MVMI_CAP_MEM, "mem" },
	{ MVMI_CAP_WRITE, "write" },
	{ MVMI_CAP_MAP, "map" },
	{ MVMI_CAP_REGS, "regs" },
	{ MVMI_CAP_SET_REGS, "set-regs" },
	{ MVMI_CAP_RUN, "run" },
	{ MVMI_CAP_QUIESCE, "quiesce" },
	{ MVMI_CAP_EVENT, "event" },
	{ MVMI_CAP_ACCESS, "access" },
	{ MVMI_CAP_VIEW, "view" },
	{ MVMI_CAP_INJECT, "inject" },
	{ MVMI_CAP_SNAPSHOT, "snapshot" },
	{ 0, NULL },
};

const struct name names_page_rights[] = {
	{ MVMI_PAGE_WRITE, "write" },
	{ MVMI_PAGE_USER, "user" },
	{ MVMI_PAGE_EXEC, "exec" },
	{ MVMI_PAGE_ACCESSED, "accessed" },
	{ MVMI_PAGE_DIRTY, "dirty" },
	{ MVMI_PAGE_GLOBAL, "global" },
	{ 0, NULL },
};

const struct name names_traits[] = {
	{ MVMI_TRAIT_DATA_ONLY_WRITES, "data-only-writes" },
	{ MVMI_TRAIT_ENCRYPTED, "encrypted" },
	{ MVMI_TRAIT_VFIO, "vfio" },
	{ MVMI_TRAIT_POSTCOPY, "postcopy" },
	{ MVMI_TRAIT_BALLOON, "balloon" },
	{ MVMI_TRAIT_USERFAULT, "userfault" },
	{ MVMI_TRAIT_STATIC, "static" },
	{ MVMI_TRAIT_NO_CONTROL, "no-control" },
	{ 0, NULL },
};

const struct name names_event_replies[] = {
#define REPLY(action, name)                                 \
	{                                                   \
		MVMI_ACTION_BIT(MVMI_ACTION_##action), name \
	}
	REPLY(CONTINUE, "continue"),
	REPLY(SKIP, "skip"),
	REPLY(EMULATE, "emulate"),
	REPLY(DENY, "deny"),
	REPLY(REINJECT, "reinject"),
	REPLY(INJECT, "inject"),
	REPLY(STEP, "step"),
	REPLY(SWITCH_VIEW, "switch-view"),
#undef REPLY
	{ 0, NULL },
};

const struct name names_event_filters[] = {
	{ MVMI_FILTER_INDEX, "index" },
	{ MVMI_FILTER_VECTOR, "vector" },
	{ MVMI_FILTER_VALUE, "value" },
	{ MVMI_FILTER_CR3, "cr3" },
	{ MVMI_FILTER_RANGE, "range" },
	{ MVMI_FILTER_VCPU, "vcpu" },
	{ MVMI_FILTER_PAGE_WALK, "page-walk" },
	{ 0, NULL },
};

const struct name names_event_fields[] = {
	{ MVMI_FIELD_GVA, "gva" },
	{ MVMI_FIELD_GPA, "gpa" },
	{ MVMI_FIELD_ACCESS, "access" },
	{ MVMI_FIELD_VALUE, "value" },
	{ MVMI_FIELD_OLD_VALUE, "old-value" },
	{ MVMI_FIELD_INDEX, "index" },
	{ MVMI_FIELD_VECTOR, "vector" },
	{ MVMI_FIELD_ERROR_CODE, "error-code" },
	{ MVMI_FIELD_LEN, "len" },
	{ MVMI_FIELD_INSN_LEN, "insn-len" },
	{ MVMI_FIELD_PAGE_WALK, "page-walk" },
	{ MVMI_FIELD_DEVICE, "device" },
	{ MVMI_FIELD_VIEW, "view" },
	{ 0, NULL },
};

json_t *names_of_bits(uint32_t bits, const struct name *names)
{
	json_t *array = json_array();

	for (; names->name; names++) {
		if (bits & names->bit)
			output_append(array, json_string(names->name));
	}
	return array;
}

json_t *names_of_regs(mvmi_regset set)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;

		if (mvmi_regset_has(set, reg))
			output_append(array, json_string(mvmi_reg_name(reg)));
	}
	return array;
}

const char *names_region_kind(enum mvmi_region_kind kind)
{
	switch (kind) {
	case MVMI_REGION_RAM:
		return "ram";
	case MVMI_REGION_ROM:
		return "rom";
	case MVMI_REGION_PRIVATE:
		return "private";
	}
	return "unknown";
}

const char *names_run_state(enum mvmi_run_state state)
{
	switch (state) {
	case MVMI_RUN_STATE_UNKNOWN:
		break;
	case MVMI_RUN_STATE_RUNNING:
		return "running";
	case MVMI_RUN_STATE_STOPPED:
		return "stopped";
	case MVMI_RUN_STATE_DUMP:
		return "dump";
	}
	return "unknown";
}
