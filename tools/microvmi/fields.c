/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <stdio.h>

/* Types come from the guest, and a few lines can nest to billions. */
#define FIELDS_MAX 100000

/* Arrays of arrays, const and volatile about a struct. */
#define WRAPS_MAX 8

struct frame {
	struct mvmi_type type;
	uint32_t index;	    /**< of the next member */
	uint64_t base;	    /**< bits from the outermost struct */
	uint64_t end;	    /**< of what was seen, in bits from base */
	struct field field; /**< to leave it by */
};

static bool is_compound(const struct mvmi_type *type)
{
	return type->kind == MVMI_TYPE_STRUCT || type->kind == MVMI_TYPE_UNION;
}

/** The anonymous struct or union that a member is, or an array of. */
static bool find_anonymous(const struct mvmi_types *types, uint32_t id,
			   struct mvmi_type *ret)
{
	for (unsigned i = 0; i < WRAPS_MAX; i++) {
		if (!mvmi_types_get(types, id, ret))
			return false;
		if (ret->kind != MVMI_TYPE_ARRAY &&
		    ret->kind != MVMI_TYPE_CONST &&
		    ret->kind != MVMI_TYPE_VOLATILE)
			return is_compound(ret) && !*ret->name;
		id = ret->target;
	}
	return false;
}

/** Describe a member, and count the hole before it. */
static void describe(const struct mvmi_types *types, struct frame *frame,
		     const struct mvmi_member *member, struct field *ret)
{
	struct mvmi_type type = { .size = 0 };
	uint64_t bits;

	(void)mvmi_types_get(types, member->type, &type);
	ret->name = member->name;
	ret->bit_offset = frame->base + member->bit_offset;
	ret->bit_size = member->bit_size;
	ret->size = type.size;
	ret->hole = 0;
	(void)mvmi_types_declare(types, member->type, member->name,
				 ret->declaration, sizeof(ret->declaration));
	if (frame->type.kind == MVMI_TYPE_UNION)
		return;
	bits = member->bit_size ? member->bit_size : type.size * 8;
	if (member->bit_offset > frame->end)
		ret->hole = member->bit_offset - frame->end;
	if (member->bit_offset + bits > frame->end)
		frame->end = member->bit_offset + bits;
}

/** The end of a frame: what it began with, and what is left at its end. */
static void
leave(const struct frame *frame, unsigned depth, fields_fn fn, void *arg)
{
	struct field field = frame->field;
	uint64_t bits = frame->type.size * 8;

	field.step = depth ? FIELDS_LEAVE : FIELDS_END;
	field.depth = depth ? depth - 1 : 0;
	field.hole = 0;
	if (frame->type.kind == MVMI_TYPE_STRUCT && bits > frame->end)
		field.hole = bits - frame->end;
	fn(&field, arg);
}

bool fields_walk(const struct mvmi_types *types, uint32_t id, fields_fn fn,
		 void *arg)
{
	struct frame frames[FIELDS_DEPTH_MAX] = { { .index = 0 } };
	unsigned depth = 0;
	unsigned count = 0;

	if (!mvmi_types_get(types, id, &frames[0].type) ||
	    !is_compound(&frames[0].type))
		return true;
	for (;;) {
		struct frame *frame = &frames[depth];
		struct field field = { .depth = depth };
		struct mvmi_member member;
		struct mvmi_type inner;

		if (!mvmi_types_member(types, frame->type.id, frame->index++,
				       &member)) {
			leave(frame, depth, fn, arg);
			if (depth-- == 0)
				return true;
			continue;
		}
		if (++count > FIELDS_MAX)
			return false;
		describe(types, frame, &member, &field);
		if (depth + 1 < FIELDS_DEPTH_MAX &&
		    find_anonymous(types, member.type, &inner)) {
			field.step = FIELDS_ENTER;
			frames[++depth] = (struct frame){
				.type = inner,
				.base = field.bit_offset,
				.field = field,
			};
		}
		fn(&field, arg);
	}
}
