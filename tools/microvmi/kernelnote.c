/* SPDX-License-Identifier: MIT */
#include "kernelnote.h"

#include <microvmi/os.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Linux allots a page; some distributions more. */
#define NOTE_LEN_MAX (UINT64_C(1) << 16)

/** Read the variable of that name. */
static bool read_variable(struct mvmi_os *os, const char *name, uint64_t *ret)
{
	struct mvmi_symbol symbol;

	return mvmi_symbols_find(mvmi_os_kernel_symbols(os), name, &symbol) &&
	       mvmi_space_read_u64(mvmi_os_kernel_space(os),
				   mvmi_gva_at(symbol.addr), ret,
				   NULL) == MVMI_OK;
}

/** Whether it is such a text and not what a hostile guest put there. */
static bool is_note(const struct mvmi_span *note)
{
	static const char begin[] = "OSRELEASE=";

	return note->len > sizeof(begin) &&
	       memcmp(note->ptr, begin, sizeof(begin) - 1) == 0;
}

static struct mvmi_span read_note(struct mvmi_os *os)
{
	struct mvmi_span note = { .len = 0 };
	uint64_t addr;
	uint64_t len;

	if (!read_variable(os, "vmcoreinfo_data", &addr) ||
	    !read_variable(os, "vmcoreinfo_size", &len) || len == 0 ||
	    len > NOTE_LEN_MAX)
		return note;
	note.ptr = malloc((size_t)len);
	if (!note.ptr)
		diag_no_memory();
	note.len = (size_t)len;
	if (mvmi_space_read(mvmi_os_kernel_space(os), mvmi_gva_at(addr), note,
			    NULL) == MVMI_OK &&
	    is_note(&note))
		return note;
	free(note.ptr);
	return (struct mvmi_span){ .len = 0 };
}

struct mvmi_span kernelnote_read(struct mvmi_vm *vm)
{
	const struct mvmi_os_options options = { .size = sizeof(options) };
	struct mvmi_span note = { .len = 0 };
	struct mvmi_os *os;

	if (mvmi_os_open(vm, &options, &os, NULL) != MVMI_OK)
		return note;
	note = read_note(os);
	mvmi_os_close(os);
	return note;
}
