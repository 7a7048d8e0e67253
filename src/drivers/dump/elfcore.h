/* SPDX-License-Identifier: MIT */
/** @file ELF cores of machines: QEMU's, VirtualBox's, Linux's vmcore, ours. */
#ifndef MICROVMI_DUMP_ELFCORE_H
#define MICROVMI_DUMP_ELFCORE_H

#include "drivers/dump/image.h"

#define elfcore_parse	  mvmi__dump_elfcore_parse
#define elfcore_is_elf	  mvmi__dump_elfcore_is_elf

#define ELFCORE_MAGIC_LEN 4

/** Do these ELFCORE_MAGIC_LEN bytes begin an ELF file? */
bool elfcore_is_elf(const uint8_t *magic);

/**
 * Take an ELF core apart (docs/formats.md).
 *
 * @param ret  Filled on success; release with image_fini().
 *
 * @retval MVMI_ERR_INVALID      An ELF file, but not the core of a machine.
 * @retval MVMI_ERR_UNSUPPORTED  Of another architecture.
 * @retval MVMI_ERR_CORRUPT      It contradicts itself, or was cut short.
 * @retval MVMI_ERR_LIMIT        More segments, notes or vCPUs than we take.
 */
enum mvmi_status elfcore_parse(const struct dump_source *source,
			       struct dump_image *ret, struct mvmi_error *err);

#endif /* MICROVMI_DUMP_ELFCORE_H */
