/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The file that the record driver writes and the replay driver plays.
 *
 * All numbers are LEB128 but for the length of a record, which is four bytes,
 * little-endian. A string is its length and its bytes.
 *
 *	"mvmi-rec" version tables view-scope desc-count desc*
 *	(length kind status input-length inputs results)*
 *
 * - A desc is the members of struct mvmi_event_desc in their order.
 * - kind is an enum call_kind, or one of enum recording_kind. Inputs are the
 *   numbers in call.in and then what the call points to. Results are there if
 *   status is OK; else errno, guest address and message of the failure.
 * - A register file is the set of registers and then the value of each, in
 *   eight-byte words of struct mvmi_regs_x86 on a little-endian host.
 * - Bytes of memory are a 1 and the bytes, or a 0 if they are all zero.
 * - The first record is a STATE; another follows a call that changed it.
 *   Polls are there only if they failed. The last record is END: a file
 *   without it broke off.
 *
 * Members are only appended to, and then the version goes up.
 */
#ifndef MICROVMI_DRIVERS_RECORDING_H
#define MICROVMI_DRIVERS_RECORDING_H

#include "base/cursor.h"
#include "drivers/call.h"

#define recording_buf_fini     mvmi__recording_buf_fini
#define recording_begin	       mvmi__recording_begin
#define recording_end	       mvmi__recording_end
#define recording_put	       mvmi__recording_put
#define recording_take	       mvmi__recording_take
#define recording_put_sized    mvmi__recording_put_sized
#define recording_put_header   mvmi__recording_put_header
#define recording_take_header  mvmi__recording_take_header
#define recording_put_state    mvmi__recording_put_state
#define recording_take_state   mvmi__recording_take_state
#define recording_put_error    mvmi__recording_put_error
#define recording_take_error   mvmi__recording_take_error
#define recording_put_inputs   mvmi__recording_put_inputs
#define recording_put_results  mvmi__recording_put_results
#define recording_take_results mvmi__recording_take_results

#define RECORDING_VERSION      1
/** Bytes of one record at most. */
#define RECORDING_RECORD_MAX (UINT32_C(1) << 28)
#define RECORDING_DESCS_MAX  64

/** Records that are not calls. */
enum recording_kind {
	RECORDING_STATE = 0x100,
	RECORDING_END,
};

/** What a connection is, apart from its operations. */
struct recording_header {
	uint32_t tables; /**< enum mvmi_capability */
	enum mvmi_hold_scope view_scope;
	struct mvmi_event_desc descs[RECORDING_DESCS_MAX];
	size_t desc_count;
};

/** What may change without a result that says so. */
struct recording_state {
	uint64_t incarnation;
	uint64_t traits;
	mvmi_regset readable_regs;
	mvmi_regset writable_regs;
	uint64_t vcpus;
	uint64_t overdue;
};

/** Bytes to be written. Fails once and stays failed: no memory, too long. */
struct recording_buf {
	uint8_t *data; /**< owned */
	size_t len;
	size_t capacity;
	bool failed;
};

void recording_buf_fini(struct recording_buf *buf);

/** Begin a record in an empty buffer; recording_end() puts its length. */
void recording_begin(struct recording_buf *buf, uint64_t kind,
		     enum mvmi_status status);
void recording_end(struct recording_buf *buf);

void recording_put(struct recording_buf *buf, uint64_t number);
/** Put another buffer's length and bytes. */
void recording_put_sized(struct recording_buf *buf,
			 const struct recording_buf *src);
void recording_put_header(struct recording_buf *buf,
			  const struct recording_header *header);
void recording_put_state(struct recording_buf *buf,
			 const struct recording_state *state);
void recording_put_error(struct recording_buf *buf,
			 const struct mvmi_error *err);
void recording_put_inputs(struct recording_buf *buf, const struct call *call);
void recording_put_results(struct recording_buf *buf, const struct call *call);

/* Taking fails the cursor where what is there can't be. */
uint64_t recording_take(struct cursor *c);
void recording_take_header(struct cursor *c, struct recording_header *ret);
void recording_take_state(struct cursor *c, struct recording_state *ret);
void recording_take_error(struct cursor *c, struct mvmi_error *ret);

/**
 * Take the results of a call with the same inputs. The caller's arrays are
 * written only if commit is set: look first, and then take.
 *
 * @param event_regs  Where the registers of an event are put.
 */
void recording_take_results(struct cursor *c, struct call *call, bool commit,
			    struct mvmi_regs *event_regs);

#endif /* MICROVMI_DRIVERS_RECORDING_H */
