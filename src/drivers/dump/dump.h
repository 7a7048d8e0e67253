/* SPDX-License-Identifier: MIT */
/** @file The driver for memory dumps: raw files and ELF cores. */
#ifndef MICROVMI_DUMP_DUMP_H
#define MICROVMI_DUMP_DUMP_H

#include <microvmi/driver.h>

#define dump_driver mvmi__dump_driver

extern const struct mvmi_driver dump_driver;

#endif /* MICROVMI_DUMP_DUMP_H */
