/* SPDX-License-Identifier: MIT */
/** @file All of the library, for programs that use it. */
#ifndef MICROVMI_MICROVMI_H
#define MICROVMI_MICROVMI_H

#include <microvmi/bp.h>
#include <microvmi/event.h>
#include <microvmi/mem.h>
#include <microvmi/os.h>
#include <microvmi/space.h>
#include <microvmi/symbols.h>
#include <microvmi/types.h>
#include <microvmi/vcpu.h>
#include <microvmi/vm.h>

#endif /* MICROVMI_MICROVMI_H */
