/* SPDX-License-Identifier: MIT */
/*
 * Types from DWARF: this program's own, for it is compiled with -g, so that
 * the compiler itself says what each offset has to be.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "harness.h"
#include "symbols/dwarf.h"

enum shade {
	SHADE_DARK = -3,
	SHADE_LIGHT = 250,
};

enum {
	NAMELESS_CONSTANT = 0x7fff0001,
};

typedef unsigned long long wide_number;

typedef struct {
	short left, right;
} pair;

struct declared_only;

struct sample {
	char letter;
	unsigned char bytes[3][5];
	const struct sample *next;
	pair halves[2];
	union {
		int number;
		struct {
			short low;
			volatile char high;
		};
	};
	unsigned first : 3;
	unsigned second : 17;
	unsigned long far_bits : 40;
	struct declared_only *unknown;
	int (*call)(struct sample *self, const char *name, ...);
	enum shade shade;
	_Bool yes;
	double ratio;
	wide_number wide;
	char flexible[];
};

/* Used, or the compiler would not describe them. */
extern struct sample *volatile sample_in_use;
struct sample *volatile sample_in_use;
extern volatile int nameless_in_use;
volatile int nameless_in_use = NAMELESS_CONSTANT;

static struct mvmi_types *load_self(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_span image;
	struct mvmi_error err;
	struct file file;

	CHECK(file_open(&file, "/proc/self/exe", NULL) == MVMI_OK);
	image.len = (size_t)file.size;
	image.ptr = malloc(image.len);
	CHECK(image.ptr);
	CHECK(file_read_at(&file, 0, image, NULL) == MVMI_OK);
	file_close(&file);
	if (dwarf_load_types(image, &types, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	free(image.ptr);
	CHECK(types);
	return types;
}

static struct mvmi_field
field_of(const struct mvmi_types *types, const char *path)
{
	struct mvmi_field field;

	CHECK(mvmi_types_field(types, "struct sample", path, &field, NULL) ==
	      MVMI_OK);
	return field;
}

#define CHECK_FIELD(member)                                               \
	do {                                                              \
		struct mvmi_field f = field_of(types, #member);           \
		CHECK(f.offset == offsetof(struct sample, member));       \
		CHECK(f.size == sizeof(__typeof__(((struct sample *)NULL) \
							  ->member)) &&   \
		      f.bit_size == 0);                                   \
	} while (0)

static void members_are_where_the_compiler_puts_them(void)
{
	struct mvmi_types *types = load_self();
	struct mvmi_type type;

	CHECK(mvmi_types_find(types, "struct sample", &type));
	CHECK(type.size == sizeof(struct sample));
	CHECK_FIELD(letter);
	CHECK_FIELD(bytes);
	CHECK_FIELD(bytes[2][4]);
	CHECK_FIELD(next);
	CHECK_FIELD(halves[1].right);
	CHECK_FIELD(number);
	CHECK_FIELD(low);
	CHECK_FIELD(high);
	CHECK_FIELD(unknown);
	CHECK_FIELD(call);
	CHECK_FIELD(shade);
	CHECK_FIELD(yes);
	CHECK_FIELD(ratio);
	CHECK_FIELD(wide);
	CHECK(field_of(types, "flexible").offset ==
	      offsetof(struct sample, flexible));
	mvmi_types_destroy(types);
}

/** Where the compiler sets a bit when all of a bit-field are set. */
static void check_bits(const struct mvmi_field *field, const void *sample)
{
	const uint8_t *bytes = sample;
	uint64_t first = field->offset * 8 + field->bit_offset;

	for (uint64_t bit = 0; bit < sizeof(struct sample) * 8; bit++) {
		bool is_set = bytes[bit / 8] >> bit % 8 & 1;

		CHECK(is_set ==
		      (bit >= first && bit < first + field->bit_size));
	}
}

static void bit_fields_are_where_the_compiler_puts_them(void)
{
	struct mvmi_types *types = load_self();
	struct mvmi_field field;
	struct sample sample;

	memset(&sample, 0, sizeof(sample));
	sample.second = 0x1ffff;
	field = field_of(types, "second");
	CHECK(field.bit_size == 17);
	check_bits(&field, &sample);
	memset(&sample, 0, sizeof(sample));
	sample.far_bits = 0xffffffffff;
	field = field_of(types, "far_bits");
	CHECK(field.bit_size == 40);
	check_bits(&field, &sample);
	mvmi_types_destroy(types);
}

static void constants_have_their_values(void)
{
	struct mvmi_types *types = load_self();
	struct mvmi_type type;
	uint64_t value;

	CHECK(mvmi_types_find_enumerator(types, "SHADE_DARK", &value));
	CHECK(value == (uint64_t)SHADE_DARK);
	CHECK(mvmi_types_find_enumerator(types, "SHADE_LIGHT", &value));
	CHECK(value == 250);
	CHECK(mvmi_types_find_enumerator(types, "NAMELESS_CONSTANT", &value));
	CHECK(value == NAMELESS_CONSTANT);
	CHECK(mvmi_types_find(types, "enum shade", &type));
	CHECK(type.is_signed && type.size == sizeof(enum shade));
	mvmi_types_destroy(types);
}

static void check_declaration(const struct mvmi_types *types, const char *path,
			      const char *expected)
{
	struct mvmi_field field = field_of(types, path);
	char text[200];

	(void)mvmi_types_declare(types, field.type, "it", text, sizeof(text));
	if (strcmp(text, expected) != 0)
		printf("# %s: %s\n", path, text);
	CHECK(strcmp(text, expected) == 0);
}

static void declarations_read_as_they_were_written(void)
{
	struct mvmi_types *types = load_self();

	check_declaration(types, "letter", "char it");
	check_declaration(types, "bytes", "unsigned char it[3][5]");
	check_declaration(types, "next", "const struct sample *it");
	check_declaration(types, "halves", "pair it[2]");
	check_declaration(types, "high", "volatile char it");
	check_declaration(types, "unknown", "struct declared_only *it");
	check_declaration(types, "call",
			  "int (*it)(struct sample *, const char *, ...)");
	check_declaration(types, "shade", "enum shade it");
	check_declaration(types, "yes", "_Bool it");
	check_declaration(types, "wide", "wide_number it");
	mvmi_types_destroy(types);
}

/** Of the many units of this program that know it. */
static void a_type_that_many_units_use_is_there_once(void)
{
	struct mvmi_types *types = load_self();
	struct mvmi_type type;
	size_t count = 0;

	for (uint32_t id = 1; id < mvmi_types_count(types); id++) {
		CHECK(mvmi_types_get(types, id, &type));
		count += type.kind == MVMI_TYPE_STRUCT &&
			 strcmp(type.name, "mvmi_error") == 0;
	}
	CHECK(count == 1);
	CHECK(mvmi_types_find(types, "struct declared_only", &type));
	CHECK(type.kind == MVMI_TYPE_FORWARD);
	mvmi_types_destroy(types);
}

static void what_is_no_elf_or_has_no_dwarf_says_so(void)
{
	static uint8_t text[] = "this is no ELF image at all, but long enough "
				"to hold a whole header of one, all 64 bytes";
	struct mvmi_types *types = NULL;
	struct mvmi_error err;

	CHECK(dwarf_load_types((struct mvmi_span){ text, sizeof(text) }, &types,
			       &err) != MVMI_OK);
	CHECK(strncmp(err.msg, "libdw", 5) == 0 && !types);
}

TESTS(T(members_are_where_the_compiler_puts_them),
      T(bit_fields_are_where_the_compiler_puts_them),
      T(constants_have_their_values), T(declarations_read_as_they_were_written),
      T(a_type_that_many_units_use_is_there_once),
      T(what_is_no_elf_or_has_no_dwarf_says_so))
