/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A decorator that fails one call: `fault:N?target=TARGET&status=STATUS`.
 *
 * Counts the calls that can fail, of all operations but open and close, from
 * 1. The N-th is not passed on and gives STATUS, "system" unless said. With
 * "gone" all calls after it fail too, for that is what the contract says.
 */
#ifndef MICROVMI_DRIVERS_FAULT_FAULT_H
#define MICROVMI_DRIVERS_FAULT_FAULT_H

#include <microvmi/driver.h>

#define fault_driver mvmi__fault_driver
#define fault_wrap   mvmi__fault_wrap
#define fault_calls  mvmi__fault_calls

extern const struct mvmi_driver fault_driver;

/**
 * Wrap a connection that is open already.
 *
 * @param inner  Owned by the result.
 * @param call   Which call fails; 0: none.
 * @return NULL if there is no memory; inner is then still the caller's.
 */
struct mvmi_conn *
fault_wrap(struct mvmi_conn *inner, uint64_t call, enum mvmi_status status);

/** How many calls that can fail were made. */
uint64_t fault_calls(const struct mvmi_conn *conn);

#endif /* MICROVMI_DRIVERS_FAULT_FAULT_H */
