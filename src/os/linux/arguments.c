/* SPDX-License-Identifier: MIT */
/* The words that a process was started with, out of its own memory. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/process.h"
#include "os/linux/task.h"

/** Of one area of words. The kernel's limit is a quarter of the stack's. */
#define WORDS_LEN_MAX ((uint64_t)6 << 20)

/** Addresses [start, end) and what was read of them. */
struct words {
	uint64_t start;
	uint64_t end;
	char *text; /**< owned; a NUL is after its last byte */
	size_t len;
	bool cut; /**< a page is missing, or it is too long */
};

static size_t to_page_end(uint64_t gva)
{
	return (size_t)(MVMI_PAGE_SIZE - gva % MVMI_PAGE_SIZE);
}

/** Read page by page what is there, up to the first page that is not. */
static enum mvmi_status read_pages(struct mvmi_space *space,
				   struct words *words, struct mvmi_error *err)
{
	size_t want = (size_t)(words->end - words->start);

	while (words->len < want) {
		uint64_t at = words->start + words->len;
		size_t len = MIN(to_page_end(at), want - words->len);
		struct mvmi_span dst = { (uint8_t *)words->text + words->len,
					 len };
		enum mvmi_status status =
			mvmi_space_read(space, mvmi_gva_at(at), dst, err);

		if (tasks_torn(status)) {
			words->cut = true;
			break;
		}
		if (status != MVMI_OK)
			return status;
		words->len += len;
	}
	words->text[words->len] = '\0';
	return MVMI_OK;
}

static enum mvmi_status words_read(struct mvmi_space *space,
				   struct words *words, struct mvmi_error *err)
{
	if (words->end <= words->start)
		words->end = words->start;
	if (words->end - words->start > WORDS_LEN_MAX) {
		words->end = words->start + WORDS_LEN_MAX;
		words->cut = true;
	}
	words->text = malloc((size_t)(words->end - words->start) + 1);
	if (!words->text)
		return fail(err, MVMI_ERR_NOMEM, "no memory for arguments");
	return read_pages(space, words, err);
}

/** Make an array of the strings, each of which ends with a NUL. */
static const char *const *
split(const struct words *words, struct list *list, size_t *ret)
{
	const char **array;
	const char *at = words->text;
	const char *end = words->text + words->len;
	size_t count = 0;

	*ret = 0;
	for (const char *c = at; c < end; c += strlen(c) + 1)
		count++;
	array = count ? list_alloc(list, count * sizeof(*array)) : NULL;
	if (!array)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(at);

		array[i] = list_string(list, at, len);
		at += len + 1;
	}
	*ret = count;
	return array;
}

/**
 * Let the arguments run on into the environment where a process wrote a title
 * over both (setproctitle(3)), as the kernel's get_mm_cmdline() does: then the
 * last byte of the arguments is no NUL any more, and the title is one string.
 */
static enum mvmi_status
read_title(struct mvmi_space *space, const struct object *mm,
	   struct words *words, struct mvmi_error *err)
{
	uint64_t env_start = object_u64(mm, MM_ENV_START);
	uint64_t env_end = object_u64(mm, MM_ENV_END);
	struct words title = { .start = words->start, .end = words->end };
	enum mvmi_status status;

	if (words->cut || words->len == 0 ||
	    words->text[words->len - 1] == '\0')
		return MVMI_OK;
	if (env_start == title.end && env_end >= env_start)
		title.end = env_end;
	/* The kernel shows no more of a title than a page. */
	title.end = MIN(title.end, title.start + MVMI_PAGE_SIZE);
	status = words_read(space, &title, err);
	if (status == MVMI_OK) {
		title.len = strlen(title.text);
		title.cut = false;
		free(words->text);
		*words = title;
	} else {
		free(title.text);
	}
	return status;
}

static enum mvmi_status
read_args(struct mvmi_space *space, const struct object *mm, struct list *list,
	  struct mvmi_task *ret, struct mvmi_error *err)
{
	struct words words = { .start = object_u64(mm, MM_ARG_START),
			       .end = object_u64(mm, MM_ARG_END) };
	enum mvmi_status status = words_read(space, &words, err);

	if (status == MVMI_OK)
		status = read_title(space, mm, &words, err);
	if (status == MVMI_OK)
		ret->args = split(&words, list, &ret->arg_count);
	if (words.cut)
		list_doubt(list,
			   "not all arguments of process %" PRIu64
			   " are in memory",
			   ret->process_id);
	free(words.text);
	return status;
}

static enum mvmi_status
read_environment(struct mvmi_space *space, const struct object *mm,
		 struct list *list, struct mvmi_task *ret,
		 struct mvmi_error *err)
{
	struct words words = { .start = object_u64(mm, MM_ENV_START),
			       .end = object_u64(mm, MM_ENV_END) };
	enum mvmi_status status = words_read(space, &words, err);

	if (status == MVMI_OK)
		ret->environment = split(&words, list, &ret->environment_count);
	if (words.cut)
		list_doubt(list,
			   "not all the environment of process %" PRIu64
			   " is in memory",
			   ret->process_id);
	free(words.text);
	return status;
}

enum mvmi_status
arguments_read(struct linux_os *guest, const struct object *mm, unsigned detail,
	       struct list *list, struct mvmi_task *ret, struct mvmi_error *err)
{
	struct mvmi_space *space;
	enum mvmi_status status = process_space_of(guest, mm, &space, err);

	if (status != MVMI_OK)
		return status;
	if (detail & MVMI_TASK_ARGS)
		status = read_args(space, mm, list, ret, err);
	if (status == MVMI_OK && (detail & MVMI_TASK_ENVIRONMENT))
		status = read_environment(space, mm, list, ret, err);
	mvmi_space_destroy(space);
	return status;
}
