/* SPDX-License-Identifier: MIT */
/* The folder of profiles: whose it is, what it holds, what leaves it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "symbols/btf.h"
#include "symbols/index.h"
#include "symbols/profile_file.h"

#define PROFILE_SUFFIX ".profile"

/* A build-id in hexadecimal and the suffix. */
#define PROFILE_NAME_LEN \
	((size_t)2 * PROFILE_BUILD_ID_MAX + sizeof(PROFILE_SUFFIX))

/* Of a file that is being written, random digits between. */
#define PROFILE_TEMP_PREFIX ".writing-"

/* Whoever wrote for so long was killed. */
#define PROFILE_TEMP_AGE_MAX_S 3600

/* Entries of the folder that are looked at; it holds few. */
#define PROFILE_ENTRIES_MAX 4096

static enum mvmi_status
profile_name(struct mvmi_bytes build_id, char *ret, struct mvmi_error *err)
{
	size_t at = 0;

	if (build_id.len == 0 || build_id.len > PROFILE_BUILD_ID_MAX)
		return fail(err, MVMI_ERR_INVALID,
			    "a build-id of %zu bytes, not 1 to %d",
			    build_id.len, PROFILE_BUILD_ID_MAX);
	for (size_t i = 0; i < build_id.len; i++)
		at += (size_t)snprintf(ret + at, PROFILE_NAME_LEN - at, "%02x",
				       build_id.ptr[i]);
	(void)snprintf(ret + at, PROFILE_NAME_LEN - at, PROFILE_SUFFIX);
	return MVMI_OK;
}

/** Whoever may write here could make us believe anything. */
static enum mvmi_status
profile_check_owner(const struct stat *st, const char *path,
		    struct mvmi_error *err)
{
	if (st->st_uid != geteuid())
		return fail(err, MVMI_ERR_DENIED,
			    "%s belongs to user %u, not to this one: it is "
			    "not believed",
			    path, (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return fail(err, MVMI_ERR_DENIED,
			    "%s may be written by others: it is not believed; "
			    "chmod go-w it",
			    path);
	return MVMI_OK;
}

static enum mvmi_status
profile_open_dir(const char *dir, int *ret, struct mvmi_error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum mvmi_status status;
	struct stat st;

	if (fd < 0)
		return fail_sys(err, errno, "cannot open folder %s", dir);
	if (fstat(fd, &st) != 0)
		status = fail_sys(err, errno, "cannot examine %s", dir);
	else
		status = profile_check_owner(&st, dir, err);
	if (status != MVMI_OK) {
		(void)close(fd);
		return status;
	}
	*ret = fd;
	return MVMI_OK;
}

/** As "mkdir -p" does, but readable by the user only. */
static enum mvmi_status
profile_make_dir(const char *dir, struct mvmi_error *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return fail(err, MVMI_ERR_INVALID,
			    "the folder's name has %zu bytes, not 1 to %zu",
			    len, sizeof(path) - 1);
	memcpy(path, dir, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
			return fail_sys(err, errno, "cannot make folder %s",
					path);
		path[i] = dir[i];
	}
	return MVMI_OK;
}

static enum mvmi_status
profile_load_file(int fd, const char *name, struct mvmi_bytes build_id,
		  struct profile *ret, struct mvmi_error *err)
{
	enum mvmi_status status;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail_sys(err, errno, "cannot examine %s", name);
	if (!S_ISREG(st.st_mode))
		return fail(err, MVMI_ERR_CORRUPT, "%s is no file", name);
	status = profile_check_owner(&st, name, err);
	if (status != MVMI_OK)
		return status;
	if (st.st_size < 0 || (uint64_t)st.st_size > PROFILE_LEN_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "%s is larger than %zu bytes", name,
			    PROFILE_LEN_MAX);
	status = profile_read_file(fd, (size_t)st.st_size, build_id, ret, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "%s", name);
	/* Used just now: others go first when room is needed. */
	(void)futimens(fd, NULL);
	return MVMI_OK;
}

enum mvmi_status profile_load(const char *dir, struct mvmi_bytes build_id,
			      struct profile *ret, struct mvmi_error *err)
{
	char name[PROFILE_NAME_LEN];
	enum mvmi_status status = profile_name(build_id, name, err);
	int dir_fd = -1;
	int fd;

	if (status == MVMI_OK)
		status = profile_open_dir(dir, &dir_fd, err);
	if (status != MVMI_OK)
		return status;
	fd = openat(dir_fd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		status = fail_sys(err, errno, "cannot open %s/%s", dir, name);
	} else {
		status = profile_load_file(fd, name, build_id, ret, err);
		(void)close(fd);
	}
	(void)close(dir_fd);
	return status;
}

static bool profile_ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool profile_is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

/** Remove what a process that was killed left behind. */
static void profile_drop_temp(int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    time(NULL) - st.st_mtime > PROFILE_TEMP_AGE_MAX_S)
		(void)unlinkat(dir_fd, name, 0);
}

/**
 * Keep the folder small: guests that claim a new build-id each time would fill
 * the disk. Failing to is no failure.
 */
static void profile_drop_oldest(int dir_fd, const char *keep)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	char oldest[PROFILE_NAME_LEN] = "";
	struct timespec oldest_time = { 0 };
	const struct dirent *entry;
	size_t count = 0;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	for (size_t i = 0;
	     i < PROFILE_ENTRIES_MAX && (entry = readdir(dir)) != NULL; i++) {
		if (strncmp(entry->d_name, PROFILE_TEMP_PREFIX,
			    sizeof(PROFILE_TEMP_PREFIX) - 1) == 0)
			profile_drop_temp(dir_fd, entry->d_name);
		if (!profile_ends_with(entry->d_name, PROFILE_SUFFIX) ||
		    strlen(entry->d_name) >= sizeof(oldest) ||
		    strcmp(entry->d_name, keep) == 0 ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		count++;
		if (oldest[0] && !profile_is_older(&st.st_mtim, &oldest_time))
			continue;
		oldest_time = st.st_mtim;
		(void)snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
	}
	(void)closedir(dir);
	if (count >= PROFILE_FILES_MAX)
		(void)unlinkat(dir_fd, oldest, 0);
}

static enum mvmi_status
profile_replace(int dir_fd, const char *name, struct mvmi_bytes build_id,
		const struct profile *profile, struct mvmi_error *err)
{
	char temp[sizeof(PROFILE_TEMP_PREFIX) + 16];
	enum mvmi_status status;
	uint64_t unique = 0;
	int fd;

	status = profile_make_key(&unique, err);
	if (status != MVMI_OK)
		return status;
	(void)snprintf(temp, sizeof(temp), PROFILE_TEMP_PREFIX "%016" PRIx64,
		       unique);
	fd = openat(dir_fd, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
	if (fd < 0)
		return fail_sys(err, errno, "cannot make %s", temp);
	/*
	 * Not synchronised to the disk: what a crash of the host leaves half
	 * written fails its check, and is written again.
	 */
	status = profile_write_file(fd, build_id, profile, err);
	if (close(fd) != 0 && status == MVMI_OK)
		status = fail_sys(err, errno, "cannot write %s", temp);
	if (status == MVMI_OK && renameat(dir_fd, temp, dir_fd, name) != 0)
		status = fail_sys(err, errno, "cannot rename %s", temp);
	if (status != MVMI_OK)
		(void)unlinkat(dir_fd, temp, 0);
	return status;
}

enum mvmi_status
profile_store(const char *dir, struct mvmi_bytes build_id,
	      const struct profile *profile, struct mvmi_error *err)
{
	char name[PROFILE_NAME_LEN];
	enum mvmi_status status = profile_name(build_id, name, err);
	struct mvmi_symbol any;
	int dir_fd = -1;

	if (status == MVMI_OK && profile->types->base)
		status = fail(err, MVMI_ERR_INVALID,
			      "a profile of a module's types");
	/* A lookup, whatever it finds, makes the index of names. */
	(void)mvmi_symbols_find(profile->symbols, "", &any);
	if (status == MVMI_OK && !atomic_load(&profile->symbols->names))
		status = fail(err, MVMI_ERR_NOMEM,
			      "no memory for an index of %zu symbols",
			      profile->symbols->count);
	if (status == MVMI_OK)
		status = profile_make_dir(dir, err);
	if (status == MVMI_OK)
		status = profile_open_dir(dir, &dir_fd, err);
	if (status != MVMI_OK)
		return status;
	status = profile_replace(dir_fd, name, build_id, profile, err);
	if (status == MVMI_OK)
		profile_drop_oldest(dir_fd, name);
	(void)close(dir_fd);
	return status;
}
