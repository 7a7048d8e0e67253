/* SPDX-License-Identifier: MIT */
/*
 * ELF symbols, with this program itself and its C library as the images: the
 * linker and the loader, not we, say what is right.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "harness.h"
#include "symbols/elfsym.h"

static enum mvmi_status
read_file(void *ctx, uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	return file_read_at(ctx, off, dst, err);
}

/** This process's own memory, as a guest's would be: holes are errors. */
static enum mvmi_status
read_self(void *ctx, uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	const int *fd = ctx;

	if (pread(*fd, dst.ptr, dst.len, (off_t)off) != (ssize_t)dst.len)
		return fail(err, MVMI_ERR_NOT_PRESENT, "not mapped");
	return MVMI_OK;
}

static int self_fd;
static struct file exe;
static const struct elf_source self = { read_self, &self_fd };
static const struct elf_source exe_source = { read_file, &exe };

/** Where an address's image is mapped. */
static uint64_t base_of(const void *addr)
{
	Dl_info info;

	CHECK(dladdr(addr, &info) != 0);
	return (uintptr_t)info.dli_fbase;
}

/** A function of libc that no sanitizer puts its own in the place of. */
static const void *libc_function(void)
{
	return dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
}

static uint64_t libc_base(void)
{
	return base_of(libc_function());
}

static struct mvmi_symbols *load_mapped(uint64_t base)
{
	struct mvmi_symbols *symbols = NULL;
	struct elf elf;

	self_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	CHECK(self_fd >= 0);
	CHECK(elf_open_mapped(&self, base, &elf, NULL) == MVMI_OK);
	CHECK(elfsym_load_mapped(&elf, &symbols, NULL) == MVMI_OK);
	elf_close(&elf);
	CHECK(close(self_fd) == 0);
	return symbols;
}

static struct mvmi_symbols *load_exe(uint64_t bias)
{
	struct mvmi_symbols *symbols = NULL;
	struct elf elf;

	CHECK(file_open(&exe, "/proc/self/exe", NULL) == MVMI_OK);
	CHECK(elf_open(&exe_source, &elf, NULL) == MVMI_OK);
	CHECK(elfsym_load(&elf, bias, &symbols, NULL) == MVMI_OK);
	elf_close(&elf);
	file_close(&exe);
	return symbols;
}

static int some_static_data = 3;
int some_global_data(void);
int some_global_data(void)
{
	return some_static_data;
}

static void a_file_gives_its_own_functions_and_data(void)
{
	uint64_t base = base_of((const void *)&some_static_data);
	struct mvmi_symbols *symbols = load_exe(base);
	struct mvmi_symbol sym;

	CHECK(mvmi_symbols_find(symbols, "some_global_data", &sym));
	CHECK(sym.addr == (uintptr_t)some_global_data && sym.type == 'T');
	CHECK(mvmi_symbols_find(symbols, "some_static_data", &sym));
	CHECK(sym.addr == (uintptr_t)&some_static_data && sym.type == 'd');
	/* With ASan, a zone that nothing may touch counts as its own. */
	CHECK(sym.size >= sizeof(some_static_data) && sym.size <= 64);
	CHECK(mvmi_symbols_find(symbols, "self_fd", &sym) && sym.type == 'b');
	CHECK(mvmi_symbols_find(symbols, "exe_source", &sym));
	CHECK(sym.addr == (uintptr_t)&exe_source);
	CHECK(mvmi_symbols_find_addr(
		symbols, mvmi_gva_at((uintptr_t)some_global_data + 1), &sym));
	CHECK(strcmp(sym.name, "some_global_data") == 0);
	/* Undefined ones have no address. No sanitizer defines this one. */
	CHECK(getppid() >= 0);
	CHECK(!mvmi_symbols_find(symbols, "getppid", &sym));
	mvmi_symbols_destroy(symbols);
}

/** Each function that the loader finds must be found at the same place. */
static void a_mapped_library_agrees_with_the_loader(void)
{
	static const char *const names[] = { "printf", "malloc",
					     "free",   "environ",
					     "qsort",  "pthread_create" };
	struct mvmi_symbols *symbols = load_mapped(libc_base());
	struct mvmi_symbol sym;
	size_t equal = 0;

	CHECK(mvmi_symbols_count(symbols) > 2000);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(mvmi_symbols_find(symbols, names[i], &sym));
	for (size_t i = 0; i < mvmi_symbols_count(symbols); i++) {
		Dl_info info;

		CHECK(mvmi_symbols_get(symbols, i, &sym));
		if (sym.type != 'T' || sym.size == 0)
			continue;
		CHECK(dladdr((void *)(uintptr_t)sym.addr, &info) != 0);
		CHECK(info.dli_saddr == (void *)(uintptr_t)sym.addr);
		equal++;
	}
	CHECK(equal > 1000);
	mvmi_symbols_destroy(symbols);
}

/** Its pointers are not relocated: the other half of the rule. */
static void the_vdso_is_read_where_it_is_mapped(void)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	struct mvmi_symbols *symbols;
	struct mvmi_symbol sym;

	if (!base) {
		printf("# this kernel has no vdso: nothing is compared\n");
		return;
	}
	symbols = load_mapped(base);
	CHECK(mvmi_symbols_find(symbols, "__vdso_clock_gettime", &sym));
	CHECK(sym.addr > base && sym.addr < base + 0x4000);
	mvmi_symbols_destroy(symbols);
}

static void a_build_id_is_the_same_in_the_file_and_in_memory(void)
{
	struct elf_build_id file_id = { 0 };
	struct elf_build_id mapped_id = { 0 };
	Dl_info info;
	struct file libc;
	const struct elf_source libc_source = { read_file, &libc };
	struct elf elf;

	CHECK(dladdr(libc_function(), &info) != 0);
	CHECK(file_open(&libc, info.dli_fname, NULL) == MVMI_OK);
	CHECK(elf_open(&libc_source, &elf, NULL) == MVMI_OK);
	CHECK(elf_build_id(&elf, &file_id, NULL) == MVMI_OK);
	elf_close(&elf);
	file_close(&libc);
	self_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	CHECK(self_fd >= 0);
	CHECK(elf_open_mapped(&self, (uintptr_t)info.dli_fbase, &elf, NULL) ==
	      MVMI_OK);
	CHECK(elf_build_id(&elf, &mapped_id, NULL) == MVMI_OK);
	elf_close(&elf);
	CHECK(close(self_fd) == 0);
	CHECK(file_id.len == 20 && mapped_id.len == 20);
	CHECK(memcmp(file_id.bytes, mapped_id.bytes, 20) == 0);
}

static void what_was_stripped_says_where_the_rest_is(void)
{
	static const uint8_t note[] = { 4,   0, 0,    0,    3,	  0,   0,
					0,   3, 0,    0,    0,	  'G', 'N',
					'U', 0, 0xab, 0xcd, 0x01, 0 };
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		uint8_t note[20];
	} bytes = { .ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
					   ELFDATA2LSB, EV_CURRENT },
			      .e_phoff = sizeof(Elf64_Ehdr),
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = 1 },
		    .phdr = { .p_type = PT_NOTE,
			      .p_offset =
				      sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			      .p_filesz = sizeof(note) } };
	struct mvmi_symbols *symbols = NULL;
	char path[] = "test_elfsym.XXXXXX";
	struct mvmi_error err;
	int fd = mkstemp(path);

	memcpy(bytes.note, note, sizeof(note));
	CHECK(fd >= 0 && write(fd, &bytes, sizeof(bytes)) > 0);
	CHECK(close(fd) == 0);
	CHECK(mvmi_symbols_load(path, 0, &symbols, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	(void)unlink(path);
	CHECK(strstr(err.msg, "/usr/lib/debug/.build-id/ab/cd01.debug"));
}

/** A small image, made by hand, of which tests spoil something. */
struct tiny {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	Elf64_Dyn dyn[6];
	Elf64_Sym syms[3];
	uint32_t hash[5];
	uint32_t gnu[4 + 2 + 1 + 2];
	char names[16];
};

#define TINY_BASE 0x10000

static struct tiny make_tiny(void)
{
	struct tiny t = {
		.ehdr = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				       ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_phoff = offsetof(struct tiny, phdrs),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.phdrs = { { .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_filesz = sizeof(t),
			     .p_memsz = sizeof(t) },
			   { .p_type = PT_DYNAMIC,
			     .p_vaddr = offsetof(struct tiny, dyn),
			     .p_memsz = sizeof(t.dyn) } },
		.dyn = { { DT_SYMTAB, { offsetof(struct tiny, syms) } },
			 { DT_STRTAB, { offsetof(struct tiny, names) } },
			 { DT_STRSZ, { sizeof(t.names) } },
			 { DT_HASH, { offsetof(struct tiny, hash) } } },
		.syms = { { 0 },
			  { .st_name = 1,
			    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			    .st_shndx = 1,
			    .st_value = 0x20,
			    .st_size = 4 },
			  { .st_name = 7,
			    .st_info = ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE),
			    .st_shndx = SHN_ABS,
			    .st_value = 0x77 } },
		.hash = { 1, 3, 1, 0, 0 },
		/* one bucket, symbols from 1, a filter of one word */
		.gnu = { 1, 1, 1, 0, 0, 0, 1, 2, 3 },
		.names = "\0first\0value",
	};

	return t;
}

static enum mvmi_status
read_tiny(void *ctx, uint64_t off, struct mvmi_span dst, struct mvmi_error *err)
{
	const struct tiny *t = ctx;

	if (off < TINY_BASE || off - TINY_BASE > sizeof(*t) ||
	    dst.len > sizeof(*t) - (off - TINY_BASE))
		return fail(err, MVMI_ERR_NOT_PRESENT, "not mapped");
	memcpy(dst.ptr, (const char *)t + (off - TINY_BASE), dst.len);
	return MVMI_OK;
}

static enum mvmi_status
load_tiny(struct tiny *t, struct mvmi_symbols **ret, struct mvmi_error *err)
{
	const struct elf_source source = { read_tiny, t };
	enum mvmi_status status;
	struct elf elf;

	status = elf_open_mapped(&source, TINY_BASE, &elf, err);
	if (status != MVMI_OK)
		return status;
	status = elfsym_load_mapped(&elf, ret, err);
	elf_close(&elf);
	return status;
}

static void both_kinds_of_hash_count_symbols(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol sym;

	for (int i = 0; i < 2; i++) {
		CHECK(load_tiny(&t, &symbols, NULL) == MVMI_OK);
		CHECK(mvmi_symbols_count(symbols) == 2);
		CHECK(mvmi_symbols_find(symbols, "first", &sym));
		CHECK(sym.addr == TINY_BASE + 0x20 && sym.type == 'T');
		/* No bias moves an absolute value. */
		CHECK(mvmi_symbols_find(symbols, "value", &sym));
		CHECK(sym.addr == 0x77 && sym.type == 'a');
		mvmi_symbols_destroy(symbols);
		t.dyn[3] = (Elf64_Dyn){ DT_GNU_HASH,
					{ offsetof(struct tiny, gnu) } };
	}
}

static void pointers_that_a_loader_relocated_are_left_alone(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;

	t.dyn[0].d_un.d_ptr += TINY_BASE;
	t.dyn[1].d_un.d_ptr += TINY_BASE;
	CHECK(load_tiny(&t, &symbols, NULL) == MVMI_OK);
	CHECK(mvmi_symbols_count(symbols) == 2);
	mvmi_symbols_destroy(symbols);
}

static void a_name_outside_of_the_names_is_corrupt(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;

	t.syms[1].st_name = sizeof(t.names);
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "name at 0x10 in 0x10 bytes") && !symbols);
}

static void a_claim_of_four_billion_symbols_is_refused(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;

	t.hash[1] = UINT32_MAX;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "4294967295 ELF symbols"));
	t.dyn[3] = (Elf64_Dyn){ DT_GNU_HASH, { offsetof(struct tiny, gnu) } };
	t.gnu[0] = UINT32_MAX;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "buckets of DT_GNU_HASH"));
}

static void a_chain_without_an_end_stops_at_the_end_of_memory(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;

	t.dyn[3] = (Elf64_Dyn){ DT_GNU_HASH, { offsetof(struct tiny, gnu) } };
	memset(&t.gnu[7], 0, sizeof(t.gnu) - 7 * sizeof(t.gnu[0]));
	memset(t.names, 0, sizeof(t.names));
	CHECK(load_tiny(&t, &symbols, NULL) == MVMI_ERR_NOT_PRESENT);
}

static void what_is_missing_is_named(void)
{
	struct tiny t = make_tiny();
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;

	t.dyn[3].d_tag = DT_DEBUG;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "no hash table"));
	t.dyn[0].d_tag = DT_NULL;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "names no symbols"));
	t.phdrs[1].p_type = PT_NULL;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "statically"));
	t.phdrs[0].p_type = PT_NULL;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_CORRUPT);
	t.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "class 1"));
	t.ehdr.e_ident[0] = 0;
	CHECK(load_tiny(&t, &symbols, &err) == MVMI_ERR_CORRUPT);
}

TESTS(T(a_file_gives_its_own_functions_and_data),
      T(a_mapped_library_agrees_with_the_loader),
      T(the_vdso_is_read_where_it_is_mapped),
      T(a_build_id_is_the_same_in_the_file_and_in_memory),
      T(what_was_stripped_says_where_the_rest_is),
      T(both_kinds_of_hash_count_symbols),
      T(pointers_that_a_loader_relocated_are_left_alone),
      T(a_name_outside_of_the_names_is_corrupt),
      T(a_claim_of_four_billion_symbols_is_refused),
      T(a_chain_without_an_end_stops_at_the_end_of_memory),
      T(what_is_missing_is_named))
