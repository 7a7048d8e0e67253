/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"
#include "tasks.h"

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static json_t *endpoint_json(const struct mvmi_endpoint *endpoint)
{
	json_t *object = json_object();

	output_put(object, "address", output_text(endpoint->address));
	output_put(object, "port", json_integer(endpoint->port));
	return object;
}

static int print_json(const struct mvmi_socket_list *list,
		      const struct mvmi_task_list *tasks)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_socket *socket = list->items[i];
		json_t *object = json_object();

		output_put(object, "pid", output_number(socket->process_id));
		output_put(object, "name",
			   output_text(tasks_name(tasks, socket->process_id)));
		output_put(object, "fd", output_number(socket->handle));
		output_put(object, "inode", output_number(socket->inode));
		output_put(object, "family", output_text(socket->family));
		output_put(object, "protocol", output_text(socket->protocol));
		output_put(object, "type", output_text(socket->type));
		output_put(object, "state", output_text(socket->state));
		output_put(object, "local", endpoint_json(&socket->local));
		output_put(object, "remote", endpoint_json(&socket->remote));
		output_put(object, "object", output_hex(socket->object.val));
		output_append(array, object);
	}
	return output_json(array);
}

/** "127.0.0.1:22", "[::1]:22", "/run/x.sock", or "-". */
static void
add_endpoint(struct output_table *table, const struct mvmi_socket *socket,
	     const struct mvmi_endpoint *endpoint)
{
	bool is_ip = strncmp(socket->family, "inet", 4) == 0;
	const char *address = *endpoint->address ? endpoint->address : "-";

	if (!is_ip || (!*endpoint->address && !endpoint->port))
		output_cell(table, "%s", address);
	else if (strchr(address, ':'))
		output_cell(table, "[%s]:%" PRIu32, address, endpoint->port);
	else
		output_cell(table, "%s:%" PRIu32, address, endpoint->port);
}

static int print_text(const struct mvmi_socket_list *list,
		      const struct mvmi_task_list *tasks)
{
	static const char *const heading[] = {
		"PROTOCOL", "STATE", "LOCAL", "REMOTE", "INODE",
		"PID",	    "FD",    "NAME",  NULL,
	};
	struct output_table table = {
		.columns = 8,
		.right = 1 << 4 | 1 << 5 | 1 << 6,
	};

	output_heading(&table, heading);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_socket *socket = list->items[i];

		output_cell(&table, "%s",
			    *socket->protocol ? socket->protocol
					      : socket->family);
		output_cell(&table, "%s", *socket->state ? socket->state : "-");
		add_endpoint(&table, socket, &socket->local);
		add_endpoint(&table, socket, &socket->remote);
		output_cell(&table, "%" PRIu64, socket->inode);
		output_cell(&table, "%" PRIu64, socket->process_id);
		output_cell(&table, "%" PRIu64, socket->handle);
		output_cell(&table, "%s",
			    tasks_name(tasks, socket->process_id));
	}
	return output_table(&table);
}

static int
print(const struct mvmi_socket_list *list, const struct mvmi_task_list *tasks)
{
	guest_doubt(list->doubt);
	return command_json ? print_json(list, tasks) : print_text(list, tasks);
}

/** Read the processes for their names, then the sockets; then let go. */
static int read_and_print(struct guest *guest, uint64_t pid)
{
	const struct mvmi_task_list *tasks;
	const struct mvmi_socket_list *list;
	struct mvmi_error err;
	int code = tasks_list(guest, pid, 0, &tasks);

	if (code != EXIT_OK)
		return code;
	if (mvmi_os_list_sockets(guest->os, pid, &list, &err) == MVMI_OK) {
		code = guest_release(guest, code);
		if (code == EXIT_OK)
			code = print(list, tasks);
		mvmi_os_free(list);
	} else {
		code = diag_plain_error(&err);
	}
	mvmi_os_free(tasks);
	return code;
}

static int run(const char *const *operands)
{
	struct guest guest;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	return guest_close(&guest, read_and_print(&guest, pid));
}

const struct command cmd_sockets = {
	.name = "sockets",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list open sockets with addresses and states",
	.details = "Lists the sockets that processes have open, of one or of "
		   "all, as ss -a -p does in\nthe guest. PROTOCOL is the "
		   "kernel's name for it.\n",
	.examples = "  microvmi sockets /run/vm.qmp | grep LISTEN\n"
		    "  microvmi sockets mem.elf --pid 412 --json\n",
	.options = options,
	.run = run,
};
