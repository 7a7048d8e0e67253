/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"

#define PROC_CHUNK    ((size_t)(32 * 1024))
#define PROC_PATH_LEN 352

int proc_open(int64_t pid, const char *name)
{
	char path[PROC_PATH_LEN];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/** Read fd to its end into *ret, which is replaced as it grows. */
static enum mvmi_status
proc_read_fd(int fd, char **ret, size_t *ret_len, struct mvmi_error *err)
{
	size_t capacity = 0;
	size_t len = 0;
	ssize_t n = 1;

	*ret = NULL;
	while (n > 0) {
		if (capacity - len < PROC_CHUNK) {
			size_t larger = MAX(2 * capacity, 2 * PROC_CHUNK);
			char *buf = realloc(*ret, larger);

			if (!buf || larger > PROC_FILE_MAX) {
				if (buf)
					*ret = buf;
				return fail(err, MVMI_ERR_LIMIT,
					    "it is too long");
			}
			*ret = buf;
			capacity = larger;
		}
		n = read(fd, *ret + len, capacity - len - 1);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		return fail_sys(err, errno, "reading");
	(*ret)[len] = '\0';
	*ret_len = len;
	return MVMI_OK;
}

enum mvmi_status proc_read(int64_t pid, const char *name, char **ret,
			   size_t *ret_len, struct mvmi_error *err)
{
	int fd = proc_open(pid, name);
	enum mvmi_status status;
	char *text;

	if (fd < 0 && errno == ENOENT)
		return fail(err, MVMI_ERR_GONE, "there is no process %" PRId64,
			    pid);
	if (fd < 0)
		return fail_sys(err, errno, "cannot open /proc/%" PRId64 "/%s",
				pid, name);
	status = proc_read_fd(fd, &text, ret_len, err);
	(void)close(fd);
	if (status != MVMI_OK) {
		free(text);
		(void)fail_context(err, status, "/proc/%" PRId64 "/%s", pid,
				   name);
		return status;
	}
	*ret = text;
	return MVMI_OK;
}

/** Take a number and the character behind it. */
static bool proc_number(const char **at, int base, char behind, uint64_t *ret)
{
	char *end;

	if (**at == '-' || **at == '+' || **at == ' ')
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, base);
	if (end == *at || errno || *end != behind)
		return false;
	*at = end + 1;
	return true;
}

bool proc_parse_map(const char *line, struct proc_map *ret)
{
	struct proc_map map = { 0 };
	uint64_t major;
	uint64_t minor;
	char *end;

	if (!proc_number(&line, 16, '-', &map.start) ||
	    !proc_number(&line, 16, ' ', &map.end) || strnlen(line, 5) < 5 ||
	    line[4] != ' ')
		return false;
	map.readable = line[0] == 'r';
	map.shared = line[3] == 's';
	line += 5;
	if (!proc_number(&line, 16, ' ', &map.off) ||
	    !proc_number(&line, 16, ':', &major) ||
	    !proc_number(&line, 16, ' ', &minor) || major > UINT32_MAX ||
	    minor > UINT32_MAX || *line < '0' || *line > '9')
		return false;
	errno = 0;
	map.inode = strtoull(line, &end, 10);
	map.major = (unsigned)major;
	map.minor = (unsigned)minor;
	if (errno || map.end <= map.start || map.off > INT64_MAX)
		return false;
	*ret = map;
	return true;
}

static enum mvmi_status
proc_parse_maps(char *text, struct proc_maps *ret, struct mvmi_error *err)
{
	size_t lines = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	ret->count = 0;
	ret->maps = calloc(lines + 1, sizeof(*ret->maps));
	if (!ret->maps)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu mappings",
			    lines);
	for (char *line = text; *line;) {
		char *end = strchr(line, '\n');

		if (!end)
			break;
		*end = '\0';
		if (!proc_parse_map(line, &ret->maps[ret->count])) {
			free(ret->maps);
			ret->maps = NULL;
			return fail(err, MVMI_ERR_CORRUPT,
				    "a line of maps is not understood: %s",
				    line);
		}
		ret->count++;
		line = end + 1;
	}
	return MVMI_OK;
}

enum mvmi_status
proc_maps(int64_t pid, struct proc_maps *ret, struct mvmi_error *err)
{
	char *text = NULL;
	size_t len;
	enum mvmi_status status = proc_read(pid, "maps", &text, &len, err);

	if (status != MVMI_OK)
		return status;
	status = proc_parse_maps(text, ret, err);
	free(text);
	return status;
}

size_t proc_count_fds(int64_t pid, const char *prefix)
{
	char path[PROC_PATH_LEN];
	size_t count = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char link[PROC_PATH_LEN];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link,
				       sizeof(link) - 1);

		if (n > 0) {
			link[n] = '\0';
			count += strncmp(link, prefix, strlen(prefix)) == 0;
		}
	}
	(void)closedir(dir);
	return count;
}

/** Whether a "VmFlags:" line has the flag "um". */
static bool proc_flags_userfault(const char *line)
{
	return strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " um");
}

enum mvmi_status
proc_mark_userfault(int64_t pid, struct proc_maps *maps, struct mvmi_error *err)
{
	struct proc_map at = { 0 };
	enum mvmi_status status;
	char *save = NULL;
	char *text = NULL;
	size_t len;

	if (proc_count_fds(pid, "anon_inode:[userfaultfd]") == 0)
		return MVMI_OK;
	status = proc_read(pid, "smaps", &text, &len, err);
	if (status != MVMI_OK)
		return status;
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (proc_parse_map(line, &at) || !proc_flags_userfault(line))
			continue;
		for (size_t i = 0; i < maps->count; i++)
			maps->maps[i].userfault |=
				maps->maps[i].start < at.end &&
				at.start < maps->maps[i].end;
	}
	free(text);
	return MVMI_OK;
}

static bool proc_is_file_of(const struct stat *st, const struct proc_map *map)
{
	return st->st_ino == map->inode &&
	       st->st_dev == makedev(map->major, map->minor);
}

/** Look for a descriptor of the process that is the mapped file. */
static int proc_open_fd_of(int64_t pid, const struct proc_map *map)
{
	char path[PROC_PATH_LEN];
	int fd = -1;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
		    S_ISREG(st.st_mode) && proc_is_file_of(&st, map)) {
			fd = openat(dirfd(dir), e->d_name,
				    O_RDONLY | O_CLOEXEC);
			break;
		}
	}
	(void)closedir(dir);
	return fd;
}

int proc_open_map(int64_t pid, const struct proc_map *map)
{
	char name[64];
	struct stat st;
	int fd;

	(void)snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64,
		       map->start, map->end);
	fd = proc_open(pid, name);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return proc_open_fd_of(pid, map);
}

int proc_open_pidfd(int64_t pid)
{
	return (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
}

bool proc_has_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}
