/* SPDX-License-Identifier: MIT */
/*
 * Types as C declarations. C writes a type around the name: what lies between
 * the name and the base type is a chain of pointers, arrays and functions, of
 * which pointers stand to the left, the others to the right.
 *
 * Parameters are declarations of their own. They are written from a stack of
 * frames, not by recursion: how deep they nest is the guest's choice.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "symbols/types.h"

/* Functions in parameters of functions; the kernel nests 3. */
#define DECLARE_NEST_MAX 8
/* Declarators of all parameters: a prototype may be its own parameters'. */
#define DECLARE_STEPS_MAX 4096
/* Characters; a name of the guest's may be as long as all its strings. */
#define DECLARE_LEN_MAX 65536

struct declare_text {
	char *buf;
	size_t room;
	size_t len; /**< as if there was room enough */
};

/** One declaration on its way. */
struct declare_frame {
	const char *name;
	/* From the name to the base type, which is not among them. */
	uint32_t chain[BTF_CHAIN_MAX];
	unsigned count;
	uint32_t base;
	bool cut;	    /**< the chain is longer than any in C */
	unsigned next;	    /**< of chain: to write on the right */
	uint32_t parameter; /**< of a function: to write next */
};

static void declare_add(struct declare_text *t, const char *text)
{
	size_t len = strlen(text);

	if (t->len < t->room) {
		size_t fits = MIN(len, t->room - t->len - 1);

		memcpy(t->buf + t->len, text, fits);
		t->buf[t->len + fits] = '\0';
	}
	t->len += len;
}

static const char *declare_qualifier(uint8_t kind)
{
	switch (kind) {
	case BTF_CONST:
		return "const";
	case BTF_VOLATILE:
		return "volatile";
	case BTF_RESTRICT:
		return "restrict";
	default:
		return NULL;
	}
}

/** Collect the chain of a type. */
static void
declare_begin(struct declare_frame *f, const struct mvmi_types *types,
	      uint32_t id, const char *name)
{
	*f = (struct declare_frame){ .name = name };
	while (id != 0) {
		struct btf_record r = btf_record(types, id);

		if (r.kind != BTF_PTR && r.kind != BTF_ARRAY &&
		    r.kind != BTF_FUNC_PROTO && r.kind != BTF_TYPE_TAG &&
		    !declare_qualifier(r.kind))
			break;
		if (f->count == BTF_CHAIN_MAX) {
			f->cut = true;
			break;
		}
		f->chain[f->count++] = id;
		id = r.kind == BTF_ARRAY ? load_le32(r.tail) : r.size;
	}
	f->base = id;
}

/** The kind of the first declarator from a place on; 0: there is none. */
static uint8_t declare_kind_from(const struct declare_frame *f,
				 const struct mvmi_types *types, unsigned i)
{
	for (; i < f->count; i++) {
		uint8_t kind = btf_record(types, f->chain[i]).kind;

		if (kind == BTF_PTR || kind == BTF_ARRAY ||
		    kind == BTF_FUNC_PROTO)
			return kind;
	}
	return 0;
}

/** Whether a qualifier before a place is a pointer's, or its elements'. */
static bool declare_is_of_pointer(const struct declare_frame *f,
				  const struct mvmi_types *types, unsigned i)
{
	while (i < f->count &&
	       btf_record(types, f->chain[i]).kind != BTF_FUNC_PROTO) {
		if (btf_record(types, f->chain[i++]).kind == BTF_PTR)
			return true;
	}
	return false;
}

/** Whether the pointer at a place points to an array or a function. */
static bool declare_has_parens(const struct declare_frame *f,
			       const struct mvmi_types *types, unsigned i)
{
	uint8_t kind = declare_kind_from(f, types, i + 1);

	return kind == BTF_ARRAY || kind == BTF_FUNC_PROTO;
}

static void declare_base(struct declare_text *t, const struct mvmi_types *types,
			 const struct declare_frame *f)
{
	const char *keyword = "";
	const char *anonymous = "";
	struct btf_record r;

	if (f->cut || f->base == 0) {
		declare_add(t, f->cut ? "..." : "void");
		return;
	}
	r = btf_record(types, f->base);
	switch (r.kind) {
	case BTF_STRUCT:
		keyword = "struct ";
		break;
	case BTF_UNION:
		keyword = "union ";
		break;
	case BTF_ENUM:
	case BTF_ENUM64:
		keyword = "enum ";
		break;
	case BTF_FWD:
		keyword = r.kflag ? "union " : "struct ";
		break;
	default:
		break;
	}
	if (r.name[0] == '\0')
		anonymous = "{...}";
	declare_add(t, keyword);
	declare_add(t, r.name);
	declare_add(t, anonymous);
}

/** Write the base type, pointers and the name. */
static void declare_left(struct declare_text *t, const struct mvmi_types *types,
			 const struct declare_frame *f)
{
	bool spaced = false;
	uint32_t seen = 0; /* const elements of a const array are so once */

	/* A qualifier of no pointer qualifies what is at the end of it all. */
	for (unsigned i = f->count; i > 0; i--) {
		uint8_t kind = btf_record(types, f->chain[i - 1]).kind;

		if (declare_qualifier(kind) && !(seen >> kind & 1) &&
		    !declare_is_of_pointer(f, types, i)) {
			seen |= 1u << kind;
			declare_add(t, declare_qualifier(kind));
			declare_add(t, " ");
		}
	}
	declare_base(t, types, f);
	for (unsigned i = f->count; i > 0; i--) {
		uint8_t kind = btf_record(types, f->chain[i - 1]).kind;

		if (kind == BTF_PTR) {
			declare_add(t, spaced ? "" : " ");
			declare_add(t, declare_has_parens(f, types, i - 1)
					       ? "(*"
					       : "*");
			spaced = true;
		} else if (declare_qualifier(kind) &&
			   declare_is_of_pointer(f, types, i)) {
			declare_add(t, spaced ? "" : " ");
			declare_add(t, declare_qualifier(kind));
			spaced = false;
		}
	}
	if (f->name[0] != '\0' && !spaced)
		declare_add(t, " ");
	declare_add(t, f->name);
}

/**
 * Write of what stands on the right as much as needs no other frame.
 *
 * @param ret  The parameter that is next, if any.
 * @retval false  The declaration is complete.
 */
static bool
declare_right(struct declare_text *t, const struct mvmi_types *types,
	      struct declare_frame *f, struct mvmi_member *ret)
{
	for (; f->next < f->count; f->next++) {
		uint32_t id = f->chain[f->next];
		struct btf_record r = btf_record(types, id);
		char number[16];

		if (r.kind == BTF_PTR && declare_has_parens(f, types, f->next))
			declare_add(t, ")");
		if (r.kind == BTF_ARRAY) {
			uint32_t count = load_le32(r.tail + 8);

			(void)snprintf(number, sizeof(number), "[%u]", count);
			declare_add(t, count ? number : "[]");
		}
		if (r.kind != BTF_FUNC_PROTO)
			continue;
		if (f->parameter == 0)
			declare_add(t, r.vlen ? "(" : "(void");
		if (mvmi_types_member(types, id, f->parameter, ret)) {
			if (f->parameter++ > 0)
				declare_add(t, ", ");
			return true;
		}
		declare_add(t, ")");
		f->parameter = 0;
	}
	return false;
}

size_t mvmi_types_declare(const struct mvmi_types *types, uint32_t id,
			  const char *name, char *buf, size_t len)
{
	struct declare_text t = { buf, len, 0 };
	struct declare_frame stack[DECLARE_NEST_MAX];
	unsigned depth = 1;
	unsigned steps = 0;

	if (len)
		buf[0] = '\0';
	declare_begin(&stack[0], types, id < types->count ? id : 0, name);
	declare_left(&t, types, &stack[0]);
	while (depth) {
		struct mvmi_member m;

		if (!declare_right(&t, types, &stack[depth - 1], &m)) {
			depth--;
			continue;
		}
		if (steps >= DECLARE_STEPS_MAX || t.len >= DECLARE_LEN_MAX) {
			declare_add(&t, "...");
			break;
		}
		/* A type of 0 is C's own "...", a further level ours. */
		if (m.type == 0 || depth == DECLARE_NEST_MAX) {
			declare_add(&t, "...");
			steps++;
			continue;
		}
		declare_begin(&stack[depth], types, m.type, m.name);
		declare_left(&t, types, &stack[depth]);
		steps += stack[depth].count + 1;
		depth++;
	}
	return t.len;
}
