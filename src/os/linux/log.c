/* SPDX-License-Identifier: MIT */
/* Finding and copying the kernel's log; ring.c reads the copy. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/le.h"
#include "os/linux/listing.h"
#include "os/linux/ring.h"

/** Text of one log: 64 MiB, more than any kernel is configured for. */
#define TEXT_BITS_MAX 26
/** Records of one log: as the kernel's, one for each 32 bytes. */
#define COUNT_BITS_MAX 21
/** Bytes of one descriptor or info, as the guest's types say. */
#define RECORD_LEN_MAX 256

/** Members of struct printk_ringbuffer. */
enum {
	RING_COUNT_BITS,
	RING_DESCS,
	RING_INFOS,
	RING_HEAD,
	RING_TAIL,
	RING_TEXT_BITS,
	RING_TEXT,
	RING_FIELDS,
};

static const char *const ring_paths[RING_FIELDS] = {
	[RING_COUNT_BITS] = "desc_ring.count_bits",
	[RING_DESCS] = "desc_ring.descs",
	[RING_INFOS] = "desc_ring.infos",
	[RING_HEAD] = "desc_ring.head_id.counter",
	[RING_TAIL] = "desc_ring.tail_id.counter",
	[RING_TEXT_BITS] = "text_data_ring.size_bits",
	[RING_TEXT] = "text_data_ring.data",
};

static const struct shape_spec ring_spec = { "printk_ringbuffer", ring_paths,
					     RING_FIELDS };

static const char *const desc_paths[DESC_FIELDS] = {
	[DESC_STATE] = "state_var.counter",
	[DESC_BEGIN] = "text_blk_lpos.begin",
	[DESC_NEXT] = "text_blk_lpos.next",
};

static const struct shape_spec desc_spec = { "prb_desc", desc_paths,
					     DESC_FIELDS };

static const char *const info_paths[INFO_FIELDS] = {
	[INFO_SEQUENCE] = "seq",      [INFO_LEN] = "?len",
	[INFO_TIME] = "ts_nsec",      [INFO_TEXT_LEN] = "text_len",
	[INFO_FACILITY] = "facility", [INFO_LEVEL] = "level",
};

static const struct shape_spec info_spec = { "printk_info", info_paths,
					     INFO_FIELDS };

static const char *const old_paths[INFO_FIELDS] = {
	[INFO_SEQUENCE] = "?seq",     [INFO_LEN] = "len",
	[INFO_TIME] = "ts_nsec",      [INFO_TEXT_LEN] = "text_len",
	[INFO_FACILITY] = "facility", [INFO_LEVEL] = "level",
};

static const struct shape_spec old_spec = { "printk_log", old_paths,
					    INFO_FIELDS };

/** Copy bytes of the guest. @param ret  Release its ptr with free(). */
static enum mvmi_status copy(struct linux_os *guest, mvmi_gva at, uint64_t len,
			     struct mvmi_span *ret, struct mvmi_error *err)
{
	struct mvmi_span span = { malloc((size_t)len + 1), (size_t)len };
	enum mvmi_status status;

	if (!span.ptr)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu bytes",
			    span.len);
	status = mvmi_space_read(guest->os.space, at, span, err);
	if (status != MVMI_OK) {
		free(span.ptr);
		return status;
	}
	*ret = span;
	return MVMI_OK;
}

/** What was copied, to be freed. */
struct ring_copy {
	struct mvmi_span descs, infos, text, later;
};

static struct mvmi_bytes bytes_of(struct mvmi_span span)
{
	return (struct mvmi_bytes){ span.ptr, span.len };
}

/** Copy in this order: what is told stable by the last was so all the time. */
static enum mvmi_status
copy_ring(struct linux_os *guest, const struct object *head,
	  struct ring_copy *to, struct mvmi_error *err)
{
	uint64_t count_bits = object_u64(head, RING_COUNT_BITS);
	uint64_t text_bits = object_u64(head, RING_TEXT_BITS);
	uint64_t desc_len = guest->shapes.ring_desc.size;
	uint64_t info_len = guest->shapes.ring_info.size;
	mvmi_gva descs = object_gva(head, RING_DESCS);
	enum mvmi_status status;

	if (count_bits > COUNT_BITS_MAX || text_bits > TEXT_BITS_MAX ||
	    desc_len > RECORD_LEN_MAX || info_len > RECORD_LEN_MAX)
		return fail(
			err, MVMI_ERR_LIMIT,
			"the log claims 2^%" PRIu64 " records and 2^%" PRIu64
			" bytes of text; at most 2^%d and 2^%d are believed",
			count_bits, text_bits, COUNT_BITS_MAX, TEXT_BITS_MAX);
	status = copy(guest, descs, desc_len << count_bits, &to->descs, err);
	if (status == MVMI_OK)
		status = copy(guest, object_gva(head, RING_INFOS),
			      info_len << count_bits, &to->infos, err);
	if (status == MVMI_OK)
		status = copy(guest, object_gva(head, RING_TEXT),
			      UINT64_C(1) << text_bits, &to->text, err);
	if (status == MVMI_OK && linux_is_running(guest))
		status = copy(guest, descs, desc_len << count_bits, &to->later,
			      err);
	return status;
}

static enum mvmi_status read_ring(struct linux_os *guest, mvmi_gva prb,
				  struct list *list, struct mvmi_error *err)
{
	const struct mvmi_types *types = guest->os.types;
	struct ring_copy to = { .descs = { NULL, 0 } };
	struct object head;
	uint64_t at = 0;
	enum mvmi_status status =
		shape_resolve(&guest->shapes.ring, &ring_spec, types, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.ring_desc, &desc_spec,
				       types, err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.ring_info, &info_spec,
				       types, err);
	if (status == MVMI_OK)
		status = mvmi_space_read_u64(guest->os.space, prb, &at, err);
	if (status == MVMI_OK)
		status = object_read(&head, guest->os.space,
				     &guest->shapes.ring, mvmi_gva_at(at), err);
	if (status != MVMI_OK)
		return status;
	status = copy_ring(guest, &head, &to, err);
	if (status == MVMI_OK)
		status = ring_parse(
			&(struct ring){
				.desc = &guest->shapes.ring_desc,
				.info = &guest->shapes.ring_info,
				.descs = bytes_of(to.descs),
				.infos = bytes_of(to.infos),
				.text = bytes_of(to.text),
				.head = object_u64(&head, RING_HEAD),
				.tail = object_u64(&head, RING_TAIL),
				.later = bytes_of(to.later),
			},
			list, err);
	free(to.descs.ptr);
	free(to.infos.ptr);
	free(to.text.ptr);
	free(to.later.ptr);
	return status;
}

/** Fetch a variable of the kernel's, of 4 or 8 bytes. */
static enum mvmi_status
read_variable(struct linux_os *guest, const char *name, size_t len,
	      uint64_t *ret, struct mvmi_error *err)
{
	uint8_t bytes[8] = { 0 };
	mvmi_gva at = { 0 };
	enum mvmi_status status = linux_symbol(guest, name, &at, err);

	if (status == MVMI_OK)
		status = mvmi_space_read(guest->os.space, at,
					 (struct mvmi_span){ bytes, len }, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "%s", name);
	*ret = load_le64(bytes);
	return MVMI_OK;
}

static enum mvmi_status
read_old(struct linux_os *guest, struct list *list, struct mvmi_error *err)
{
	struct ring_old ring = { .log = &guest->shapes.old_log };
	uint64_t buffer = 0;
	uint64_t len = 0;
	struct mvmi_span text;
	enum mvmi_status status = shape_resolve(
		&guest->shapes.old_log, &old_spec, guest->os.types, err);

	if (status == MVMI_OK)
		status = read_variable(guest, "log_buf", 8, &buffer, err);
	if (status == MVMI_OK)
		status = read_variable(guest, "log_buf_len", 4, &len, err);
	if (status == MVMI_OK)
		status = read_variable(guest, "log_first_idx", 4,
				       &ring.first_index, err);
	if (status == MVMI_OK)
		status = read_variable(guest, "log_first_seq", 8, &ring.first,
				       err);
	if (status == MVMI_OK)
		status =
			read_variable(guest, "log_next_seq", 8, &ring.end, err);
	if (status != MVMI_OK)
		return status;
	if (len >> TEXT_BITS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "the log claims %" PRIu64 " bytes", len);
	status = copy(guest, mvmi_gva_at(buffer), len, &text, err);
	if (status != MVMI_OK)
		return status;
	ring.buffer = bytes_of(text);
	status = ring_parse_old(&ring, list, err);
	free(text.ptr);
	return status;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	mvmi_gva prb;

	if (linux_symbol(l->guest, "prb", &prb, NULL) == MVMI_OK)
		return read_ring(l->guest, prb, &l->list, err);
	return read_old(l->guest, &l->list, err);
}

enum mvmi_status linux_read_log(struct mvmi_os *os, const struct mvmi_log **ret,
				struct mvmi_error *err)
{
	struct listing l = { .guest = linux_of(os) };

	return listing_make(&l, list_once, sizeof(**ret), (const void **)ret,
			    err);
}
