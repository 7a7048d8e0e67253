/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Files of our own, in memory, shared by all that was made of them.
 *
 * Foreign files are never mapped (see base/file.h): whoever may shorten them
 * may end this process. Map only what this library wrote, what it replaces as
 * a whole and never changes, and what nobody but the user may write.
 */
#ifndef MICROVMI_BASE_MAP_H
#define MICROVMI_BASE_MAP_H

#include <microvmi/types.h>
#include <stdatomic.h>

#define map_open  mvmi__map_open
#define map_ref	  mvmi__map_ref
#define map_unref mvmi__map_unref

/** A mapping, read-only. */
struct map {
	struct mvmi_bytes bytes;
	atomic_uint refs;
};

/**
 * Map the first len bytes of an open file, all of them present.
 *
 * @param fd   Borrowed, and not needed afterwards.
 * @param ret  With one reference; give it back with map_unref().
 */
enum mvmi_status
map_open(int fd, size_t len, struct map **ret, struct mvmi_error *err);
struct map *map_ref(struct map *map);
/** NULL is a no-op. */
void map_unref(struct map *map);

#endif /* MICROVMI_BASE_MAP_H */
