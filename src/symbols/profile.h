/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The cache of profiles: what was learnt of a kernel, by its build-id.
 *
 * A file holds a symbol table and a type table just as they are in memory,
 * with their indices, so that it is mapped and used: of 25 MB, checking every
 * byte takes 2 ms and copying them would take 10. A file is written beside its
 * name and renamed, never changed, and believed only if it and its folder are
 * the user's own and writable by nobody else, and if every byte is as it was
 * written. Whatever is wrong with a file, a profile is only ever an advantage:
 * who can't load one does without.
 *
 * That a file is good says nothing of the guest that names the build-id: any
 * guest may claim any. So a profile also tells which regions of a kernel's
 * image its tables were made of, and a keyed hash of each. Who loads one
 * hashes the guest's own regions, and only if all are equal were the tables
 * made of the very same bytes. The key is chosen by chance when a profile is
 * made, so no guest can prepare bytes that collide.
 */
#ifndef MICROVMI_SYMBOLS_PROFILE_H
#define MICROVMI_SYMBOLS_PROFILE_H

#include <microvmi/symbols.h>

#define profile_fini	     mvmi__profile_fini
#define profile_hash	     mvmi__profile_hash
#define profile_load	     mvmi__profile_load
#define profile_make_key     mvmi__profile_make_key
#define profile_read_file    mvmi__profile_read_file
#define profile_store	     mvmi__profile_store

#define PROFILE_REGIONS_MAX  8
#define PROFILE_BANNER_MAX   512
#define PROFILE_BUILD_ID_MAX 64

/* Of one file. The largest kernel known makes 30 MB. */
#define PROFILE_LEN_MAX ((size_t)256 << 20)

/* Kept in one folder; the one unused for longest gives way to a new one. */
#define PROFILE_FILES_MAX 32

/** Part of a kernel's image that the tables were made of. */
struct profile_region {
	uint64_t offset; /**< from _text */
	uint64_t len;
	uint64_t hash; /**< profile_hash() with the profile's key */
};

struct profile {
	struct mvmi_symbols *symbols; /**< owned */
	struct mvmi_types *types;     /**< owned */
	/** Where _text was when symbols got their addresses. */
	uint64_t base;
	uint64_t key; /**< by profile_make_key() */
	struct profile_region regions[PROFILE_REGIONS_MAX];
	size_t region_count;
	char banner[PROFILE_BANNER_MAX];
};

/** A key by chance. @retval MVMI_ERR_SYSTEM  The host gives none. */
MVMI_MUST_CHECK enum mvmi_status
profile_make_key(uint64_t *ret, struct mvmi_error *err);

/**
 * Hash bytes. What lies in several pieces is hashed piece by piece, each with
 * the hash before it as the key: in the same pieces whenever it is compared.
 */
uint64_t profile_hash(uint64_t key, struct mvmi_bytes bytes);

/**
 * Find the profile of a kernel.
 *
 * @param dir       Folder of profiles.
 * @param build_id  1 to PROFILE_BUILD_ID_MAX bytes.
 * @param ret       Release with profile_fini(). Its tables may outlive it, if
 *                  they are taken out. Rebase symbols by where _text is now.
 *
 * @retval MVMI_ERR_SYSTEM   There is none.
 * @retval MVMI_ERR_DENIED   The file or the folder is not the user's alone.
 * @retval MVMI_ERR_CORRUPT  It is not as it was written, or of another version.
 */
MVMI_MUST_CHECK enum mvmi_status
profile_load(const char *dir, struct mvmi_bytes build_id, struct profile *ret,
	     struct mvmi_error *err);

/**
 * Keep the profile of a kernel, in place of an older one.
 *
 * @param dir      Made if need be, with mode 0700.
 * @param profile  Borrowed. Types must not be split.
 */
MVMI_MUST_CHECK enum mvmi_status
profile_store(const char *dir, struct mvmi_bytes build_id,
	      const struct profile *profile, struct mvmi_error *err);

/** As profile_load() of an open file, which is checked as far as bytes go. */
MVMI_MUST_CHECK enum mvmi_status
profile_read_file(int fd, size_t len, struct mvmi_bytes build_id,
		  struct profile *ret, struct mvmi_error *err);

/** A zeroed one is a no-op. */
void profile_fini(struct profile *profile);

#endif /* MICROVMI_SYMBOLS_PROFILE_H */
