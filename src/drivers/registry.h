/* SPDX-License-Identifier: MIT */
/** @file Every driver that this build contains, and opening one by target. */
#ifndef MICROVMI_DRIVERS_REGISTRY_H
#define MICROVMI_DRIVERS_REGISTRY_H

#include <microvmi/driver.h>

#define registry_open	     mvmi__registry_open
#define registry_open_driver mvmi__registry_open_driver
#define registry_drivers     mvmi__registry_drivers
#define mock_driver	     mvmi__mock_driver

/** NULL-terminated, in the order in which bare paths are offered to them. */
extern const struct mvmi_driver *const registry_drivers[];

extern const struct mvmi_driver mock_driver;

/**
 * Open a connection by target string. Decorators use this for the driver that
 * they wrap. args gives read_only and timeout_ms; the rest is parsed.
 */
enum mvmi_status
registry_open(const char *target, const struct mvmi_open_args *args,
	      struct mvmi_conn **ret, struct mvmi_error *err);

/** As registry_open(), with the driver given and only the place to parse. */
enum mvmi_status
registry_open_driver(const struct mvmi_driver *driver, const char *where,
		     const struct mvmi_open_args *args, struct mvmi_conn **ret,
		     struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_REGISTRY_H */
