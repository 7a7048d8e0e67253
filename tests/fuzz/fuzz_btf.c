/* SPDX-License-Identifier: MIT */
/*
 * BTF: whatever the bytes, the result is an error, or types of which every
 * question has an answer. The input is a length (u32), BTF of that length, and
 * a module's BTF that builds on it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "symbols/btf.h"

/* Enough to reach everything; more only makes each execution slow. */
#define FUZZ_TYPES   512
#define FUZZ_MEMBERS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/** Ask for a path that exists, or may. */
static void
check_field(const struct mvmi_types *types, const char *type, const char *path)
{
	struct mvmi_error err = { 0 };
	struct mvmi_field f;
	enum mvmi_status status = mvmi_types_field(types, type, path, &f, &err);

	require(status == MVMI_OK || (err.status == status && err.msg[0]));
	if (status == MVMI_OK)
		require(f.type < mvmi_types_count(types));
}

static void
check_members(const struct mvmi_types *types, const struct mvmi_type *t)
{
	struct mvmi_enumerator e;
	struct mvmi_member m;
	char path[128];

	for (uint32_t i = 0; i < t->count && i < FUZZ_MEMBERS; i++) {
		uint64_t value;

		if (mvmi_types_enumerator(types, t->id, i, &e)) {
			require(t->kind == MVMI_TYPE_ENUM);
			require(mvmi_types_find_enumerator(types, e.name,
							   &value));
		}
		if (!mvmi_types_member(types, t->id, i, &m))
			continue;
		require(t->kind != MVMI_TYPE_ENUM);
		require(m.type < mvmi_types_count(types));
		check_field(types, t->name, m.name);
		(void)snprintf(path, sizeof(path), "%s[1].%s", m.name, m.name);
		check_field(types, t->name, path);
		(void)snprintf(path, sizeof(path), "%s.%s", m.name, t->name);
		check_field(types, t->name, path);
	}
	require(!mvmi_types_enumerator(types, t->id, t->count, &e));
	require(!mvmi_types_member(types, t->id, t->count, &m));
}

static void check_declaration(const struct mvmi_types *types, uint32_t id)
{
	char buf[64];
	size_t len = mvmi_types_declare(types, id, "name", buf, sizeof(buf));

	require(len > 0 && strlen(buf) == (len < sizeof(buf) ? len : 63));
}

static void check_types(const struct mvmi_types *types)
{
	uint32_t count = mvmi_types_count(types);
	struct mvmi_type t;

	require(count > 0 && !mvmi_types_get(types, count, &t));
	for (uint32_t id = 0; id < count && id < FUZZ_TYPES; id++) {
		struct mvmi_type found;

		require(mvmi_types_get(types, id, &t) && t.id == id);
		require(t.target < count);
		require(mvmi_types_resolve(types, id) < count);
		if (mvmi_types_find(types, t.name, &found))
			require(strcmp(found.name, t.name) == 0 ||
				strchr(t.name, ' '));
		check_members(types, &t);
		check_declaration(types, id);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvmi_types *base = NULL;
	struct mvmi_types *split = NULL;
	struct mvmi_error err = { 0 };
	struct mvmi_bytes first;
	struct mvmi_bytes rest;
	enum mvmi_status status;

	if (size < 4)
		return 0;
	first = (struct mvmi_bytes){ data + 4, load_le32(data) };
	if (first.len > size - 4)
		first.len = size - 4;
	rest = (struct mvmi_bytes){ first.ptr + first.len,
				    size - 4 - first.len };
	status = btf_parse(first, &base, &err);
	require((status == MVMI_OK) == (base != NULL));
	require(status == MVMI_OK || (err.status == status && err.msg[0]));
	if (!base)
		return 0;
	check_types(base);
	if (btf_parse_split(rest, base, &split, NULL) == MVMI_OK)
		check_types(split);
	mvmi_types_destroy(split);
	mvmi_types_destroy(base);
	return 0;
}
