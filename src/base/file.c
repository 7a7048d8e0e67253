/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"

/* One pread of more than this is cut short by Linux. */
#define FILE_CHUNK ((size_t)1 << 30)

/* Of the 1024 that Linux takes: more gain next to nothing. */
#define FILE_VECTOR 64

enum mvmi_status
file_open(struct file *f, const char *path, struct mvmi_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum mvmi_status status;
	struct stat st;
	off_t size;

	if (fd == 0) {
		/* Standard input was closed: 0 is what a closed file has. */
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		(void)close(0);
	}
	if (fd < 0)
		return fail_sys(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) != 0) {
		status = fail_sys(err, errno, "cannot examine %s", path);
		goto err_close;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		status = fail(err, MVMI_ERR_INVALID,
			      "%s is neither a file nor a block device", path);
		goto err_close;
	}
	/* Those in /proc can't be sought in; they tell a size of 0. */
	size = S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
	if (size < 0) {
		status = fail_sys(err, errno, "cannot size %s", path);
		goto err_close;
	}
	*f = (struct file){ .fd = fd, .size = (uint64_t)size };
	return MVMI_OK;

err_close:
	(void)close(fd);
	return status;
}

enum mvmi_status file_read_at(const struct file *f, uint64_t off,
			      struct mvmi_span dst, struct mvmi_error *err)
{
	if (off > INT64_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "file offset 0x%" PRIx64 " is out of range", off);
	while (dst.len) {
		ssize_t n = pread(f->fd, dst.ptr, MIN(dst.len, FILE_CHUNK),
				  (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_sys(err, errno,
					"read at file offset 0x%" PRIx64, off);
		if (n == 0)
			return fail(err, MVMI_ERR_CORRUPT,
				    "the file ends at offset 0x%" PRIx64
				    ", %zu bytes early",
				    off, dst.len);
		dst.ptr += n;
		dst.len -= (size_t)n;
		off += (uint64_t)n;
	}
	return MVMI_OK;
}

/** One system call; false unless it read all of it, which is *ret_len. */
static bool
read_vector(const struct file *f, uint64_t off, const struct mvmi_span *dsts,
	    size_t count, uint64_t *ret_len)
{
	struct iovec iov[FILE_VECTOR];
	uint64_t len = 0;
	ssize_t n;

	for (size_t i = 0; i < count; i++) {
		iov[i] = (struct iovec){ dsts[i].ptr, dsts[i].len };
		len += dsts[i].len;
	}
	if (off > INT64_MAX)
		return false;
	n = preadv(f->fd, iov, (int)count, (off_t)off);
	*ret_len = len;
	return n >= 0 && (uint64_t)n == len;
}

enum mvmi_status
file_readv_at(const struct file *f, uint64_t off, const struct mvmi_span *dsts,
	      size_t count, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	uint64_t len;
	size_t i = 0;

	while (status == MVMI_OK && i < count) {
		size_t n = MIN(count - i, FILE_VECTOR);

		if (read_vector(f, off, dsts + i, n, &len)) {
			off += len;
			i += n;
			continue;
		}
		/* Cut short, interrupted or in error: the simple way says. */
		status = file_read_at(f, off, dsts[i], err);
		off += dsts[i].len;
		i++;
	}
	return status;
}

enum mvmi_extent_kind
file_extent(const struct file *f, uint64_t off, uint64_t *ret_len)
{
	uint64_t left = off < f->size ? f->size - off : 0;
	off_t next;

	*ret_len = left;
	if (off > INT64_MAX)
		return MVMI_EXTENT_DATA;
	next = lseek(f->fd, (off_t)off, SEEK_DATA);
	if (next < 0) {
		/* ENXIO: nothing but a hole from here to the end. */
		return errno == ENXIO && left ? MVMI_EXTENT_ZERO
					      : MVMI_EXTENT_DATA;
	}
	if ((uint64_t)next > off) {
		*ret_len = MIN(left, (uint64_t)next - off);
		return MVMI_EXTENT_ZERO;
	}
	next = lseek(f->fd, (off_t)off, SEEK_HOLE);
	if (next > 0 && (uint64_t)next > off)
		*ret_len = MIN(left, (uint64_t)next - off);
	return MVMI_EXTENT_DATA;
}

void file_close(struct file *f)
{
	if (f->fd > 0)
		(void)close(f->fd);
	*f = (struct file){ .fd = -1 };
}
