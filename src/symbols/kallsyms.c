/* SPDX-License-Identifier: MIT */
#include "symbols/kallsyms.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "symbols/kallsyms_layout.h"
#include "symbols/kallsyms_tokens.h"
#include "symbols/table.h"

/* Most kernels' names are 2.5 times as long as what they are made from. */
#define EXPANSION 3

/* All names of the largest kernel are 7 MB long. */
#define TEXT_MAX ((size_t)64 << 20)

/* What one name may write: itself, and the head of a token behind its end. */
#define NAME_ROOM (KALLSYMS_MAX_NAME + KALLSYMS_TOKEN_HEAD)

/** Write a name; 0 if it is longer than KALLSYMS_MAX_NAME. */
static size_t name_expand(const struct kallsyms_tokens *tokens,
			  struct mvmi_bytes code, char *dst)
{
	size_t n = 0;

	for (size_t i = 0; i < code.len; i++) {
		const struct kallsyms_token *t = &tokens->token[code.ptr[i]];

		if (t->len > KALLSYMS_MAX_NAME - n)
			return 0;
		memcpy(dst + n, t->head, sizeof(t->head));
		if (t->len > sizeof(t->head))
			memcpy(dst + n, t->text, t->len);
		n += t->len;
	}
	return n;
}

/** Take a compressed name, which lies in the image, off its front. */
static struct mvmi_bytes name_take(struct mvmi_bytes *names)
{
	size_t len = names->ptr[0];
	size_t head = 1;
	struct mvmi_bytes code;

	if (len & 0x80) {
		len = (len & 0x7f) | (size_t)names->ptr[1] << 7;
		head = 2;
	}
	code = (struct mvmi_bytes){ names->ptr + head, len };
	names->ptr += head + len;
	names->len -= head + len;
	return code;
}

static enum mvmi_status
symbols_expand(const struct kallsyms_image *image,
	       const struct kallsyms_tokens *tokens,
	       const struct kallsyms_layout *layout, struct symbols_builder *b,
	       struct mvmi_error *err)
{
	struct mvmi_bytes names = {
		image->bytes.ptr + layout->names,
		layout->names_end - layout->names,
	};
	enum mvmi_status status = symbols_builder_reserve(
		b, layout->count, names.len * EXPANSION + NAME_ROOM, err);

	for (size_t i = 0; i < layout->count && status == MVMI_OK; i++) {
		struct symbols_new symbol;
		size_t len;
		char *dst;

		status = symbols_builder_reserve(b, 1, NAME_ROOM, err);
		if (status != MVMI_OK)
			break;
		dst = b->text + b->text_len;
		len = name_expand(tokens, name_take(&names), dst);
		if (len < 2)
			return fail(err, MVMI_ERR_CORRUPT,
				    "symbol %zu of kallsyms has a name that is "
				    "empty or longer than %d",
				    i, KALLSYMS_MAX_NAME);
		if (b->text_len > TEXT_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "the names of kallsyms are longer than %zu "
				    "bytes",
				    TEXT_MAX);
		/* The first character is the type. */
		symbol = (struct symbols_new){
			.name = { (const uint8_t *)dst + 1, len - 1 },
			.type = dst[0],
		};
		symbol.addr =
			kallsyms_address(image, layout, i, &symbol.absolute);
		symbols_builder_put(b, &symbol);
	}
	return status;
}

enum mvmi_status
kallsyms_parse(const struct kallsyms_image *image, size_t tokens,
	       struct mvmi_symbols **ret, struct kallsyms_layout *ret_layout,
	       struct mvmi_error *err)
{
	struct kallsyms_layout layout = { .tokens = tokens };
	struct symbols_builder builder = { 0 };
	struct kallsyms_tokens table;
	enum mvmi_status status;

	if (!kallsyms_tokens_read(image->bytes, tokens, &table))
		return fail(err, MVMI_ERR_CORRUPT,
			    "no token table of kallsyms is at offset 0x%zx of "
			    "the image",
			    tokens);
	status = kallsyms_locate(image, &table, &layout, err);
	if (status != MVMI_OK)
		return status;
	status = symbols_expand(image, &table, &layout, &builder, err);
	if (status == MVMI_OK)
		status = symbols_builder_finish(&builder, ret, err);
	if (status == MVMI_OK)
		*ret_layout = layout;
	symbols_builder_fini(&builder);
	return status;
}
