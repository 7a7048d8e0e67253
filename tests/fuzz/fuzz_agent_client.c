/* SPDX-License-Identifier: MIT */
/* A hostile agent: any bytes in the memory that it shares with its client. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/agent/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where things are in an input whose layout is good. */
#define SLOT_AT	   4096
#define SHARED_LEN (SLOT_AT + 4096 + 118784)

/** The input, at the places that matter; zeros elsewhere. */
static void fill(uint8_t *map, const uint8_t *data, size_t size)
{
	static const struct {
		size_t off;
		size_t len;
	} parts[] = {
		{ 0, sizeof(struct agent_shared) },
		{ SLOT_AT, 64 + sizeof(struct agent_event) },
		{ SLOT_AT + 4096, 128 + 4 * sizeof(struct agent_event) },
		{ SLOT_AT + 64 + sizeof(struct agent_event), 2048 },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = parts[i].len < size ? parts[i].len : size;

		memcpy(map + parts[i].off, data, len);
		data += len;
		size -= len;
	}
}

static int share(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *map;

	if (fd < 0 || ftruncate(fd, SHARED_LEN) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		abort();
	map = mmap(NULL, SHARED_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	fill(map, data, size);
	(void)munmap(map, SHARED_LEN);
	return fd;
}

static struct agent_client *create(int fd)
{
	struct agent_client *client = calloc(1, sizeof(*client));

	if (!client)
		abort();
	client->fd = fd;
	client->pidfd = -1;
	client->poll_fd = -1;
	client->channel.doorbell_fd = -1;
	client->pid = 1;
	client->timeout_ms = 1;
	client->readable = mvmi_regset_of_groups(MVMI_REGS_ALL);
	for (unsigned i = 0; i < MVMI_EVENT_KIND_COUNT; i += 2)
		client->descs[client->desc_count++] = (struct mvmi_event_desc){
			.kind = (enum mvmi_event_kind)i,
			.holds = MVMI_HOLDS_VCPU,
			.fields = UINT32_MAX,
			.async = true,
		};
	return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mvmi_reply reply = { .data_len = UINT32_MAX,
					  .regs = mvmi_regs_empty() };
	struct agent_client *client;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	client = create(pair[0]);
	if (agent_client_map(client, SHARED_LEN, share(data, size),
			     eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			     NULL) == MVMI_OK) {
		struct mvmi_event event;

		/* A ring that lies can't keep us here for ever. */
		for (unsigned i = 0; i < 4096; i++) {
			if (agent_client_next(client, 0, &event, NULL) !=
			    MVMI_OK)
				break;
			if (event.id.vcpu >= client->channel.slots ||
			    event.id.generation == 0)
				abort();
			(void)agent_client_reply(client, event.id, &reply,
						 NULL);
		}
		(void)agent_client_overdue(client);
		(void)agent_client_incarnation(client);
	}
	agent_client_close(client);
	(void)close(pair[1]);
	return 0;
}
