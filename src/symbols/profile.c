/* SPDX-License-Identifier: MIT */
/*
 * What is in a profile's file. How files are found, checked and replaced is in
 * profile_dir.c.
 */
#include "symbols/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "symbols/btf.h"
#include "symbols/index.h"
#include "symbols/profile_file.h"

/* Changes with every change of what is below, or of the tables' structs. */
#define PROFILE_VERSION 1

/* Sections begin at multiples of this: of a line of the cache. */
#define PROFILE_ALIGN 64

/* Reads as something else on a host of another byte order. */
#define PROFILE_MAGIC UINT64_C(0x31666f72706d766d)

enum profile_section_id {
	PROFILE_ENTRIES,
	PROFILE_TEXT,
	PROFILE_MODULES,
	PROFILE_NAME_STARTS,
	PROFILE_NAME_POSITION,
	PROFILE_NAME_ITEMS,
	PROFILE_PLACES, /**< empty if nobody had asked for an address */
	PROFILE_SIZES,
	PROFILE_BTF,
	PROFILE_BTF_OFFSETS,
	PROFILE_TYPE_STARTS,
	PROFILE_TYPE_ENTRIES,
	PROFILE_ENUM_STARTS,
	PROFILE_ENUM_ENTRIES,
	PROFILE_SECTION_COUNT,
};

struct profile_section {
	uint64_t offset;
	uint64_t len;
	uint64_t hash;
};

/*
 * The file's first bytes. It is read by the program that wrote it, or not at
 * all: structs are stored as this host has them, and sizes say if they differ.
 */
struct profile_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_len;
	uint64_t hash; /**< of the header, with zero here */
	uint64_t key;
	uint64_t base;
	uint64_t layout;
	uint64_t symbols_bias;
	uint64_t symbol_count;
	uint64_t module_count;
	uint64_t name_seed;
	uint64_t name_mask;
	uint64_t place_count;
	uint64_t records_offset; /**< in PROFILE_BTF */
	uint64_t records_len;
	uint64_t strings_offset;
	uint64_t strings_len;
	uint64_t type_count;
	uint64_t type_entries;
	uint64_t type_mask;
	uint64_t enum_entries;
	uint64_t enum_mask;
	uint64_t region_count;
	struct profile_region regions[PROFILE_REGIONS_MAX];
	struct profile_section sections[PROFILE_SECTION_COUNT];
	uint64_t build_id_len;
	uint8_t build_id[PROFILE_BUILD_ID_MAX];
	char banner[PROFILE_BANNER_MAX];
};

_Static_assert(sizeof(struct profile_header) % sizeof(uint64_t) == 0,
	       "the header has padding, whose bytes are by chance");
_Static_assert(sizeof(struct symbols_entry) == 24 &&
		       sizeof(struct symbols_name) == 8 &&
		       sizeof(struct symbols_place) == 16 &&
		       sizeof(struct btf_entry) == 12,
	       "what is stored has changed: so must PROFILE_VERSION");

static uint64_t profile_layout(void)
{
	return sizeof(struct symbols_entry) | sizeof(struct symbols_name) << 8 |
	       sizeof(struct symbols_place) << 16 |
	       sizeof(struct btf_entry) << 24 | sizeof(size_t) << 32;
}

enum mvmi_status profile_make_key(uint64_t *ret, struct mvmi_error *err)
{
	uint64_t key;

	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return fail_sys(err, errno, "the host gives no random key");
	*ret = key;
	return MVMI_OK;
}

/** Steele et al., "Fast splittable pseudorandom number generators" (2014). */
static uint64_t profile_next_key(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/** Both halves of a product of 128 bits, as one word. */
static uint64_t profile_mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/**
 * Two lanes of folded products. Who does not know the key knows neither factor
 * of any product, and so not what a change of bytes does to it.
 */
uint64_t profile_hash(uint64_t key, struct mvmi_bytes bytes)
{
	uint64_t k[6], a, b;
	uint64_t w[4] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		k[i] = profile_next_key(&key);
	a = k[4];
	b = k[5] ^ bytes.len;
	for (; bytes.len >= sizeof(w); bytes.len -= sizeof(w)) {
		memcpy(w, bytes.ptr, sizeof(w));
		bytes.ptr += sizeof(w);
		a = profile_mix(a ^ w[0] ^ k[0], w[1] ^ k[1]) + k[4];
		b = profile_mix(b ^ w[2] ^ k[2], w[3] ^ k[3]) + k[5];
	}
	memset(w, 0, sizeof(w));
	if (bytes.len)
		memcpy(w, bytes.ptr, bytes.len);
	a = profile_mix(a ^ w[0] ^ k[0], w[1] ^ k[1]);
	b = profile_mix(b ^ w[2] ^ k[2], w[3] ^ k[3]);
	return profile_mix(a ^ k[4], b ^ k[5]);
}

static uint64_t profile_header_hash(const struct profile_header *header)
{
	struct profile_header copy = *header;

	copy.hash = 0;
	return profile_hash(copy.key, (struct mvmi_bytes){ (uint8_t *)&copy,
							   sizeof(copy) });
}

static struct mvmi_bytes
profile_array(const void *ptr, size_t count, size_t each)
{
	return (struct mvmi_bytes){ ptr, count * each };
}

static void
profile_list_symbols(const struct mvmi_symbols *symbols,
		     struct profile_header *header, struct mvmi_bytes *parts)
{
	const struct symbols_names *names = atomic_load(&symbols->names);
	const struct symbols_order *order = atomic_load(&symbols->order);
	size_t count = symbols->count;

	header->symbols_bias = symbols->bias;
	header->symbol_count = count;
	header->module_count = symbols->module_count;
	header->name_seed = names->seed;
	header->name_mask = names->mask;
	parts[PROFILE_ENTRIES] = profile_array(symbols->entries, count,
					       sizeof(*symbols->entries));
	parts[PROFILE_TEXT] =
		profile_array(symbols->text, symbols->text_len, 1);
	parts[PROFILE_MODULES] =
		profile_array(symbols->modules, symbols->module_count,
			      sizeof(*symbols->modules));
	parts[PROFILE_NAME_STARTS] = profile_array(
		names->starts, names->mask + 2, sizeof(*names->starts));
	parts[PROFILE_NAME_POSITION] =
		profile_array(names->position, count, sizeof(*names->position));
	parts[PROFILE_NAME_ITEMS] =
		profile_array(names->items, count, sizeof(*names->items));
	if (!order)
		return;
	header->place_count = order->count;
	parts[PROFILE_PLACES] = profile_array(order->places, order->count,
					      sizeof(*order->places));
	parts[PROFILE_SIZES] =
		profile_array(order->sizes, count, sizeof(*order->sizes));
}

static void
profile_list_index(const struct btf_index *index, uint64_t *ret_mask,
		   uint64_t *ret_entries, struct mvmi_bytes *starts,
		   struct mvmi_bytes *entries)
{
	*ret_mask = index->mask;
	*ret_entries = index->starts[index->mask + 1];
	*starts = profile_array(index->starts, (size_t)index->mask + 2,
				sizeof(*index->starts));
	*entries = profile_array(index->entries, (size_t)*ret_entries,
				 sizeof(*index->entries));
}

static void
profile_list_types(const struct mvmi_types *types,
		   struct profile_header *header, struct mvmi_bytes *parts)
{
	header->records_offset = (uint64_t)(types->records.ptr - types->blob);
	header->records_len = types->records.len;
	header->strings_offset = (uint64_t)(types->strings.ptr - types->blob);
	header->strings_len = types->strings.len;
	header->type_count = types->count;
	parts[PROFILE_BTF] = profile_array(types->blob, types->blob_len, 1);
	parts[PROFILE_BTF_OFFSETS] =
		profile_array(types->offsets, types->count - types->first_id,
			      sizeof(*types->offsets));
	profile_list_index(&types->names, &header->type_mask,
			   &header->type_entries, &parts[PROFILE_TYPE_STARTS],
			   &parts[PROFILE_TYPE_ENTRIES]);
	profile_list_index(&types->enumerators, &header->enum_mask,
			   &header->enum_entries, &parts[PROFILE_ENUM_STARTS],
			   &parts[PROFILE_ENUM_ENTRIES]);
}

static enum mvmi_status
profile_write_all(int fd, struct mvmi_bytes bytes, struct mvmi_error *err)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_sys(err, errno, "cannot write a profile");
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
	return MVMI_OK;
}

static size_t profile_padding(size_t len)
{
	return -len & (PROFILE_ALIGN - 1);
}

enum mvmi_status
profile_write_file(int fd, struct mvmi_bytes build_id,
		   const struct profile *profile, struct mvmi_error *err)
{
	static const uint8_t zeros[PROFILE_ALIGN];
	struct mvmi_bytes parts[PROFILE_SECTION_COUNT] = { 0 };
	struct profile_header header = {
		.magic = PROFILE_MAGIC,
		.version = PROFILE_VERSION,
		.header_len = sizeof(header),
		.key = profile->key,
		.base = profile->base,
		.layout = profile_layout(),
		.region_count = profile->region_count,
		.build_id_len = build_id.len,
	};
	size_t at = sizeof(header) + profile_padding(sizeof(header));
	enum mvmi_status status;

	memcpy(header.regions, profile->regions, sizeof(header.regions));
	memcpy(header.build_id, build_id.ptr, build_id.len);
	memcpy(header.banner, profile->banner, sizeof(header.banner));
	profile_list_symbols(profile->symbols, &header, parts);
	profile_list_types(profile->types, &header, parts);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		header.sections[i] = (struct profile_section){
			at, parts[i].len, profile_hash(profile->key, parts[i])
		};
		at += parts[i].len + profile_padding(parts[i].len);
	}
	header.hash = profile_header_hash(&header);
	status = profile_write_all(
		fd, (struct mvmi_bytes){ (uint8_t *)&header, sizeof(header) },
		err);
	if (status == MVMI_OK)
		status = profile_write_all(
			fd,
			(struct mvmi_bytes){ zeros,
					     profile_padding(sizeof(header)) },
			err);
	for (size_t i = 0; status == MVMI_OK && i < ARRAY_LEN(parts); i++) {
		status = profile_write_all(fd, parts[i], err);
		if (status == MVMI_OK)
			status = profile_write_all(
				fd,
				(struct mvmi_bytes){
					zeros, profile_padding(parts[i].len) },
				err);
	}
	return status;
}

/** A file that is being read. */
struct profile_reader {
	struct map *map;
	struct profile_header header;
	bool failed;
};

/**
 * The address of a section that has exactly count elements, after a check of
 * all its bytes. Nothing is written through it.
 */
static void *
profile_section(struct profile_reader *r, enum profile_section_id id,
		uint64_t count, size_t each)
{
	const struct profile_section *section = &r->header.sections[id];
	struct mvmi_bytes all = r->map->bytes;
	struct mvmi_bytes bytes;

	if (section->offset % PROFILE_ALIGN || section->offset > all.len ||
	    section->len > all.len - section->offset ||
	    count > section->len / each || section->len != count * each) {
		r->failed = true;
		return NULL;
	}
	bytes = (struct mvmi_bytes){ all.ptr + section->offset,
				     (size_t)section->len };
	if (profile_hash(r->header.key, bytes) != section->hash)
		r->failed = true;
	return (void *)(uintptr_t)bytes.ptr;
}

static bool
profile_read_names(struct profile_reader *r, struct mvmi_symbols *symbols)
{
	const struct profile_header *header = &r->header;
	struct symbols_names *names = calloc(1, sizeof(*names));

	if (!names)
		return false;
	names->borrowed = true;
	names->seed = header->name_seed;
	names->mask = (size_t)header->name_mask;
	names->starts =
		profile_section(r, PROFILE_NAME_STARTS, header->name_mask + 2,
				sizeof(*names->starts));
	names->position =
		profile_section(r, PROFILE_NAME_POSITION, header->symbol_count,
				sizeof(*names->position));
	names->items =
		profile_section(r, PROFILE_NAME_ITEMS, header->symbol_count,
				sizeof(*names->items));
	atomic_init(&symbols->names, names);
	return true;
}

static bool
profile_read_order(struct profile_reader *r, struct mvmi_symbols *symbols)
{
	const struct profile_header *header = &r->header;
	struct symbols_order *order;

	if (header->sections[PROFILE_SIZES].len == 0)
		return true;
	order = calloc(1, sizeof(*order));
	if (!order)
		return false;
	order->borrowed = true;
	order->count = (size_t)header->place_count;
	order->places = profile_section(r, PROFILE_PLACES, header->place_count,
					sizeof(*order->places));
	order->sizes = profile_section(r, PROFILE_SIZES, header->symbol_count,
				       sizeof(*order->sizes));
	atomic_init(&symbols->order, order);
	return true;
}

static struct mvmi_symbols *profile_read_symbols(struct profile_reader *r)
{
	const struct profile_header *header = &r->header;
	struct mvmi_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	symbols->map = map_ref(r->map);
	symbols->bias = header->symbols_bias;
	symbols->count = (size_t)header->symbol_count;
	symbols->entries =
		profile_section(r, PROFILE_ENTRIES, header->symbol_count,
				sizeof(*symbols->entries));
	symbols->text_len = (size_t)header->sections[PROFILE_TEXT].len;
	symbols->text = profile_section(r, PROFILE_TEXT, symbols->text_len, 1);
	symbols->module_count = (size_t)header->module_count;
	symbols->modules =
		profile_section(r, PROFILE_MODULES, header->module_count,
				sizeof(*symbols->modules));
	if (!profile_read_names(r, symbols) ||
	    !profile_read_order(r, symbols)) {
		mvmi_symbols_destroy(symbols);
		return NULL;
	}
	return symbols;
}

static struct mvmi_bytes
profile_part(struct profile_reader *r, struct mvmi_bytes whole, uint64_t offset,
	     uint64_t len)
{
	if (!whole.ptr || offset > whole.len || len > whole.len - offset) {
		r->failed = true;
		return (struct mvmi_bytes){ 0 };
	}
	return (struct mvmi_bytes){ whole.ptr + offset, (size_t)len };
}

static struct mvmi_types *profile_read_types(struct profile_reader *r)
{
	const struct profile_header *header = &r->header;
	struct mvmi_types *types = calloc(1, sizeof(*types));
	struct mvmi_bytes blob;

	if (!types)
		return NULL;
	types->map = map_ref(r->map);
	blob.len = (size_t)header->sections[PROFILE_BTF].len;
	types->blob = profile_section(r, PROFILE_BTF, blob.len, 1);
	types->blob_len = blob.len;
	blob.ptr = types->blob;
	types->records = profile_part(r, blob, header->records_offset,
				      header->records_len);
	types->strings = profile_part(r, blob, header->strings_offset,
				      header->strings_len);
	types->first_id = 1;
	types->count = (uint32_t)header->type_count;
	types->offsets =
		profile_section(r, PROFILE_BTF_OFFSETS, header->type_count - 1,
				sizeof(*types->offsets));
	types->names.mask = (uint32_t)header->type_mask;
	types->names.starts =
		profile_section(r, PROFILE_TYPE_STARTS, header->type_mask + 2,
				sizeof(*types->names.starts));
	types->names.entries =
		profile_section(r, PROFILE_TYPE_ENTRIES, header->type_entries,
				sizeof(*types->names.entries));
	types->enumerators.mask = (uint32_t)header->enum_mask;
	types->enumerators.starts =
		profile_section(r, PROFILE_ENUM_STARTS, header->enum_mask + 2,
				sizeof(*types->enumerators.starts));
	types->enumerators.entries =
		profile_section(r, PROFILE_ENUM_ENTRIES, header->enum_entries,
				sizeof(*types->enumerators.entries));
	return types;
}

static enum mvmi_status
profile_read_header(struct profile_reader *r, struct mvmi_bytes build_id,
		    struct mvmi_error *err)
{
	struct profile_header *header = &r->header;

	if (r->map->bytes.len < sizeof(*header))
		return fail(err, MVMI_ERR_CORRUPT,
			    "a profile of %zu bytes, less than its header",
			    r->map->bytes.len);
	memcpy(header, r->map->bytes.ptr, sizeof(*header));
	if (header->magic != PROFILE_MAGIC ||
	    header->version != PROFILE_VERSION ||
	    header->header_len != sizeof(*header) ||
	    header->layout != profile_layout())
		return fail(err, MVMI_ERR_CORRUPT,
			    "no profile, or one by another version of this "
			    "library");
	if (header->hash != profile_header_hash(header))
		return fail(err, MVMI_ERR_CORRUPT,
			    "a profile's header is damaged");
	if (header->build_id_len != build_id.len ||
	    memcmp(header->build_id, build_id.ptr, build_id.len) != 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a profile is of another kernel than its name "
			    "says");
	if (header->region_count > PROFILE_REGIONS_MAX ||
	    header->banner[PROFILE_BANNER_MAX - 1] != '\0' ||
	    header->type_count == 0 || header->type_count > UINT32_MAX ||
	    header->type_mask > UINT32_MAX - 2 ||
	    header->enum_mask > UINT32_MAX - 2 ||
	    header->name_mask > UINT32_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a profile's header contradicts itself");
	return MVMI_OK;
}

enum mvmi_status
profile_read_file(int fd, size_t len, struct mvmi_bytes build_id,
		  struct profile *ret, struct mvmi_error *err)
{
	struct profile_reader r = { 0 };
	struct profile profile = { 0 };
	enum mvmi_status status;

	if (len < sizeof(r.header) || len > PROFILE_LEN_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a profile of %zu bytes, not %zu to %zu", len,
			    sizeof(r.header), PROFILE_LEN_MAX);
	status = map_open(fd, len, &r.map, err);
	if (status != MVMI_OK)
		return status;
	status = profile_read_header(&r, build_id, err);
	if (status == MVMI_OK) {
		profile.symbols = profile_read_symbols(&r);
		profile.types = profile_read_types(&r);
		if (!profile.symbols || !profile.types)
			status = fail(err, MVMI_ERR_NOMEM,
				      "no memory for a profile");
		else if (r.failed)
			status = fail(err, MVMI_ERR_CORRUPT,
				      "a profile is damaged");
	}
	map_unref(r.map);
	if (status != MVMI_OK) {
		profile_fini(&profile);
		return status;
	}
	profile.base = r.header.base;
	profile.key = r.header.key;
	profile.region_count = (size_t)r.header.region_count;
	memcpy(profile.regions, r.header.regions, sizeof(profile.regions));
	memcpy(profile.banner, r.header.banner, sizeof(profile.banner));
	*ret = profile;
	return MVMI_OK;
}

void profile_fini(struct profile *profile)
{
	mvmi_symbols_destroy(profile->symbols);
	mvmi_types_destroy(profile->types);
	*profile = (struct profile){ 0 };
}
