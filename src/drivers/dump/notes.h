/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The notes of an ELF core, and the registers in them (docs/formats.md).
 */
#ifndef MICROVMI_DUMP_NOTES_H
#define MICROVMI_DUMP_NOTES_H

#include "drivers/dump/image.h"

#define notes_add	   mvmi__dump_notes_add
#define notes_apply	   mvmi__dump_notes_apply
#define notes_fini	   mvmi__dump_notes_fini
#define note_decode_own	   mvmi__dump_note_decode_own
#define note_decode_qemu   mvmi__dump_note_decode_qemu
#define note_decode_vbcore mvmi__dump_note_decode_vbcore
#define note_decode_vbcpu  mvmi__dump_note_decode_vbcpu

/* e_machine of the cores that we take. */
#define NOTES_MACHINE_386    3
#define NOTES_MACHINE_X86_64 62

/* Linux writes one PT_NOTE for each CPU where its kdump doesn't merge them. */
#define NOTES_PIECES_MAX 1024

/** Copies of the PT_NOTEs of one file. Zeroed is empty. */
struct notes {
	struct mvmi_span *pieces; /**< owned, and each is */
	size_t count;
};

/** Room for one more PT_NOTE, which the caller fills. */
enum mvmi_status notes_add(struct notes *notes, size_t len,
			   struct mvmi_span *ret, struct mvmi_error *err);

/**
 * Take registers, the hypervisor's name and what VirtualBox says of memory into
 * image.
 *
 * @retval MVMI_ERR_CORRUPT  A note contradicts its lengths.
 */
enum mvmi_status notes_apply(const struct notes *notes, uint16_t machine,
			     struct dump_image *image, struct mvmi_error *err);

void notes_fini(struct notes *notes);

/** What a decoder knows besides the note, and where it leaves its results. */
struct note_context {
	struct dump_image *image;
	uint16_t machine;
	uint32_t vbox_format; /**< of VBCPU, as VBCORE says; 0 without one */
	bool is_own;   /**< we wrote it, so the QEMU notes are ours too */
	unsigned vcpu; /**< in: how many of this kind came before */
	struct mvmi_regs regs; /**< out; empty on entry */
};

/*
 * Decoders of one kind of note each. CORRUPT: it contradicts itself.
 * UNSUPPORTED: its version is unknown; the dump is good without it.
 */

enum mvmi_status
note_decode_own(struct mvmi_bytes desc, struct note_context *ctx,
		struct mvmi_error *err);
enum mvmi_status
note_decode_qemu(struct mvmi_bytes desc, struct note_context *ctx,
		 struct mvmi_error *err);
enum mvmi_status
note_decode_vbcore(struct mvmi_bytes desc, struct note_context *ctx,
		   struct mvmi_error *err);
enum mvmi_status
note_decode_vbcpu(struct mvmi_bytes desc, struct note_context *ctx,
		  struct mvmi_error *err);

#endif /* MICROVMI_DUMP_NOTES_H */
