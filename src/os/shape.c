/* SPDX-License-Identifier: MIT */
#include "os/shape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

#define PATH_LEN 128

/** Look up "a|b|c": the first that exists. */
static enum mvmi_status
find_either(const struct mvmi_types *types, const char *type, const char *paths,
	    struct mvmi_field *ret, struct mvmi_error *err)
{
	enum mvmi_status status;

	do {
		size_t len = strcspn(paths, "|");
		char path[PATH_LEN];

		assert(len < sizeof(path));
		(void)snprintf(path, sizeof(path), "%.*s", (int)len, paths);
		status = mvmi_types_field(types, type, path, ret, err);
		paths += len;
	} while (status != MVMI_OK && *paths++ == '|');
	return status;
}

/** Offsets and sizes are the guest's word: nothing may reach past the struct. */
static enum mvmi_status
check_field(const struct mvmi_field *field, const struct shape_spec *spec,
	    size_t index, uint64_t size, struct mvmi_error *err)
{
	if (field->offset > size || field->size > size - field->offset ||
	    field->size == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the guest's types put %s outside of struct %s",
			    spec->paths[index], spec->type);
	if (field->bit_size > 64 || field->bit_offset > 64)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the guest's types make %s of struct %s a "
			    "bit-field of %u bits",
			    spec->paths[index], spec->type, field->bit_size);
	return MVMI_OK;
}

static enum mvmi_status
find_fields(struct shape *shape, const struct shape_spec *spec,
	    const struct mvmi_types *types, struct mvmi_error *err)
{
	for (size_t i = 0; i < spec->count; i++) {
		const char *paths = spec->paths[i];
		bool optional = paths[0] == '?';
		enum mvmi_status status =
			find_either(types, spec->type, paths + optional,
				    &shape->fields[i], optional ? NULL : err);

		if (status != MVMI_OK && optional)
			continue;
		if (status == MVMI_OK)
			status = check_field(&shape->fields[i], spec, i,
					     shape->size, err);
		if (status != MVMI_OK)
			return status;
	}
	return MVMI_OK;
}

/** The bytes that hold all fields. */
static enum mvmi_status
find_extent(struct shape *shape, const struct shape_spec *spec,
	    struct mvmi_error *err)
{
	uint64_t start = UINT64_MAX;
	uint64_t end = 0;

	for (size_t i = 0; i < spec->count; i++) {
		const struct mvmi_field *field = &shape->fields[i];

		if (!field->size)
			continue;
		start = MIN(start, field->offset);
		end = MAX(end, field->offset + field->size);
	}
	if (start >= end)
		start = end = 0;
	if (end - start > SHAPE_LEN_MAX || end > UINT32_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the guest's struct %s would take %llu bytes",
			    spec->type, (unsigned long long)(end - start));
	shape->start = (uint32_t)start;
	shape->len = (uint32_t)(end - start);
	return MVMI_OK;
}

enum mvmi_status
shape_resolve(struct shape *shape, const struct shape_spec *spec,
	      const struct mvmi_types *types, struct mvmi_error *err)
{
	struct shape found = { .spec = spec };
	struct mvmi_type type;
	enum mvmi_status status;

	assert(spec->count <= SHAPE_FIELDS_MAX);
	if (shape->spec)
		return MVMI_OK;
	if (!types)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the layout of struct %s is not known: the guest's "
			    "kernel has no BTF; give its types by a file",
			    spec->type);
	if (!mvmi_types_find(types, spec->type, &type))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's kernel has no type %s", spec->type);
	found.size = type.size;
	status = find_fields(&found, spec, types, err);
	if (status == MVMI_OK)
		status = find_extent(&found, spec, err);
	if (status == MVMI_OK)
		*shape = found;
	return status;
}

enum mvmi_status
object_read(struct object *object, struct mvmi_space *space,
	    const struct shape *shape, mvmi_gva gva, struct mvmi_error *err)
{
	struct mvmi_span dst = { object->bytes, shape->len };
	enum mvmi_status status;

	assert(shape->spec);
	/* A pointer of the guest's: not one that we were given to check. */
	if (gva.val > UINT64_MAX - shape->start - shape->len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "struct %s at 0x%llx would reach beyond 2^64",
			    shape->spec->type, (unsigned long long)gva.val);
	status = mvmi_space_read(space, mvmi_gva_at(gva.val + shape->start),
				 dst, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "struct %s at 0x%llx",
				    shape->spec->type,
				    (unsigned long long)gva.val);
	object->shape = shape;
	object->gva = gva;
	return MVMI_OK;
}

struct mvmi_bytes object_bytes(const struct object *object, size_t field)
{
	const struct mvmi_field *at = &object->shape->fields[field];

	if (!at->size)
		return (struct mvmi_bytes){ NULL, 0 };
	return (struct mvmi_bytes){
		object->bytes + (at->offset - object->shape->start),
		(size_t)at->size,
	};
}

uint64_t object_u64(const struct object *object, size_t field)
{
	const struct mvmi_field *at = &object->shape->fields[field];
	struct mvmi_bytes bytes = object_bytes(object, field);
	uint64_t value = 0;

	for (size_t i = MIN(bytes.len, sizeof(value)); i > 0; i--)
		value = value << 8 | bytes.ptr[i - 1];
	if (at->bit_size) {
		value >>= at->bit_offset & 63;
		if (at->bit_size < 64)
			value &= (UINT64_C(1) << at->bit_size) - 1;
	}
	return value;
}
