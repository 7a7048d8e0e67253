/* SPDX-License-Identifier: MIT */
/** @file The driver "qemu": a stock QEMU, through its monitor and /proc. */
#ifndef MICROVMI_DRIVERS_QEMU_DRIVER_H
#define MICROVMI_DRIVERS_QEMU_DRIVER_H

#include <microvmi/driver.h>

#define qemu_driver mvmi__qemu_driver

/** Target: `qemu:/path/to/qmp.sock` or `qemu:pid=N`. */
extern const struct mvmi_driver qemu_driver;

#endif /* MICROVMI_DRIVERS_QEMU_DRIVER_H */
