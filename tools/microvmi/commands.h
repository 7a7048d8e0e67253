/* SPDX-License-Identifier: MIT */
/** @file All subcommands, one a file: cmd_<name>.c. */
#ifndef MICROVMI_TOOL_COMMANDS_H
#define MICROVMI_TOOL_COMMANDS_H

#include "command.h"

extern const struct command cmd_cat_exe;
extern const struct command cmd_check;
extern const struct command cmd_completion;
extern const struct command cmd_dmesg;
extern const struct command cmd_dump;
extern const struct command cmd_events;
extern const struct command cmd_files;
extern const struct command cmd_images;
extern const struct command cmd_info;
extern const struct command cmd_list;
extern const struct command cmd_maps;
extern const struct command cmd_memory_map;
extern const struct command cmd_modules;
extern const struct command cmd_mounts;
extern const struct command cmd_pause;
extern const struct command cmd_ps;
extern const struct command cmd_qemu_args;
extern const struct command cmd_read;
extern const struct command cmd_regs;
extern const struct command cmd_resume;
extern const struct command cmd_sockets;
extern const struct command cmd_symbols;
extern const struct command cmd_syscalls;
extern const struct command cmd_top;
extern const struct command cmd_translate;
extern const struct command cmd_types;
extern const struct command cmd_write;

#endif /* MICROVMI_TOOL_COMMANDS_H */
