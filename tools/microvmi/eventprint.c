/* SPDX-License-Identifier: MIT */
#include "eventprint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "cpunames.h"
#include "output.h"

/* What is longer makes the columns after it move. */
#define DETAIL_WIDTH 44

#define DETAIL_LEN   512

static bool tells(const struct mvmi_event *event, enum mvmi_event_field field)
{
	return (event->fields & (uint32_t)field) != 0;
}

static bool
has_reg(const struct mvmi_event *event, enum mvmi_reg reg, uint64_t *ret)
{
	const struct mvmi_regs *regs = event->regs;

	if (!regs || !mvmi_regset_has(regs->valid, reg))
		return false;
	*ret = reg == MVMI_REG_CR3 ? regs->x86.cr3 : regs->x86.rip;
	return true;
}

/** Where the vCPU is: rip, or the instruction that the event is about. */
static bool place_of(const struct mvmi_event *event, uint64_t *ret)
{
	if (has_reg(event, MVMI_REG_RIP, ret))
		return true;
	if (!tells(event, MVMI_FIELD_GVA) || event->kind == MVMI_EVENT_MEMORY)
		return false;
	*ret = event->gva.val;
	return true;
}

/** SDM 3A 6.3.1: those that push one. */
static bool tells_error_code(const struct mvmi_event *event)
{
	static const uint32_t vectors =
		1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 |
		1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;

	return tells(event, MVMI_FIELD_ERROR_CODE) && event->vector < 32 &&
	       (vectors >> event->vector & 1);
}

static bool is_page_fault(const struct mvmi_event *event)
{
	return event->kind == MVMI_EVENT_EXCEPTION && event->vector == 14;
}

/** What will be read isn't known before; CR2 is of page faults only. */
static bool tells_value(const struct mvmi_event *event)
{
	bool reads = (event->kind == MVMI_EVENT_PORT_IO ||
		      event->kind == MVMI_EVENT_DR_ACCESS) &&
		     !(event->access & MVMI_ACCESS_W);
	bool has_none =
		event->kind == MVMI_EVENT_EXCEPTION && !is_page_fault(event);

	return tells(event, MVMI_FIELD_VALUE) && !reads && !has_none;
}

static const char *access_name(uint8_t access)
{
	static const char *const names[] = { "",  "r",	"w",  "rw",
					     "x", "rx", "wx", "rwx" };

	return names[access & 7];
}

/** The bits of a register that have names, or -1. */
static int named_register(const struct mvmi_event *event)
{
	switch (event->kind) {
	case MVMI_EVENT_CR0_WRITE:
		return CPUNAMES_CR0;
	case MVMI_EVENT_CR4_WRITE:
		return CPUNAMES_CR4;
	case MVMI_EVENT_XCR0_WRITE:
		return CPUNAMES_XCR0;
	case MVMI_EVENT_MSR_WRITE:
		return event->index == 0xc0000080 ? CPUNAMES_EFER : -1;
	default:
		return -1;
	}
}

/** "idtr"; NULL if the event isn't about a register of that kind. */
static const char *table_name(const struct mvmi_event *event)
{
	if (event->kind != MVMI_EVENT_DESCRIPTOR ||
	    !tells(event, MVMI_FIELD_INDEX))
		return NULL;
	return mvmi_reg_name((enum mvmi_reg)event->index);
}

/* ---- text -------------------------------------------------------------- */

struct detail {
	char text[DETAIL_LEN];
	size_t len;
};

static void say(struct detail *detail, const char *fmt, ...) MVMI_PRINTF(2, 3);

static void say(struct detail *detail, const char *fmt, ...)
{
	size_t room = sizeof(detail->text) - detail->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(detail->text + detail->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		detail->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void say_bits(struct detail *detail, const struct mvmi_event *event)
{
	int reg = named_register(event);
	uint64_t changed = event->value ^ event->old_value;

	if (reg < 0 || !tells(event, MVMI_FIELD_OLD_VALUE))
		return;
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name =
			cpunames_bit((enum cpunames_register)reg, bit);
		char sign = event->value >> bit & 1 ? '+' : '-';

		if (!(changed >> bit & 1))
			continue;
		if (name)
			say(detail, " %c%s", sign, name);
		else
			say(detail, " %c%u", sign, bit);
	}
}

/** "0x1 -> 0x3 +EM" */
static void say_write(struct detail *detail, const struct mvmi_event *event)
{
	if (tells(event, MVMI_FIELD_OLD_VALUE))
		say(detail, "0x%" PRIx64 " -> ", event->old_value);
	if (tells(event, MVMI_FIELD_VALUE))
		say(detail, "0x%" PRIx64, event->value);
	say_bits(detail, event);
}

static void say_msr(struct detail *detail, const struct mvmi_event *event)
{
	const char *name = cpunames_msr(event->index);

	if (tells(event, MVMI_FIELD_INDEX) && name)
		say(detail, "%s ", name);
	else if (tells(event, MVMI_FIELD_INDEX))
		say(detail, "0x%" PRIx32 " ", event->index);
	say_write(detail, event);
}

static void say_vector(struct detail *detail, const struct mvmi_event *event)
{
	const char *name = cpunames_exception(event->vector);

	if (!tells(event, MVMI_FIELD_VECTOR))
		return;
	if (event->kind == MVMI_EVENT_EXCEPTION && name)
		say(detail, "%s", name);
	else
		say(detail, "vector 0x%" PRIx32, event->vector);
	if (tells_error_code(event))
		say(detail, " error 0x%" PRIx32, event->error_code);
	if (is_page_fault(event) && tells_value(event))
		say(detail, " at 0x%" PRIx64, event->value);
}

static void say_memory(struct detail *detail, const struct mvmi_event *event)
{
	say(detail, "%s", access_name(event->access));
	if (tells(event, MVMI_FIELD_GPA))
		say(detail, " 0x%" PRIx64, event->gpa.val);
	if (tells(event, MVMI_FIELD_LEN))
		say(detail, "+%" PRIu32, event->len);
	if (tells(event, MVMI_FIELD_GVA))
		say(detail, " by 0x%" PRIx64, event->gva.val);
	if (tells(event, MVMI_FIELD_VALUE))
		say(detail, " value 0x%" PRIx64, event->value);
	if (event->page_walk)
		say(detail, " page walk");
}

static void say_port(struct detail *detail, const struct mvmi_event *event)
{
	say(detail, "%s", event->access & MVMI_ACCESS_W ? "out" : "in");
	if (tells(event, MVMI_FIELD_INDEX))
		say(detail, " 0x%" PRIx32, event->index);
	if (tells(event, MVMI_FIELD_LEN))
		say(detail, "+%" PRIu32, event->len);
	if (tells_value(event))
		say(detail, " value 0x%" PRIx64, event->value);
}

static void say_dr(struct detail *detail, const struct mvmi_event *event)
{
	say(detail, "%s", event->access & MVMI_ACCESS_W ? "write" : "read");
	if (tells(event, MVMI_FIELD_INDEX))
		say(detail, " dr%" PRIu32, event->index);
	if (tells_value(event))
		say(detail, " value 0x%" PRIx64, event->value);
}

static void say_table(struct detail *detail, const struct mvmi_event *event)
{
	const char *name = table_name(event);

	if (tells(event, MVMI_FIELD_ACCESS))
		say(detail, "%s ",
		    event->access & MVMI_ACCESS_W ? "load" : "store");
	say(detail, "%s", name ? name : "");
}

static void say_detail(struct detail *detail, const struct mvmi_event *event)
{
	switch (event->kind) {
	case MVMI_EVENT_CR0_WRITE:
	case MVMI_EVENT_CR3_WRITE:
	case MVMI_EVENT_CR4_WRITE:
	case MVMI_EVENT_XCR0_WRITE:
		say_write(detail, event);
		break;
	case MVMI_EVENT_MSR_READ:
	case MVMI_EVENT_MSR_WRITE:
		say_msr(detail, event);
		break;
	case MVMI_EVENT_EXCEPTION:
	case MVMI_EVENT_INTERRUPT:
		say_vector(detail, event);
		break;
	case MVMI_EVENT_MEMORY:
		say_memory(detail, event);
		break;
	case MVMI_EVENT_DR_ACCESS:
		say_dr(detail, event);
		break;
	case MVMI_EVENT_PORT_IO:
		say_port(detail, event);
		break;
	case MVMI_EVENT_DESCRIPTOR:
		say_table(detail, event);
		break;
	case MVMI_EVENT_CPUID:
		if (tells(event, MVMI_FIELD_INDEX))
			say(detail, "leaf 0x%" PRIx32, event->index);
		if (tells(event, MVMI_FIELD_VALUE))
			say(detail, " subleaf 0x%" PRIx64, event->value);
		break;
	case MVMI_EVENT_INT3:
	case MVMI_EVENT_HW_BREAKPOINT:
	case MVMI_EVENT_STEP:
	case MVMI_EVENT_HYPERCALL:
	case MVMI_EVENT_RDTSC:
	case MVMI_EVENT_RESET:
	case MVMI_EVENT_SHUTDOWN:
	case MVMI_EVENT_GONE:
	case MVMI_EVENT_KIND_COUNT:
		break;
	}
}

/** "bash(412)", and for a switch "bash(412) -> sshd(97)". */
static void say_tasks(struct detail *detail, struct eventprint *print,
		      const struct mvmi_event *event)
{
	const struct taskcache_entry *task;
	uint64_t cr3;

	if (has_reg(event, MVMI_REG_CR3, &cr3)) {
		task = taskcache_find(&print->tasks, cr3);
		if (task)
			say(detail, "%s(%" PRIu64 ")", task->name, task->pid);
	}
	if (event->kind != MVMI_EVENT_CR3_WRITE ||
	    !tells(event, MVMI_FIELD_VALUE))
		return;
	task = taskcache_find(&print->tasks, event->value);
	if (task)
		say(detail, "%s-> %s(%" PRIu64 ")", detail->len ? " " : "",
		    task->name, task->pid);
}

void eventprint_heading(void)
{
	(void)printf("%8s %12s %4s  %-13s %-*s %s\n", "SEQ", "TIME", "VCPU",
		     "KIND", DETAIL_WIDTH, "WHAT", "WHERE");
}

void eventprint_text(struct eventprint *print, const struct mvmi_event *event,
		     const struct eventprint_place *place)
{
	uint64_t since = place->time_ns - print->start_ns;
	struct detail detail = { .len = 0 };
	struct detail tasks = { .len = 0 };
	uint64_t rip;

	if (place->lost)
		(void)printf("%8s %12s %4" PRIu32 "  %" PRIu64
			     " events were lost here\n",
			     "", "", event->id.vcpu, place->lost);
	say_detail(&detail, event);
	(void)printf("%8" PRIu64 " %5" PRIu64 ".%06" PRIu64 " %4" PRIu32
		     "  %-13s %-*s",
		     place->seq, since / NS_PER_S, since % NS_PER_S / 1000,
		     event->id.vcpu, mvmi_event_kind_name(event->kind),
		     DETAIL_WIDTH, detail.text);
	if (place_of(event, &rip)) {
		char name[SYMNAME_LEN] = "";

		if (print->names.os)
			(void)symname_of(&print->names, rip, name);
		if (*name) {
			(void)putchar(' ');
			output_printable(name);
		} else {
			(void)printf(" 0x%" PRIx64, rip);
		}
	}
	say_tasks(&tasks, print, event);
	if (tasks.len) {
		(void)fputs("  ", stdout);
		output_printable(tasks.text);
	}
	(void)putchar('\n');
}

/* ---- JSON -------------------------------------------------------------- */

static void put_hex(const char *key, uint64_t value)
{
	(void)printf(", \"%s\": \"0x%" PRIx64 "\"", key, value);
}

static void put_text(const char *key, const char *text)
{
	(void)printf(", \"%s\": ", key);
	output_quoted(text);
}

static void put_number(const char *key, uint64_t value)
{
	(void)printf(", \"%s\": %" PRIu64, key, value);
}

/** An array of the names of bits that are set, or cleared. */
static void put_bits(const char *key, int reg, uint64_t value)
{
	bool first = true;

	(void)printf(", \"%s\": [", key);
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name =
			cpunames_bit((enum cpunames_register)reg, bit);

		if (!(value >> bit & 1))
			continue;
		(void)fputs(first ? "" : ", ", stdout);
		if (name)
			(void)printf("\"%s\"", name);
		else
			(void)printf("\"%u\"", bit);
		first = false;
	}
	(void)putchar(']');
}

static void put_index(const struct mvmi_event *event)
{
	const char *name = table_name(event);

	if (!tells(event, MVMI_FIELD_INDEX))
		return;
	if (event->kind == MVMI_EVENT_MSR_READ ||
	    event->kind == MVMI_EVENT_MSR_WRITE) {
		put_hex("msr", event->index);
		if (cpunames_msr(event->index))
			put_text("msr_name", cpunames_msr(event->index));
	} else if (event->kind == MVMI_EVENT_PORT_IO) {
		put_hex("port", event->index);
	} else if (event->kind == MVMI_EVENT_CPUID) {
		put_hex("leaf", event->index);
	} else if (event->kind == MVMI_EVENT_DR_ACCESS) {
		put_number("dr", event->index);
	} else if (name) {
		put_text("table", name);
	}
}

/** What the fields say that the event has; names depend on the kind. */
static void put_fields(const struct mvmi_event *event)
{
	bool is_exception = event->kind == MVMI_EVENT_EXCEPTION;
	const char *name =
		is_exception ? cpunames_exception(event->vector) : NULL;

	put_index(event);
	if (tells(event, MVMI_FIELD_VECTOR))
		put_number("vector", event->vector);
	if (tells(event, MVMI_FIELD_VECTOR) && name)
		put_text("exception", name);
	if (tells_error_code(event))
		put_hex("error_code", event->error_code);
	if (tells(event, MVMI_FIELD_ACCESS))
		put_text("access", access_name(event->access));
	if (tells(event, MVMI_FIELD_GPA))
		put_hex("gpa", event->gpa.val);
	/* Elsewhere it is where the instruction is: rip tells that. */
	if (tells(event, MVMI_FIELD_GVA) && event->kind == MVMI_EVENT_MEMORY)
		put_hex("gva", event->gva.val);
	if (tells(event, MVMI_FIELD_LEN))
		put_number("len", event->len);
	if (tells_value(event))
		put_hex(event->kind == MVMI_EVENT_CPUID ? "subleaf"
			: is_exception			? "cr2"
							: "value",
			event->value);
	if (tells(event, MVMI_FIELD_OLD_VALUE))
		put_hex("old_value", event->old_value);
	if (tells(event, MVMI_FIELD_PAGE_WALK))
		(void)printf(", \"page_walk\": %s",
			     event->page_walk ? "true" : "false");
}

static void put_changes(const struct mvmi_event *event)
{
	int reg = named_register(event);

	if (reg < 0 || !tells(event, MVMI_FIELD_VALUE) ||
	    !tells(event, MVMI_FIELD_OLD_VALUE))
		return;
	put_bits("set", reg, event->value & ~event->old_value);
	put_bits("cleared", reg, event->old_value & ~event->value);
}

static void put_where(struct eventprint *print, const struct mvmi_event *event)
{
	const struct taskcache_entry *task;
	char name[SYMNAME_LEN];
	uint64_t value;

	if (place_of(event, &value)) {
		put_hex("rip", value);
		if (print->names.os && symname_of(&print->names, value, name))
			put_text("rip_symbol", name);
	}
	if (has_reg(event, MVMI_REG_CR3, &value)) {
		put_hex("cr3", value);
		task = taskcache_find(&print->tasks, value);
		if (task) {
			put_number("pid", task->pid);
			put_text("process", task->name);
		}
	}
	if (event->kind != MVMI_EVENT_CR3_WRITE ||
	    !tells(event, MVMI_FIELD_VALUE))
		return;
	task = taskcache_find(&print->tasks, event->value);
	if (task) {
		put_number("new_pid", task->pid);
		put_text("new_process", task->name);
	}
}

void eventprint_json(struct eventprint *print, const struct mvmi_event *event,
		     const struct eventprint_place *place)
{
	(void)printf("{\"seq\": %" PRIu64 ", \"time\": %" PRIu64 ".%06" PRIu64
		     ", \"vcpu\": %" PRIu32 ", \"kind\": \"%s\"",
		     place->seq, place->time_ns / NS_PER_S,
		     place->time_ns % NS_PER_S / 1000, event->id.vcpu,
		     mvmi_event_kind_name(event->kind));
	if (place->lost)
		put_number("lost", place->lost);
	put_fields(event);
	put_changes(event);
	put_where(print, event);
	(void)puts("}");
}

void eventprint_fini(struct eventprint *print)
{
	symname_fini(&print->names);
	taskcache_fini(&print->tasks);
}
