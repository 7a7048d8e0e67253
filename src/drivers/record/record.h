/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A decorator that writes each call and its results into a new file:
 * `record:FILE?target=TARGET`. The file (drivers/recording.h) contains guest
 * memory and registers, so only its owner may read it.
 *
 * Memory is never mapped through it, for a read through a map is no call. When
 * a call can't be written down, it fails and says so, and so does every later
 * one, before it reaches the VM: a recording has no gaps.
 */
#ifndef MICROVMI_DRIVERS_RECORD_RECORD_H
#define MICROVMI_DRIVERS_RECORD_RECORD_H

#include <microvmi/driver.h>

#define record_driver mvmi__record_driver

extern const struct mvmi_driver record_driver;

#endif /* MICROVMI_DRIVERS_RECORD_RECORD_H */
