/* SPDX-License-Identifier: MIT */
#include "drivers/target.h"

#include <string.h>

#include "base/error.h"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_key_char(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/** Length of the `key` if s begins with `key=`, else 0. */
static size_t key_len(const char *s)
{
	size_t n = 0;

	while (is_key_char(s[n]))
		n++;
	return s[n] == '=' && is_alpha(s[0]) ? n : 0;
}

/** Length of the scheme if s begins with `scheme:`, else 0. */
static size_t scheme_len(const char *s)
{
	size_t n = 0;

	if (!is_alpha(s[0]))
		return 0;
	while (is_alpha(s[n]) || (s[n] >= '0' && s[n] <= '9'))
		n++;
	return n >= 2 && s[n] == ':' ? n : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/** Resolve %XX in place. A NUL byte can't be meant. */
static bool unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex_digit(s[1]);
			int low = high < 0 ? -1 : hex_digit(s[2]);

			if (low < 0 || high * 16 + low == 0)
				return false;
			*out++ = (char)(high * 16 + low);
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
	return true;
}

static enum mvmi_status
split_options(char *s, struct target *target, struct mvmi_error *err)
{
	while (s && *s) {
		char *end = strchr(s, '&');
		size_t n = key_len(s);

		if (end)
			*end = '\0';
		if (n == 0)
			return fail(err, MVMI_ERR_INVALID,
				    "\"%s\" in the target is not key=value", s);
		if (target->option_count == TARGET_OPTIONS_MAX)
			return fail(err, MVMI_ERR_INVALID,
				    "more than %d options in the target",
				    TARGET_OPTIONS_MAX);
		s[n] = '\0';
		if (!unescape(s + n + 1))
			return fail(err, MVMI_ERR_INVALID,
				    "bad %%-escape in the value of %s", s);
		target->options[target->option_count++] =
			(struct mvmi_target_option){ s, s + n + 1 };
		s = end ? end + 1 : NULL;
	}
	return MVMI_OK;
}

static char *find_options(char *where)
{
	for (char *q = strchr(where, '?'); q; q = strchr(q + 1, '?')) {
		if (key_len(q + 1))
			return q;
	}
	return NULL;
}

enum mvmi_status
target_parse(const char *string, struct target *ret, struct mvmi_error *err)
{
	size_t len = strlen(string);
	size_t scheme = scheme_len(string);
	char *where;
	char *options;
	enum mvmi_status status;

	if (len >= TARGET_LEN_MAX)
		return fail(err, MVMI_ERR_INVALID,
			    "the target is longer than %d bytes",
			    TARGET_LEN_MAX - 1);
	if (len == 0)
		return fail(err, MVMI_ERR_INVALID, "the target is empty");
	ret->option_count = 0;
	memcpy(ret->text, string, len + 1);
	if (scheme)
		ret->text[scheme] = '\0';
	ret->scheme = scheme ? ret->text : "";
	where = ret->text + (scheme ? scheme + 1 : 0);

	options = find_options(where);
	if (options)
		*options++ = '\0';
	if (scheme && key_len(where)) {
		/* "qemu:pid=4711": the place itself is an option. */
		status = split_options(where, ret, err);
		if (status != MVMI_OK)
			return status;
		where = ret->text + len;
	} else if (!unescape(where)) {
		return fail(err, MVMI_ERR_INVALID, "bad %%-escape in \"%s\"",
			    string);
	}
	ret->where = where;
	return split_options(options, ret, err);
}
