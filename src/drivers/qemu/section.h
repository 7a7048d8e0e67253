/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Sections of QEMU's device state, and the few whose length we know.
 *
 * A section says its name, instance and version but not its length: only who
 * knows the fields of a version finds its end. Integers are big-endian
 * (QEMU docs/devel/migration, "stream structure").
 */
#ifndef MICROVMI_DRIVERS_QEMU_SECTION_H
#define MICROVMI_DRIVERS_QEMU_SECTION_H

#include "base/cursor.h"

#define section_open  mvmi__section_open
#define section_split mvmi__section_split
#define section_is    mvmi__section_is
#define section_scan  mvmi__section_scan
#define section_known mvmi__section_known

/** QEMU_VM_EOF of QEMU migration/savevm.h. */
#define SECTION_END 0x00
/** QEMU_VM_SECTION_FOOTER. */
#define SECTION_FOOTER 0x7e
/** Bytes of a footer. */
#define SECTION_FOOTER_LEN 5

/** A section whose header was read. */
struct section {
	struct mvmi_bytes name; /**< not terminated */
	uint32_t id;
	uint32_t instance;
	uint32_t version;
	struct cursor body; /**< from its first field to the stream's end */
};

/** The parts of a section that hold registers. */
struct section_parts {
	struct mvmi_bytes fields;
	struct mvmi_bytes fpop; /**< "cpu/fpop_ip_dp"; empty if not there */
};

/** Read a header. @return false if there is none; c is then of no use. */
bool section_open(struct cursor *c, struct section *ret);

bool section_is(const struct section *section, const char *name);

/**
 * Read fields, subsections and footer, all of which must be known.
 *
 * @param c  Where the body begins; where the next section does, afterwards.
 */
enum mvmi_status
section_split(const struct section *section, struct cursor *c,
	      struct section_parts *ret, struct mvmi_error *err);

/**
 * Read the next section and its body, if it is one whose length is known.
 *
 * @param c  Where a section begins; where the next does, afterwards.
 */
bool section_known(struct cursor *c, struct section *ret);

/**
 * Find the next bytes that look like a header, wherever they are.
 *
 * @param c  Where to look; just behind the first byte of the header afterwards,
 *           so that no header can hide another.
 */
bool section_scan(struct cursor *c, struct section *ret);

#endif /* MICROVMI_DRIVERS_QEMU_SECTION_H */
