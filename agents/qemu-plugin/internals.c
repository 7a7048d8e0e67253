/* SPDX-License-Identifier: MIT */
/* Probing the QEMU that loaded us. */
#include "internals.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api.h"

/* Entries that a migration table may have. */
#define FIELDS_MAX 512
/* Words of a table's description, and of a class, that are searched. */
#define WORDS_MAX 256
/* Bytes of a function in which an offset is looked for. */
#define CODE_MAX 160

struct internals qemu;

bool internals_peek(uintptr_t addr, void *dst, size_t len)
{
	struct iovec to = { dst, len };
	struct iovec from = { (void *)addr, len };

	return addr &&
	       process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)len;
}

static bool peek_string(uintptr_t addr, char *dst, size_t size)
{
	size_t i = 0;

	/* A name may end right before memory that isn't there. */
	for (; i + 1 < size; i++) {
		if (!internals_peek(addr + i, &dst[i], 1))
			return false;
		if (!dst[i])
			return true;
	}
	dst[i] = '\0';
	return true;
}

static bool peek_is(uintptr_t addr, const char *text)
{
	char found[32];

	return peek_string(addr, found, sizeof(found)) &&
	       strcmp(found, text) == 0;
}

/** One entry of a migration table, as the version lays it out. */
struct field {
	uintptr_t name;
	size_t offset;
	size_t size;
	size_t words; /**< of the entry */
};

/*
 * Up to QEMU 10 an entry is 13 words {name, err_hint, offset, size, ...}, then
 * 12 without err_hint. err_hint is NULL, and no field but the first is at 0.
 */
static bool field_read(uintptr_t at, size_t words, struct field *field)
{
	size_t word[4];

	if (!internals_peek(at, word, sizeof(word)))
		return false;
	field->name = word[0];
	field->offset = word[words == 13 ? 2 : 1];
	field->size = word[words == 13 ? 3 : 2];
	field->words = words;
	return field->name != 0;
}

/** The entries of a table: the word that points to one with this name. */
static uintptr_t find_fields(uintptr_t description, const char *first)
{
	for (size_t i = 0; i < 24; i++) {
		uintptr_t fields;
		uintptr_t name;

		if (!internals_peek(description + i * 8, &fields, 8))
			return 0;
		if (internals_peek(fields, &name, 8) && peek_is(name, first))
			return fields;
	}
	return 0;
}

/** How long an entry is: where the next name is one that we know. */
static size_t field_words(uintptr_t fields, const char *second)
{
	for (size_t words = 12; words <= 13; words++) {
		uintptr_t name;

		if (internals_peek(fields + words * 8, &name, 8) &&
		    peek_is(name, second))
			return words;
	}
	return 0;
}

static void probe_layout(struct layout *at)
{
	static const struct {
		const char *name;
		size_t place;
		size_t size;
	} wanted[] = {
#define LAYOUT_ENTRY(member, field, bytes) \
	{ field, offsetof(struct layout, member), bytes },
		LAYOUT_FIELDS(LAYOUT_ENTRY)
#undef LAYOUT_ENTRY
	};
	uintptr_t table = (uintptr_t)dlsym(RTLD_DEFAULT, "vmstate_x86_cpu");
	uintptr_t fields = find_fields(table, "env.regs");
	size_t words = field_words(fields, "env.eip");
	struct field field;

	memset(at, 0xff, sizeof(*at));
	if (!words)
		return;
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		char name[32];

		if (!field_read(fields + i * words * 8, words, &field) ||
		    !peek_string(field.name, name, sizeof(name)))
			break;
		for (size_t j = 0; j < sizeof(wanted) / sizeof(wanted[0]);
		     j++) {
			size_t *place = (size_t *)(void *)((char *)at +
							   wanted[j].place);

			if (strcmp(name, wanted[j].name) != 0 ||
			    *place != NOWHERE ||
			    (wanted[j].size && wanted[j].size != field.size))
				continue;
			*place = field.offset;
			if (place == &at->xmm)
				at->xmm_stride = field.size;
		}
	}
}

/** Whether a function's code has this as a displacement. */
static bool code_mentions(const void *function, size_t offset)
{
	uint8_t code[CODE_MAX];
	uint32_t wanted = (uint32_t)offset;

	if (!internals_peek((uintptr_t)function, code, sizeof(code)))
		return false;
	for (size_t i = 0; i + sizeof(wanted) <= sizeof(code); i++) {
		if (memcmp(&code[i], &wanted, sizeof(wanted)) == 0)
			return true;
	}
	return false;
}

static const void *address_of(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

/* eip, eflags, cc_dst, cc_src, cc_src2, cc_op, df and hflags are neighbours. */
static void probe_flags(struct layout *at)
{
	if (at->regs == NOWHERE || at->eip == NOWHERE ||
	    at->eflags != at->eip + 8 || at->hflags != at->eflags + 40)
		return;
	at->env = at->regs;
	at->cc_op = at->hflags - 8;
	at->df = at->hflags - 4;
}

/* error_code, is_int and next_eip are before dr; their user tells, too. */
static void probe_exception(struct layout *at)
{
	const void *user = address_of("x86_cpu_do_interrupt");
	const void *common = address_of("vmstate_cpu_common");
	uintptr_t fields = find_fields((uintptr_t)common, "halted");
	size_t words = field_words(fields, "interrupt_request");
	struct field halted;

	if (at->dr == NOWHERE || !user || !words ||
	    !field_read(fields, words, &halted) ||
	    !code_mentions(user, at->dr - 16) ||
	    !code_mentions(user, at->dr - 12))
		return;
	for (size_t i = 4; i <= 8; i += 4) {
		if (!code_mentions(user, halted.offset + i))
			continue;
		at->exception_index = halted.offset + i;
		at->error_code = at->dr - 16;
		at->is_int = at->dr - 12;
		at->next_eip = at->dr - 8;
		return;
	}
}

static void set(void *function, const char *name)
{
	const void *symbol = address_of(name);

	memcpy(function, &symbol, sizeof(symbol));
}

/* The big lock was renamed in QEMU 9.0. */
static void probe_lock(void)
{
	set(&qemu.bql_locked, "bql_locked");
	set(&qemu.bql_lock, "bql_lock_impl");
	set(&qemu.bql_unlock, "bql_unlock");
	if (!qemu.bql_locked) {
		set(&qemu.bql_locked, "qemu_mutex_iothread_locked");
		set(&qemu.bql_lock, "qemu_mutex_lock_iothread_impl");
		set(&qemu.bql_unlock, "qemu_mutex_unlock_iothread");
	}
}

/* ---- registers in memory, before QEMU 9.0 ------------------------------- */

#define CALLBACK_NAME		 "plugin_vcpu_udata_cb"
#define HELPER_TOUCHES_NO_GLOBAL UINT32_C(1)
#define HELPER_WRITES_NO_GLOBAL	 UINT32_C(2)

/** Where these bytes are, in the program's own mapping; 0: nowhere. */
static uintptr_t find_bytes(const void *bytes, size_t len, uintptr_t after)
{
	char program[256];
	char line[512];
	ssize_t name_len =
		readlink("/proc/self/exe", program, sizeof(program) - 1);
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t found = 0;

	program[name_len > 0 ? name_len : 0] = '\0';
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		char *rest;
		uintptr_t start = strtoul(line, &rest, 16);
		uintptr_t end = strtoul(rest + 1, &rest, 16);
		const char *at;

		/* "START-END r..." */
		if (rest[0] != ' ' || rest[1] != 'r' || name_len <= 0 ||
		    !strstr(line, program))
			continue;
		if (start <= after)
			start = after + 1;
		at = end > start ? memmem((const void *)start, end - start,
					  bytes, len)
				 : NULL;
		found = (uintptr_t)at;
	}
	if (maps)
		(void)fclose(maps);
	return found;
}

/*
 * QEMU 7.2 tells its code generator that plugins look at no register, so that
 * those that are in the host's registers are not written back for them. The
 * helper's description says so in one word, which is found by the helper's
 * name; it is made to say what later versions say for a plugin that asks.
 */
static bool make_synchronous(void)
{
	uintptr_t name =
		find_bytes("\0" CALLBACK_NAME, sizeof("\0" CALLBACK_NAME), 0) +
		1;
	uintptr_t at = name > 1 ? find_bytes(&name, sizeof(name), 0) : 0;
	uint32_t *flags = (uint32_t *)(at + 8);
	uintptr_t page = (uintptr_t)flags & ~(uintptr_t)4095;

	if (!at || qemu.major != 7 || *flags != HELPER_TOUCHES_NO_GLOBAL ||
	    find_bytes(&name, sizeof(name), at) ||
	    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE) != 0)
		return false;
	*flags = HELPER_WRITES_NO_GLOBAL;
	(void)mprotect((void *)page, 4096, PROT_READ);
	return true;
}

void internals_probe(bool synchronous)
{
	int micro;

	memset(&qemu, 0, sizeof(qemu));
	memset(&qemu.at, 0xff, sizeof(qemu.at));
	api_qemu_version(&qemu.major, &qemu.minor, &micro);
	if (!qemu.major)
		return;
#define INTERNAL_FIND(name, result, params) set(&qemu.name, #name);
	INTERNAL_FUNCTIONS(INTERNAL_FIND)
#undef INTERNAL_FIND
	set(&qemu.memory, "address_space_memory");
	probe_lock();
	probe_layout(&qemu.at);
	probe_flags(&qemu.at);
	probe_exception(&qemu.at);
	qemu.usable = qemu.at.cc_op != NOWHERE && qemu.at.cr3 != NOWHERE &&
		      qemu.at.segs != NOWHERE && qemu.qemu_get_cpu &&
		      qemu.async_run_on_cpu && qemu.cpu_restore_state &&
		      qemu.cpu_loop_exit_noexc && qemu.cpu_cc_compute_all &&
		      qemu.bql_locked && qemu.bql_lock && qemu.bql_unlock &&
		      (synchronous || make_synchronous());
}

/** Whether a table of functions has this one. */
static bool has_function(uintptr_t table, uintptr_t function)
{
	uintptr_t word;

	for (size_t i = 0; i < 48; i++) {
		if (!internals_peek(table + i * 8, &word, 8))
			return false;
		if (word == function)
			return true;
	}
	return false;
}

void internals_probe_class(void *cpu)
{
	const bool *mttcg = address_of("mttcg_enabled");
	bool (*is_mttcg)(void) = NULL;
	const int *icount = address_of("use_icount");
	uintptr_t class;
	uintptr_t best = 0;

	set(&is_mttcg, "qemu_tcg_mttcg_enabled");
	if (mttcg)
		qemu.round_robin = !*mttcg;
	else if (is_mttcg)
		qemu.round_robin = !is_mttcg();
	if (icount)
		qemu.icount = *icount != 0;
	if (!qemu.usable || !qemu.object_get_class ||
	    !qemu.x86_cpu_do_interrupt || !qemu.x86_cpu_exec_interrupt)
		return;
	class = (uintptr_t)qemu.object_get_class(cpu);
	/* Tables lie side by side: the one that begins last is it. */
	for (size_t i = 0; i < WORDS_MAX; i++) {
		uintptr_t word;

		if (!internals_peek(class + i * 8, &word, 8))
			return;
		if (word > best &&
		    has_function(word, (uintptr_t)qemu.x86_cpu_do_interrupt) &&
		    has_function(word,
				 (uintptr_t)qemu.x86_cpu_exec_interrupt)) {
			best = word;
			qemu.at.ops = i * 8;
		}
	}
}

void *internals_current_cpu(void)
{
	/* QEMU's variable is each thread's own, too. */
	static __thread void **current;

	if (!current)
		current = dlsym(RTLD_DEFAULT, "current_cpu");
	return current ? *current : NULL;
}
