/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/cmdline.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/proc.h"

/* Words of a command line that are looked at. */
#define CMDLINE_ARGS_MAX 8192

/* Words before the program's name: a loader and its options. */
#define CMDLINE_LEAD_WORDS 6

/** The arguments, one after the other. */
struct cmdline_args {
	const char *at;
	const char *end;
};

static const char *args_next(struct cmdline_args *args)
{
	const char *word = args->at;
	size_t left = (size_t)(args->end - args->at);
	size_t n = strnlen(word, left);

	if (n == left)
		return NULL;
	args->at += n + 1;
	return word;
}

/** Is word the option -name or --name? */
static bool is_option(const char *word, const char *name)
{
	return word[0] == '-' &&
	       strcmp(word + (word[1] == '-' ? 2 : 1), name) == 0;
}

/** Copy up to the next single comma; two of them are one. */
static const char *copy_value(const char *from, char *to, size_t size)
{
	size_t n = 0;

	while (*from && (*from != ',' || from[1] == ',')) {
		if (*from == ',')
			from++;
		if (n + 1 < size)
			to[n++] = *from;
		from++;
	}
	to[n] = '\0';
	return *from ? from + 1 : from;
}

/**
 * Find key in "first,key=value,…". A first part without a key is that of
 * implied.
 */
static bool find_value(const char *opts, const char *key, const char *implied,
		       char *ret, size_t size)
{
	size_t n = strlen(key);
	char sink[2];
	bool first = true;

	while (*opts) {
		size_t name = strcspn(opts, "=,");

		if (opts[name] == '=' && name == n &&
		    strncmp(opts, key, n) == 0) {
			(void)copy_value(opts + n + 1, ret, size);
			return true;
		}
		if (first && opts[name] != '=' && strcmp(key, implied) == 0) {
			(void)copy_value(opts, ret, size);
			return true;
		}
		first = false;
		opts = copy_value(opts, sink, sizeof(sink));
	}
	return false;
}

static struct cmdline_monitor *add_monitor(struct cmdline *c)
{
	struct cmdline_monitor *m;

	if (c->monitor_count == CMDLINE_MONITORS_MAX)
		return NULL;
	m = &c->monitors[c->monitor_count++];
	*m = (struct cmdline_monitor){ .fd = -1 };
	return m;
}

/** -qmp unix:PATH,… or -qmp chardev:ID */
static void take_qmp(struct cmdline *c, const char *value)
{
	struct cmdline_monitor *m;

	if (strncmp(value, "unix:", 5) == 0) {
		m = add_monitor(c);
		if (m)
			(void)copy_value(value + 5, m->path, sizeof(m->path));
	} else if (strncmp(value, "chardev:", 8) == 0) {
		m = add_monitor(c);
		if (m)
			(void)copy_value(value + 8, m->chardev,
					 sizeof(m->chardev));
	}
}

static void take_mon(struct cmdline *c, const char *value)
{
	struct cmdline_monitor *m;
	char mode[16] = "";

	if (!find_value(value, "mode", "", mode, sizeof(mode)) ||
	    strcmp(mode, "control") != 0)
		return;
	m = add_monitor(c);
	if (m)
		(void)find_value(value, "chardev", "chardev", m->chardev,
				 sizeof(m->chardev));
}

/** A descriptor's number; -1 if it is none. */
static int parse_fd(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	return end != text && !*end && value <= INT_MAX ? (int)value : -1;
}

/** Give the monitors that go over this chardev their place. */
static void take_chardev(struct cmdline *c, const char *value)
{
	char id[64] = "";
	char fd[16] = "";

	(void)find_value(value, "id", "", id, sizeof(id));
	for (size_t i = 0; i < c->monitor_count; i++) {
		struct cmdline_monitor *m = &c->monitors[i];

		if (!*m->chardev || strcmp(m->chardev, id) != 0)
			continue;
		if (!find_value(value, "path", "", m->path, sizeof(m->path)) &&
		    find_value(value, "fd", "", fd, sizeof(fd)))
			m->fd = parse_fd(fd);
	}
}

/** "4G", "512", "2048M"; without a unit it is MiB. 0 if it is none. */
static uint64_t parse_size(const char *text)
{
	static const char units[] = "BKMGTP";
	char *end;
	uint64_t value = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end & ~0x20) : &units[2];
	uint64_t ret;

	if (end == text || !unit ||
	    ckd_mul(&ret, value, UINT64_C(1) << (10 * (unit - units))))
		return 0;
	return ret;
}

static void take_memory(struct cmdline *c, const char *value)
{
	char size[32] = "";
	char slots[16];

	(void)find_value(value, "size", "size", size, sizeof(size));
	c->memory_len = parse_size(size);
	c->has_slots |= find_value(value, "maxmem", "", slots, sizeof(slots));
}

/** -machine may come more than once: -M q35 -machine memory-backend=ram0. */
static void take_machine(struct cmdline *c, const char *value)
{
	(void)find_value(value, "type", "type", c->machine, sizeof(c->machine));
	c->has_split |= strstr(value, "max-ram-below-4g") != NULL;
}

static void take_option(struct cmdline *c, const char *word, const char *value)
{
	if (is_option(word, "qmp") || is_option(word, "qmp-pretty"))
		take_qmp(c, value);
	else if (is_option(word, "mon"))
		take_mon(c, value);
	else if (is_option(word, "name"))
		(void)find_value(value, "guest", "guest", c->name,
				 sizeof(c->name));
	else if (is_option(word, "M") || is_option(word, "machine"))
		take_machine(c, value);
	else if (is_option(word, "m"))
		take_memory(c, value);
	else if (is_option(word, "global"))
		c->has_split |= strstr(value, "max-ram-below-4g") != NULL;
	else if (is_option(word, "device"))
		c->has_balloon |= strstr(value, "virtio-balloon") ||
				  strstr(value, "virtio-mem");
}

void cmdline_parse(const char *text, size_t len, struct cmdline *ret)
{
	struct cmdline_args args = { text, text + len };
	struct cmdline_args again = args;
	const char *before = "";

	*ret = (struct cmdline){ 0 };
	for (int i = 0; i < CMDLINE_ARGS_MAX; i++) {
		const char *word = args_next(&args);

		if (!word)
			break;
		take_option(ret, before, word);
		ret->has_gdb |= is_option(word, "s") || is_option(word, "gdb");
		before = word;
	}
	/* A chardev may stand before the monitor that goes over it. */
	before = "";
	for (int i = 0; i < CMDLINE_ARGS_MAX; i++) {
		const char *word = args_next(&again);

		if (!word)
			break;
		if (is_option(before, "chardev"))
			take_chardev(ret, word);
		before = word;
	}
}

/** Look in a table of Unix sockets for the path with this inode. */
static void find_socket(char *table, const char *inode, char *ret, size_t size)
{
	char *save = NULL;

	for (char *line = strtok_r(table, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *at = strchr(line, '/');
		const char *found = strstr(line, inode);

		if (at && found && found < at && found[-1] == ' ' &&
		    found[strlen(inode)] == ' ') {
			(void)snprintf(ret, size, "%s", at);
			return;
		}
	}
}

/** Find the path of a socket that the process was given as a descriptor. */
static void resolve_fd(int64_t pid, struct cmdline_monitor *m)
{
	char name[64];
	char link[64];
	char *table;
	size_t table_len;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "/proc/%" PRId64 "/fd/%d", pid,
		       m->fd);
	n = readlink(name, link, sizeof(link) - 1);
	if (n < 10 || strncmp(link, "socket:[", 8) != 0)
		return;
	link[n - 1] = '\0'; /* the bracket */
	if (proc_read(pid, "net/unix", &table, &table_len, NULL) != MVMI_OK)
		return;
	find_socket(table, link + 8, m->path, sizeof(m->path));
	free(table);
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/** A path as that process sees it becomes one that works from here. */
static void resolve_path(int64_t pid, struct cmdline_monitor *m)
{
	char path[sizeof(m->path) + 40];

	if (!*m->path || (*m->path == '/' && is_socket(m->path)))
		return;
	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s/%s", pid,
		       *m->path == '/' ? "root" : "cwd", m->path);
	if (is_socket(path) && strlen(path) < sizeof(m->path))
		(void)snprintf(m->path, sizeof(m->path), "%.*s",
			       (int)sizeof(m->path) - 1, path);
}

enum mvmi_status
cmdline_read(int64_t pid, struct cmdline *ret, struct mvmi_error *err)
{
	char *text;
	size_t len;
	enum mvmi_status status = proc_read(pid, "cmdline", &text, &len, err);

	if (status != MVMI_OK)
		return status;
	cmdline_parse(text, len, ret);
	free(text);
	for (size_t i = 0; i < ret->monitor_count; i++) {
		if (ret->monitors[i].fd >= 0)
			resolve_fd(pid, &ret->monitors[i]);
		resolve_path(pid, &ret->monitors[i]);
	}
	return MVMI_OK;
}

static bool is_program(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return strcmp(name, "qemu-system-x86_64") == 0 ||
	       strcmp(name, "qemu-system-i386") == 0 ||
	       strcmp(name, "qemu-system-x86") == 0 ||
	       strcmp(name, "qemu-kvm") == 0;
}

/** The program is a dynamic loader: the words tell what it has loaded. */
static bool is_loaded(int64_t pid)
{
	struct cmdline_args args;
	bool found = false;
	char *text;
	size_t len;

	if (proc_read(pid, "cmdline", &text, &len, NULL) != MVMI_OK)
		return false;
	args = (struct cmdline_args){ text, text + len };
	for (int i = 0; i < CMDLINE_LEAD_WORDS && !found; i++) {
		const char *word = args_next(&args);

		if (!word)
			break;
		found = is_program(word);
	}
	free(text);
	return found;
}

bool cmdline_is_qemu(int64_t pid)
{
	static const char deleted[] = " (deleted)";
	char link[64];
	char exe[PATH_MAX];
	const char *name;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%" PRId64 "/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	if (n <= 0)
		return is_loaded(pid); /* not ours to look at; or a kernel's */
	exe[n] = '\0';
	if (n > (ssize_t)sizeof(deleted) &&
	    strcmp(exe + n - (sizeof(deleted) - 1), deleted) == 0)
		exe[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	name = strrchr(exe, '/');
	name = name ? name + 1 : exe;
	return is_program(exe) ||
	       (strncmp(name, "ld-", 3) == 0 && is_loaded(pid));
}
