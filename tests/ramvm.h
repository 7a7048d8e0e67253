/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A VM that is nothing but an array of RAM, for tests of what lies above the
 * driver: fill ram, set what it offers, open it.
 */
#ifndef MICROVMI_TEST_RAMVM_H
#define MICROVMI_TEST_RAMVM_H

#include <microvmi/driver.h>

#include <stdlib.h>
#include <string.h>

/* A test that needs more says so before it includes this. */
#ifndef RAMVM_PAGES
#define RAMVM_PAGES ((size_t)64)
#endif
#define RAMVM_LEN (RAMVM_PAGES * MVMI_PAGE_SIZE)

struct ramvm {
	struct mvmi_conn conn;
	uint8_t *ram;	    /**< RAMVM_LEN bytes */
	size_t len;	    /**< of it are there, from guest-physical 0 on */
	size_t private_len; /**< the last of them are encrypted, if unmapped */
	bool mapped; /**< offer a window of it, else scatter reads only */
	bool frozen; /**< it never changes, like a dump */
	struct mvmi_regs regs;
	unsigned readv_calls; /**< so far */
	unsigned held;	      /**< by the core, now */
	struct mvmi_window window;
};

/** The one that the next mvmi_vm_open_driver() opens. */
static struct ramvm ramvm;

static enum mvmi_status
ramvm_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	      size_t capacity, size_t *ret, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	if (capacity)
		regions[0] = (struct mvmi_region){ .len = ramvm.len };
	*ret = 1;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	     struct mvmi_error *err)
{
	bool in = gpa.val < ramvm.len;

	(void)conn;
	(void)err;
	*ret = (struct mvmi_extent){
		.start = gpa,
		.len = in ? ramvm.len - gpa.val : UINT64_MAX - gpa.val,
		.kind = in ? MVMI_EXTENT_DATA : MVMI_EXTENT_NONE,
	};
	return MVMI_OK;
}

static enum mvmi_status
ramvm_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	    struct mvmi_error *err)
{
	struct ramvm *vm = (struct ramvm *)(void *)conn;

	(void)err;
	vm->readv_calls++;
	for (size_t i = 0; i < count; i++) {
		uint64_t off = ops[i].gpa.val;
		uint64_t left = off < vm->len ? vm->len - off : 0;

		ops[i].done =
			ops[i].dst.len < left ? ops[i].dst.len : (size_t)left;
		if (ops[i].done)
			memcpy(ops[i].dst.ptr, vm->ram + off, ops[i].done);
		ops[i].status = ops[i].done == ops[i].dst.len ? MVMI_OK
							      : MVMI_ERR_FAULT;
		if (ops[i].done && off >= vm->len - vm->private_len)
			ops[i].status = MVMI_ERR_DENIED;
	}
	return MVMI_OK;
}

static enum mvmi_status
ramvm_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	    enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct ramvm *vm = (struct ramvm *)(void *)conn;

	(void)mode;
	if (gpa.val > vm->len || src.len > vm->len - gpa.val) {
		if (err)
			*err = (struct mvmi_error){ .status = MVMI_ERR_FAULT,
						    .addr = gpa.val };
		return MVMI_ERR_FAULT;
	}
	memcpy(vm->ram + gpa.val, src.ptr, src.len);
	return MVMI_OK;
}

static void ramvm_windows(struct mvmi_conn *conn,
			  const struct mvmi_window **ret, size_t *count)
{
	struct ramvm *vm = (struct ramvm *)(void *)conn;

	vm->window = (struct mvmi_window){ .len = vm->len, .host = vm->ram };
	*ret = &vm->window;
	*count = 1;
}

static unsigned ramvm_vcpu_count(struct mvmi_conn *conn)
{
	(void)conn;
	return 1;
}

static enum mvmi_status
ramvm_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	  struct mvmi_regs *regs, struct mvmi_error *err)
{
	(void)vcpu;
	(void)groups;
	(void)err;
	*regs = ((struct ramvm *)(void *)conn)->regs;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)err;
	((struct ramvm *)(void *)conn)->held++;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)err;
	((struct ramvm *)(void *)conn)->held--;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_stop_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	    struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	*ret = MVMI_RUN_STATE_RUNNING;
	return MVMI_OK;
}

static enum mvmi_status
ramvm_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	   struct mvmi_error *err)
{
	(void)conn;
	(void)info;
	(void)err;
	return MVMI_OK;
}

static void ramvm_close(struct mvmi_conn *conn)
{
	(void)conn;
}

static enum mvmi_status
ramvm_open_conn(const struct mvmi_open_args *args, struct mvmi_conn **ret,
		struct mvmi_error *err);

static const struct mvmi_driver ramvm_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "ramvm",
	.open = ramvm_open_conn,
	.close = ramvm_close,
	.info = ramvm_info,
};

static enum mvmi_status
ramvm_open_conn(const struct mvmi_open_args *args, struct mvmi_conn **ret,
		struct mvmi_error *err)
{
	static const struct mvmi_mem_ops mem = {
		.regions = ramvm_regions,
		.extent = ramvm_extent,
		.readv = ramvm_readv,
	};
	static const struct mvmi_write_ops write = { ramvm_write };
	static const struct mvmi_map_ops map = { ramvm_windows };
	static const struct mvmi_vcpu_ops vcpu = { ramvm_vcpu_count,
						   ramvm_get };
	static const struct mvmi_run_ops run = {
		.hold = ramvm_hold,
		.release = ramvm_release,
		.stop = ramvm_stop_start,
		.start = ramvm_stop_start,
		.state = ramvm_state,
	};

	(void)args;
	(void)err;
	ramvm.conn = (struct mvmi_conn){
		.driver = &ramvm_driver,
		.mem = &mem,
		.write = &write,
		.map = ramvm.mapped ? &map : NULL,
		.vcpu = &vcpu,
		.run = &run,
		.traits = ramvm.frozen ? MVMI_TRAIT_STATIC : 0,
		.incarnation = 1,
	};
	*ret = &ramvm.conn;
	return MVMI_OK;
}

/** Zeroed RAM, mapped, running. Ends the program if there is no memory. */
static inline void ramvm_reset(void)
{
	uint8_t *ram = ramvm.ram ? ramvm.ram : malloc(RAMVM_LEN);

	if (!ram)
		abort();
	memset(ram, 0, RAMVM_LEN);
	ramvm = (struct ramvm){ .ram = ram,
				.len = RAMVM_LEN,
				.mapped = true,
				.regs = mvmi_regs_empty() };
}

static inline struct mvmi_vm *ramvm_open(void)
{
	struct mvmi_vm *vm = NULL;

	if (mvmi_vm_open_driver(&ramvm_driver, "ram", NULL, &vm, NULL) !=
	    MVMI_OK)
		abort();
	return vm;
}

static inline void ramvm_put64(uint64_t gpa, uint64_t val)
{
	for (unsigned i = 0; i < 8; i++)
		ramvm.ram[gpa + i] = (uint8_t)(val >> (8 * i));
}

static inline void ramvm_put32(uint64_t gpa, uint32_t val)
{
	for (unsigned i = 0; i < 4; i++)
		ramvm.ram[gpa + i] = (uint8_t)(val >> (8 * i));
}

#endif /* MICROVMI_TEST_RAMVM_H */
