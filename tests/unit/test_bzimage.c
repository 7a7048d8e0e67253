/* SPDX-License-Identifier: MIT */
/* Boot images: the kernel in one, and the names that it carries of itself. */
#define ZLIB_CONST
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "harness.h"
#include "kallsyms_gen.h"
#include "symbols/bzimage.h"

#define COUNT	    3000
#define PAYLOAD	    0x500
#define ROOM	    ((size_t)4 << 20)
#define ELF_CODE_AT 0x1000

static struct gen gen;
static uint8_t elf[ROOM];
static uint8_t image[ROOM];

/** Protocol 2.15, whose payload begins at 0x400 + 0x100. */
static const uint8_t head[0x600] = {
	[0x1f1] = 1, [0x202] = 'H', 'd', 'r', 'S', 0x0f, 2, [0x249] = 1,
};

static void put_payload_len(size_t len)
{
	for (size_t i = 0; i < 4; i++)
		image[0x24c + i] = (uint8_t)(len >> 8 * i);
}

/**
 * A stripped kernel: the image at its address, and per-CPU data at zero, as
 * they are linked before 6.15.
 */
static size_t make_elf(size_t layout)
{
	Elf64_Ehdr ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_phoff = sizeof(ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 };
	Elf64_Phdr phdrs[2] = {
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_offset = ELF_CODE_AT,
		  .p_vaddr = GEN_BASE },
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_filesz = 0x100 }
	};

	gen_make(&gen, &gen_layouts[layout], COUNT);
	CHECK(gen.len < sizeof(elf) - ELF_CODE_AT);
	phdrs[0].p_filesz = gen.len;
	phdrs[0].p_memsz = gen.len;
	memcpy(elf, &ehdr, sizeof(ehdr));
	memcpy(elf + sizeof(ehdr), phdrs, sizeof(phdrs));
	memcpy(elf + ELF_CODE_AT, gen.bytes, gen.len);
	return ELF_CODE_AT + gen.len;
}

/** @return the boot image's length */
static size_t make_image(size_t layout)
{
	z_stream z = { .next_in = elf,
		       .avail_in = (uInt)make_elf(layout),
		       .next_out = image + PAYLOAD,
		       .avail_out = ROOM - PAYLOAD };

	memcpy(image, head, sizeof(head));
	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
	      Z_OK);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	CHECK(deflateEnd(&z) == Z_OK);
	put_payload_len(z.total_out);
	return PAYLOAD + z.total_out;
}

static enum mvmi_status load(size_t len, uint64_t bias,
			     struct mvmi_symbols **ret, struct mvmi_error *err)
{
	char path[] = "test_bzimage.XXXXXX";
	int fd = mkstemp(path);
	enum mvmi_status status;

	CHECK(fd >= 0);
	CHECK(write(fd, image, len) == (ssize_t)len);
	CHECK(close(fd) == 0);
	status = mvmi_symbols_load(path, bias, ret, err);
	(void)unlink(path);
	return status;
}

static void check_symbols(const struct mvmi_symbols *symbols)
{
	struct mvmi_symbol sym;

	CHECK(mvmi_symbols_count(symbols) == gen.count);
	for (size_t i = 0; i < gen.count; i++) {
		CHECK(mvmi_symbols_get(symbols, i, &sym));
		CHECK(strcmp(sym.name, gen.symbols[i].name) == 0);
		CHECK(sym.addr == gen.symbols[i].addr);
	}
}

static void a_stripped_kernel_gives_its_own_kallsyms(void)
{
	for (size_t layout = 0; layout < GEN_LAYOUTS; layout++) {
		struct mvmi_symbols *symbols = NULL;
		size_t len = make_image(layout);

		CHECK(load(len, 0, &symbols, NULL) == MVMI_OK);
		check_symbols(symbols);
		mvmi_symbols_destroy(symbols);
	}
}

static void a_bias_moves_them(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol sym;

	CHECK(load(make_image(7), 0x200000, &symbols, NULL) == MVMI_OK);
	CHECK(mvmi_symbols_get(symbols, gen.count - 1, &sym));
	CHECK(sym.addr == gen.symbols[gen.count - 1].addr + 0x200000);
	mvmi_symbols_destroy(symbols);
}

static void a_kernel_without_kallsyms_says_so(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;
	size_t len = make_elf(7);

	memset(elf + ELF_CODE_AT, 0, gen.len);
	memcpy(image, elf, len);
	CHECK(load(len, 0, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "without kallsyms"));
}

static void another_compression_names_the_way_out(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;

	memcpy(image, head, sizeof(head));
	put_payload_len(0x100);
	image[PAYLOAD] = 'B';
	CHECK(load(sizeof(head), 0, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "extract-vmlinux"));
	/* Before 2.08 nothing says where the payload is. */
	image[0x206] = 7;
	CHECK(load(sizeof(head), 0, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "boot protocol 0x207"));
}

static void a_payload_past_the_end_is_corrupt(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;

	memcpy(image, head, sizeof(head));
	put_payload_len(0x101);
	CHECK(load(sizeof(head), 0, &symbols, &err) == MVMI_ERR_CORRUPT);
	put_payload_len(UINT32_MAX);
	CHECK(load(sizeof(head), 0, &symbols, &err) == MVMI_ERR_CORRUPT);
	CHECK(!symbols);
}

TESTS(T(a_stripped_kernel_gives_its_own_kallsyms), T(a_bias_moves_them),
      T(a_kernel_without_kallsyms_says_so),
      T(another_compression_names_the_way_out),
      T(a_payload_past_the_end_is_corrupt))
