/* SPDX-License-Identifier: MIT */
#include "drivers/dump/foreign.h"

#include <string.h>

#include "base/util.h"

struct foreign {
	const char *magic;
	size_t len;
	const char *what;
};

#define FOREIGN(magic, what)                       \
	{                                          \
		(magic), sizeof(magic) - 1, (what) \
	}

static const struct foreign foreigns[] = {
	FOREIGN("\x28\xb5\x2f\xfd", "compressed by zstd; run zstd -d"),
	FOREIGN("\x1f\x8b\x08", "compressed by gzip; run gunzip"),
	FOREIGN("\xfd"
		"7zXZ\0",
		"compressed by xz; run unxz"),
	FOREIGN("KDUMP   ", "a kdump-compressed dump; write an ELF core"),
	FOREIGN("EMiL", "a LiME dump; use LiME's format=raw"),
	FOREIGN("PAGEDUMP", "a Windows crash dump"),
	FOREIGN("PAGEDU64", "a Windows crash dump"),
	FOREIGN("QEVM", "a QEMU migration stream; use dump-guest-memory"),
	FOREIGN("LibvirtQemudSave", "a libvirt save file; use virsh dump "
				    "--memory-only"),
};

const char *foreign_find(struct mvmi_bytes begin)
{
	for (size_t i = 0; i < ARRAY_LEN(foreigns); i++) {
		if (begin.len >= foreigns[i].len &&
		    memcmp(begin.ptr, foreigns[i].magic, foreigns[i].len) == 0)
			return foreigns[i].what;
	}
	return NULL;
}
