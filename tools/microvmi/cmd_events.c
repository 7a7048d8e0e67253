/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "diag.h"
#include "eventlist.h"
#include "eventprint.h"
#include "eventspec.h"
#include "guest.h"
#include "interrupt.h"
#include "number.h"
#include "output.h"
#include "target.h"

/* While nothing comes, signals and the end of --duration are looked for. */
#define SLICE_MS 100

/* vCPUs whose lost events are told apart. */
#define VCPUS_MAX 1024

/* Page tables of processes of one name. */
#define ROOTS_MAX 64

/* CR3 without PCID and flags; with PTI, user tables are one page further. */
#define ROOT_MASK UINT64_C(0x000ffffffffff000)
#define PTI_BIT	  UINT64_C(0x1000)

/* What an option holds that was not given: any has another, or NULL. */
static const char absent[] = "";

static int plain[MVMI_EVENT_KIND_COUNT];
static const char *detailed[MVMI_EVENT_KIND_COUNT] = {
	[MVMI_EVENT_MSR_WRITE] = absent, [MVMI_EVENT_EXCEPTION] = absent,
	[MVMI_EVENT_INTERRUPT] = absent, [MVMI_EVENT_CPUID] = absent,
	[MVMI_EVENT_PORT_IO] = absent,	 [MVMI_EVENT_DR_ACCESS] = absent,
	[MVMI_EVENT_MEMORY] = absent,	 [MVMI_EVENT_HW_BREAKPOINT] = absent,
};
static const char **vcpu_texts;
static const char *cr3_text;
static const char *process_name;
static int sync_wanted;
static int lossless;
static const char *count_text;
static double duration;
static int list_only;
static int no_guest;

#define DETAILED_KINDS                                                         \
	(UINT32_C(1) << MVMI_EVENT_MSR_WRITE |                                 \
	 UINT32_C(1) << MVMI_EVENT_EXCEPTION |                                 \
	 UINT32_C(1) << MVMI_EVENT_INTERRUPT |                                 \
	 UINT32_C(1) << MVMI_EVENT_CPUID | UINT32_C(1) << MVMI_EVENT_PORT_IO | \
	 UINT32_C(1) << MVMI_EVENT_DR_ACCESS |                                 \
	 UINT32_C(1) << MVMI_EVENT_MEMORY |                                    \
	 UINT32_C(1) << MVMI_EVENT_HW_BREAKPOINT)

static struct eventspecs specs;

#define PLAIN(name, kind, help)                                       \
	{                                                             \
		name, '\0', POPT_ARG_NONE, &plain[MVMI_EVENT_##kind], \
			COMMAND_OPTION_SEEN, help, NULL               \
	}
#define DETAILED(name, kind, flags, help, arg)                             \
	{                                                                  \
		name, '\0', POPT_ARG_STRING | (flags),                     \
			&detailed[MVMI_EVENT_##kind], COMMAND_OPTION_SEEN, \
			help, arg                                          \
	}

static struct poptOption kind_options[] = {
	PLAIN("cr0", CR0_WRITE, "writes of CR0"),
	PLAIN("cr3", CR3_WRITE, "writes of CR3"),
	PLAIN("cr4", CR4_WRITE, "writes of CR4"),
	PLAIN("xcr0", XCR0_WRITE, "writes of XCR0"),
	DETAILED("dr", DR_ACCESS, POPT_ARGFLAG_OPTIONAL,
		 "accesses to debug registers", "N[:r|w]"),
	DETAILED("msr", MSR_WRITE, POPT_ARGFLAG_OPTIONAL, "accesses to MSRs",
		 "NAME|N[:r|w]"),
	PLAIN("int3", INT3, "int3 instructions"),
	DETAILED("exception", EXCEPTION, POPT_ARGFLAG_OPTIONAL, "exceptions",
		 "N|NAME"),
	DETAILED("interrupt", INTERRUPT, POPT_ARGFLAG_OPTIONAL, "interrupts",
		 "N"),
	DETAILED("cpuid", CPUID, POPT_ARGFLAG_OPTIONAL, "CPUID", "LEAF"),
	PLAIN("hypercall", HYPERCALL, "VMCALL and VMMCALL"),
	DETAILED("port", PORT_IO, POPT_ARGFLAG_OPTIONAL, "port I/O", "N[:r|w]"),
	PLAIN("rdtsc", RDTSC, "RDTSC and RDTSCP"),
	PLAIN("descriptor", DESCRIPTOR, "accesses to GDTR, IDTR, LDTR and TR"),
	DETAILED("break", HW_BREAKPOINT, 0,
		 "execution of the instruction there", "ADDR|SYMBOL"),
	DETAILED("mem", MEMORY, 0,
		 "accesses to guest-physical memory (rw without an access)",
		 "[rwx:]ADDR[+LEN]"),
	PLAIN("step", STEP, "every single instruction"),
	PLAIN("reset", RESET, "resets"),
	PLAIN("shutdown", SHUTDOWN, "the guest's shutdown"),
	POPT_TABLEEND,
};

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, kind_options, 0,
	  "What to tell of; each may be given several times:", NULL },
	{ "vcpu", 'c', POPT_ARG_ARGV, &vcpu_texts, 0,
	  "only of this vCPU; may be given several times", "N" },
	{ "cr3-is", '\0', POPT_ARG_STRING, &cr3_text, 0,
	  "only with these page tables", "ADDR" },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ "process", '\0', POPT_ARG_STRING, &process_name, 0,
	  "of the processes of this name, as there are now", "NAME" },
	{ "sync", 's', POPT_ARG_NONE, &sync_wanted, 0,
	  "let the vCPU wait until each event is told", NULL },
	{ "lossless", '\0', POPT_ARG_NONE, &lossless, 0,
	  "let it wait only where an event would be lost", NULL },
	{ "count", 'n', POPT_ARG_STRING, &count_text, 0,
	  "end after so many events", "N" },
	{ "duration", 'd', POPT_ARG_DOUBLE, &duration, 0,
	  "end after so long a time", "SECONDS" },
	{ "list", '\0', POPT_ARG_NONE, &list_only, 0,
	  "print the kinds that this VM offers, and no events", NULL },
	{ "no-guest", '\0', POPT_ARG_NONE, &no_guest, 0,
	  "don't look for names of symbols and processes", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** What is being watched. */
struct watch {
	struct guest guest; /**< its os is NULL if it isn't understood */
	struct eventprint print;
	uint64_t limit; /**< of events; 0: none */
	uint64_t count;
	uint64_t counts[MVMI_EVENT_KIND_COUNT];
	uint64_t lost[VCPUS_MAX]; /**< so far, by vCPU */
	uint64_t roots[ROOTS_MAX];
	uint64_t root_masks[ROOTS_MAX];
	size_t root_count; /**< 0: of all page tables */
	uint64_t vcpus;	   /**< 0: all */
};

/* ---- the command line -------------------------------------------------- */

static const char *option_name(const void *arg)
{
	const struct poptOption *option = kind_options;

	while (option->arg != arg)
		option++;
	return option->longName;
}

/** Whether what it takes may have a ':' in it. */
static bool takes_access(enum mvmi_event_kind kind)
{
	return kind != MVMI_EVENT_CPUID && kind != MVMI_EVENT_EXCEPTION &&
	       kind != MVMI_EVENT_INTERRUPT;
}

static int add_spec(enum mvmi_event_kind kind, const char *text)
{
	const char *wrong = eventspecs_add(&specs, kind, text);

	if (!wrong)
		return EXIT_OK;
	if (!text)
		return diag_usage("%s", wrong);
	(void)diag_usage("--%s %s: %s", option_name(&detailed[kind]), text,
			 wrong);
	if (strchr(text, '/') || (!takes_access(kind) && strchr(text, ':')))
		diag_hint("TARGET comes first: what follows an option may be "
			  "its argument");
	return EXIT_USAGE;
}

/** Take in what popt has stored since the last time. */
static int option_seen(void)
{
	int code = EXIT_OK;

	for (unsigned i = 0; code == EXIT_OK && i < MVMI_EVENT_KIND_COUNT;
	     i++) {
		enum mvmi_event_kind kind = (enum mvmi_event_kind)i;
		const char *text = detailed[i];

		if (plain[i]) {
			plain[i] = 0;
			code = add_spec(kind, NULL);
		} else if ((DETAILED_KINDS >> i & 1) && text != absent) {
			detailed[i] = absent;
			code = add_spec(kind, text);
			free((void *)(uintptr_t)text);
		}
	}
	return code;
}

static int parse_vcpus(struct watch *watch)
{
	for (size_t i = 0; vcpu_texts && vcpu_texts[i]; i++) {
		uint64_t vcpu;
		const char *wrong = number_parse(vcpu_texts[i], &vcpu);

		/* The last bit of the filter stands for all above. */
		if (!wrong && vcpu > 62)
			wrong = "vCPUs can be told apart up to 62";
		if (wrong)
			return diag_usage("--vcpu %s: %s", vcpu_texts[i],
					  wrong);
		watch->vcpus |= UINT64_C(1) << vcpu;
	}
	return EXIT_OK;
}

static int parse_cr3(struct watch *watch)
{
	uint64_t root;
	const char *wrong;

	if (!cr3_text)
		return EXIT_OK;
	if (process_name || guest_has_pid())
		return diag_usage("--cr3-is and a process exclude each other");
	wrong = number_parse(cr3_text, &root);
	if (wrong)
		return diag_usage("--cr3-is %s: %s", cr3_text, wrong);
	watch->roots[0] = root & ROOT_MASK;
	watch->root_masks[0] = ROOT_MASK;
	watch->root_count = 1;
	return EXIT_OK;
}

static int parse(struct watch *watch)
{
	const char *wrong = NULL;
	int code;

	if (count_text)
		wrong = number_parse(count_text, &watch->limit);
	if (!wrong && count_text && watch->limit == 0)
		wrong = "want at least 1";
	if (wrong)
		return diag_usage("--count %s: %s", count_text, wrong);
	if (!(duration >= 0 && duration <= 1e9))
		return diag_usage("--duration: want a number of seconds");
	if (process_name && guest_has_pid())
		return diag_usage("--process and --pid exclude each other");
	if (no_guest && (process_name || guest_has_pid()))
		return diag_usage("--no-guest and a process exclude each "
				  "other");
	if (sync_wanted && lossless)
		return diag_usage("--sync and --lossless exclude each other");
	if (!list_only && specs.count == 0)
		return diag_usage("say what to tell of, such as --cr3; --list "
				  "shows what there is");
	code = parse_vcpus(watch);
	return code == EXIT_OK ? parse_cr3(watch) : code;
}

/* ---- the guest --------------------------------------------------------- */

static bool needs_guest(void)
{
	for (size_t i = 0; i < specs.count; i++) {
		if (*specs.items[i].address.name)
			return true;
	}
	return process_name || guest_has_pid();
}

static int add_root(struct watch *watch, uint64_t root, uint64_t mask)
{
	if (watch->root_count == ROOTS_MAX) {
		diag_say("more than %d processes of that name", ROOTS_MAX);
		return EXIT_FAILED;
	}
	watch->roots[watch->root_count] = root & mask;
	watch->root_masks[watch->root_count++] = mask;
	return EXIT_OK;
}

/** A process's page tables: with PTI there are two, side by side. */
static int add_process(struct watch *watch, const struct mvmi_task *task)
{
	uint64_t root = task->root & ROOT_MASK;
	uint64_t user = task->user_root & ROOT_MASK;
	int code;

	if (!root || user == root || !user)
		return root ? add_root(watch, root, ROOT_MASK) : EXIT_OK;
	if ((user ^ root) == PTI_BIT)
		return add_root(watch, root, ROOT_MASK & ~PTI_BIT);
	code = add_root(watch, root, ROOT_MASK);
	return code == EXIT_OK ? add_root(watch, user, ROOT_MASK) : code;
}

static bool is_wanted(const struct mvmi_task *task, uint64_t pid)
{
	if (process_name)
		return strcmp(task->name, process_name) == 0;
	return task->process_id == pid;
}

static int find_processes(struct watch *watch)
{
	const struct mvmi_task_list *list;
	struct mvmi_error err;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code != EXIT_OK || (!process_name && pid == MVMI_OS_ALL))
		return code;
	if (mvmi_os_list_tasks(watch->guest.os, 0, &list, &err) != MVMI_OK)
		return diag_plain_error(&err);
	for (size_t i = 0; code == EXIT_OK && i < list->count; i++) {
		if (is_wanted(list->items[i], pid))
			code = add_process(watch, list->items[i]);
	}
	mvmi_os_free(list);
	if (code != EXIT_OK || watch->root_count)
		return code;
	if (process_name)
		diag_say("no process with memory of its own is called \"%s\"",
			 process_name);
	else
		diag_say("there is no process %" PRIu64
			 " with memory of its own",
			 pid);
	return EXIT_FAILED;
}

/** Find symbols and processes, where the command line has any. */
static int look_into_guest(struct watch *watch)
{
	struct guest *guest = &watch->guest;
	int code = EXIT_OK;

	if (needs_guest())
		code = guest_open_os(guest->vm, &guest->os);
	else if (!no_guest &&
		 guest_find_os(guest->vm, &guest->os, NULL) != MVMI_OK)
		guest->os = NULL;
	watch->print.names.os = no_guest ? NULL : guest->os;
	watch->print.tasks.os = watch->print.names.os;
	for (size_t i = 0; code == EXIT_OK && i < specs.count; i++) {
		struct eventspec *spec = &specs.items[i];
		struct symname names = { .os = guest->os };

		code = address_resolve(&spec->address, &names, MVMI_OS_ALL);
		spec->what.start = spec->address.value;
		symname_fini(&names);
	}
	return code == EXIT_OK && guest->os ? find_processes(watch) : code;
}

/* ---- events ------------------------------------------------------------ */

static void on_event(struct mvmi_vm *vm, const struct mvmi_event *event,
		     struct mvmi_reply *reply, void *arg)
{
	struct watch *watch = arg;
	uint64_t *lost = &watch->lost[event->id.vcpu % VCPUS_MAX];
	struct eventprint_place place = {
		.seq = watch->count + 1,
		.time_ns = clock_realtime_ns(),
		.lost = event->lost - *lost,
	};

	(void)vm;
	(void)reply;
	if (watch->limit && watch->count == watch->limit)
		return;
	*lost = event->lost;
	watch->count++;
	watch->counts[event->kind]++;
	if (command_json)
		eventprint_json(&watch->print, event, &place);
	else
		eventprint_text(&watch->print, event, &place);
}

static int subscribe_one(struct watch *watch, struct mvmi_subscription *what,
			 const struct mvmi_event_desc *desc)
{
	struct mvmi_error err;
	uint64_t token;

	what->async =
		desc->async && (!sync_wanted || desc->holds == MVMI_HOLDS_NONE);
	what->hold_when_full = what->async && lossless;
	/* A reset is of no instruction. */
	if (desc->holds != MVMI_HOLDS_NONE)
		what->groups = MVMI_REGS_GENERAL | MVMI_REGS_CONTROL;
	if (watch->vcpus) {
		what->vcpus = watch->vcpus;
		what->filters |= MVMI_FILTER_VCPU;
	}
	if (mvmi_event_subscribe(watch->guest.vm, what, on_event, watch, &token,
				 &err) != MVMI_OK)
		return diag_plain_error(&err);
	return EXIT_OK;
}

/** One kind, once for each of the page tables that are wanted. */
static int subscribe(struct watch *watch, const struct eventspec *spec)
{
	struct mvmi_vm *vm = watch->guest.vm;
	const struct mvmi_event_desc *desc =
		eventlist_find(vm, spec->what.kind);
	struct mvmi_subscription what = spec->what;
	int code = EXIT_OK;

	if (!desc)
		return spec->implied ? EXIT_OK
				     : eventlist_explain(vm, what.kind);
	if (!watch->root_count)
		return subscribe_one(watch, &what, desc);
	what.filters |= MVMI_FILTER_CR3;
	for (size_t i = 0; code == EXIT_OK && i < watch->root_count; i++) {
		what.cr3.value = watch->roots[i];
		what.cr3.mask = watch->root_masks[i];
		code = subscribe_one(watch, &what, desc);
	}
	return code;
}

static int subscribe_all(struct watch *watch)
{
	int code = EXIT_OK;

	for (size_t i = 0; code == EXIT_OK && i < specs.count; i++)
		code = subscribe(watch, &specs.items[i]);
	return code;
}

static bool is_over(const struct watch *watch, uint64_t end_ns)
{
	if (interrupt_came())
		return true;
	if (watch->limit && watch->count == watch->limit)
		return true;
	return end_ns && clock_monotonic_ns() >= end_ns;
}

/** How long to wait: what has been printed is on its way already. */
static int slice_ms(uint64_t end_ns)
{
	uint64_t now = clock_monotonic_ns();

	if (end_ns && now >= end_ns)
		return 0;
	if (end_ns && end_ns - now < SLICE_MS * NS_PER_MS)
		return (int)((end_ns - now) / NS_PER_MS) + 1;
	return SLICE_MS;
}

/** Print what comes. Lines are flushed whenever nothing more is there yet. */
static int watch_events(struct watch *watch)
{
	uint64_t end_ns = 0;
	int timeout_ms = 0;
	int code = EXIT_OK;

	if (duration > 0)
		end_ns = clock_monotonic_ns() +
			 (uint64_t)(duration * (double)NS_PER_S);
	while (code == EXIT_OK && !is_over(watch, end_ns)) {
		struct mvmi_error err;
		enum mvmi_status status =
			mvmi_vm_dispatch(watch->guest.vm, timeout_ms, &err);

		timeout_ms = 0;
		if (status == MVMI_ERR_TIMEOUT) {
			code = output_finish();
			timeout_ms = slice_ms(end_ns);
		} else if (status != MVMI_OK) {
			code = diag_plain_error(&err);
		} else if (ferror(stdout)) {
			code = output_finish();
		}
	}
	return code == EXIT_OK ? output_finish() : code;
}

/** Say on stderr how many there were; stdout has events only. */
static void summarize(const struct watch *watch, uint64_t ns)
{
	double seconds = (double)ns / (double)NS_PER_S;
	char text[512] = "";
	size_t len = 0;
	uint64_t lost = 0;

	for (size_t i = 0; i < VCPUS_MAX; i++)
		lost += watch->lost[i];
	for (unsigned i = 0; i < MVMI_EVENT_KIND_COUNT; i++) {
		if (!watch->counts[i] || len >= sizeof(text))
			continue;
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%" PRIu64 " %s",
			len ? ", " : ": ", watch->counts[i],
			mvmi_event_kind_name((enum mvmi_event_kind)i));
	}
	diag_say("%" PRIu64 " events in %.3f s (%.0f/s), %" PRIu64 " lost%s",
		 watch->count, seconds,
		 seconds > 0 ? (double)watch->count / seconds : 0.0, lost,
		 text);
}

static int run_watch(struct watch *watch)
{
	uint64_t begin;
	int code = EXIT_OK;

	/* Before the guest is searched: that there are none is said at once. */
	for (size_t i = 0; code == EXIT_OK && i < specs.count; i++) {
		const struct eventspec *spec = &specs.items[i];

		if (!spec->implied &&
		    !eventlist_find(watch->guest.vm, spec->what.kind))
			code = eventlist_explain(watch->guest.vm,
						 spec->what.kind);
	}
	if (code == EXIT_OK)
		code = look_into_guest(watch);
	interrupt_catch();
	begin = clock_monotonic_ns();
	watch->print.start_ns = clock_realtime_ns();
	if (code == EXIT_OK)
		code = subscribe_all(watch);
	if (code != EXIT_OK)
		return code;
	if (!command_json)
		eventprint_heading();
	code = watch_events(watch);
	if (code != EXIT_PIPE)
		summarize(watch, clock_monotonic_ns() - begin);
	return code;
}

static int run(const char *const *operands)
{
	static struct watch watch;
	int code = parse(&watch);

	if (code == EXIT_OK)
		code = target_open(operands[0], false, &watch.guest.vm);
	if (code != EXIT_OK)
		return code;
	code = list_only ? eventlist_print(watch.guest.vm) : run_watch(&watch);
	eventprint_fini(&watch.print);
	return guest_close(&watch.guest, code);
}

const struct command cmd_events = {
	.name = "events",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "print what the VM's processors do, as it happens",
	.details =
		"A line for each event: its number, the seconds since the "
		"first could come, the vCPU,\nthe kind, values, and where it "
		"was: as a symbol and with the process, where the\nguest is a "
		"Linux. The VM runs on meanwhile, and events that come too "
		"fast are lost\nand counted; --sync and --lossless let it "
		"wait instead. With --json each line is an\nobject. Ends by "
		"^C, with a summary on stderr. QEMU needs its plugin for this: "
		"see\n`microvmi qemu-args`.\n",
	.examples =
		"  microvmi events /run/vm.qmp --list\n"
		"  microvmi events /run/vm.qmp --cr3 --count 20\n"
		"  microvmi events /run/vm.qmp --msr LSTAR:w --exception PF\n"
		"  microvmi events /run/vm.qmp --break do_sys_openat2 "
		"--process bash\n"
		"  microvmi events /run/vm.qmp --mem w:0x1234000+4096 --json\n",
	.options = options,
	.option_seen = option_seen,
	.run = run,
};
