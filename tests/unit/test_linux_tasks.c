/* SPDX-License-Identifier: MIT */
#include "../harness.h"
#include "../tinylinux.h"

static const struct mvmi_task_list *
list_tasks(struct mvmi_os *os, unsigned detail)
{
	const struct mvmi_task_list *list = NULL;
	struct mvmi_error err;

	if (mvmi_os_list_tasks(os, detail, &list, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	CHECK(list != NULL);
	return list;
}

/** The list can't be made, for this reason. */
static void
check_fails(struct mvmi_os *os, enum mvmi_status want, const char *message)
{
	const struct mvmi_task_list *list;
	struct mvmi_error err;

	CHECK(mvmi_os_list_tasks(os, MVMI_TASK_THREADS, &list, &err) == want);
	printf("# %s\n", err.msg);
	CHECK(strstr(err.msg, message) != NULL);
}

static void process_is_described(void)
{
	const struct mvmi_task_list *list;
	const struct mvmi_task *task;
	struct mvmi_os *os;
	uint64_t first, at;

	tiny_reset(true);
	first = tiny_process(0, 1, "init");
	at = tiny_process(1, 42, "worker bee");
	ramvm_put64(at + TINY_TASK_PARENT, first);
	ramvm_put64(at + TINY_TASK_MM, at + TINY_MM);
	ramvm_put64(at + TINY_MM, 0x30000);
	ramvm_put32(at + TINY_TASK_STATE, 1);
	ramvm_put32(at + TINY_TASK_ON_CPU, 1);
	ramvm_put32(at + TINY_TASK_CPU, 3);
	ramvm_put64(at + TINY_TASK_START, 12345);
	ramvm_put32(at + TINY_CRED, 1000);
	ramvm_put32(at + TINY_CRED + 20, 7);
	ramvm_put64(at + TINY_CRED + 32, 0x1ffffffffff);
	ramvm_put64(at + TINY_SIGNAL + TINY_SIGNAL_SESSION, first + TINY_PID);
	os = tiny_open(NULL);
	list = list_tasks(os, 0);
	CHECK(list->count == 2 && list->doubt[0] == '\0');
	task = list->items[1];
	CHECK(task->object.val == at);
	CHECK(task->id == 42 && task->process_id == 42 && task->parent_id == 1);
	CHECK(strcmp(task->name, "worker bee") == 0);
	CHECK(task->state == MVMI_TASK_SLEEPING);
	CHECK(!task->is_thread && !task->is_kernel && task->cpu == 3);
	CHECK(task->thread_count == 1 && task->start_ns == 12345);
	CHECK(task->session_id == 1 && task->root == 0x30000);
	CHECK(task->user_root == 0);
	CHECK(task->credentials.uid == 1000 && task->credentials.egid == 7);
	CHECK(task->credentials.capabilities == 0x1ffffffffff);
	CHECK(list->items[0]->cpu == -1 && list->items[0]->root == 0);
	CHECK(list->items[0]->parent_id == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void state_is_the_letter_that_ps_shows(void)
{
	static const struct {
		uint32_t state, ended;
		char letter;
	} cases[] = {
		{ 0, 0, 'R' },	    { 1, 0, 'S' },	 { 2, 0, 'D' },
		{ 0x102, 0, 'D' },  { 0x402, 0, 'I' },	 { 0x2001, 0, 'S' },
		{ 0x2402, 0, 'I' }, { 0x104, 0, 'T' },	 { 0x108, 0, 't' },
		{ 0x40, 0, 'I' },   { 0x80, 0x20, 'Z' }, { 0x80, 0x10, 'X' },
		{ 1, 0x30, 'Z' },   { 0x8000, 0, 'D' },	 { 0x200, 0, 'R' },
	};
	const struct mvmi_task_list *list;
	struct mvmi_os *os;

	tiny_reset(true);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t at = tiny_process(i, i + 1, "x");

		ramvm_put32(at + TINY_TASK_STATE, cases[i].state);
		ramvm_put32(at + TINY_TASK_EXIT_STATE, cases[i].ended);
	}
	os = tiny_open(NULL);
	list = list_tasks(os, 0);
	for (size_t i = 0; i < list->count; i++)
		CHECK(mvmi_task_state_letter(list->items[i]->state) ==
		      cases[i].letter);
	mvmi_os_free(list);
	tiny_close(os);
}

/** Two processes, the second with three threads in all. */
static struct mvmi_os *open_threads(void)
{
	uint64_t leader;

	tiny_reset(true);
	(void)tiny_process(0, 1, "init");
	leader = tiny_process(1, 10, "many");
	for (unsigned i = 2; i < 4; i++) {
		uint64_t at = tiny_task_make(i, 9 + i, 10, "thread");

		ramvm_put64(at + TINY_TASK_SIGNAL, leader + TINY_SIGNAL);
		tiny_list_add(leader + TINY_SIGNAL + TINY_SIGNAL_THREADS,
			      at + TINY_TASK_THREAD_LINKS);
	}
	ramvm_put32(leader + TINY_SIGNAL, 3);
	return tiny_open(NULL);
}

static void threads_follow_their_process(void)
{
	struct mvmi_os *os = open_threads();
	const struct mvmi_task_list *list = list_tasks(os, MVMI_TASK_THREADS);

	CHECK(list->count == 4);
	CHECK(list->items[1]->id == 10 && !list->items[1]->is_thread);
	CHECK(list->items[1]->thread_count == 3);
	CHECK(list->items[2]->id == 11 && list->items[2]->is_thread);
	CHECK(list->items[3]->id == 12 && list->items[3]->process_id == 10);
	mvmi_os_free(list);
	list = list_tasks(os, 0);
	CHECK(list->count == 2);
	mvmi_os_free(list);
	tiny_close(os);
}

static void one_thread_is_found_by_its_id(void)
{
	struct mvmi_os *os = open_threads();
	const struct mvmi_task_list *list = NULL;
	struct mvmi_error err;

	CHECK(mvmi_os_find_task(os, 12, 0, &list, &err) == MVMI_OK);
	CHECK(list->count == 1 && list->items[0]->process_id == 10);
	mvmi_os_free(list);
	CHECK(mvmi_os_find_task(os, 13, 0, &list, &err) == MVMI_ERR_INVALID);
	CHECK(strcmp(err.msg, "there is no process 13") == 0);
	tiny_close(os);
}

/** A task that is on no list is found, if the table of ids has it. */
static void task_is_found_through_the_table_of_ids(void)
{
	const uint64_t node = 0x10000;
	const struct mvmi_task_list *list = NULL;
	struct mvmi_os *os;
	uint64_t at;

	tiny_reset(true);
	at = tiny_task_make(0, 5, 5, "hidden");
	ramvm_put64(TINY_INIT_PID_NS + 8, node | 2);
	ramvm_put64(node + 40 + UINT64_C(5) * 8, at + TINY_PID);
	ramvm_put64(at + TINY_PID + 8, at + TINY_TASK_PID_LINKS);
	os = tiny_open(NULL);
	CHECK(mvmi_os_find_task(os, 5, 0, &list, NULL) == MVMI_OK);
	CHECK(list->items[0]->object.val == at);
	mvmi_os_free(list);
	/* The table is not believed: another id's slot leads to it, too. */
	ramvm_put64(node + 40 + UINT64_C(6) * 8, at + TINY_PID);
	CHECK(mvmi_os_find_task(os, 6, 0, &list, NULL) == MVMI_ERR_INVALID);
	tiny_close(os);
}

static void user_root_is_the_other_half_of_the_pair(void)
{
	const struct mvmi_task_list *list;
	struct mvmi_os *os;
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 1, "init");
	ramvm_put64(at + TINY_TASK_MM, at + TINY_MM);
	ramvm_put64(at + TINY_MM, 0x1000000030000);
	os = tiny_open(NULL);
	linux_of(os)->kernel.page_offset = 0x1000000000000;
	linux_of(os)->kernel.page_table_isolation = true;
	list = list_tasks(os, 0);
	CHECK(list->items[0]->root == 0x30000);
	CHECK(list->items[0]->user_root == 0x31000);
	mvmi_os_free(list);
	tiny_close(os);
}

/** The name of a kernel thread with this comm, full name and description. */
static void check_name(const char *comm, uint32_t flags, const char *full,
		       const char *desc, const char *want)
{
	const uint64_t kthread = 0x10000, worker = 0x10100, text = 0x10200;
	const struct mvmi_task_list *list;
	struct mvmi_os *os;
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 2, comm);
	ramvm_put32(at + TINY_TASK_FLAGS, flags);
	ramvm_put64(at + TINY_TASK_WORKER, kthread);
	ramvm_put64(kthread, worker);
	if (full) {
		ramvm_put64(kthread + 8, text);
		tiny_put_text(text, full);
	}
	if (desc) {
		ramvm_put64(worker, 1);
		tiny_put_text(worker + 16, desc);
	}
	os = tiny_open(NULL);
	list = list_tasks(os, 0);
	printf("# %s\n", list->items[0]->name);
	CHECK(strcmp(list->items[0]->name, want) == 0);
	CHECK(list->items[0]->is_kernel && list->items[0]->root == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void kernel_threads_have_full_names(void)
{
	check_name("rcu_tasks_kthre", 0x200000, "rcu_tasks_kthread", NULL,
		   "rcu_tasks_kthread");
	check_name("kthreadd", 0x200000, NULL, NULL, "kthreadd");
	check_name("kworker/0:1", 0x200020, NULL, "events",
		   "kworker/0:1-events");
	check_name("kworker/R-quota", 0x200020, "kworker/R-quota_events", NULL,
		   "kworker/R-quota_events");
	/* So does /proc show a rescuer of old. */
	check_name("quota_events_un", 0x200020, "quota_events_unbound", NULL,
		   "quota_events_un");
}

static void name_without_an_end_is_cut(void)
{
	char name[200];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	check_name("y", 0x200000, name, NULL, name + sizeof(name) - 1 - 63);
}

/** A process with these words in its memory. */
static struct mvmi_os *
open_words(const char *args, size_t args_len, const char *env, size_t env_len)
{
	const uint64_t words = 0x10000;
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 1, "init");
	ramvm_put64(at + TINY_TASK_MM, at + TINY_MM);
	memcpy(ramvm.ram + words, args, args_len);
	memcpy(ramvm.ram + words + args_len, env, env_len);
	ramvm_put64(at + TINY_MM + 8, words);
	ramvm_put64(at + TINY_MM + 16, words + args_len);
	ramvm_put64(at + TINY_MM + 24, words + args_len);
	ramvm_put64(at + TINY_MM + 32, words + args_len + env_len);
	return tiny_open(NULL);
}

static void words_are_split_at_their_ends(void)
{
	struct mvmi_os *os = open_words("ls\0-l\0\0", 7, "A=1\0B=\0", 7);
	const struct mvmi_task_list *list =
		list_tasks(os, MVMI_TASK_ARGS | MVMI_TASK_ENVIRONMENT);
	const struct mvmi_task *task = list->items[0];

	CHECK(task->arg_count == 3 && task->environment_count == 2);
	CHECK(strcmp(task->args[0], "ls") == 0);
	CHECK(strcmp(task->args[1], "-l") == 0);
	CHECK(strcmp(task->args[2], "") == 0);
	CHECK(strcmp(task->environment[1], "B=") == 0);
	CHECK(list->doubt[0] == '\0');
	mvmi_os_free(list);
	list = list_tasks(os, 0);
	CHECK(list->items[0]->arg_count == 0);
	CHECK(list->items[0]->environment_count == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void title_runs_on_into_the_environment(void)
{
	struct mvmi_os *os = open_words("daemon:", 7, " idle\0X=1\0", 10);
	const struct mvmi_task_list *list = list_tasks(os, MVMI_TASK_ARGS);

	CHECK(list->items[0]->arg_count == 1);
	CHECK(strcmp(list->items[0]->args[0], "daemon: idle") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void arguments_of_4_billion_bytes_are_cut(void)
{
	struct mvmi_os *os = open_words("a\0b\0", 4, "", 0);
	const struct mvmi_task_list *list;

	ramvm_put64(tiny_task_at(0) + TINY_MM + 16, 0x10000 + (4ull << 30));
	list = list_tasks(os, MVMI_TASK_ARGS);
	CHECK(list->items[0]->arg_count <= RAMVM_LEN);
	CHECK(strcmp(list->items[0]->args[1], "b") == 0);
	printf("# %s\n", list->doubt);
	CHECK(strstr(list->doubt, "not all arguments of process 1") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

static void idle_tasks_come_only_if_asked_for(void)
{
	const struct mvmi_task_list *list;
	struct mvmi_os *os;

	tiny_reset(true);
	(void)tiny_process(0, 1, "init");
	ramvm_put64(TINY_RUNQUEUES + 8, TINY_INIT_TASK);
	os = tiny_open(NULL);
	list = list_tasks(os, MVMI_TASK_IDLE_TASKS);
	CHECK(list->count == 2);
	CHECK(strcmp(list->items[0]->name, "swapper/0") == 0);
	mvmi_os_free(list);
	list = list_tasks(os, 0);
	CHECK(list->count == 1);
	mvmi_os_free(list);
	tiny_close(os);
}

/** Three processes, of which the second's next pointer is replaced. */
static struct mvmi_os *open_torn(bool frozen, uint64_t next)
{
	tiny_reset(frozen);
	for (unsigned i = 0; i < 3; i++)
		(void)tiny_process(i, i + 1, "x");
	ramvm_put64(tiny_task_at(1) + TINY_TASK_LINKS, next);
	return tiny_open(NULL);
}

static void list_that_is_a_loop_is_corrupt(void)
{
	struct mvmi_os *os = open_torn(true, tiny_task_at(0) + TINY_TASK_LINKS);

	check_fails(os, MVMI_ERR_CORRUPT, "does not point back");
	tiny_close(os);
	os = open_torn(true, tiny_task_at(1) + TINY_TASK_LINKS);
	check_fails(os, MVMI_ERR_CORRUPT, "does not point back");
	tiny_close(os);
}

/** Points to itself, both ways, which is all that is ever checked of it. */
static void loop_that_points_back_ends(void)
{
	uint64_t link = tiny_task_at(1) + TINY_TASK_LINKS;
	struct mvmi_os *os = open_torn(true, link);

	ramvm_put64(link + 8, link);
	check_fails(os, MVMI_ERR_CORRUPT, "list of processes");
	tiny_close(os);
}

static void list_that_leads_out_of_memory_fails(void)
{
	struct mvmi_os *os = open_torn(true, 0xffff0000);

	check_fails(os, MVMI_ERR_FAULT, "struct task_struct at 0xfffeffd8");
	tiny_close(os);
}

static void running_guest_gives_what_was_seen(void)
{
	struct mvmi_os *os =
		open_torn(false, tiny_task_at(0) + TINY_TASK_LINKS);
	const struct mvmi_task_list *list = list_tasks(os, 0);

	CHECK(list->count == 2);
	printf("# %s\n", list->doubt);
	CHECK(strstr(list->doubt, "the list ends early") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

static void threads_that_are_a_loop_are_corrupt(void)
{
	struct mvmi_os *os = open_threads();

	ramvm_put64(tiny_task_at(2) + TINY_TASK_THREAD_LINKS,
		    tiny_task_at(1) + TINY_TASK_THREAD_LINKS);
	check_fails(os, MVMI_ERR_CORRUPT, "threads of process 10");
	tiny_close(os);
}

static void part_that_is_gone_is_a_doubt(void)
{
	const struct mvmi_task_list *list;
	struct mvmi_os *os;
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 1, "init");
	ramvm_put64(at + TINY_TASK_CRED, 0xffff0000);
	os = tiny_open(NULL);
	list = list_tasks(os, 0);
	CHECK(list->count == 1 && strcmp(list->items[0]->name, "init") == 0);
	CHECK(strcmp(list->items[0]->credentials.sid, "") == 0);
	CHECK(strstr(list->doubt, "of task 1: struct cred") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

static void pointer_to_the_end_of_addresses_is_a_doubt(void)
{
	const struct mvmi_task_list *list;
	struct mvmi_os *os;
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 1, "init");
	ramvm_put64(at + TINY_TASK_CRED, 0xfffffffffffffffc);
	os = tiny_open(NULL);
	list = list_tasks(os, 0);
	CHECK(list->count == 1);
	CHECK(strstr(list->doubt, "would reach beyond 2^64") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

static void types_that_are_missing_are_named(void)
{
	struct mvmi_os *os;

	tiny_reset(true);
	os = tiny_open("task_struct.tasks");
	check_fails(os, MVMI_ERR_UNSUPPORTED, "tasks");
	tiny_close(os);
	os = tiny_open("kthread");
	(void)tiny_process(0, 1, "init");
	mvmi_os_free(list_tasks(os, 0));
	tiny_close(os);
}

TESTS(T(process_is_described), T(state_is_the_letter_that_ps_shows),
      T(threads_follow_their_process), T(one_thread_is_found_by_its_id),
      T(task_is_found_through_the_table_of_ids),
      T(user_root_is_the_other_half_of_the_pair),
      T(kernel_threads_have_full_names), T(name_without_an_end_is_cut),
      T(words_are_split_at_their_ends), T(title_runs_on_into_the_environment),
      T(arguments_of_4_billion_bytes_are_cut),
      T(idle_tasks_come_only_if_asked_for), T(list_that_is_a_loop_is_corrupt),
      T(loop_that_points_back_ends), T(list_that_leads_out_of_memory_fails),
      T(running_guest_gives_what_was_seen),
      T(threads_that_are_a_loop_are_corrupt), T(part_that_is_gone_is_a_doubt),
      T(pointer_to_the_end_of_addresses_is_a_doubt),
      T(types_that_are_missing_are_named))
