/* SPDX-License-Identifier: MIT */
/** @file Memory of a dump: an image read out of its file. */
#ifndef MICROVMI_DUMP_MEM_H
#define MICROVMI_DUMP_MEM_H

#include <microvmi/driver.h>

#include "base/file.h"
#include "drivers/dump/image.h"

#define dump_mem_ops mvmi__dump_mem_ops

/** An open dump. */
struct dump {
	struct mvmi_conn conn;
	struct file file;
	struct dump_image image;
	bool is_elf;
};

extern const struct mvmi_mem_ops dump_mem_ops;

#endif /* MICROVMI_DUMP_MEM_H */
