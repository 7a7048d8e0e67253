/* SPDX-License-Identifier: MIT */
/** @file The 256 strings that kallsyms' names are made of. */
#ifndef MICROVMI_SYMBOLS_KALLSYMS_TOKENS_H
#define MICROVMI_SYMBOLS_KALLSYMS_TOKENS_H

#include <microvmi/types.h>

#define kallsyms_tokens_read mvmi__kallsyms_tokens_read

#define KALLSYMS_TOKENS	     256

/** No token of any kernel is longer; most have two to five characters. */
#define KALLSYMS_MAX_TOKEN 200

/** As much of a token as is copied in one move. */
#define KALLSYMS_TOKEN_HEAD 16

struct kallsyms_token {
	char head[KALLSYMS_TOKEN_HEAD]; /**< zeros behind a shorter one */
	const char *text;		/**< borrowed from memory, all of it */
	size_t len;
};

struct kallsyms_tokens {
	size_t index; /**< offset of token_index in the memory */
	size_t end;   /**< offset behind token_index */
	struct kallsyms_token token[KALLSYMS_TOKENS];
};

/**
 * Read the token table at an offset, and prove it by the token_index behind.
 *
 * @param ret  Filled where it returns true, garbage else.
 */
bool kallsyms_tokens_read(struct mvmi_bytes memory, size_t table,
			  struct kallsyms_tokens *ret);

#endif /* MICROVMI_SYMBOLS_KALLSYMS_TOKENS_H */
