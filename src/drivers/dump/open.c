/* SPDX-License-Identifier: MIT */
/*
 * The dump driver: which format a file has, and what a connection to it offers.
 */
#include "drivers/dump/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/dump/elfcore.h"
#include "drivers/dump/foreign.h"
#include "drivers/dump/mem.h"
#include "drivers/dump/raw.h"

/** A file as a parser sees it; the source is its first member. */
struct file_source {
	struct dump_source source;
	const struct file *file;
};

static enum mvmi_status
file_source_read(const struct dump_source *source, uint64_t off,
		 struct mvmi_span dst, struct mvmi_error *err)
{
	const struct file_source *from =
		(const struct file_source *)(const void *)source;

	return file_read_at(from->file, off, dst, err);
}

/** The first bytes of a file; zeros beyond its end. */
struct dump_begin {
	uint8_t bytes[FOREIGN_MAGIC_LEN];
};

static struct dump_begin dump_begin_of(const struct file *file)
{
	struct dump_begin begin = { { 0 } };
	size_t len = (size_t)MIN(file->size, sizeof(begin.bytes));

	if (file_read_at(file, 0, (struct mvmi_span){ begin.bytes, len },
			 NULL) != MVMI_OK)
		return (struct dump_begin){ { 0 } };
	return begin;
}

static bool dump_begins_elf(const struct file *file)
{
	const struct dump_begin begin = dump_begin_of(file);

	return elfcore_is_elf(begin.bytes);
}

static const char *dump_begins_foreign(const struct file *file)
{
	const struct dump_begin begin = dump_begin_of(file);

	return foreign_find(
		(struct mvmi_bytes){ begin.bytes, sizeof(begin.bytes) });
}

/**
 * A bare path is a dump if it is an ordinary file that is ELF, or that is whole
 * pages long, or that is a dump of a kind of which we can say that we don't read
 * it. Anything else has to be named dump:FILE.
 */
static bool dump_claims(const char *path)
{
	struct file file;
	struct stat st;
	bool claims;

	/* Opening a device could do something to it. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	if (file_open(&file, path, NULL) != MVMI_OK)
		return false;
	claims = file.size &&
		 (file.size % MVMI_PAGE_SIZE == 0 || dump_begins_elf(&file) ||
		  dump_begins_foreign(&file));
	file_close(&file);
	return claims;
}

static const char *
dump_option(const struct mvmi_open_args *args, const char *key)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].key, key) == 0)
			return args->options[i].value;
	}
	return NULL;
}

static enum mvmi_status
dump_choose_format(struct dump *dump, const struct mvmi_open_args *args,
		   struct mvmi_error *err)
{
	const char *format = dump_option(args, "format");
	const char *foreign;

	foreign = format || dump_option(args, "regions")
			  ? NULL
			  : dump_begins_foreign(&dump->file);
	if (foreign)
		return fail(err, MVMI_ERR_INVALID,
			    "this is %s; if it is raw memory all the same, say "
			    "format=raw",
			    foreign);
	if (!format)
		dump->is_elf = !dump_option(args, "regions") &&
			       dump_begins_elf(&dump->file);
	else if (strcmp(format, "elf") == 0)
		dump->is_elf = true;
	else if (strcmp(format, "raw") != 0)
		return fail(err, MVMI_ERR_INVALID,
			    "format=%s: there are raw and elf", format);
	if (dump->is_elf && dump_option(args, "regions"))
		return fail(err, MVMI_ERR_INVALID,
			    "regions= is for raw dumps; an ELF core has its "
			    "own list");
	return MVMI_OK;
}

/** Read a text that is not too long; *ret is the caller's to free. */
static enum mvmi_status
dump_read_text(const struct file *file, char **ret, struct mvmi_error *err)
{
	size_t len = (size_t)file->size;
	enum mvmi_status status;
	char *text;

	if (file->size > RAW_LIST_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "too long for a list of regions");
	text = calloc(1, len + 1);
	if (!text)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu bytes",
			    len);
	status = file_read_at(file, 0,
			      (struct mvmi_span){ (uint8_t *)text, len }, err);
	if (status == MVMI_OK && strlen(text) != len)
		status = fail(err, MVMI_ERR_INVALID,
			      "it has NUL bytes, so it is no text");
	if (status != MVMI_OK) {
		free(text);
		return status;
	}
	*ret = text;
	return MVMI_OK;
}

static enum mvmi_status
dump_load_list(const char *path, char **ret, struct mvmi_error *err)
{
	struct file file;
	enum mvmi_status status = file_open(&file, path, err);

	if (status != MVMI_OK)
		return status;
	status = dump_read_text(&file, ret, err);
	file_close(&file);
	return fail_context(err, status, "%s", path);
}

static enum mvmi_status
dump_parse_raw(struct dump *dump, const char *list, struct mvmi_error *err)
{
	enum mvmi_status status;
	char *text = NULL;

	if (list && list[0] == '@') {
		status = dump_load_list(list + 1, &text, err);
		if (status != MVMI_OK)
			return status;
	}
	status = raw_parse(text ? text : list, dump->file.size, &dump->image,
			   err);
	free(text);
	return status;
}

static enum mvmi_status
dump_parse(struct dump *dump, const struct mvmi_open_args *args,
	   struct mvmi_error *err)
{
	const struct file_source source = {
		.source = { .size = dump->file.size, .read = file_source_read },
		.file = &dump->file,
	};
	enum mvmi_status status = dump_choose_format(dump, args, err);

	if (status != MVMI_OK)
		return status;
	if (dump->is_elf)
		return elfcore_parse(&source.source, &dump->image, err);
	return dump_parse_raw(dump, dump_option(args, "regions"), err);
}

static unsigned dump_vcpu_count(struct mvmi_conn *conn)
{
	return container_of(conn, struct dump, conn)->image.vcpu_count;
}

static enum mvmi_status
dump_vcpu_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	      struct mvmi_regs *regs, struct mvmi_error *err)
{
	const struct dump *dump = container_of(conn, struct dump, conn);

	(void)groups;
	(void)err;
	*regs = dump->image.vcpus[vcpu];
	return MVMI_OK;
}

static const struct mvmi_vcpu_ops dump_vcpu_ops = {
	.count = dump_vcpu_count,
	.get = dump_vcpu_get,
};

static void dump_offer(struct dump *dump)
{
	struct mvmi_conn *conn = &dump->conn;

	conn->driver = &dump_driver;
	conn->mem = &dump_mem_ops;
	conn->traits = MVMI_TRAIT_STATIC;
	conn->incarnation = 1;
	for (unsigned i = 0; i < dump->image.vcpu_count; i++) {
		const mvmi_regset *valid = &dump->image.vcpus[i].valid;

		conn->readable_regs.bits[0] |= valid->bits[0];
		conn->readable_regs.bits[1] |= valid->bits[1];
	}
	if (!mvmi_regset_is_empty(conn->readable_regs))
		conn->vcpu = &dump_vcpu_ops;
}

static enum mvmi_status
dump_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err)
{
	struct dump *dump = calloc(1, sizeof(*dump));
	enum mvmi_status status;

	if (!dump)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a dump");
	status = file_open(&dump->file, args->where, err);
	if (status != MVMI_OK)
		goto err_free;
	status = dump_parse(dump, args, err);
	if (status != MVMI_OK) {
		(void)fail_context(err, status, "%s", args->where);
		goto err_close;
	}
	dump_offer(dump);
	*ret = &dump->conn;
	return MVMI_OK;

err_close:
	file_close(&dump->file);
err_free:
	free(dump);
	return status;
}

static void dump_close(struct mvmi_conn *conn)
{
	struct dump *dump = container_of(conn, struct dump, conn);

	image_fini(&dump->image);
	file_close(&dump->file);
	free(dump);
}

static enum mvmi_status
dump_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	  struct mvmi_error *err)
{
	const struct dump *dump = container_of(conn, struct dump, conn);

	(void)err;
	(void)snprintf(info->hypervisor, sizeof(info->hypervisor), "%s",
		       dump->image.hypervisor);
	(void)snprintf(info->memory_path, sizeof(info->memory_path),
		       "pread of %s", dump->is_elf ? "ELF core" : "raw file");
	if (dump->image.note[0])
		(void)snprintf(info->note, sizeof(info->note), "%s",
			       dump->image.note);
	else if (!conn->vcpu)
		(void)snprintf(info->note, sizeof(info->note),
			       "this dump came without registers");
	info->state = MVMI_RUN_STATE_DUMP;
	return MVMI_OK;
}

static const char *const dump_option_keys[] = { "format", "regions", NULL };

const struct mvmi_driver dump_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "dump",
	.option_keys = dump_option_keys,
	.claims = dump_claims,
	.open = dump_open,
	.close = dump_close,
	.info = dump_info,
};
