/* SPDX-License-Identifier: MIT */
#include "ram.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench.h"

/* To and from ram_connect(): the library hands on a string only. */
static uint64_t ram_len_next;
static struct ram *ram_last;

static enum mvmi_status
ram_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	    size_t capacity, size_t *ret, struct mvmi_error *err)
{
	(void)err;
	if (capacity)
		regions[0] = (struct mvmi_region){
			.len = ((struct ram *)(void *)conn)->len,
		};
	*ret = 1;
	return MVMI_OK;
}

static enum mvmi_status
ram_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	   struct mvmi_error *err)
{
	const struct ram *ram = (const struct ram *)(const void *)conn;
	bool in = gpa.val < ram->len;

	(void)err;
	*ret = (struct mvmi_extent){
		.start = gpa,
		.len = in ? ram->len - gpa.val : UINT64_MAX - gpa.val,
		.kind = in ? MVMI_EXTENT_DATA : MVMI_EXTENT_NONE,
	};
	return MVMI_OK;
}

enum mvmi_status ram_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops,
			   size_t count, struct mvmi_error *err)
{
	const struct ram *ram = (const struct ram *)(const void *)conn;

	(void)err;
	for (size_t i = 0; i < count; i++) {
		struct iovec to = { ops[i].dst.ptr, ops[i].dst.len };
		struct iovec from = { ram->host + ops[i].gpa.val, to.iov_len };
		ssize_t n = process_vm_readv(ram->pid, &to, 1, &from, 1, 0);

		ops[i].done = n > 0 ? (size_t)n : 0;
		ops[i].status = ops[i].done == ops[i].dst.len ? MVMI_OK
							      : MVMI_ERR_FAULT;
	}
	return MVMI_OK;
}

static void ram_windows(struct mvmi_conn *conn, const struct mvmi_window **ret,
			size_t *count)
{
	*ret = &((struct ram *)(void *)conn)->window;
	*count = 1;
}

static enum mvmi_status
ram_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	 struct mvmi_error *err)
{
	(void)conn;
	(void)info;
	(void)err;
	return MVMI_OK;
}

static void ram_close(struct mvmi_conn *conn)
{
	struct ram *ram = (struct ram *)(void *)conn;

	(void)munmap(ram->host, ram->len);
	(void)close(ram->fd);
	free(ram);
}

static enum mvmi_status
ram_connect(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err);

/* As a live VM has one: it is asked every 100 ms whether it is there. */
static enum mvmi_status ram_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	return MVMI_OK;
}

static const struct mvmi_driver ram_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "ram",
	.open = ram_connect,
	.close = ram_close,
	.info = ram_info,
	.poll = ram_poll,
};

static const struct mvmi_mem_ops ram_mem = {
	.regions = ram_regions,
	.extent = ram_extent,
	.readv = ram_readv,
};

static const struct mvmi_map_ops ram_map = { ram_windows };

static enum mvmi_status
ram_connect(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err)
{
	struct ram *ram = calloc(1, sizeof(*ram));
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)err;
	if (!ram || fd < 0 || ftruncate(fd, (off_t)ram_len_next) != 0)
		bench_die("ram", "no memory for a memfd");
	ram->host = mmap(NULL, ram_len_next, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	if (ram->host == MAP_FAILED || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		bench_die("ram", "cannot map and seal a memfd");
	ram->fd = fd;
	ram->pid = getpid();
	ram->len = ram_len_next;
	ram->window =
		(struct mvmi_window){ .len = ram->len, .host = ram->host };
	ram->conn = (struct mvmi_conn){
		.driver = &ram_driver,
		.mem = &ram_mem,
		.map = strcmp(args->where, "map") == 0 ? &ram_map : NULL,
		.traits = MVMI_TRAIT_STATIC,
		.incarnation = 1,
	};
	ram_last = ram;
	*ret = &ram->conn;
	return MVMI_OK;
}

struct mvmi_vm *ram_open(const char *where, uint64_t len, struct ram **ret)
{
	struct mvmi_error err;
	struct mvmi_vm *vm;

	ram_len_next = len;
	if (mvmi_vm_open_driver(&ram_driver, where, NULL, &vm, &err) != MVMI_OK)
		bench_die("ram", err.msg);
	*ret = ram_last;
	return vm;
}
