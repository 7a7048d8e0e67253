/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "interrupt.h"
#include "number.h"
#include "output.h"
#include "sampling.h"
#include "tasks.h"

/* Looks at the vCPUs for one screen: a look holds the VM for a moment. */
#define LOOKS	     20

#define INTERVAL_MIN 0.1
#define INTERVAL_MAX 3600

/* Where the terminal doesn't say how many lines it has. */
#define ROWS_DEFAULT 24

static double interval = 2;
static const char *count_text;
static int batch;

static struct poptOption options[] = {
	{ "interval", 'i', POPT_ARG_DOUBLE, &interval, 0,
	  "how long to look for each screen (default 2)", "SECONDS" },
	{ "count", 'n', POPT_ARG_STRING, &count_text, 0,
	  "end after so many screens", "N" },
	{ "batch", 'b', POPT_ARG_NONE, &batch, 0,
	  "print one after the other, with all processes", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** One screen's worth. */
struct screen {
	struct mvmi_os_info os;
	const struct mvmi_task_list *tasks; /**< owned */
	struct sampling sampling;
	const struct mvmi_task **order; /**< owned; busiest first */
};

/* ---- order ------------------------------------------------------------- */

/* What qsort() has no argument for. */
static const struct sampling *order_sampling;

static int state_rank(enum mvmi_task_state state)
{
	if (state == MVMI_TASK_RUNNING)
		return 0;
	return state == MVMI_TASK_WAITING ? 1 : 2;
}

static int compare_tasks(const void *one, const void *two)
{
	const struct mvmi_task *a = *(const struct mvmi_task *const *)one;
	const struct mvmi_task *b = *(const struct mvmi_task *const *)two;
	unsigned hits_a = sampling_hits(order_sampling, a->process_id);
	unsigned hits_b = sampling_hits(order_sampling, b->process_id);
	int rank = state_rank(a->state) - state_rank(b->state);

	if (hits_a != hits_b)
		return hits_a > hits_b ? -1 : 1;
	if (rank)
		return rank;
	return (a->id > b->id) - (a->id < b->id);
}

static void sort_tasks(struct screen *screen)
{
	size_t count = screen->tasks->count;

	screen->order = calloc(count + 1, sizeof(const struct mvmi_task *));
	if (!screen->order)
		diag_no_memory();
	for (size_t i = 0; i < count; i++)
		screen->order[i] = screen->tasks->items[i];
	order_sampling = &screen->sampling;
	qsort(screen->order, count, sizeof(const struct mvmi_task *),
	      compare_tasks);
}

/** Of one vCPU: 100 is a whole one. */
static double percent(const struct sampling *sampling, unsigned hits)
{
	return sampling->count ? 100.0 * hits / sampling->count : 0;
}

/** A process that was seen on a vCPU, but has ended since or is hidden. */
static bool
is_unlisted(const struct screen *screen, const struct sampling_hit *hit)
{
	for (size_t i = 0; i < screen->tasks->count; i++) {
		if (screen->tasks->items[i]->process_id == hit->process_id)
			return false;
	}
	return true;
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *vcpus_json(const struct sampling *sampling)
{
	json_t *array = json_array();

	for (size_t i = 0; i < sampling->vcpu_count; i++) {
		const struct sampling_vcpu *vcpu = &sampling->vcpus[i];
		json_t *object = json_object();

		output_put(object, "vcpu", json_integer((json_int_t)i));
		output_put(object, "idle_percent",
			   json_real(percent(sampling, vcpu->idle)));
		output_put(object, "kernel_percent",
			   json_real(percent(sampling, vcpu->kernel)));
		output_put(object, "user_percent",
			   json_real(percent(sampling, vcpu->user)));
		output_put(object, "pid", output_number(vcpu->pid));
		output_put(object, "name", output_text(vcpu->name));
		output_append(array, object);
	}
	return array;
}

static json_t *unlisted_json(const struct screen *screen)
{
	const struct sampling *sampling = &screen->sampling;
	json_t *array = json_array();

	for (size_t i = 0; i < sampling->hit_count; i++) {
		const struct sampling_hit *hit = &sampling->hits[i];
		json_t *object;

		if (!is_unlisted(screen, hit))
			continue;
		object = json_object();
		output_put(object, "pid", output_number(hit->process_id));
		output_put(object, "name", output_text(hit->name));
		output_put(object, "cpu_percent",
			   json_real(percent(sampling, hit->count)));
		output_append(array, object);
	}
	return array;
}

static json_t *screen_json(const struct screen *screen)
{
	const struct sampling *sampling = &screen->sampling;
	json_t *object = json_object();
	json_t *tasks = json_array();

	for (size_t i = 0; i < screen->tasks->count; i++) {
		const struct mvmi_task *task = screen->order[i];
		char letter[] = { mvmi_task_state_letter(task->state), '\0' };
		unsigned hits = sampling_hits(sampling, task->process_id);
		json_t *one = json_object();

		output_put(one, "pid", output_number(task->id));
		output_put(one, "ppid", output_number(task->parent_id));
		output_put(one, "uid", json_integer(task->credentials.uid));
		output_put(one, "state", json_string(letter));
		output_put(one, "name", output_text(task->name));
		output_put(one, "cpu_percent",
			   sampling->blind
				   ? json_null()
				   : json_real(percent(sampling, hits)));
		output_append(tasks, one);
	}
	output_put(object, "uptime_ns", output_number(screen->os.uptime_ns));
	output_put(object, "looks", json_integer(sampling->count));
	output_put(object, "vcpus", vcpus_json(sampling));
	output_put(object, "processes", tasks);
	output_put(object, "unlisted", unlisted_json(screen));
	return object;
}

/* ---- text -------------------------------------------------------------- */

static void count_states(const struct mvmi_task_list *tasks)
{
	size_t running = 0;
	size_t waiting = 0;
	size_t zombies = 0;

	for (size_t i = 0; i < tasks->count; i++) {
		enum mvmi_task_state state = tasks->items[i]->state;

		running += state == MVMI_TASK_RUNNING;
		waiting += state == MVMI_TASK_WAITING;
		zombies += state == MVMI_TASK_ZOMBIE;
	}
	(void)printf("%zu processes: %zu running, %zu waiting, %zu zombie%s\n",
		     tasks->count, running, waiting, zombies,
		     zombies == 1 ? "" : "s");
}

/** @return How many lines it took. */
static size_t print_head(const struct screen *screen)
{
	const struct sampling *sampling = &screen->sampling;
	uint64_t seconds = screen->os.uptime_ns / 1000000000;

	output_printable(screen->os.hostname);
	(void)printf("%s", *screen->os.hostname ? ": " : "");
	output_printable(screen->os.name);
	(void)putchar(' ');
	output_printable(screen->os.release);
	(void)printf(", up %" PRIu64 ":%02u:%02u\n", seconds / 3600,
		     (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
	count_states(screen->tasks);
	if (sampling->blind)
		(void)printf("the VM shows no registers, so what its vCPUs do "
			     "is not known\n");
	for (size_t i = 0; i < sampling->vcpu_count; i++) {
		const struct sampling_vcpu *vcpu = &sampling->vcpus[i];

		(void)printf("vCPU %zu: %3.0f%% user, %3.0f%% kernel, %3.0f%% "
			     "idle; last in ",
			     i, percent(sampling, vcpu->user),
			     percent(sampling, vcpu->kernel),
			     percent(sampling, vcpu->idle));
		output_printable(vcpu->name);
		(void)printf(" (%" PRIu64 ")\n", vcpu->pid);
	}
	(void)putchar('\n');
	return 3 + sampling->blind + sampling->vcpu_count;
}

static void
add_unlisted(struct output_table *table, const struct screen *screen)
{
	const struct sampling *sampling = &screen->sampling;

	for (size_t i = 0; i < sampling->hit_count; i++) {
		const struct sampling_hit *hit = &sampling->hits[i];

		if (!is_unlisted(screen, hit))
			continue;
		output_cell(table, "%" PRIu64, hit->process_id);
		for (unsigned column = 1; column < 5; column++)
			output_cell(table, "-");
		output_cell(table, "%.0f", percent(sampling, hit->count));
		output_cell(table, "%s (not listed: it ended, or is hidden)",
			    hit->name);
	}
}

static void add_task(struct output_table *table, const struct screen *screen,
		     const struct mvmi_task *task)
{
	const struct sampling *sampling = &screen->sampling;
	unsigned hits = sampling_hits(sampling, task->process_id);

	output_cell(table, "%" PRIu64, task->id);
	output_cell(table, "%" PRIu64, task->parent_id);
	output_cell(table, "%" PRIu32, task->credentials.uid);
	output_cell(table, "%c", mvmi_task_state_letter(task->state));
	output_cell(table, "%" PRIu32, task->thread_count);
	if (sampling->blind)
		output_cell(table, "-");
	else
		output_cell(table, "%.0f", percent(sampling, hits));
	output_cell(table, task->is_kernel ? "[%s]" : "%s", task->name);
}

/** @param rows  How many processes there is room for. */
static void print_tasks(const struct screen *screen, size_t rows)
{
	static const char *const heading[] = {
		"PID", "PPID", "UID", "S", "THREADS", "%CPU", "NAME", NULL,
	};
	struct output_table table = {
		.columns = 7,
		.right = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5,
	};
	size_t count = screen->tasks->count;

	output_heading(&table, heading);
	add_unlisted(&table, screen);
	for (size_t i = 0; i < count && table.count / 7 <= rows; i++)
		add_task(&table, screen, screen->order[i]);
	(void)output_table(&table);
}

static size_t terminal_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		return ROWS_DEFAULT;
	return size.ws_row;
}

static int print_screen(const struct screen *screen)
{
	size_t rows = SIZE_MAX;
	size_t head;

	/* Home, and clear to the end of the screen (ECMA-48 CUP, ED). */
	if (!batch)
		(void)fputs("\033[H\033[J", stdout);
	head = print_head(screen);
	if (!batch) {
		/* Its heading, and the line of the cursor. */
		rows = terminal_rows();
		rows = rows > head + 3 ? rows - head - 2 : 1;
	}
	print_tasks(screen, rows);
	if (batch)
		(void)putchar('\n');
	return output_finish();
}

/* ---- looking ----------------------------------------------------------- */

/** Read what one screen shows, in one hold. */
static int read_tasks(struct screen *screen, struct guest *guest)
{
	struct mvmi_error err;
	int code = guest_hold(guest);

	screen->os = (struct mvmi_os_info){ .size = sizeof(screen->os) };
	if (code == EXIT_OK &&
	    mvmi_os_get_info(guest->os, &screen->os, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	if (code == EXIT_OK)
		code = tasks_list(guest, MVMI_OS_ALL, 0, &screen->tasks);
	if (code == EXIT_OK)
		code = sampling_look(&screen->sampling, guest);
	return guest_release(guest, code);
}

static void sleep_for(double seconds)
{
	struct timespec rest = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	/* A signal ends it, and the caller sees that one came. */
	(void)nanosleep(&rest, NULL);
}

/** Look at the vCPUs until the interval is over. */
static int look(struct screen *screen, struct guest *guest, unsigned looks)
{
	int code = EXIT_OK;

	for (unsigned i = 0; code == EXIT_OK && i < looks; i++) {
		sleep_for(interval / looks);
		if (interrupt_came())
			break;
		code = guest_hold(guest);
		if (code == EXIT_OK)
			code = sampling_look(&screen->sampling, guest);
		code = guest_release(guest, code);
	}
	return code;
}

static void screen_fini(struct screen *screen)
{
	mvmi_os_free(screen->tasks);
	sampling_fini(&screen->sampling);
	free(screen->order);
	*screen = (struct screen){ .order = NULL };
}

/** @param array  NULL unless for JSON. */
static int
show(struct screen *screen, struct guest *guest, unsigned looks, json_t *array)
{
	int code = look(screen, guest, looks);

	if (code == EXIT_OK)
		code = read_tasks(screen, guest);
	if (code != EXIT_OK || !screen->tasks)
		return code;
	sort_tasks(screen);
	if (!array)
		return print_screen(screen);
	output_append(array, screen_json(screen));
	return EXIT_OK;
}

/** @param count  0: until a signal comes. */
static int show_all(struct guest *guest, uint64_t count, json_t *array)
{
	struct screen screen = { .order = NULL };
	bool is_static;
	int code = EXIT_OK;
	struct mvmi_vm_info info = { .size = sizeof(info) };

	is_static = mvmi_vm_get_info(guest->vm, &info, NULL) == MVMI_OK &&
		    (info.traits & MVMI_TRAIT_STATIC);
	if (is_static) {
		count = 1;
		batch = 1;
	}
	for (uint64_t i = 0; code == EXIT_OK && (!count || i < count); i++) {
		/* A first screen comes at once, if more are to follow. */
		bool at_once = is_static || (i == 0 && count != 1 && !array);

		code = show(&screen, guest, at_once ? 0 : LOOKS, array);
		screen_fini(&screen);
		if (interrupt_came())
			break;
	}
	return code;
}

static int parse(uint64_t *ret_count)
{
	const char *wrong = NULL;

	*ret_count = command_json ? 1 : 0;
	if (count_text)
		wrong = number_parse(count_text, ret_count);
	if (wrong || (count_text && *ret_count == 0))
		return diag_usage("--count %s: %s", count_text,
				  wrong ? wrong : "want at least 1");
	if (!(interval >= INTERVAL_MIN && interval <= INTERVAL_MAX))
		return diag_usage("--interval: want 0.1 to 3600 seconds");
	batch = batch || !isatty(STDOUT_FILENO);
	return EXIT_OK;
}

static int run(const char *const *operands)
{
	json_t *array = NULL;
	struct guest guest;
	uint64_t count;
	int code = parse(&count);

	if (code == EXIT_OK)
		code = guest_open(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	interrupt_catch();
	if (command_json)
		array = json_array();
	code = guest_close(&guest, show_all(&guest, count, array));
	if (code == EXIT_OK && array)
		code = output_json(json_incref(array));
	json_decref(array);
	return code;
}

const struct command cmd_top = {
	.name = "top",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "watch what the guest's CPUs are busy with",
	.details =
		"Looks at the vCPUs 20 times for each screen, and says how "
		"often each process was\nseen on one: %CPU is of one vCPU, and "
		"counts what runs, not what the guest says it\nran. Each look "
		"holds the VM for a moment, unless --live is given. Ends by "
		"^C, and on\na dump after the first.\n",
	.examples = "  microvmi top /run/vm.qmp\n"
		    "  microvmi top /run/vm.qmp --interval 0.5\n"
		    "  microvmi top /run/vm.qmp --batch --count 3 > busy.txt\n",
	.options = options,
	.run = run,
};
