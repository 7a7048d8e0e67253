/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "occupancy.h"
#include "output.h"
#include "tasks.h"
#include "tree.h"

static int show_tree;
static int show_threads;
static int show_args;
static int show_env;
static int show_path;
static int show_namespaces;
static int show_current;

static struct poptOption options[] = {
	{ "threads", 'T', POPT_ARG_NONE, &show_threads, 0,
	  "all threads, not only processes", NULL },
	{ "tree", 't', POPT_ARG_NONE, &show_tree, 0,
	  "each process under its parent", NULL },
	{ "args", 'a', POPT_ARG_NONE, &show_args, 0,
	  "the command line with its arguments", NULL },
	{ "env", 'e', POPT_ARG_NONE, &show_env, 0, "the environment", NULL },
	{ "path", 'P', POPT_ARG_NONE, &show_path, 0, "the executable's path",
	  NULL },
	{ "namespaces", 'n', POPT_ARG_NONE, &show_namespaces, 0,
	  "the namespaces", NULL },
	{ "current", 'c', POPT_ARG_NONE, &show_current, 0,
	  "which vCPU is in which, idle tasks too, and where", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** All that is read, and nothing of it needs the VM any more. */
struct view {
	const struct mvmi_task_list *tasks; /**< owned */
	struct occupancy occupancy;
	struct tree tree;
};

static unsigned detail_wanted(void)
{
	unsigned detail = 0;

	detail |= show_threads ? MVMI_TASK_THREADS : 0;
	detail |= show_args ? MVMI_TASK_ARGS : 0;
	detail |= show_env ? MVMI_TASK_ENVIRONMENT : 0;
	detail |= show_path ? MVMI_TASK_PATH : 0;
	detail |= show_namespaces ? MVMI_TASK_NAMESPACES : 0;
	detail |= show_current ? MVMI_TASK_IDLE_TASKS : 0;
	return detail;
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *strings_json(const char *const *strings, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		output_append(array, output_text(strings[i]));
	return array;
}

static json_t *namespaces_json(const struct mvmi_task *task)
{
	json_t *object = json_object();

	for (size_t i = 0; i < task->namespace_count; i++)
		output_put(object, task->namespaces[i].kind,
			   output_number(task->namespaces[i].id));
	return object;
}

static json_t *credentials_json(const struct mvmi_credentials *credentials)
{
	json_t *object = json_object();

	output_put(object, "euid", json_integer(credentials->euid));
	output_put(object, "suid", json_integer(credentials->suid));
	output_put(object, "fsuid", json_integer(credentials->fsuid));
	output_put(object, "gid", json_integer(credentials->gid));
	output_put(object, "egid", json_integer(credentials->egid));
	output_put(object, "sgid", json_integer(credentials->sgid));
	output_put(object, "fsgid", json_integer(credentials->fsgid));
	output_put(object, "capabilities",
		   output_hex(credentials->capabilities));
	return object;
}

/** What was asked for with an option of its own. */
static void put_details(json_t *object, const struct mvmi_task *task)
{
	if (show_path)
		output_put(object, "path", output_text(task->path));
	if (show_args)
		output_put(object, "args",
			   strings_json(task->args, task->arg_count));
	if (show_env)
		output_put(object, "environment",
			   strings_json(task->environment,
					task->environment_count));
	if (show_namespaces)
		output_put(object, "namespaces", namespaces_json(task));
}

static json_t *task_json(const struct view *view, const struct mvmi_task *task)
{
	char letter[] = { mvmi_task_state_letter(task->state), '\0' };
	json_t *object = json_object();

	output_put(object, "pid", output_number(task->id));
	output_put(object, "tgid", output_number(task->process_id));
	output_put(object, "ppid", output_number(task->parent_id));
	output_put(object, "name", output_text(task->name));
	output_put(object, "uid", json_integer(task->credentials.uid));
	output_put(object, "state", json_string(letter));
	output_put(object, "state_name",
		   json_string(mvmi_task_state_name(task->state)));
	output_put(object, "kernel", json_boolean(task->is_kernel));
	output_put(object, "thread", json_boolean(task->is_thread));
	output_put(object, "threads", json_integer(task->thread_count));
	output_put(object, "cpu",
		   task->cpu < 0 ? json_null() : json_integer(task->cpu));
	output_put(object, "start_ns", output_number(task->start_ns));
	output_put(object, "session", output_number(task->session_id));
	output_put(object, "credentials", credentials_json(&task->credentials));
	output_put(object, "root", output_hex(task->root));
	output_put(object, "user_root", output_hex(task->user_root));
	output_put(object, "object", output_hex(task->object.val));
	put_details(object, task);
	if (show_current)
		output_put(object, "vcpus",
			   occupancy_json(&view->occupancy, task));
	return object;
}

static int print_json(const struct view *view)
{
	json_t *array = json_array();

	for (size_t i = 0; i < view->tasks->count; i++) {
		size_t at = show_tree ? view->tree.order[i] : i;

		output_append(array, task_json(view, view->tasks->items[at]));
	}
	return output_json(array);
}

/* ---- text -------------------------------------------------------------- */

/** As a shell would have to be told it, where it is not plain. */
static void write_word(FILE *stream, const char *word)
{
	bool plain = *word && !strpbrk(word, " \t\n'\"\\$`*?;&|<>()[]{}#~");

	if (plain) {
		(void)fputs(word, stream);
		return;
	}
	(void)fputc('\'', stream);
	for (; *word; word++) {
		if (*word == '\'')
			(void)fputs("'\\'", stream);
		(void)fputc(*word, stream);
	}
	(void)fputc('\'', stream);
}

static void add_args(struct output_table *table, const struct mvmi_task *task)
{
	char *text = NULL;
	size_t size;
	FILE *stream;

	if (task->arg_count == 0) {
		output_cell(table, "-");
		return;
	}
	stream = open_memstream(&text, &size);
	if (!stream)
		diag_no_memory();
	for (size_t i = 0; i < task->arg_count; i++) {
		(void)fputs(i ? " " : "", stream);
		write_word(stream, task->args[i]);
	}
	if (fclose(stream) != 0)
		diag_no_memory();
	output_cell(table, "%s", text);
	free(text);
}

/** "name", "[kthread]" or "{thread}", under its parent in a tree. */
static void
add_name(struct output_table *table, const struct view *view, size_t at)
{
	const struct mvmi_task *task = view->tasks->items[at];
	const char *prefix = show_tree ? view->tree.prefix[at] : "";

	if (task->is_kernel)
		output_cell(table, "%s[%s]", prefix, task->name);
	else if (task->is_thread)
		output_cell(table, "%s{%s}", prefix, task->name);
	else
		output_cell(table, "%s%s", prefix, task->name);
}

/** What goes before the name. */
static void add_ids(struct output_table *table, const struct view *view,
		    const struct mvmi_task *task)
{
	output_cell(table, "%" PRIu64, task->id);
	if (show_threads)
		output_cell(table, "%" PRIu64, task->process_id);
	output_cell(table, "%" PRIu64, task->parent_id);
	output_cell(table, "%" PRIu32, task->credentials.uid);
	output_cell(table, "%c", mvmi_task_state_letter(task->state));
	if (task->cpu < 0)
		output_cell(table, "-");
	else
		output_cell(table, "%" PRId32, task->cpu);
	output_cell(table, "%" PRIu32, task->thread_count);
	output_cell(table, "%" PRIu64 ".%02u", task->start_ns / 1000000000,
		    (unsigned)(task->start_ns / 10000000 % 100));
	if (show_current)
		occupancy_cell(&view->occupancy, task, table);
}

static void
add_row(struct output_table *table, const struct view *view, size_t at)
{
	const struct mvmi_task *task = view->tasks->items[at];

	add_ids(table, view, task);
	add_name(table, view, at);
	if (show_path)
		output_cell(table, "%s", *task->path ? task->path : "-");
	if (show_args)
		add_args(table, task);
}

/** Headings, as many as add_row() adds cells. */
static void add_heading(struct output_table *table)
{
	const struct {
		const char *name;
		bool wanted;
		bool right;
	} columns[] = {
		{ "PID", true, true },
		{ "TGID", show_threads, true },
		{ "PPID", true, true },
		{ "UID", true, true },
		{ "S", true, false },
		{ "CPU", true, true },
		{ "THREADS", true, true },
		{ "START", true, true },
		{ "VCPU", show_current, false },
		{ "NAME", true, false },
		{ "PATH", show_path, false },
		{ "COMMAND LINE", show_args, false },
	};
	const size_t count = sizeof(columns) / sizeof(columns[0]);

	for (size_t i = 0; i < count; i++) {
		if (!columns[i].wanted)
			continue;
		table->right |= (uint32_t)columns[i].right << table->columns;
		table->columns++;
	}
	for (size_t i = 0; i < count; i++) {
		if (columns[i].wanted)
			output_cell(table, "%s", columns[i].name);
	}
}

/** What takes lines of its own, under the row. */
static void print_details(const struct mvmi_task *task)
{
	for (size_t i = 0; show_env && i < task->environment_count; i++) {
		(void)printf("    ");
		output_printable(task->environment[i]);
		(void)putchar('\n');
	}
	if (!show_namespaces || task->namespace_count == 0)
		return;
	(void)printf("   ");
	for (size_t i = 0; i < task->namespace_count; i++) {
		(void)putchar(' ');
		output_printable(task->namespaces[i].kind);
		(void)printf(":[%" PRIu64 "]", task->namespaces[i].id);
	}
	(void)putchar('\n');
}

static int print_text(const struct view *view)
{
	struct output_table table = { .columns = 0 };

	add_heading(&table);
	for (size_t i = 0; i < view->tasks->count; i++)
		add_row(&table, view, show_tree ? view->tree.order[i] : i);
	output_row(&table, 0);
	for (size_t i = 0; i < view->tasks->count; i++) {
		size_t at = show_tree ? view->tree.order[i] : i;

		output_row(&table, i + 1);
		print_details(view->tasks->items[at]);
	}
	output_table_fini(&table);
	return output_finish();
}

/* ------------------------------------------------------------------------ */

static int run(const char *const *operands)
{
	struct view view = { .tasks = NULL };
	struct guest guest;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	code = tasks_list(&guest, pid, detail_wanted(), &view.tasks);
	if (code == EXIT_OK && show_current)
		code = occupancy_read(&view.occupancy, &guest, show_threads);
	code = guest_close(&guest, code);
	if (code == EXIT_OK && show_current && !guest_has_pid())
		occupancy_doubt(&view.occupancy, view.tasks);
	if (code == EXIT_OK && show_tree)
		tree_init(&view.tree, view.tasks);
	if (code == EXIT_OK)
		code = command_json ? print_json(&view) : print_text(&view);
	if (view.tasks)
		tree_fini(&view.tree, view.tasks);
	occupancy_fini(&view.occupancy);
	mvmi_os_free(view.tasks);
	return code;
}

const struct command cmd_ps = {
	.name = "ps",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list the guest's processes",
	.details = "Lists processes as the guest's kernel has them, kernel "
		   "threads in brackets. S is the\nstate as ps(1) writes it, "
		   "START seconds after the guest's boot. Nothing has to be\n"
		   "known of the guest: symbols and types are read from its "
		   "memory.\nA running VM is held for the moment of reading, "
		   "unless --live is given.\n",
	.examples = "  microvmi ps /run/vm.qmp\n"
		    "  microvmi ps /run/vm.qmp --tree --args\n"
		    "  microvmi ps mem.elf --threads --current\n"
		    "  microvmi ps mem.elf --json | jq '.[] | "
		    "select(.uid == 0) | .name'\n",
	.options = options,
	.run = run,
};
