/* SPDX-License-Identifier: MIT */
/* The memory that a controller and the vCPUs share. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"

#define PAGE 4096U

static uint32_t pages(size_t len)
{
	return (uint32_t)((len + PAGE - 1) / PAGE * PAGE);
}

static bool channel_map(struct channel *channel)
{
	uint32_t slot_stride = pages(sizeof(struct agent_slot));
	uint32_t ring_stride = pages(sizeof(struct agent_ring));
	uint32_t count = channel->vcpu_count;
	void *map;

	channel->slot_offset = PAGE;
	channel->ring_offset = PAGE + count * slot_stride;
	channel->len = channel->ring_offset + (size_t)count * ring_stride;
	/* Allocated here, for nothing may fail on the way of an event. */
	if (posix_fallocate(channel->memory_fd, 0, (off_t)channel->len) != 0 ||
	    fcntl(channel->memory_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return false;
	map = mmap(NULL, channel->len, PROT_READ | PROT_WRITE, MAP_SHARED,
		   channel->memory_fd, 0);
	if (map == MAP_FAILED)
		return false;
	channel->shared = map;
	*channel->shared = (struct agent_shared){
		.magic = AGENT_MAGIC,
		.version = AGENT_ABI_NEWEST,
		.vcpu_count = count,
		.slot_offset = channel->slot_offset,
		.slot_stride = slot_stride,
		.ring_offset = channel->ring_offset,
		.ring_stride = ring_stride,
	};
	return true;
}

struct channel *channel_create(uint32_t vcpu_count, uint32_t deadline_ms)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	atomic_init(&channel->refs, 1);
	channel->vcpu_count = vcpu_count;
	atomic_init(&channel->deadline_ms, deadline_ms);
	atomic_init(&channel->detached, false);
	channel->memory_fd =
		memfd_create("microvmi-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	channel->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (channel->memory_fd < 0 || channel->doorbell_fd < 0 ||
	    !channel_map(channel)) {
		channel_unref(channel);
		return NULL;
	}
	return channel;
}

void channel_unref(struct channel *channel)
{
	if (!channel || atomic_fetch_sub(&channel->refs, 1) != 1)
		return;
	if (channel->shared)
		(void)munmap(channel->shared, channel->len);
	if (channel->memory_fd >= 0)
		(void)close(channel->memory_fd);
	if (channel->doorbell_fd >= 0)
		(void)close(channel->doorbell_fd);
	free(channel);
}

struct agent_slot *channel_slot(const struct channel *channel, uint32_t vcpu)
{
	uint8_t *at = (uint8_t *)channel->shared + channel->slot_offset;

	return (struct agent_slot
			*)(void *)(at +
				   (size_t)vcpu *
					   pages(sizeof(struct agent_slot)));
}

struct agent_ring *channel_ring(const struct channel *channel, uint32_t vcpu)
{
	uint8_t *at = (uint8_t *)channel->shared + channel->ring_offset;

	return (struct agent_ring
			*)(void *)(at +
				   (size_t)vcpu *
					   pages(sizeof(struct agent_ring)));
}

void channel_wake(struct channel *channel)
{
	struct agent_shared *shared = channel->shared;
	uint64_t one = 1;

	(void)SHARED_ADD(&shared->doorbell, 1);
	switch (SHARED_LOAD(&shared->sleeping)) {
	case AGENT_SLEEPS_FUTEX:
		futex_wake(&shared->doorbell);
		break;
	case AGENT_SLEEPS_POLL:
		/* It can only fail by being full, and then it is readable. */
		if (write(channel->doorbell_fd, &one, sizeof(one)) < 0)
			break;
		break;
	default:
		break;
	}
}

void channel_tell_slot(struct channel *channel, uint32_t vcpu)
{
	(void)__atomic_fetch_or(&channel->shared->pending[vcpu / 64],
				UINT64_C(1) << vcpu % 64, __ATOMIC_SEQ_CST);
	channel_wake(channel);
}

void channel_tell_ring(struct channel *channel, uint32_t vcpu)
{
	(void)__atomic_fetch_or(&channel->shared->ready[vcpu / 64],
				UINT64_C(1) << vcpu % 64, __ATOMIC_SEQ_CST);
	channel_wake(channel);
}

void channel_cancel(struct channel *channel)
{
	for (uint32_t i = 0; i < channel->vcpu_count; i++) {
		struct agent_slot *slot = channel_slot(channel, i);
		uint32_t state = SHARED_LOAD(&slot->state);

		if ((state & 3) == AGENT_SLOT_RAISED)
			(void)__atomic_compare_exchange_n(
				&slot->state, &state, AGENT_SLOT_IDLE, false,
				__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		futex_wake(&slot->state);
	}
}

void channel_detach(struct channel *channel)
{
	atomic_store(&channel->detached, true);
	channel_cancel(channel);
	for (uint32_t i = 0; i < channel->vcpu_count; i++) {
		struct agent_ring *ring = channel_ring(channel, i);

		/* Who was about to wait for this word to change, need not. */
		(void)SHARED_ADD(&ring->head, 1);
		futex_wake(&ring->head);
	}
}
