/* SPDX-License-Identifier: MIT */
#include "os/linux/pagecache.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/path.h"

/** Pages of the largest folio there is: 1 GiB. */
#define FOLIO_PAGES_MAX (UINT64_C(1) << 18)
/** A frame number has as many bits as a physical address, less 12. */
#define FRAMES_MAX (UINT64_C(1) << 40)

enum {
	MAPPING_HOST,
	MAPPING_HEAD,
	MAPPING_FIELDS
};

static const char *const mapping_paths[MAPPING_FIELDS] = {
	[MAPPING_HOST] = "host",
	/* Since 4.20, in 4.17 to 4.19, and before. */
	[MAPPING_HEAD] = "i_pages.xa_head|i_pages.rnode|page_tree.rnode",
};

enum {
	PAGE_MAPPING,
	PAGE_INDEX,
	PAGE_HEAD,
	PAGE_FIELDS
};

static const char *const page_paths[PAGE_FIELDS] = {
	[PAGE_MAPPING] = "mapping",
	[PAGE_INDEX] = "index",
	[PAGE_HEAD] = "?compound_head",
};

static const struct shape_spec mapping_spec = { "address_space", mapping_paths,
						MAPPING_FIELDS };
static const struct shape_spec folio_spec = { "folio", page_paths,
					      PAGE_FIELDS };
static const struct shape_spec page_spec = { "page", page_paths, PAGE_FIELDS };

static enum mvmi_status
pagecache_prepare(struct linux_os *guest, struct mvmi_error *err)
{
	const struct mvmi_types *types = guest->os.types;
	struct mvmi_type type;
	bool folios = types && mvmi_types_find(types, "struct folio", &type);
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.mapping, &mapping_spec,
				       types, err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.page,
				       folios ? &folio_spec : &page_spec, types,
				       err);
	if (status == MVMI_OK)
		status = xarray_prepare(&guest->shapes.xarray, types, err);
	return status;
}

enum mvmi_status
pagecache_of_file(struct linux_os *guest, mvmi_gva file, struct pagecache *ret,
		  struct mvmi_error *err)
{
	struct object object;
	struct pagecache found = { .length = 0 };
	enum mvmi_status status = pagecache_prepare(guest, err);

	if (status == MVMI_OK)
		status = object_read(&object, guest->os.space,
				     &guest->shapes.file, file, err);
	if (status == MVMI_OK) {
		found.mapping = object_gva(&object, FILE_MAPPING);
		status =
			object_read(&object, guest->os.space,
				    &guest->shapes.mapping, found.mapping, err);
	}
	if (status == MVMI_OK) {
		found.head = object_u64(&object, MAPPING_HEAD);
		/* Of an overlay, this is the file that lies below. */
		status = object_read(&object, guest->os.space,
				     &guest->shapes.inode,
				     object_gva(&object, MAPPING_HOST), err);
	}
	if (status != MVMI_OK)
		return status;
	found.length = object_u64(&object, INODE_SIZE);
	*ret = found;
	return MVMI_OK;
}

/** The frame that a struct page, or folio, stands for. */
static enum mvmi_status frame_of(const struct linux_os *guest, uint64_t page,
				 uint64_t *ret, struct mvmi_error *err)
{
	uint64_t off = page - guest->kernel.vmemmap_base;
	struct mvmi_type type;

	if (!mvmi_types_find(guest->os.types, "struct page", &type) ||
	    type.size == 0)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's kernel has no type page");
	if (page < guest->kernel.vmemmap_base || off % type.size ||
	    off / type.size >= FRAMES_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the page cache holds 0x%" PRIx64
			    ", which is no page",
			    page);
	*ret = off / type.size;
	return MVMI_OK;
}

/** Find the frame of page index, given the entry that stands for it. */
static enum mvmi_status
locate(struct linux_os *guest, const struct pagecache *cache, uint64_t index,
       uint64_t entry, mvmi_gpa *ret, struct mvmi_error *err)
{
	struct object page;
	uint64_t frame = 0;
	uint64_t first;
	enum mvmi_status status = frame_of(guest, entry, &frame, err);

	if (status == MVMI_OK)
		status =
			object_read(&page, guest->os.space, &guest->shapes.page,
				    mvmi_gva_at(entry), err);
	if (status != MVMI_OK)
		return status;
	first = object_u64(&page, PAGE_INDEX);
	/* Arrays of old kernels name the parts of a huge page one by one. */
	if (object_u64(&page, PAGE_HEAD) & 1)
		first = index;
	else if (object_u64(&page, PAGE_MAPPING) != cache->mapping.val)
		return fail(err, MVMI_ERR_CORRUPT,
			    "page 0x%" PRIx64 " is not of the file that caches "
			    "it",
			    entry);
	if (index < first || index - first >= FOLIO_PAGES_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "page 0x%" PRIx64 " is number %" PRIu64
			    " of its file, not %" PRIu64,
			    entry, first, index);
	*ret = mvmi_gpa_at((frame + (index - first)) * MVMI_PAGE_SIZE);
	return MVMI_OK;
}

enum mvmi_status
pagecache_find(struct linux_os *guest, const struct pagecache *cache,
	       uint64_t index, mvmi_gpa *ret, struct mvmi_error *err)
{
	const struct xarray_shape *shape = &guest->shapes.xarray;
	uint64_t entry = 0;
	enum mvmi_status status = xarray_load(guest->os.space, shape,
					      cache->head, index, &entry, err);

	if (status != MVMI_OK)
		return status;
	if (entry == 0 || xarray_is_value(shape, entry))
		return fail(err, MVMI_ERR_NOT_PRESENT,
			    "page %" PRIu64 " of the file is not in memory",
			    index);
	return locate(guest, cache, index, entry, ret, err);
}

enum mvmi_status
pagecache_read(struct linux_os *guest, const struct pagecache *cache,
	       uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	if (off > cache->length || dst.len > cache->length - off)
		return fail(err, MVMI_ERR_NOT_PRESENT,
			    "the file has %" PRIu64 " bytes", cache->length);
	while (dst.len) {
		uint64_t skip = off % MVMI_PAGE_SIZE;
		size_t len = MIN(dst.len, (size_t)(MVMI_PAGE_SIZE - skip));
		struct mvmi_span part = { dst.ptr, len };
		mvmi_gpa gpa;
		enum mvmi_status status = pagecache_find(
			guest, cache, off / MVMI_PAGE_SIZE, &gpa, err);

		if (status == MVMI_OK)
			status = mvmi_mem_read(guest->os.vm,
					       mvmi_gpa_at(gpa.val + skip),
					       part, err);
		if (status != MVMI_OK)
			return status;
		off += len;
		dst.ptr += len;
		dst.len -= len;
	}
	return MVMI_OK;
}

/** A file that is being read as a whole. */
struct reading {
	struct linux_os *guest;
	const struct pagecache *cache;
	struct mvmi_span dst;
	uint64_t done; /**< bytes */
};

static enum mvmi_status
read_entry(uint64_t first, uint64_t last, uint64_t entry, void *arg,
	   struct mvmi_error *err)
{
	struct reading *r = arg;
	uint64_t off = first * MVMI_PAGE_SIZE;
	uint64_t pages = MIN(last - first, FOLIO_PAGES_MAX - 1) + 1;
	struct mvmi_span part;
	mvmi_gpa gpa;
	enum mvmi_status status;

	if (first > UINT64_MAX / MVMI_PAGE_SIZE || off >= r->dst.len ||
	    xarray_is_value(&r->guest->shapes.xarray, entry))
		return MVMI_OK;
	status = locate(r->guest, r->cache, first, entry, &gpa, err);
	if (status != MVMI_OK)
		return status;
	part.ptr = r->dst.ptr + off;
	part.len = (size_t)MIN(pages * MVMI_PAGE_SIZE, r->dst.len - off);
	status = mvmi_mem_read(r->guest->os.vm, gpa, part, err);
	if (status == MVMI_OK)
		r->done += part.len;
	return status;
}

enum mvmi_status
pagecache_read_all(struct linux_os *guest, const struct pagecache *cache,
		   struct mvmi_span dst, uint64_t *ret_missing,
		   struct mvmi_error *err)
{
	struct reading r = { guest, cache, dst, 0 };
	enum mvmi_status status =
		xarray_walk(guest->os.space, &guest->shapes.xarray, cache->head,
			    read_entry, &r, err);

	if (status == MVMI_OK)
		*ret_missing = dst.len - r.done;
	return status;
}
