/* SPDX-License-Identifier: MIT */
/* Profiles: there and back, whose they are, and what isn't believed. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "symbols/btf_builder.h"
#include "symbols/profile.h"
#include "symbols/table.h"

#define BASE UINT64_C(0xffffffff81000000)

static const uint8_t id_bytes[20] = { 0xca, 0xfe, 1, 2, 3 };
static const struct mvmi_bytes build_id = { id_bytes, sizeof(id_bytes) };

static char root[64]; /* of this test's files */
static char dir[96];  /* in it, made by the library */
static char file[160];

static void begin(void)
{
	(void)strcpy(root, "test_profile.XXXXXX");
	CHECK(mkdtemp(root));
	(void)snprintf(dir, sizeof(dir), "%s/cache/microvmi", root);
	(void)snprintf(file, sizeof(file), "%s/cafe010203%030d.profile", dir,
		       0);
}

static void remove_all(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	char name[512];

	while (d && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' && strlen(entry->d_name) < 3)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path,
			       entry->d_name);
		(void)unlink(name);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(path);
}

static void end(void)
{
	char cache[96];

	remove_all(dir);
	(void)snprintf(cache, sizeof(cache), "%s/cache", root);
	remove_all(cache);
	remove_all(root);
}

static struct mvmi_symbols *make_symbols(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols = NULL;

	for (unsigned i = 0; i < 1000; i++) {
		char name[32];
		struct symbols_new symbol = {
			.addr = BASE + i * UINT64_C(16),
			.type = i % 2 ? 't' : 'T',
		};

		symbol.name.ptr = (const uint8_t *)name;
		symbol.name.len =
			(size_t)snprintf(name, sizeof(name), "sym_%u", i);
		CHECK(symbols_builder_add(&b, &symbol, NULL) == MVMI_OK);
	}
	CHECK(symbols_builder_add(
		      &b,
		      &(struct symbols_new){
			      .name = { (const uint8_t *)"fixed", 5 },
			      .addr = 77,
			      .type = 'A',
			      .absolute = true },
		      NULL) == MVMI_OK);
	CHECK(symbols_builder_finish(&b, &symbols, NULL) == MVMI_OK);
	return symbols;
}

static struct mvmi_types *make_types(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types = NULL;
	uint32_t number = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);

	(void)btf_builder_struct(b, 0, "point", 8);
	btf_builder_member(b, "x", number, 0, 0);
	btf_builder_member(b, "y", number, 32, 0);
	(void)btf_builder_enum(b, 0, "colour", 4, false);
	btf_builder_enumerator(b, "RED", 5);
	CHECK(btf_builder_finish(b, &types, NULL) == MVMI_OK);
	btf_builder_destroy(b);
	return types;
}

static void store(bool with_order)
{
	struct profile profile = {
		.symbols = make_symbols(),
		.types = make_types(),
		.base = BASE,
		.region_count = 1,
		.regions = { { 0x1000, 4, 0 } },
		.banner = "Linux version 6.1",
	};

	CHECK(profile_make_key(&profile.key, NULL) == MVMI_OK);
	profile.regions[0].hash =
		profile_hash(profile.key, (struct mvmi_bytes){ id_bytes, 4 });
	if (with_order)
		CHECK(mvmi_symbols_prepare(profile.symbols, NULL) == MVMI_OK);
	CHECK(profile_store(dir, build_id, &profile, NULL) == MVMI_OK);
	profile_fini(&profile);
}

static void check_symbols(const struct mvmi_symbols *symbols, uint64_t slide)
{
	struct mvmi_symbol sym;

	CHECK(mvmi_symbols_count(symbols) == 1001);
	CHECK(mvmi_symbols_find(symbols, "sym_500", &sym));
	CHECK(sym.addr == BASE + slide + 8000 && sym.size == 16);
	CHECK(!mvmi_symbols_find(symbols, "sym_1000", &sym));
	CHECK(mvmi_symbols_find(symbols, "fixed", &sym) && sym.addr == 77);
	CHECK(mvmi_symbols_find_addr(symbols, mvmi_gva_at(BASE + slide + 115),
				     &sym));
	CHECK(strcmp(sym.name, "sym_7") == 0 && sym.type == 't');
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(BASE + slide - 1),
				      &sym));
}

static void check_types(const struct mvmi_types *types)
{
	struct mvmi_field field;
	uint64_t value;

	CHECK(mvmi_types_field(types, "struct point", "y", &field, NULL) ==
	      MVMI_OK);
	CHECK(field.offset == 4 && field.size == 4);
	CHECK(mvmi_types_find_enumerator(types, "RED", &value) && value == 5);
}

static void what_is_stored_is_found_again(void)
{
	struct profile got = { 0 };

	begin();
	for (int with_order = 0; with_order < 2; with_order++) {
		store(with_order);
		CHECK(profile_load(dir, build_id, &got, NULL) == MVMI_OK);
		check_symbols(got.symbols, 0);
		check_types(got.types);
		CHECK(got.base == BASE && got.region_count == 1);
		CHECK(got.regions[0].hash ==
		      profile_hash(got.key,
				   (struct mvmi_bytes){ id_bytes, 4 }));
		CHECK(strcmp(got.banner, "Linux version 6.1") == 0);
		symbols_rebase(got.symbols, 0x200000);
		check_symbols(got.symbols, 0x200000);
		profile_fini(&got);
	}
	end();
}

static void tables_outlive_what_they_were_loaded_with(void)
{
	struct profile got = { 0 };
	struct mvmi_types *types;

	begin();
	store(true);
	CHECK(profile_load(dir, build_id, &got, NULL) == MVMI_OK);
	end();
	types = got.types;
	got.types = NULL;
	profile_fini(&got);
	check_types(types);
	mvmi_types_destroy(types);
}

/** Where tables come from a profile, they can be stored again. */
static void a_loaded_profile_can_be_stored(void)
{
	struct profile got = { 0 };

	begin();
	store(true);
	CHECK(profile_load(dir, build_id, &got, NULL) == MVMI_OK);
	symbols_rebase(got.symbols, 0x200000);
	CHECK(profile_store(dir, build_id, &got, NULL) == MVMI_OK);
	profile_fini(&got);
	CHECK(profile_load(dir, build_id, &got, NULL) == MVMI_OK);
	check_symbols(got.symbols, 0x200000);
	profile_fini(&got);
	end();
}

static void other_build_ids_find_nothing(void)
{
	struct profile got = { 0 };
	struct mvmi_bytes other = { id_bytes, 19 };
	struct mvmi_error err;

	begin();
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_SYSTEM);
	store(false);
	CHECK(profile_load(dir, other, &got, &err) == MVMI_ERR_SYSTEM);
	other.len = 0;
	CHECK(profile_load(dir, other, &got, &err) == MVMI_ERR_INVALID);
	other.len = PROFILE_BUILD_ID_MAX + 1;
	CHECK(profile_load(dir, other, &got, &err) == MVMI_ERR_INVALID);
	end();
}

static void a_profile_under_another_name_is_refused(void)
{
	static const uint8_t other_bytes[20] = { 1 };
	struct mvmi_bytes other = { other_bytes, sizeof(other_bytes) };
	struct profile got = { 0 };
	struct mvmi_error err;
	char name[160];

	begin();
	store(false);
	(void)snprintf(name, sizeof(name), "%s/01%038d.profile", dir, 0);
	CHECK(rename(file, name) == 0);
	CHECK(profile_load(dir, other, &got, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "another kernel"));
	end();
}

/** Turn one bit of the file, look, and turn it back. */
static void check_damage(int fd, off_t at)
{
	struct profile got = { 0 };
	uint8_t byte;

	CHECK(pread(fd, &byte, 1, at) == 1);
	byte ^= 0x80;
	CHECK(pwrite(fd, &byte, 1, at) == 1);
	if (profile_load(dir, build_id, &got, NULL) == MVMI_OK) {
		/* Only bytes between sections, zeros, mean nothing. */
		CHECK(byte == 0x80);
		check_symbols(got.symbols, 0);
		profile_fini(&got);
	}
	byte ^= 0x80;
	CHECK(pwrite(fd, &byte, 1, at) == 1);
}

static void every_damaged_byte_is_noticed(void)
{
	struct profile got = { 0 };
	struct stat st;
	int fd;

	begin();
	store(true);
	fd = open(file, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 0; at < st.st_size; at += 61)
		check_damage(fd, at);
	CHECK(close(fd) == 0);
	CHECK(profile_load(dir, build_id, &got, NULL) == MVMI_OK);
	profile_fini(&got);
	end();
}

static void a_short_file_is_refused_at_any_length(void)
{
	struct profile got = { 0 };
	struct stat st;

	begin();
	store(true);
	CHECK(stat(file, &st) == 0);
	/* The last 64 bytes may be nothing but padding. */
	for (off_t len = st.st_size - 64; len >= 0; len -= 509) {
		CHECK(truncate(file, len) == 0);
		CHECK(profile_load(dir, build_id, &got, NULL) ==
		      MVMI_ERR_CORRUPT);
	}
	end();
}

static void what_others_may_write_is_not_believed(void)
{
	struct profile got = { 0 };
	struct mvmi_error err;

	begin();
	store(false);
	CHECK(chmod(file, 0620) == 0);
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_DENIED);
	CHECK(strstr(err.msg, "written by others"));
	CHECK(chmod(file, 0600) == 0 && chmod(dir, 0702) == 0);
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_DENIED);
	CHECK(strstr(err.msg, "chmod go-w"));
	CHECK(chmod(dir, 0700) == 0);
	if (geteuid() == 0) {
		/* Only root can give a file away. */
		CHECK(chown(file, 12345, (gid_t)-1) == 0);
		CHECK(profile_load(dir, build_id, &got, &err) ==
		      MVMI_ERR_DENIED);
		CHECK(strstr(err.msg, "belongs to user 12345"));
	}
	end();
}

static void links_and_folders_are_no_profiles(void)
{
	struct profile got = { 0 };
	struct mvmi_error err;
	char real[160];

	begin();
	store(false);
	(void)snprintf(real, sizeof(real), "%s/real", dir);
	CHECK(rename(file, real) == 0);
	CHECK(symlink("real", file) == 0);
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_SYSTEM);
	CHECK(unlink(file) == 0 && mkdir(file, 0700) == 0);
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_CORRUPT);
	CHECK(rmdir(file) == 0 && mkfifo(file, 0600) == 0);
	CHECK(profile_load(dir, build_id, &got, &err) == MVMI_ERR_CORRUPT);
	end();
}

static void the_folder_is_private_and_stays_small(void)
{
	uint8_t many[20] = { 0 };
	struct profile profile = { .symbols = make_symbols(),
				   .types = make_types() };
	struct profile got = { 0 };
	struct dirent *entry;
	size_t count = 0;
	struct stat st;
	DIR *d;

	begin();
	for (unsigned i = 0; i < PROFILE_FILES_MAX + 8; i++) {
		many[0] = (uint8_t)i;
		CHECK(profile_store(dir, (struct mvmi_bytes){ many, 20 },
				    &profile, NULL) == MVMI_OK);
	}
	profile_fini(&profile);
	CHECK(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);
	d = opendir(dir);
	CHECK(d);
	while ((entry = readdir(d)) != NULL)
		count += entry->d_name[0] != '.';
	CHECK(closedir(d) == 0);
	CHECK(count == PROFILE_FILES_MAX);
	/* The newest is there. */
	CHECK(profile_load(dir, (struct mvmi_bytes){ many, 20 }, &got, NULL) ==
	      MVMI_OK);
	profile_fini(&got);
	end();
}

static void a_hash_depends_on_key_length_and_every_bit(void)
{
	uint8_t bytes[100] = { 0 };
	struct mvmi_bytes all = { bytes, sizeof(bytes) };
	uint64_t plain = profile_hash(1, all);

	CHECK(profile_hash(2, all) != plain);
	CHECK(profile_hash(1, (struct mvmi_bytes){ bytes, 99 }) != plain);
	for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(profile_hash(1, all) != plain);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	CHECK(profile_hash(1, all) == plain);
}

TESTS(T(what_is_stored_is_found_again),
      T(tables_outlive_what_they_were_loaded_with),
      T(a_loaded_profile_can_be_stored), T(other_build_ids_find_nothing),
      T(a_profile_under_another_name_is_refused),
      T(every_damaged_byte_is_noticed),
      T(a_short_file_is_refused_at_any_length),
      T(what_others_may_write_is_not_believed),
      T(links_and_folders_are_no_profiles),
      T(the_folder_is_private_and_stays_small),
      T(a_hash_depends_on_key_length_and_every_bit))
