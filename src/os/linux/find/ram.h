/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Going through a guest's RAM from end to end, by copies of a chunk each.
 * Memory that nobody touched is never read, and so stays untouched.
 */
#ifndef MICROVMI_OS_LINUX_FIND_RAM_H
#define MICROVMI_OS_LINUX_FIND_RAM_H

#include <microvmi/mem.h>

#define ram_begin  mvmi__ram_begin
#define ram_next   mvmi__ram_next
#define ram_end	   mvmi__ram_end
#define ram_around mvmi__ram_around
#define ram_copy   mvmi__ram_copy

/** Bytes of memory that are new in a chunk, at most. */
#define RAM_CHUNK_LEN ((size_t)1 << 20)

/** A copy of guest-physical memory. */
struct ram_copy {
	struct mvmi_span bytes; /**< owned; of malloc() */
	mvmi_gpa gpa;		/**< of its first byte */
};

/** A walk over all RAM that holds data, by address. */
struct ram_walk {
	struct mvmi_vm *vm;	     /**< borrowed */
	struct mvmi_region *regions; /**< owned */
	size_t region_count;
	size_t region;	/**< the present one */
	uint64_t next;	/**< first address that was not looked at */
	uint64_t end;	/**< exclusive: nothing from here on */
	size_t overlap; /**< bytes that a chunk repeats of the one before it */
	uint8_t *buf;	/**< owned */
	uint64_t scanned; /**< bytes so far */
	/** The chunk: a copy, until the next one. Empty: all was seen. */
	struct mvmi_bytes bytes;
	mvmi_gpa gpa; /**< of its first byte */
	size_t fresh; /**< offset of what the chunk before did not have */
};

/**
 * Begin a walk; ram_next() gives the first chunk.
 *
 * @param overlap  Longest thing that is looked for: it may lie across chunks.
 */
enum mvmi_status ram_begin(struct ram_walk *walk, struct mvmi_vm *vm,
			   size_t overlap, struct mvmi_error *err);

/** Look only at addresses from start on and before end. Before the first. */
void ram_limit(struct ram_walk *walk, uint64_t start, uint64_t end);

/**
 * Go to the next memory that holds data, without reading it: it is from
 * walk->next on.
 *
 * @param ret  How many bytes of it there are, at most a chunk; 0: no more.
 */
enum mvmi_status
ram_find(struct ram_walk *walk, uint64_t *ret, struct mvmi_error *err);

/** Go past what ram_find() found. */
void ram_pass(struct ram_walk *walk, uint64_t len);

/** Read the next chunk. walk->bytes is empty at the end. */
enum mvmi_status ram_next(struct ram_walk *walk, struct mvmi_error *err);

/** A zeroed walk is a no-op. */
void ram_end(struct ram_walk *walk);

/**
 * Copy len bytes from gpa on.
 *
 * @param ret  Free ret->bytes.ptr.
 */
enum mvmi_status ram_copy(struct mvmi_vm *vm, mvmi_gpa gpa, size_t len,
			  struct ram_copy *ret, struct mvmi_error *err);

/**
 * Copy what lies around gpa in its region: up to before bytes before it, up to
 * after bytes from it on.
 *
 * @param ret  Free ret->bytes.ptr.
 */
enum mvmi_status
ram_around(const struct ram_walk *walk, mvmi_gpa gpa, size_t before,
	   size_t after, struct ram_copy *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_FIND_RAM_H */
