/* SPDX-License-Identifier: MIT */
#include "eventspec.h"

#include <string.h>

#include "cpunames.h"
#include "number.h"

/* Of what stands before the access and the length; names of symbols apart. */
#define TEXT_LEN 64

static struct eventspec *
append(struct eventspecs *specs, enum mvmi_event_kind kind)
{
	struct eventspec *spec = &specs->items[specs->count++];

	*spec = (struct eventspec){
		.what = { .size = sizeof(spec->what), .kind = kind },
	};
	return spec;
}

/** "r", "w", "x" or several of them. */
static const char *parse_access(const char *s, size_t len, uint32_t *ret)
{
	static const char letters[] = "rwx";
	uint32_t access = 0;

	for (size_t i = 0; i < len; i++) {
		const char *letter = s[i] ? strchr(letters, s[i]) : NULL;

		if (!letter)
			return "an access is r, w, x or several of them";
		access |= UINT32_C(1) << (letter - letters);
	}
	*ret = access;
	return access ? NULL : "an access is missing";
}

/** Copy what stands before ":rw", and parse that. */
static const char *
split_access(const char *text, char buf[TEXT_LEN], uint32_t *access)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	*access = 0;
	if (len >= TEXT_LEN)
		return "it is too long";
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (!colon)
		return NULL;
	if (strchr(colon + 1, 'x'))
		return "it can be read and written, not executed";
	return parse_access(colon + 1, strlen(colon + 1), access);
}

static const char *parse_index(const char *s, uint64_t limit, uint32_t *ret)
{
	uint64_t value;
	const char *wrong = number_parse(s, &value);

	if (!wrong && value > limit)
		wrong = "there is none of so high a number";
	if (!wrong)
		*ret = (uint32_t)value;
	return wrong;
}

/** Restrict to one MSR, port, leaf or DR. */
static void set_index(struct eventspec *spec, uint32_t index)
{
	spec->what.index = index;
	spec->what.filters |= MVMI_FILTER_INDEX;
}

static const char *add_msr(struct eventspecs *specs, const char *text)
{
	uint32_t access = 0;
	uint32_t index = 0;
	char name[TEXT_LEN];
	const char *wrong = NULL;

	if (text)
		wrong = split_access(text, name, &access);
	if (!wrong && text && !cpunames_find_msr(name, &index) &&
	    parse_index(name, UINT32_MAX, &index))
		wrong = "neither a number nor the name of an MSR that is known";
	if (wrong)
		return wrong;
	for (unsigned i = 0; i < 2; i++) {
		bool reads = i == 1;
		struct eventspec *spec;

		if (access &&
		    !(access & (reads ? MVMI_ACCESS_R : MVMI_ACCESS_W)))
			continue;
		spec = append(specs, reads ? MVMI_EVENT_MSR_READ
					   : MVMI_EVENT_MSR_WRITE);
		spec->implied = reads && !access;
		if (text)
			set_index(spec, index);
	}
	return NULL;
}

/** A port or a debug register, read, written or both. */
static const char *
add_indexed(struct eventspecs *specs, enum mvmi_event_kind kind,
	    const char *text, uint32_t limit)
{
	uint32_t access = 0;
	uint32_t index = 0;
	char number[TEXT_LEN];
	const char *wrong = NULL;
	struct eventspec *spec;

	if (text)
		wrong = split_access(text, number, &access);
	if (!wrong && text)
		wrong = parse_index(number, limit, &index);
	if (wrong)
		return wrong;
	spec = append(specs, kind);
	spec->what.access = access;
	if (text)
		set_index(spec, index);
	return NULL;
}

static const char *add_leaf(struct eventspecs *specs, const char *text)
{
	uint32_t leaf = 0;
	const char *wrong = NULL;
	struct eventspec *spec;

	if (text)
		wrong = parse_index(text, UINT32_MAX, &leaf);
	if (wrong)
		return wrong;
	spec = append(specs, MVMI_EVENT_CPUID);
	if (text)
		set_index(spec, leaf);
	return NULL;
}

static const char *add_vector(struct eventspecs *specs,
			      enum mvmi_event_kind kind, const char *text)
{
	bool is_exception = kind == MVMI_EVENT_EXCEPTION;
	uint32_t vector = 0;
	const char *wrong = NULL;
	struct eventspec *spec;

	if (text && !(is_exception && cpunames_find_exception(text, &vector)))
		wrong = parse_index(text, is_exception ? 31 : 255, &vector);
	if (wrong)
		return wrong;
	spec = append(specs, kind);
	if (text) {
		spec->what.vectors[vector / 64] = UINT64_C(1) << vector % 64;
		spec->what.filters |= MVMI_FILTER_VECTOR;
	}
	return NULL;
}

static const char *add_breakpoint(struct eventspecs *specs, const char *text)
{
	struct address address;
	const char *wrong = address_parse(text, &address);
	struct eventspec *spec;

	if (wrong)
		return wrong;
	spec = append(specs, MVMI_EVENT_HW_BREAKPOINT);
	spec->address = address;
	spec->what.len = 1;
	return NULL;
}

/** "w:0x1234000+4096": of physical addresses. */
static const char *add_memory(struct eventspecs *specs, const char *text)
{
	const char *colon = strchr(text, ':');
	const char *start = colon ? colon + 1 : text;
	const char *plus = strchr(start, '+');
	size_t len = plus ? (size_t)(plus - start) : strlen(start);
	struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_MEMORY,
		.filters = MVMI_FILTER_RANGE,
		.access = MVMI_ACCESS_R | MVMI_ACCESS_W,
		.len = 1,
	};
	char number[TEXT_LEN];
	const char *wrong = NULL;

	if (colon)
		wrong = parse_access(text, (size_t)(colon - text),
				     &what.access);
	if (!wrong && len >= sizeof(number))
		wrong = "it is too long";
	if (wrong)
		return wrong;
	memcpy(number, start, len);
	number[len] = '\0';
	wrong = number_parse(number, &what.start);
	if (!wrong && plus)
		wrong = number_parse_len(plus + 1, &what.len);
	if (!wrong && what.len == 0)
		wrong = "a range of no bytes";
	if (!wrong && what.len - 1 > UINT64_MAX - what.start)
		wrong = "the range ends past 64 bits";
	if (!wrong) {
		struct eventspec *spec = append(specs, MVMI_EVENT_MEMORY);

		spec->what = what;
		spec->address.value = what.start;
	}
	return wrong;
}

const char *eventspecs_add(struct eventspecs *specs, enum mvmi_event_kind kind,
			   const char *text)
{
	/* One option makes two at most. */
	if (specs->count + 2 > EVENTSPECS_MAX)
		return "that is too much at once";
	switch (kind) {
	case MVMI_EVENT_MSR_READ:
	case MVMI_EVENT_MSR_WRITE:
		return add_msr(specs, text);
	case MVMI_EVENT_DR_ACCESS:
		return add_indexed(specs, kind, text, 7);
	case MVMI_EVENT_PORT_IO:
		return add_indexed(specs, kind, text, UINT16_MAX);
	case MVMI_EVENT_CPUID:
		return add_leaf(specs, text);
	case MVMI_EVENT_EXCEPTION:
	case MVMI_EVENT_INTERRUPT:
		return add_vector(specs, kind, text);
	case MVMI_EVENT_HW_BREAKPOINT:
		return add_breakpoint(specs, text);
	case MVMI_EVENT_MEMORY:
		return add_memory(specs, text);
	case MVMI_EVENT_CR0_WRITE:
	case MVMI_EVENT_CR3_WRITE:
	case MVMI_EVENT_CR4_WRITE:
	case MVMI_EVENT_XCR0_WRITE:
	case MVMI_EVENT_INT3:
	case MVMI_EVENT_STEP:
	case MVMI_EVENT_DESCRIPTOR:
	case MVMI_EVENT_HYPERCALL:
	case MVMI_EVENT_RDTSC:
	case MVMI_EVENT_RESET:
	case MVMI_EVENT_SHUTDOWN:
	case MVMI_EVENT_GONE:
	case MVMI_EVENT_KIND_COUNT:
		break;
	}
	(void)append(specs, kind);
	return NULL;
}
