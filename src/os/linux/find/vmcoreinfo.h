/* SPDX-License-Identifier: MIT */
/**
 * @file
 * VMCOREINFO: a page of text in which a kernel tells crash dump tools where it
 * is (Linux: Documentation/admin-guide/kdump/vmcoreinfo.rst). It is the guest's
 * word: whoever uses it checks it.
 */
#ifndef MICROVMI_OS_LINUX_FIND_VMCOREINFO_H
#define MICROVMI_OS_LINUX_FIND_VMCOREINFO_H

#include <microvmi/types.h>

#define vmcoreinfo_is	 mvmi__vmcoreinfo_is
#define vmcoreinfo_parse mvmi__vmcoreinfo_parse

/** What it begins with, at the start of a page. */
#define VMCOREINFO_HEAD	    "OSRELEASE="
#define VMCOREINFO_HEAD_LEN 10

/** Its members that say where a kernel is. */
struct vmcoreinfo {
	char release[80];
	char build_id[72];  /**< hexadecimal; "" before 5.9 or so */
	uint64_t slide;	    /**< KERNELOFFSET */
	uint64_t phys_base; /**< physical minus virtual, of the kernel's map */
	uint64_t root;	    /**< init_top_pgt, virtual */
	uint64_t stext;	    /**< 0: not told */
	uint64_t sme_mask;
	bool five_level;
};

/** Does this copy of a page begin as VMCOREINFO does? */
bool vmcoreinfo_is(struct mvmi_bytes page);

/**
 * Read the text.
 *
 * @retval MVMI_ERR_CORRUPT  A line that must be there is missing or malformed.
 */
enum mvmi_status
vmcoreinfo_parse(struct mvmi_bytes page, struct vmcoreinfo *ret,
		 struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_FIND_VMCOREINFO_H */
