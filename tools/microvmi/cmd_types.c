/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "fields.h"
#include "guest.h"
#include "output.h"
#include "utf8.h"

/* Where the comment with offset and size begins. */
#define COMMENT_COLUMN 56
#define TAB_LEN	       ((size_t)8)

/* More constants than any enum has; a type table may lie. */
#define ENUMERATORS_MAX 100000

static int show_holes;

static struct poptOption options[] = {
	{ "holes", 'H', POPT_ARG_NONE, &show_holes, 0,
	  "say where bytes belong to no member", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static const char *kind_name(enum mvmi_type_kind kind)
{
	switch (kind) {
	case MVMI_TYPE_STRUCT:
		return "struct";
	case MVMI_TYPE_UNION:
		return "union";
	case MVMI_TYPE_ENUM:
		return "enum";
	case MVMI_TYPE_TYPEDEF:
		return "typedef";
	case MVMI_TYPE_INT:
		return "int";
	case MVMI_TYPE_FLOAT:
		return "float";
	case MVMI_TYPE_VOID:
	case MVMI_TYPE_POINTER:
	case MVMI_TYPE_ARRAY:
	case MVMI_TYPE_FUNCTION:
	case MVMI_TYPE_CONST:
	case MVMI_TYPE_VOLATILE:
	case MVMI_TYPE_RESTRICT:
	case MVMI_TYPE_FORWARD:
	case MVMI_TYPE_OTHER:
		break;
	}
	return "other";
}

/** "struct list_head" or, what needs no such word, "size_t". */
static void print_head(const struct mvmi_type *type)
{
	if (type->kind == MVMI_TYPE_STRUCT || type->kind == MVMI_TYPE_UNION ||
	    type->kind == MVMI_TYPE_ENUM)
		(void)printf("%s%s", kind_name(type->kind),
			     *type->name ? " " : "");
	output_printable(type->name);
}

/* ---- text -------------------------------------------------------------- */

static void print_tabs(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)putchar('\t');
}

static void
print_hole(const struct field *field, unsigned tabs, const char *what)
{
	if (!show_holes || !field->hole)
		return;
	print_tabs(tabs);
	if (field->hole % 8)
		(void)printf("/* %s: %" PRIu64 " bits */\n", what, field->hole);
	else
		(void)printf("/* %s: %" PRIu64 " bytes */\n", what,
			     field->hole / 8);
}

/** " / * offset size * /", aligned; bit-fields as offset:bit. */
static void print_comment(const struct field *field, size_t column)
{
	size_t pad = column < COMMENT_COLUMN ? COMMENT_COLUMN - column : 1;

	(void)printf("%*s/* %5" PRIu64, (int)pad, "", field->bit_offset / 8);
	if (field->bit_size)
		(void)printf(":%-2" PRIu64, field->bit_offset % 8);
	else
		(void)printf("   ");
	(void)printf(" %5" PRIu64 " */\n", field->size);
}

/** "struct {...} x[2]" is opened as "struct {" and closed by "} x[2];". */
static void print_field(const struct field *field, void *arg)
{
	const char *dots = strstr(field->declaration, "{...}");
	unsigned tabs = field->depth + 1;
	char line[600];

	(void)arg;
	switch (field->step) {
	case FIELDS_ENTER:
		print_hole(field, tabs, "hole");
		(void)snprintf(line, sizeof(line), "%.*s{",
			       dots ? (int)(dots - field->declaration) : 0,
			       field->declaration);
		print_tabs(tabs);
		output_printable(line);
		(void)putchar('\n');
		return;
	case FIELDS_LEAVE:
		print_hole(field, tabs + 1, "padding");
		(void)snprintf(line, sizeof(line), "}%s;",
			       dots ? dots + 5 : "");
		break;
	case FIELDS_END:
		print_hole(field, tabs, "padding");
		return;
	case FIELDS_MEMBER:
		print_hole(field, tabs, "hole");
		if (field->bit_size)
			(void)snprintf(line, sizeof(line), "%s:%" PRIu64 ";",
				       field->declaration, field->bit_size);
		else
			(void)snprintf(line, sizeof(line), "%s;",
				       field->declaration);
		break;
	}
	print_tabs(tabs);
	output_printable(line);
	print_comment(field, TAB_LEN * tabs + utf8_width(line));
}

static void
print_enum(const struct mvmi_types *types, const struct mvmi_type *type)
{
	struct mvmi_enumerator constant;

	for (uint32_t i = 0; i < ENUMERATORS_MAX; i++) {
		if (!mvmi_types_enumerator(types, type->id, i, &constant))
			return;
		(void)putchar('\t');
		output_printable(constant.name);
		if (type->is_signed)
			(void)printf(" = %" PRId64 ",\n",
				     (int64_t)constant.value);
		else
			(void)printf(" = %" PRIu64 ",\n", constant.value);
	}
}

/** The type itself; of a typedef, what it stands for too. */
static void
print_type(const struct mvmi_types *types, const struct mvmi_type *type)
{
	struct mvmi_type target = *type;
	char text[512];

	if (type->kind == MVMI_TYPE_TYPEDEF) {
		(void)mvmi_types_declare(types, type->target, type->name, text,
					 sizeof(text));
		(void)printf("typedef ");
		output_printable(text);
		(void)printf(";  /* size: %" PRIu64 " */\n", type->size);
		if (!mvmi_types_get(types, mvmi_types_resolve(types, type->id),
				    &target) ||
		    !(target.kind == MVMI_TYPE_STRUCT ||
		      target.kind == MVMI_TYPE_UNION ||
		      target.kind == MVMI_TYPE_ENUM))
			return;
		(void)putchar('\n');
	}
	print_head(&target);
	if (target.kind == MVMI_TYPE_ENUM) {
		(void)printf(" {\n");
		print_enum(types, &target);
		(void)printf("};  /* size: %" PRIu64 " */\n", target.size);
	} else if (target.kind == MVMI_TYPE_STRUCT ||
		   target.kind == MVMI_TYPE_UNION) {
		(void)printf(" {\n");
		if (!fields_walk(types, target.id, print_field, NULL))
			(void)printf("\t/* and more */\n");
		(void)printf("};  /* size: %" PRIu64 ", members: %" PRIu32
			     " */\n",
			     target.size, target.count);
	} else {
		(void)printf(";  /* size: %" PRIu64 " */\n", target.size);
	}
}

/* ---- JSON -------------------------------------------------------------- */

/** Arrays of members that are open, outermost first; all borrowed. */
struct nesting {
	json_t *members[FIELDS_DEPTH_MAX + 1];
};

static void put_offset(json_t *object, uint64_t bit_offset, uint64_t bit_size)
{
	output_put(object, "offset", output_number(bit_offset / 8));
	if (!bit_size)
		return;
	output_put(object, "bit_offset", output_number(bit_offset % 8));
	output_put(object, "bit_size", output_number(bit_size));
}

static void add_field(const struct field *field, void *arg)
{
	struct nesting *nesting = arg;
	json_t *object;

	if (field->step == FIELDS_LEAVE || field->step == FIELDS_END)
		return;
	object = json_object();
	output_put(object, "name", output_text(field->name));
	put_offset(object, field->bit_offset, field->bit_size);
	output_put(object, "size", output_number(field->size));
	output_put(object, "declaration", output_text(field->declaration));
	if (field->step == FIELDS_ENTER) {
		nesting->members[field->depth + 1] = json_array();
		output_put(object, "members",
			   nesting->members[field->depth + 1]);
	}
	output_append(nesting->members[field->depth], object);
}

static json_t *
enum_json(const struct mvmi_types *types, const struct mvmi_type *type)
{
	struct mvmi_enumerator constant;
	json_t *object = json_object();

	for (uint32_t i = 0; i < ENUMERATORS_MAX; i++) {
		if (!mvmi_types_enumerator(types, type->id, i, &constant))
			break;
		output_put(object, constant.name,
			   type->is_signed
				   ? json_integer((int64_t)constant.value)
				   : output_number(constant.value));
	}
	return object;
}

static json_t *
type_json(const struct mvmi_types *types, const struct mvmi_type *type)
{
	struct nesting nesting = { { json_array() } };
	json_t *object = json_object();
	struct mvmi_type target = *type;
	char text[512];

	(void)mvmi_types_get(types, mvmi_types_resolve(types, type->id),
			     &target);
	(void)mvmi_types_declare(types, type->id, "", text, sizeof(text));
	output_put(object, "name", output_text(type->name));
	output_put(object, "kind", json_string(kind_name(type->kind)));
	output_put(object, "size", output_number(type->size));
	output_put(object, "declaration", output_text(text));
	(void)fields_walk(types, target.id, add_field, &nesting);
	output_put(object, "members", nesting.members[0]);
	if (target.kind == MVMI_TYPE_ENUM)
		output_put(object, "constants", enum_json(types, &target));
	return object;
}

/* ---- what was asked for ------------------------------------------------ */

/** Where a member is, by its path; and what it is of, if that is a struct. */
static int show_member(const struct mvmi_types *types, const char *type_name,
		       const char *path, json_t *array)
{
	struct mvmi_field field;
	struct mvmi_error err;
	char text[512];
	json_t *object;

	if (mvmi_types_field(types, type_name, path, &field, &err) != MVMI_OK)
		return diag_plain_error(&err);
	(void)mvmi_types_declare(types, field.type, path, text, sizeof(text));
	if (!array) {
		struct field line = {
			.bit_offset = field.offset * 8 + field.bit_offset,
			.bit_size = field.bit_size,
			.size = field.size,
		};

		output_printable(text);
		if (field.bit_size)
			(void)printf(":%u", field.bit_size);
		(void)putchar(';');
		print_comment(&line, utf8_width(text) + 1);
		return EXIT_OK;
	}
	(void)mvmi_types_declare(types, field.type, "", text, sizeof(text));
	object = json_object();
	output_put(object, "type", output_text(type_name));
	output_put(object, "member", output_text(path));
	put_offset(object, field.offset * 8 + field.bit_offset, field.bit_size);
	output_put(object, "size", output_number(field.size));
	output_put(object, "declaration", output_text(text));
	output_append(array, object);
	return EXIT_OK;
}

/** @param operand  "TYPE" or "TYPE.member…" */
static int
show(const struct mvmi_types *types, const char *operand, json_t *array)
{
	const char *dot = strchr(operand, '.');
	struct mvmi_type type;
	char *name = strndup(operand,
			     dot ? (size_t)(dot - operand) : strlen(operand));
	int code = EXIT_OK;

	if (!name)
		diag_no_memory();
	if (!mvmi_types_find(types, name, &type)) {
		diag_say("the guest's kernel has no type \"%s\"", name);
		code = EXIT_FAILED;
	} else if (dot) {
		code = show_member(types, name, dot + 1, array);
	} else if (array) {
		output_append(array, type_json(types, &type));
	} else {
		print_type(types, &type);
	}
	free(name);
	return code;
}

/** All that have a name and a size. */
static int list_all(const struct mvmi_types *types)
{
	uint32_t count = mvmi_types_count(types);
	struct output_table table = { .columns = 3, .right = 1 << 1 };
	json_t *array = command_json ? json_array() : NULL;
	struct mvmi_type type;

	for (uint32_t id = 1; id < count; id++) {
		json_t *object;

		if (!mvmi_types_get(types, id, &type) || !*type.name ||
		    type.size == 0 ||
		    strcmp(kind_name(type.kind), "other") == 0)
			continue;
		if (!array) {
			output_cell(&table, "%s", kind_name(type.kind));
			output_cell(&table, "%" PRIu64, type.size);
			output_cell(&table, "%s", type.name);
			continue;
		}
		object = json_object();
		output_put(object, "name", output_text(type.name));
		output_put(object, "kind", json_string(kind_name(type.kind)));
		output_put(object, "size", output_number(type.size));
		output_append(array, object);
	}
	return array ? output_json(array) : output_table(&table);
}

static int show_all(const struct mvmi_types *types, const char *const *operands)
{
	json_t *array = command_json ? json_array() : NULL;
	int code = EXIT_OK;
	int printed;

	for (size_t i = 0; operands[i]; i++) {
		int one = show(types, operands[i], array);

		code = code == EXIT_OK ? one : code;
	}
	printed = array ? output_json(array) : output_finish();
	return printed == EXIT_OK ? code : printed;
}

static int run(const char *const *operands)
{
	const struct mvmi_types *types;
	struct guest guest;
	int code = guest_open(&guest, operands[0]);

	if (code != EXIT_OK)
		return code;
	types = mvmi_os_kernel_types(guest.os);
	if (types) {
		code = operands[1] ? show_all(types, operands + 1)
				   : list_all(types);
	} else {
		diag_say("the guest's kernel holds no types (BTF)");
		diag_hint("--types FILE takes them from its vmlinux or an ISF");
		code = EXIT_FAILED;
	}
	return guest_close(&guest, code);
}

const struct command cmd_types = {
	.name = "types",
	.operands = "TARGET [TYPE[.MEMBER]]...",
	.operands_min = 1,
	.operands_max = INT_MAX,
	.about_guest = true,
	.summary = "print structs of the guest's kernel, with offsets",
	.details =
		"Prints a type as C, with the offset and the size of each "
		"member in bytes, as pahole\ndoes; or just where one member "
		"is, by a path through structs and arrays. Without\nTYPE, the "
		"names of all. Types are those of the kernel that runs.\n",
	.examples = "  microvmi types /run/vm.qmp list_head 'struct file'\n"
		    "  microvmi types mem.elf task_struct --holes\n"
		    "  microvmi types mem.elf task_struct.thread.sp "
		    "task_struct.comm\n",
	.options = options,
	.run = run,
};
