/* SPDX-License-Identifier: MIT */
#include "drivers/recording.h"

#include <stdio.h>
#include <stdlib.h>

#include "arch/x86/regs.h"
#include "base/util.h"

#define RECORD_PREFIX 4

static const uint8_t recording_magic[8] = "mvmi-rec";

/* ---- numbers, bytes and strings ----------------------------------------- */

void recording_buf_fini(struct recording_buf *buf)
{
	free(buf->data);
	*buf = (struct recording_buf){ 0 };
}

static void put_bytes(struct recording_buf *buf, const void *src, size_t len)
{
	if (buf->failed || len > RECORDING_RECORD_MAX - buf->len) {
		buf->failed = true;
		return;
	}
	if (len > buf->capacity - buf->len) {
		size_t capacity = MAX(2 * buf->capacity, buf->len + len);
		uint8_t *data = realloc(buf->data, capacity);

		if (!data) {
			buf->failed = true;
			return;
		}
		buf->data = data;
		buf->capacity = capacity;
	}
	if (len)
		memcpy(buf->data + buf->len, src, len);
	buf->len += len;
}

void recording_put(struct recording_buf *buf, uint64_t number)
{
	uint8_t bytes[10];
	size_t len = 0;

	for (; number >= 0x80; number >>= 7)
		bytes[len++] = (uint8_t)(number | 0x80);
	bytes[len++] = (uint8_t)number;
	put_bytes(buf, bytes, len);
}

uint64_t recording_take(struct cursor *c)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = cursor_u8(c);

		if (shift == 63 && byte > 1)
			break;
		number |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return number;
	}
	c->failed = true;
	return 0;
}

/** Take a number that is at most max. */
static uint64_t take_up_to(struct cursor *c, uint64_t max)
{
	uint64_t number = recording_take(c);

	if (number <= max)
		return number;
	c->failed = true;
	return 0;
}

static uint32_t take_u32(struct cursor *c)
{
	return (uint32_t)take_up_to(c, UINT32_MAX);
}

static bool take_bool(struct cursor *c)
{
	return take_up_to(c, 1) != 0;
}

static void
put_all(struct recording_buf *buf, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		recording_put(buf, numbers[i]);
}

static void put_string(struct recording_buf *buf, const char *s)
{
	recording_put(buf, strlen(s));
	put_bytes(buf, s, strlen(s));
}

void recording_put_sized(struct recording_buf *buf,
			 const struct recording_buf *src)
{
	recording_put(buf, src->len);
	put_bytes(buf, src->data, src->len);
}

/** Take a string that fits, with its NUL, into size bytes. */
static void take_string(struct cursor *c, char *ret, size_t size)
{
	size_t len = (size_t)take_up_to(c, size - 1);

	cursor_copy(c, (struct mvmi_span){ (uint8_t *)ret, len });
	ret[len] = '\0';
}

/** Bytes of guest memory: mostly zeros, often. */
static void put_memory(struct recording_buf *buf, struct mvmi_bytes src)
{
	bool zero = true;

	for (size_t i = 0; zero && i < src.len; i++)
		zero = src.ptr[i] == 0;
	recording_put(buf, !zero);
	if (!zero)
		put_bytes(buf, src.ptr, src.len);
}

static void take_memory(struct cursor *c, struct mvmi_span dst, bool commit)
{
	if (take_bool(c)) {
		struct mvmi_bytes src = cursor_take(c, dst.len);

		if (commit && src.len)
			memcpy(dst.ptr, src.ptr, src.len);
	} else if (commit && dst.len) {
		memset(dst.ptr, 0, dst.len);
	}
}

/* ---- registers ---------------------------------------------------------- */

static void put_regset(struct recording_buf *buf, mvmi_regset set)
{
	put_all(buf, set.bits, ARRAY_LEN(set.bits));
}

static mvmi_regset take_regset(struct cursor *c)
{
	mvmi_regset set;

	set.bits[0] = recording_take(c);
	set.bits[1] = recording_take(c);
	for (unsigned reg = MVMI_REG_COUNT; reg < 128; reg++) {
		if (mvmi_regset_has(set, (enum mvmi_reg)reg))
			c->failed = true;
	}
	return set;
}

static void put_regs(struct recording_buf *buf, const struct mvmi_regs *regs,
		     mvmi_regset set)
{
	struct mvmi_regs copy = *regs;

	put_regset(buf, set);
	for (unsigned reg = 0; reg < MVMI_REG_COUNT; reg++) {
		struct mvmi_span at = regs_span(&copy, (enum mvmi_reg)reg);

		if (!mvmi_regset_has(set, (enum mvmi_reg)reg))
			continue;
		for (size_t off = 0; off < at.len; off += 8) {
			uint64_t word = 0;

			memcpy(&word, at.ptr + off, MIN(at.len - off, 8));
			recording_put(buf, word);
		}
	}
}

static void take_regs(struct cursor *c, struct mvmi_regs *ret)
{
	*ret = mvmi_regs_empty();
	ret->valid = take_regset(c);
	for (unsigned reg = 0; reg < MVMI_REG_COUNT; reg++) {
		struct mvmi_span at = regs_span(ret, (enum mvmi_reg)reg);

		if (!mvmi_regset_has(ret->valid, (enum mvmi_reg)reg))
			continue;
		for (size_t off = 0; off < at.len; off += 8) {
			uint64_t word = recording_take(c);

			memcpy(at.ptr + off, &word, MIN(at.len - off, 8));
		}
	}
}

/* ---- the frame of a file ------------------------------------------------ */

void recording_begin(struct recording_buf *buf, uint64_t kind,
		     enum mvmi_status status)
{
	static const uint8_t prefix[RECORD_PREFIX];

	buf->len = 0;
	put_bytes(buf, prefix, sizeof(prefix));
	recording_put(buf, kind);
	recording_put(buf, status);
}

void recording_end(struct recording_buf *buf)
{
	size_t len = buf->len - RECORD_PREFIX;

	if (buf->failed)
		return;
	for (size_t i = 0; i < RECORD_PREFIX; i++)
		buf->data[i] = (uint8_t)(len >> (8 * i));
}

void recording_put_header(struct recording_buf *buf,
			  const struct recording_header *header)
{
	put_bytes(buf, recording_magic, sizeof(recording_magic));
	recording_put(buf, RECORDING_VERSION);
	recording_put(buf, header->tables);
	recording_put(buf, header->view_scope);
	recording_put(buf, header->desc_count);
	for (size_t i = 0; i < header->desc_count; i++) {
		const struct mvmi_event_desc *desc = &header->descs[i];
		const uint64_t numbers[] = {
			desc->kind,    desc->phase,  desc->holds, desc->replies,
			desc->filters, desc->fields, desc->async, desc->limit,
		};

		put_all(buf, numbers, ARRAY_LEN(numbers));
	}
}

void recording_take_header(struct cursor *c, struct recording_header *ret)
{
	struct mvmi_bytes magic = cursor_take(c, sizeof(recording_magic));

	if (magic.len == 0 ||
	    memcmp(magic.ptr, recording_magic, magic.len) != 0 ||
	    recording_take(c) != RECORDING_VERSION)
		c->failed = true;
	ret->tables = take_u32(c);
	ret->view_scope = (enum mvmi_hold_scope)take_up_to(c, MVMI_HOLDS_VM);
	ret->desc_count = (size_t)take_up_to(c, RECORDING_DESCS_MAX);
	for (size_t i = 0; i < ret->desc_count; i++) {
		struct mvmi_event_desc *desc = &ret->descs[i];

		desc->kind = (enum mvmi_event_kind)take_up_to(
			c, MVMI_EVENT_KIND_COUNT - 1);
		desc->phase = (enum mvmi_phase)take_up_to(c, MVMI_PHASE_AFTER);
		desc->holds =
			(enum mvmi_hold_scope)take_up_to(c, MVMI_HOLDS_VM);
		desc->replies = take_u32(c);
		desc->filters = take_u32(c);
		desc->fields = take_u32(c);
		desc->async = take_bool(c);
		desc->limit = take_u32(c);
	}
}

void recording_put_state(struct recording_buf *buf,
			 const struct recording_state *state)
{
	recording_put(buf, state->incarnation);
	recording_put(buf, state->traits);
	put_regset(buf, state->readable_regs);
	put_regset(buf, state->writable_regs);
	recording_put(buf, state->vcpus);
	recording_put(buf, state->overdue);
}

void recording_take_state(struct cursor *c, struct recording_state *ret)
{
	ret->incarnation = recording_take(c);
	ret->traits = take_u32(c);
	ret->readable_regs = take_regset(c);
	ret->writable_regs = take_regset(c);
	ret->vcpus = take_u32(c);
	ret->overdue = recording_take(c);
}

void recording_put_error(struct recording_buf *buf,
			 const struct mvmi_error *err)
{
	recording_put(buf, (uint64_t)(uint32_t)err->sys);
	recording_put(buf, err->addr);
	put_string(buf, err->msg);
}

void recording_take_error(struct cursor *c, struct mvmi_error *ret)
{
	ret->sys = (int)take_up_to(c, INT32_MAX);
	ret->addr = recording_take(c);
	take_string(c, ret->msg, sizeof(ret->msg));
	/* No driver fails without words. */
	if (ret->msg[0] == '\0')
		c->failed = true;
}

/* ---- inputs ------------------------------------------------------------- */

static void put_ranges(struct recording_buf *buf, const struct call *call)
{
	for (uint64_t i = 0; i < call->in[0]; i++) {
		recording_put(buf, call->ops[i].gpa.val);
		recording_put(buf, call->ops[i].dst.len);
	}
}

static void put_src(struct recording_buf *buf, const struct call *call)
{
	recording_put(buf, call->src.len);
	put_memory(buf, call->src);
}

static void put_dirty_regs(struct recording_buf *buf, const struct call *call)
{
	put_regs(buf, call->regs, call->regs->dirty);
}

static void put_subscription(struct recording_buf *buf, const struct call *call)
{
	const struct mvmi_subscription *what = call->subscription;
	const uint64_t numbers[] = {
		what->kind,	      what->async,
		what->hold_when_full, what->skip_page_walks,
		what->filters,	      what->index,
		what->access,	      what->vectors[0],
		what->vectors[1],     what->vectors[2],
		what->vectors[3],     what->vcpus,
		what->value.value,    what->value.mask,
		what->cr3.value,      what->cr3.mask,
		what->start,	      what->len,
		what->groups,
	};

	put_all(buf, numbers, ARRAY_LEN(numbers));
}

static void
put_injection(struct recording_buf *buf, const struct mvmi_injection *injection)
{
	const uint64_t numbers[] = {
		injection->kind,
		injection->vector,
		injection->has_error_code,
		injection->error_code,
		injection->cr2,
	};

	put_all(buf, numbers, ARRAY_LEN(numbers));
}

static void put_injected(struct recording_buf *buf, const struct call *call)
{
	put_injection(buf, call->injection);
}

static void put_reply(struct recording_buf *buf, const struct call *call)
{
	const struct mvmi_reply *reply = call->reply;
	size_t len = MIN(reply->data_len, sizeof(reply->data));

	recording_put(buf, reply->action);
	recording_put(buf, reply->view);
	put_injection(buf, &reply->inject);
	recording_put(buf, len);
	put_bytes(buf, reply->data, len);
	put_regs(buf, &reply->regs, reply->regs.dirty);
}

/* ---- results ------------------------------------------------------------ */

static void put_value(struct recording_buf *buf, const struct call *call)
{
	recording_put(buf, call->out.value);
}

static void take_value(struct cursor *c, struct call *call, bool commit)
{
	(void)commit;
	call->out.value = recording_take(c);
}

static void take_id(struct cursor *c, struct call *call, bool commit)
{
	(void)commit;
	call->out.value = take_u32(c);
}

static void take_run_state(struct cursor *c, struct call *call, bool commit)
{
	(void)commit;
	call->out.value = take_up_to(c, MVMI_RUN_STATE_DUMP);
}

static void put_info(struct recording_buf *buf, const struct call *call)
{
	const struct mvmi_vm_info *info = &call->out.info;

	put_string(buf, info->name);
	put_string(buf, info->hypervisor);
	put_string(buf, info->memory_path);
	put_string(buf, info->note);
	recording_put(buf, (uint64_t)info->pid);
	recording_put(buf, info->state);
}

static void take_info(struct cursor *c, struct call *call, bool commit)
{
	struct mvmi_vm_info *info = &call->out.info;

	(void)commit;
	take_string(c, info->name, sizeof(info->name));
	take_string(c, info->hypervisor, sizeof(info->hypervisor));
	take_string(c, info->memory_path, sizeof(info->memory_path));
	take_string(c, info->note, sizeof(info->note));
	info->pid = (int64_t)take_up_to(c, INT64_MAX);
	info->state = (enum mvmi_run_state)take_up_to(c, MVMI_RUN_STATE_DUMP);
}

static void put_regions(struct recording_buf *buf, const struct call *call)
{
	recording_put(buf, call->out.value);
	for (uint64_t i = 0; i < MIN(call->in[0], call->out.value); i++) {
		recording_put(buf, call->regions[i].start.val);
		recording_put(buf, call->regions[i].len);
		recording_put(buf, call->regions[i].kind);
		put_string(buf, call->regions[i].name);
	}
}

static void take_regions(struct cursor *c, struct call *call, bool commit)
{
	call->out.value = take_up_to(c, SIZE_MAX);
	for (uint64_t i = 0;
	     cursor_ok(c) && i < MIN(call->in[0], call->out.value); i++) {
		struct mvmi_region region = { 0 };

		region.start = mvmi_gpa_at(recording_take(c));
		region.len = recording_take(c);
		region.kind = (enum mvmi_region_kind)take_up_to(
			c, MVMI_REGION_PRIVATE);
		take_string(c, region.name, sizeof(region.name));
		if (commit)
			call->regions[i] = region;
	}
}

static void put_extent(struct recording_buf *buf, const struct call *call)
{
	recording_put(buf, call->out.extent.len);
	recording_put(buf, call->out.extent.kind);
}

static void take_extent(struct cursor *c, struct call *call, bool commit)
{
	(void)commit;
	call->out.extent = (struct mvmi_extent){
		.start = mvmi_gpa_at(call->in[0]),
		.len = recording_take(c),
	};
	call->out.extent.kind =
		(enum mvmi_extent_kind)take_up_to(c, MVMI_EXTENT_NONE);
	if (call->out.extent.len == 0)
		c->failed = true;
}

static void put_memories(struct recording_buf *buf, const struct call *call)
{
	for (uint64_t i = 0; i < call->in[0]; i++) {
		const struct mvmi_mem_op *op = &call->ops[i];

		recording_put(buf, op->status);
		recording_put(buf, op->done);
		put_memory(buf, (struct mvmi_bytes){ op->dst.ptr, op->done });
	}
}

static void take_memories(struct cursor *c, struct call *call, bool commit)
{
	for (uint64_t i = 0; cursor_ok(c) && i < call->in[0]; i++) {
		struct mvmi_mem_op *op = &call->ops[i];
		enum mvmi_status status =
			(enum mvmi_status)take_up_to(c, MVMI_ERR_CORRUPT);
		size_t done = (size_t)take_up_to(c, op->dst.len);

		if ((status == MVMI_OK) != (done == op->dst.len))
			c->failed = true;
		take_memory(c, (struct mvmi_span){ op->dst.ptr, done }, commit);
		if (commit) {
			op->status = status;
			op->done = done;
		}
	}
}

static void put_got_regs(struct recording_buf *buf, const struct call *call)
{
	put_regs(buf, &call->out.regs, call->out.regs.valid);
}

static void take_got_regs(struct cursor *c, struct call *call, bool commit)
{
	(void)commit;
	take_regs(c, &call->out.regs);
}

static void put_event(struct recording_buf *buf, const struct call *call)
{
	const struct mvmi_event *event = &call->out.event;
	const uint64_t numbers[] = {
		event->id.vcpu,	     event->id.generation, event->kind,
		event->phase,	     event->async,	   event->page_walk,
		event->access,	     event->insn_len,	   event->fields,
		event->index,	     event->vector,	   event->error_code,
		event->len,	     event->view,	   event->gva.val,
		event->gpa.val,	     event->value,	   event->old_value,
		event->subscription, event->lost,	   event->regs != NULL,
	};

	put_all(buf, numbers, ARRAY_LEN(numbers));
	if (event->regs)
		put_regs(buf, event->regs, event->regs->valid);
}

static void
take_event(struct cursor *c, struct mvmi_event *event, struct mvmi_regs *regs)
{
	*event = (struct mvmi_event){ .id = { .vcpu = take_u32(c) } };
	event->id.generation = recording_take(c);
	event->kind =
		(enum mvmi_event_kind)take_up_to(c, MVMI_EVENT_KIND_COUNT - 1);
	event->phase = (enum mvmi_phase)take_up_to(c, MVMI_PHASE_AFTER);
	event->async = take_bool(c);
	event->page_walk = take_bool(c);
	event->access = (uint8_t)take_up_to(c, UINT8_MAX);
	event->insn_len = (uint8_t)take_up_to(c, UINT8_MAX);
	event->fields = take_u32(c);
	event->index = take_u32(c);
	event->vector = take_u32(c);
	event->error_code = take_u32(c);
	event->len = take_u32(c);
	event->view = take_u32(c);
	event->gva = mvmi_gva_at(recording_take(c));
	event->gpa = mvmi_gpa_at(recording_take(c));
	event->value = recording_take(c);
	event->old_value = recording_take(c);
	event->subscription = recording_take(c);
	event->lost = recording_take(c);
	if (take_bool(c)) {
		take_regs(c, regs);
		event->regs = regs;
	}
}

static void put_dirty(struct recording_buf *buf, const struct call *call)
{
	recording_put(buf, call->out.value);
	for (uint64_t i = 0; i < MIN(call->in[1], call->out.value); i++)
		recording_put(buf, call->gfns[i].val);
}

static void take_dirty(struct cursor *c, struct call *call, bool commit)
{
	call->out.value = take_up_to(c, SIZE_MAX);
	for (uint64_t i = 0;
	     cursor_ok(c) && i < MIN(call->in[1], call->out.value); i++) {
		uint64_t gfn = recording_take(c);

		if (commit)
			call->gfns[i] = mvmi_gfn_at(gfn);
	}
}

/* ---- what each operation has -------------------------------------------- */

/** NULL: nothing beside the numbers; no results. */
static const struct {
	void (*put_inputs)(struct recording_buf *buf, const struct call *call);
	void (*put_results)(struct recording_buf *buf, const struct call *call);
	void (*take_results)(struct cursor *c, struct call *call, bool commit);
} codecs[CALL_KIND_COUNT] = {
	[CALL_INFO] = { NULL, put_info, take_info },
	[CALL_REGIONS] = { NULL, put_regions, take_regions },
	[CALL_EXTENT] = { NULL, put_extent, take_extent },
	[CALL_READV] = { put_ranges, put_memories, take_memories },
	[CALL_WRITE] = { put_src, NULL, NULL },
	[CALL_GET_REGS] = { NULL, put_got_regs, take_got_regs },
	[CALL_SET_REGS] = { put_dirty_regs, NULL, NULL },
	[CALL_RUN_STATE] = { NULL, put_value, take_run_state },
	[CALL_ENABLE] = { put_subscription, put_value, take_value },
	[CALL_NEXT] = { NULL, put_event, NULL },
	[CALL_REPLY] = { put_reply, NULL, NULL },
	[CALL_ACCESS_GET] = { NULL, put_value, take_id },
	[CALL_VIEW_CREATE] = { NULL, put_value, take_id },
	[CALL_INJECT] = { put_injected, NULL, NULL },
	[CALL_SNAPSHOT_TAKE] = { NULL, put_value, take_id },
	[CALL_SNAPSHOT_DIRTY] = { NULL, put_dirty, take_dirty },
	[CALL_FRAME_CREATE] = { NULL, put_value, take_value },
};

void recording_put_inputs(struct recording_buf *buf, const struct call *call)
{
	put_all(buf, call->in, call_inputs(call->kind));
	if (codecs[call->kind].put_inputs)
		codecs[call->kind].put_inputs(buf, call);
}

void recording_put_results(struct recording_buf *buf, const struct call *call)
{
	if (codecs[call->kind].put_results)
		codecs[call->kind].put_results(buf, call);
}

void recording_take_results(struct cursor *c, struct call *call, bool commit,
			    struct mvmi_regs *event_regs)
{
	if (call->kind == CALL_NEXT)
		take_event(c, &call->out.event, event_regs);
	else if (codecs[call->kind].take_results)
		codecs[call->kind].take_results(c, call, commit);
	if (c->rest.len)
		c->failed = true;
}
