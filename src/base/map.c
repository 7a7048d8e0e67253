/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"

enum mvmi_status
map_open(int fd, size_t len, struct map **ret, struct mvmi_error *err)
{
	struct map *map = malloc(sizeof(*map));
	void *ptr;

	if (!map)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a mapping");
	/* Populated: one call costs less than a fault for every few pages. */
	ptr = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (ptr == MAP_FAILED) {
		free(map);
		return fail_sys(err, errno, "cannot map %zu bytes", len);
	}
	map->bytes = (struct mvmi_bytes){ ptr, len };
	atomic_init(&map->refs, 1);
	*ret = map;
	return MVMI_OK;
}

struct map *map_ref(struct map *map)
{
	atomic_fetch_add(&map->refs, 1);
	return map;
}

void map_unref(struct map *map)
{
	if (!map || atomic_fetch_sub(&map->refs, 1) != 1)
		return;
	(void)munmap((void *)(uintptr_t)map->bytes.ptr, map->bytes.len);
	free(map);
}
