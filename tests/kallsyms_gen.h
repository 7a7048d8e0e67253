/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Makes the .rodata of kernels that nobody packages any more: the same symbols
 * as kallsyms of each layout. It follows scripts/kallsyms.c of Linux, and knows
 * nothing of how we read what it makes. The same arguments make the same bytes.
 */
#ifndef MICROVMI_TEST_KALLSYMS_GEN_H
#define MICROVMI_TEST_KALLSYMS_GEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GEN_MAX_SYMBOLS 6000
#define GEN_MAX_IMAGE	(1 << 19)
#define GEN_MAX_NAME	300

/* Of the first byte of what is made. */
#define GEN_BASE UINT64_C(0xffffffff9a200000)
/* Where the tables begin: the rest in front and behind is noise. */
#define GEN_TABLES    4096

#define GEN_PERCPU    30 /* per-CPU symbols, which some layouts begin with */
#define GEN_LONG_NAME 77 /* index of a name of more than 128 tokens */

enum gen_rule {
	GEN_ABSOLUTE,
	GEN_PERCPU_RULE,
	GEN_BASE_RULE,
	GEN_PLACE
};

struct gen_layout {
	const char *name;
	size_t align;
	size_t word; /**< bytes of num_syms and of a marker */
	enum gen_rule rule;
	bool behind;	   /**< offsets lie behind the tokens */
	bool seqs_between; /**< seqs_of_names lies in front of the tokens */
	bool long_names;   /**< of two bytes' length */
};

static const struct gen_layout gen_layouts[] = {
	{ "before 4.6", 8, 8, GEN_ABSOLUTE, false, false, false },
	{ "4.6 to 4.19", 8, 8, GEN_PERCPU_RULE, false, false, false },
	{ "4.20 to 6.0", 8, 4, GEN_PERCPU_RULE, false, false, false },
	{ "4.20 to 6.0, one CPU", 8, 4, GEN_BASE_RULE, false, false, false },
	{ "6.1 to 6.3", 8, 4, GEN_PERCPU_RULE, false, true, true },
	{ "6.4 to 6.14", 8, 4, GEN_PERCPU_RULE, true, false, true },
	{ "6.15 to 6.19", 8, 4, GEN_BASE_RULE, true, false, true },
	{ "from 7.0", 4, 4, GEN_PLACE, true, false, true },
};

#define GEN_LAYOUTS (sizeof(gen_layouts) / sizeof(gen_layouts[0]))

struct gen_symbol {
	uint64_t addr;
	char name[GEN_MAX_NAME];
	char type;
};

/** Large: make it static. */
struct gen {
	const struct gen_layout *layout;
	size_t count;
	struct gen_symbol symbols[GEN_MAX_SYMBOLS];
	char tokens[256][40];
	uint32_t markers[GEN_MAX_SYMBOLS / 256 + 1];
	/* The image, and where its tables are. */
	uint8_t bytes[GEN_MAX_IMAGE];
	size_t len;
	size_t num_syms;
	size_t names;
	size_t names_end;
	size_t marker_table;
	size_t token_table;
	size_t token_index;
	size_t offsets;
	uint64_t random;
};

static uint32_t gen_random(struct gen *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (uint32_t)(g->random >> 32);
}

static void gen_put(struct gen *g, uint64_t value, size_t width)
{
	for (size_t i = 0; i < width && g->len < GEN_MAX_IMAGE; i++)
		g->bytes[g->len++] = (uint8_t)(value >> 8 * i);
}

static void gen_align(struct gen *g)
{
	while (g->len % g->layout->align)
		gen_put(g, 0, 1);
}

static void gen_noise(struct gen *g, size_t len)
{
	while (len--)
		gen_put(g, gen_random(g), 1);
}

/** Characters stand for themselves; all else is pairs of words. */
static void gen_make_tokens(struct gen *g)
{
	static const char *const words[] = {
		"sys_",	 "read",  "_of_", "__pfx_", "nf_",  "net",
		"kmem_", "pci",	  "get_", "put",    "lock", "_page",
		"ip6",	 "queue", "init", "_ops",
	};
	const size_t n = sizeof(words) / sizeof(words[0]);

	for (size_t i = 0, next = 0; i < 256; i++) {
		bool plain = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') ||
			     (i >= 'a' && i <= 'z') || i == '_' || i == '.';

		if (plain) {
			(void)snprintf(g->tokens[i], 40, "%c", (char)i);
			continue;
		}
		(void)snprintf(g->tokens[i], 40, "%s%s", words[next % n],
			       next < n ? "" : words[next / n]);
		next++;
	}
	/* One is longer than what is copied in one move. */
	(void)snprintf(g->tokens[1], 40, "%s", "_a_token_of_more_than_16_");
}

static void gen_make_symbols(struct gen *g)
{
	bool percpu = g->layout->rule == GEN_PERCPU_RULE ||
		      g->layout->rule == GEN_ABSOLUTE;
	uint64_t addr = GEN_BASE;

	for (size_t i = 0; i < g->count; i++) {
		struct gen_symbol *s = &g->symbols[i];

		(void)snprintf(s->name, sizeof(s->name), "%s%s%x",
			       g->tokens[gen_random(g) % 256],
			       g->tokens[gen_random(g) % 256],
			       gen_random(g) % 4096);
		s->type = "tTdDbBrR"[gen_random(g) % 8];
		s->addr = addr;
		/* Some have the same address, as aliases do. */
		if (gen_random(g) % 8)
			addr += gen_random(g) % 512;
		if (percpu && i < GEN_PERCPU) {
			s->addr = 8 * i;
			s->type = 'A';
			addr = GEN_BASE;
		}
	}
	if (g->layout->long_names && g->count > GEN_LONG_NAME) {
		char *name = g->symbols[GEN_LONG_NAME].name;

		/* No two of these make a token. */
		for (size_t i = 0; i < 200; i++)
			name[i] = "QX7Z"[i % 4];
		name[200] = '\0';
	}
}

/** The longest token that a text begins with. */
static uint8_t gen_token(const struct gen *g, const char *text)
{
	size_t best = (uint8_t)text[0];

	for (size_t i = 0; i < 256; i++) {
		const char *token = g->tokens[i];
		size_t len;

		if (token[0] != text[0] || token[1] != text[1])
			continue;
		len = strlen(token);
		if (len > strlen(g->tokens[best]) &&
		    strncmp(text, token, len) == 0)
			best = i;
	}
	return (uint8_t)best;
}

static void gen_put_names(struct gen *g)
{
	g->names = g->len;
	for (size_t i = 0; i < g->count; i++) {
		char text[GEN_MAX_NAME + 1];
		uint8_t code[GEN_MAX_NAME + 1];
		size_t n = 0;
		const char *at = text;

		(void)snprintf(text, sizeof(text), "%c%s", g->symbols[i].type,
			       g->symbols[i].name);
		while (*at) {
			code[n] = gen_token(g, at);
			at += strlen(g->tokens[code[n++]]);
		}
		if (i % 256 == 0)
			g->markers[i / 256] = (uint32_t)(g->len - g->names);
		if (n >= 0x80) {
			gen_put(g, (n & 0x7f) | 0x80, 1);
			gen_put(g, n >> 7, 1);
		} else {
			gen_put(g, n, 1);
		}
		for (size_t c = 0; c < n; c++)
			gen_put(g, code[c], 1);
	}
	g->names_end = g->len;
	gen_align(g);
	g->marker_table = g->len;
	for (size_t i = 0; i < (g->count + 255) / 256; i++)
		gen_put(g, g->markers[i], g->layout->word);
	gen_align(g);
}

static void gen_put_seqs(struct gen *g)
{
	for (size_t i = 0; i < g->count; i++) {
		uint32_t seq = gen_random(g) % (uint32_t)g->count;

		gen_put(g, seq >> 16, 1);
		gen_put(g, seq >> 8, 1);
		gen_put(g, seq, 1);
	}
	gen_align(g);
}

static void gen_put_tokens(struct gen *g)
{
	g->token_table = g->len;
	for (size_t i = 0; i < 256; i++)
		for (size_t c = 0; c <= strlen(g->tokens[i]); c++)
			gen_put(g, (uint8_t)g->tokens[i][c], 1);
	gen_align(g);
	g->token_index = g->len;
	for (size_t i = 0, at = 0; i < 256; i++) {
		gen_put(g, at, 2);
		at += strlen(g->tokens[i]) + 1;
	}
	gen_align(g);
}

static void gen_put_offsets(struct gen *g)
{
	g->offsets = g->len;
	for (size_t i = 0; i < g->count; i++) {
		uint64_t addr = g->symbols[i].addr;

		switch (g->layout->rule) {
		case GEN_ABSOLUTE:
			gen_put(g, addr, 8);
			break;
		case GEN_PERCPU_RULE:
			gen_put(g, i < GEN_PERCPU ? addr : GEN_BASE - 1 - addr,
				4);
			break;
		case GEN_BASE_RULE:
			gen_put(g, addr - GEN_BASE, 4);
			break;
		case GEN_PLACE:
			gen_put(g, addr - (GEN_BASE + g->len), 4);
			break;
		}
	}
	gen_align(g);
	if (g->layout->rule == GEN_PERCPU_RULE ||
	    g->layout->rule == GEN_BASE_RULE)
		gen_put(g, GEN_BASE, 8);
}

/** Make the image of count symbols: at most GEN_MAX_SYMBOLS. */
static inline void
gen_make(struct gen *g, const struct gen_layout *layout, size_t count)
{
	memset(g, 0, sizeof(*g));
	g->layout = layout;
	g->count = count;
	g->random = UINT64_C(0x9e3779b97f4a7c15);
	gen_make_tokens(g);
	gen_make_symbols(g);
	gen_noise(g, GEN_TABLES);
	if (!layout->behind)
		gen_put_offsets(g);
	g->num_syms = g->len;
	gen_put(g, count, layout->word);
	gen_align(g);
	gen_put_names(g);
	if (layout->seqs_between)
		gen_put_seqs(g);
	gen_put_tokens(g);
	if (layout->behind) {
		gen_put_offsets(g);
		gen_put_seqs(g);
	}
	gen_noise(g, 1000);
}

#endif /* MICROVMI_TEST_KALLSYMS_GEN_H */
