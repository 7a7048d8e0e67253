/* SPDX-License-Identifier: MIT */
#include "os/linux/find/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/util.h"
#include "os/linux/find/notes.h"
#include "os/linux/find/ram.h"
#include "symbols/btf.h"
#include "symbols/table.h"

/** Bytes that are hashed at a time: they stay in the host's cache. */
#define PIECE_LEN ((size_t)256 << 10)
/** Build-ids that are tried: the vDSO has one, too. */
#define IDS_MAX 8

/** Hash a copy, piece by piece. */
static uint64_t hash_copy(uint64_t key, struct mvmi_bytes copy)
{
	while (copy.len) {
		size_t len = MIN(copy.len, PIECE_LEN);

		key = profile_hash(key, (struct mvmi_bytes){ copy.ptr, len });
		copy.ptr += len;
		copy.len -= len;
	}
	return key;
}

/** Hash the guest's memory, in the same pieces. */
static bool hash_guest(struct mvmi_vm *vm, uint64_t gpa, uint64_t len,
		       struct mvmi_span buf, uint64_t *key)
{
	while (len) {
		size_t n = (size_t)MIN(len, buf.len);

		if (mvmi_mem_read(vm, mvmi_gpa_at(gpa),
				  (struct mvmi_span){ buf.ptr, n },
				  NULL) != MVMI_OK)
			return false;
		*key = profile_hash(*key, (struct mvmi_bytes){ buf.ptr, n });
		gpa += n;
		len -= n;
	}
	return true;
}

/** Was the profile made of the very bytes that this guest has? */
static bool fits(struct mvmi_vm *vm, const struct anchor *anchor,
		 const struct profile *profile, struct mvmi_span buf)
{
	for (size_t i = 0; i < profile->region_count; i++) {
		const struct profile_region *region = &profile->regions[i];
		uint64_t hash = profile->key;

		if (region->offset > anchor->len ||
		    region->len > anchor->len - region->offset ||
		    !hash_guest(vm, anchor->gpa.val + region->offset,
				region->len, buf, &hash) ||
		    hash != region->hash)
			return false;
	}
	return profile->region_count != 0;
}

/** Load the profile of one build-id, if there is one and it fits. */
static bool
load_one(struct mvmi_vm *vm, const char *dir, const struct note_id *id,
	 struct mvmi_span buf, struct found *found)
{
	struct profile profile = { .symbols = NULL };

	if (profile_load(dir, (struct mvmi_bytes){ id->bytes, id->len },
			 &profile, NULL) != MVMI_OK)
		return false;
	if (!fits(vm, &found->anchor, &profile, buf)) {
		profile_fini(&profile);
		return false;
	}
	symbols_rebase(profile.symbols, found->anchor.base.val - profile.base);
	found->symbols = profile.symbols;
	found->types = profile.types;
	found->checked_by = "profile";
	profile.symbols = NULL;
	profile.types = NULL;
	profile_fini(&profile);
	return true;
}

bool cache_load(struct mvmi_vm *vm, const char *dir, struct found *found)
{
	const struct anchor *anchor = &found->anchor;
	struct note_id ids[IDS_MAX];
	size_t count = 0;
	struct mvmi_span buf = { malloc(PIECE_LEN), PIECE_LEN };
	bool loaded = false;

	if (!buf.ptr)
		return false;
	for (uint64_t off = 0; off < anchor->rodata_len && !loaded;
	     off += PIECE_LEN) {
		uint64_t gpa = anchor->gpa.val + anchor->rodata + off;
		size_t len = (size_t)MIN(PIECE_LEN, anchor->rodata_len - off);
		size_t from = 0;

		if (mvmi_mem_read(vm, mvmi_gpa_at(gpa),
				  (struct mvmi_span){ buf.ptr, len },
				  NULL) != MVMI_OK)
			break;
		while (count < IDS_MAX &&
		       note_find_id((struct mvmi_bytes){ buf.ptr, len }, &from,
				    &ids[count]))
			count++;
	}
	for (size_t i = 0; i < count && !loaded; i++)
		loaded = load_one(vm, dir, &ids[i], buf, found);
	free(buf.ptr);
	return loaded;
}

static void
add_region(struct found *found, struct mvmi_bytes bytes, uint64_t off)
{
	struct profile *profile = &found->profile;
	struct profile_region *region =
		&profile->regions[profile->region_count++];

	region->offset = off;
	region->len = bytes.len;
	region->hash = hash_copy(profile->key, bytes);
}

void cache_measure(struct found *found, struct mvmi_bytes copy, uint64_t off,
		   const struct kallsyms_layout *layout)
{
	/* The start of each table, and its length. */
	const struct {
		size_t off, len;
	} tables[] = {
		{ layout->names, layout->names_end - layout->names },
		{ layout->tokens, layout->token_index + 512 - layout->tokens },
		{ layout->offsets, layout->count * sizeof(uint32_t) },
	};

	/* Addresses that are relocated can't be compared. */
	if (layout->rule == KALLSYMS_ABSOLUTE ||
	    profile_make_key(&found->profile.key, NULL) != MVMI_OK)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (tables[i].off > copy.len ||
		    tables[i].len > copy.len - tables[i].off) {
			found->profile.region_count = 0;
			return;
		}
		add_region(found,
			   (struct mvmi_bytes){ copy.ptr + tables[i].off,
						tables[i].len },
			   off + tables[i].off);
	}
}

void cache_store(const struct linux_os *guest, const char *dir,
		 const struct found *found)
{
	struct found whole = *found;
	struct profile *profile = &whole.profile;
	struct note_id id;
	mvmi_gva btf;

	if (!profile->region_count || !guest->os.types ||
	    !note_parse_hex(guest->kernel.build_id, &id) ||
	    linux_symbol(guest, "__start_BTF", &btf, NULL) != MVMI_OK)
		return;
	add_region(&whole, btf_blob(guest->os.types),
		   btf.val - guest->kernel.base.val);
	profile->symbols = guest->os.symbols;
	profile->types = guest->os.types;
	profile->base = guest->kernel.base.val;
	(void)snprintf(profile->banner, sizeof(profile->banner), "%s",
		       guest->kernel.banner);
	/* An address will be asked for: have that index in it, too. */
	if (mvmi_symbols_prepare(guest->os.symbols, NULL) != MVMI_OK ||
	    profile_store(dir, (struct mvmi_bytes){ id.bytes, id.len }, profile,
			  NULL) != MVMI_OK)
		return;
}
