/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A VM that exists only as a recording: `replay:FILE`.
 *
 * It answers the calls that were recorded, in their order. Asked for another
 * one it gives STALE, says what was recorded, and waits to be asked that.
 */
#ifndef MICROVMI_DRIVERS_REPLAY_REPLAY_H
#define MICROVMI_DRIVERS_REPLAY_REPLAY_H

#include <microvmi/driver.h>

#define replay_driver mvmi__replay_driver

extern const struct mvmi_driver replay_driver;

#endif /* MICROVMI_DRIVERS_REPLAY_REPLAY_H */
