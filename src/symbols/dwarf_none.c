/* SPDX-License-Identifier: MIT */
/* Instead of dwarf.c, where there is no libdw. */
#include "base/error.h"
#include "symbols/dwarf.h"

enum mvmi_status
dwarf_load_types(struct mvmi_span image, struct mvmi_types **ret,
		 struct mvmi_error *err)
{
	(void)image, (void)ret;
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "this build can't read DWARF: it has no libdw; make an ISF "
		    "of the file where there is one");
}
