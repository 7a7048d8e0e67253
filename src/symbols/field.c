/* SPDX-License-Identifier: MIT */
/* Members by dotted path: "thread.sp", "mem[2].base", "d_name.name". */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "symbols/types.h"

/* Anonymous structs in anonymous structs: kernels nest 5. */
#define FIELD_NEST_MAX 32
/* Members looked at for one name; the largest struct has some 300. */
#define FIELD_STEPS_MAX (1u << 20)

/** A path that is being followed. */
struct field_walk {
	const struct mvmi_types *types;
	const char *type; /**< for messages: where the path began */
	const char *path;
	uint64_t bits;	   /**< from the outermost struct */
	uint64_t bit_size; /**< of a bit-field; else 0 */
	uint32_t id;	   /**< the type that was reached */
};

/** An anonymous struct that is being looked through. */
struct field_frame {
	struct btf_record record;
	uint64_t bits; /**< from the named struct around it */
	uint32_t next; /**< member to look at */
};

static enum mvmi_status
field_too_deep(const struct field_walk *w, struct mvmi_error *err)
{
	return fail(err, MVMI_ERR_LIMIT,
		    "anonymous structs of %s nest without end", w->type);
}

/** For messages: how many characters of the path are behind it at a place. */
static int field_done(const struct field_walk *w, const char *at)
{
	if (at != w->path && at[-1] == '.')
		at--;
	return (int)(at - w->path);
}

static bool field_is_compound(const struct btf_record *r)
{
	return r->kind == BTF_STRUCT || r->kind == BTF_UNION;
}

static bool field_is_named(const char *name, const char *want, size_t len)
{
	/* The first letter settles most. want[0] is not NUL. */
	return name[0] == want[0] && strncmp(name, want, len) == 0 &&
	       name[len] == '\0';
}

/** Find a member among those of w->id, through anonymous ones. */
static enum mvmi_status
field_enter(struct field_walk *w, const char *name, size_t len, bool *ret_found,
	    struct mvmi_error *err)
{
	struct field_frame stack[FIELD_NEST_MAX];
	unsigned depth = 1;
	unsigned steps = 0;

	stack[0] = (struct field_frame){ btf_record(w->types, w->id), 0, 0 };
	while (depth) {
		struct field_frame *f = &stack[depth - 1];
		struct mvmi_member m;
		uint32_t id;

		if (f->next == f->record.vlen) {
			depth--;
			continue;
		}
		if (steps++ == FIELD_STEPS_MAX)
			return field_too_deep(w, err);
		m.name = btf_string(w->types, load_le32(f->record.tail +
							(size_t)f->next * 12));
		if (m.name[0] != '\0' && !field_is_named(m.name, name, len)) {
			f->next++;
			continue;
		}
		m = types_member(w->types, &f->record, f->next++);
		if (m.name[0] != '\0') {
			w->bits += f->bits + m.bit_offset;
			w->bit_size = m.bit_size;
			w->id = m.type;
			*ret_found = true;
			return MVMI_OK;
		}
		id = mvmi_types_resolve(w->types, m.type);
		if (id == 0)
			continue;
		if (depth == FIELD_NEST_MAX)
			return field_too_deep(w, err);
		stack[depth] = (struct field_frame){
			btf_record(w->types, id),
			f->bits + m.bit_offset,
			0,
		};
		depth += field_is_compound(&stack[depth].record);
	}
	*ret_found = false;
	return MVMI_OK;
}

/** Follow one name; *at is moved past it. */
static enum mvmi_status
field_name(struct field_walk *w, const char **at, struct mvmi_error *err)
{
	const char *name = *at;
	size_t len = strcspn(name, ".[");
	struct btf_record r = { .kind = 0 };
	enum mvmi_status status;
	bool found = false;

	w->id = mvmi_types_resolve(w->types, w->id);
	if (w->id != 0)
		r = btf_record(w->types, w->id);
	if (r.kind == BTF_PTR)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s.%.*s is a pointer, which a path does not "
			    "follow",
			    w->type, field_done(w, name), w->path);
	if (r.kind == BTF_FWD)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s is declared here, but not defined: %s has no "
			    "members",
			    r.name, w->type);
	if (len && field_is_compound(&r)) {
		status = field_enter(w, name, len, &found, err);
		if (status != MVMI_OK)
			return status;
	}
	if (!found)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s has no member '%.*s'", w->type,
			    (int)(name - w->path + (ptrdiff_t)len), w->path);
	*at = name + len;
	return MVMI_OK;
}

/** Follow "[n]"; *at is moved past it. */
static enum mvmi_status
field_subscript(struct field_walk *w, const char **at, struct mvmi_error *err)
{
	const char *c = *at + 1;
	uint64_t index = 0;
	uint64_t bits;
	uint32_t count;
	struct btf_record r = { .kind = 0 };

	if (*c < '0' || *c > '9')
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "a subscript of '%s' is not a number", w->path);
	for (; *c >= '0' && *c <= '9'; c++) {
		index = index * 10 + (uint64_t)(*c - '0');
		if (index > UINT32_MAX)
			break;
	}
	if (*c != ']')
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "a subscript of '%s' has no end or no sense",
			    w->path);
	w->id = mvmi_types_resolve(w->types, w->id);
	if (w->id != 0)
		r = btf_record(w->types, w->id);
	if (r.kind != BTF_ARRAY)
		return fail(err, MVMI_ERR_UNSUPPORTED, "%s.%.*s is no array",
			    w->type, field_done(w, *at), w->path);
	count = load_le32(r.tail + 8);
	/* A count of 0 is a flexible array. */
	if (count != 0 && index >= count)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s.%.*s has %u elements, so none is %" PRIu64,
			    w->type, field_done(w, *at), w->path, count, index);
	w->id = load_le32(r.tail);
	w->bit_size = 0;
	if (ckd_mul(&bits, types_size(w->types, w->id), 8 * index) ||
	    ckd_add(&w->bits, w->bits, bits))
		return fail(err, MVMI_ERR_CORRUPT, "%s.%s is past all memory",
			    w->type, w->path);
	*at = c + 1;
	return MVMI_OK;
}

/** As bytes; a bit-field as in its declared type, if that is aligned so. */
static struct mvmi_field field_of(const struct field_walk *w)
{
	struct mvmi_field f = {
		.offset = w->bits / 8,
		.size = types_size(w->types, w->id),
		.type = w->id,
		.bit_offset = (uint16_t)(w->bits % 8),
		.bit_size = (uint16_t)w->bit_size,
	};
	uint64_t unit = f.size * 8;

	if (f.bit_size == 0 || f.size == 0 || f.size > 16)
		return f;
	if (w->bits % unit + f.bit_size <= unit) {
		f.offset = w->bits / unit * f.size;
		f.bit_offset = (uint16_t)(w->bits % unit);
	}
	return f;
}

enum mvmi_status
mvmi_types_field(const struct mvmi_types *types, const char *type,
		 const char *path, struct mvmi_field *ret,
		 struct mvmi_error *err)
{
	struct field_walk w = { .types = types, .type = type, .path = path };
	enum mvmi_status status = MVMI_OK;
	struct mvmi_type outer;
	const char *at = path;

	if (!mvmi_types_find(types, type, &outer))
		return fail(err, MVMI_ERR_UNSUPPORTED, "there is no type '%s'",
			    type);
	w.id = outer.id;
	do {
		if (*at == '[') {
			status = field_subscript(&w, &at, err);
			continue;
		}
		if (at != path && *at++ != '.')
			return fail(err, MVMI_ERR_UNSUPPORTED,
				    "'%s' is not a path to a member", path);
		status = field_name(&w, &at, err);
	} while (status == MVMI_OK && *at != '\0');
	if (status == MVMI_OK)
		*ret = field_of(&w);
	return status;
}
