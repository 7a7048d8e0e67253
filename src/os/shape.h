/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A guest's struct: where the members are that we read, looked up by name once,
 * and objects of it, fetched in one read each.
 *
 *   enum { TASK_PID, TASK_STATE, TASK_FIELDS };
 *   static const char *const task_paths[TASK_FIELDS] = {
 *           [TASK_PID] = "pid",
 *           [TASK_STATE] = "__state|state",    first that exists
 *           [TASK_X] = "?x.y",                 may be missing
 *   };
 *   static const struct shape_spec task_spec = {
 *           "task_struct", task_paths, TASK_FIELDS,
 *   };
 */
#ifndef MICROVMI_OS_SHAPE_H
#define MICROVMI_OS_SHAPE_H

#include <microvmi/space.h>
#include <microvmi/symbols.h>

#define shape_resolve	 mvmi__shape_resolve
#define object_read	 mvmi__object_read
#define object_u64	 mvmi__object_u64
#define object_bytes	 mvmi__object_bytes

#define SHAPE_FIELDS_MAX 48
/** From the first to past the last member that is read, in bytes. */
#define SHAPE_LEN_MAX 16384

struct shape_spec {
	const char *type;
	const char *const *paths; /**< dotted; "a|b": either; "?a": optional */
	size_t count;
};

struct shape {
	const struct shape_spec *spec; /**< NULL: not resolved yet */
	uint32_t start;		       /**< first byte that is read */
	uint32_t len;
	uint64_t size;				    /**< of the whole struct */
	struct mvmi_field fields[SHAPE_FIELDS_MAX]; /**< size 0: missing */
};

/**
 * Find the members. A shape that was resolved already is left as it is.
 *
 * @retval MVMI_ERR_UNSUPPORTED  A member that is not optional is missing, or
 *                               types is NULL.
 */
enum mvmi_status
shape_resolve(struct shape *shape, const struct shape_spec *spec,
	      const struct mvmi_types *types, struct mvmi_error *err);

static inline bool shape_has(const struct shape *shape, size_t field)
{
	return shape->fields[field].size != 0;
}

/** Offset in bytes from the start of the struct. */
static inline uint64_t shape_offset(const struct shape *shape, size_t field)
{
	return shape->fields[field].offset;
}

/** One struct of the guest, copied. */
struct object {
	const struct shape *shape;
	mvmi_gva gva; /**< of the whole struct */
	uint8_t bytes[SHAPE_LEN_MAX];
};

/** Fetch an object, in one read. */
enum mvmi_status
object_read(struct object *object, struct mvmi_space *space,
	    const struct shape *shape, mvmi_gva gva, struct mvmi_error *err);

/** An integer, pointer or bit-field, without sign; 0 where it is missing. */
uint64_t object_u64(const struct object *object, size_t field);

/** A member's bytes; empty where it is missing. Borrowed from object. */
struct mvmi_bytes object_bytes(const struct object *object, size_t field);

/** A pointer. */
static inline mvmi_gva object_gva(const struct object *object, size_t field)
{
	return mvmi_gva_at(object_u64(object, field));
}

/** Where a member is in the guest. */
static inline mvmi_gva object_at(const struct object *object, size_t field)
{
	return mvmi_gva_at(object->gva.val +
			   shape_offset(object->shape, field));
}

/** The struct whose member lies at an address: container_of(). */
static inline mvmi_gva
shape_container(const struct shape *shape, size_t field, mvmi_gva member)
{
	return mvmi_gva_at(member.val - shape_offset(shape, field));
}

#endif /* MICROVMI_OS_SHAPE_H */
