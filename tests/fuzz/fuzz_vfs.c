/* SPDX-License-Identifier: MIT */
/*
 * Files, paths, mounts, sockets, modules and their symbols, and the checks, in
 * a guest whose memory is the input: dentries, trees, tables and lists that are
 * whatever they like.  Each call ends, with a list in which every string can be
 * read, or with an error that says something.
 */
#include "../tinyvfs.h"
#include "base/cursor.h"

/** What of RAM an input is put to; less of it is there than a test has. */
#define FROM UINT64_C(0x1000)
#define LEN  ((size_t)(TVFS_END + 0x100))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

/** Read a string to its end, where ASan sees it. */
static void touch(const char *s)
{
	require(s != NULL && strlen(s) < ((size_t)1 << 20));
}

static void fuzz_files(struct mvmi_os *os, struct mvmi_error *err)
{
	const struct mvmi_file_list *list;

	if (mvmi_os_list_files(os, 1, &list, err) != MVMI_OK)
		return;
	for (size_t i = 0; i < list->count; i++)
		touch(list->items[i]->path);
	mvmi_os_free(list);
}

static void fuzz_mounts(struct mvmi_os *os, struct mvmi_error *err)
{
	const struct mvmi_mount_list *list;

	if (mvmi_os_list_mounts(os, 1, &list, err) != MVMI_OK)
		return;
	for (size_t i = 0; i < list->count; i++) {
		touch(list->items[i]->root);
		touch(list->items[i]->path);
		touch(list->items[i]->type);
		touch(list->items[i]->source);
	}
	mvmi_os_free(list);
}

static void fuzz_sockets(struct mvmi_os *os, struct mvmi_error *err)
{
	const struct mvmi_socket_list *list;

	if (mvmi_os_list_sockets(os, MVMI_OS_ALL, &list, err) != MVMI_OK)
		return;
	for (size_t i = 0; i < list->count; i++) {
		touch(list->items[i]->family);
		touch(list->items[i]->protocol);
		touch(list->items[i]->local.address);
		touch(list->items[i]->remote.address);
	}
	mvmi_os_free(list);
}

static void fuzz_modules(struct mvmi_os *os, struct mvmi_error *err)
{
	const struct mvmi_module_list *list;

	if (mvmi_os_list_modules(os, &list, err) != MVMI_OK)
		return;
	for (size_t i = 0; i < list->count; i++)
		touch(list->items[i]->name);
	mvmi_os_free(list);
}

static void fuzz_symbols(struct mvmi_os *os, struct mvmi_error *err)
{
	struct mvmi_symbols *symbols;
	struct mvmi_symbol symbol;

	if (mvmi_os_symbols(os, &symbols, err) != MVMI_OK)
		return;
	for (size_t i = 0; mvmi_symbols_get(symbols, i, &symbol); i++) {
		touch(symbol.name);
		touch(symbol.module);
	}
	mvmi_symbols_destroy(symbols);
}

static void fuzz_check(struct mvmi_os *os, struct mvmi_error *err)
{
	const struct mvmi_finding_list *list;

	if (mvmi_os_check(os, &list, err) != MVMI_OK)
		return;
	for (size_t i = 0; i < list->check_count; i++)
		touch(list->checks[i]);
	for (size_t i = 0; i < list->count; i++)
		touch(list->items[i]->text);
	mvmi_os_free(list);
}

static void (*const calls[])(struct mvmi_os *os, struct mvmi_error *err) = {
	fuzz_files,   fuzz_mounts,  fuzz_sockets,
	fuzz_modules, fuzz_symbols, fuzz_check,
};

/** Members that one kernel or another lacks. */
static const char *const lacks[] = {
	NULL,
	"mnt_namespace.mounts",
	"module.mem",
	"mod_kallsyms.typetab",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });
	size_t call = cursor_u8(&c) % (sizeof(calls) / sizeof(calls[0]));
	unsigned flags = cursor_u8(&c);
	struct mvmi_error err = { .status = MVMI_OK };
	struct mvmi_bytes image;
	struct mvmi_os *os;

	if (!cursor_ok(&c))
		return 0;
	ramvm_reset();
	ramvm.frozen = (flags & 4) != 0;
	ramvm.len = LEN;
	image = cursor_take(&c,
			    c.rest.len < LEN - FROM ? c.rest.len : LEN - FROM);
	if (image.len)
		memcpy(ramvm.ram + FROM, image.ptr, image.len);
	os = tiny_open(lacks[flags & 3]);
	calls[call](os, &err);
	require(err.status == MVMI_OK || err.msg[0] != '\0');
	tiny_close(os);
	return 0;
}
