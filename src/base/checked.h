/* SPDX-License-Identifier: MIT */
/** @file Arithmetic that says when it wraps: C23's ckd_*, under C17. */
#ifndef MICROVMI_BASE_CHECKED_H
#define MICROVMI_BASE_CHECKED_H

/** Store a op b in *ret. @return true if it did not fit. */
#define ckd_add(ret, a, b) __builtin_add_overflow((a), (b), (ret))
#define ckd_sub(ret, a, b) __builtin_sub_overflow((a), (b), (ret))
#define ckd_mul(ret, a, b) __builtin_mul_overflow((a), (b), (ret))

#endif /* MICROVMI_BASE_CHECKED_H */
