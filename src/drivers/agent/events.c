/* SPDX-License-Identifier: MIT */
/*
 * Events and replies, through shared memory. The agent may write there at any
 * time, so a word is loaded once, and a struct copied once, before it is
 * looked at; what is written there is never read back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/agent/client.h"
#include "drivers/agent/shared.h"
#include "drivers/agent/wire.h"

/* Whether the far side still lives is asked so often while there are none. */
#define LOOK_NS (50 * NS_PER_MS)

/* A spin that is shorter is not worth it; so many sleeps until another try. */
#define SPIN_LEAST_NS 1000
#define SPIN_AGAIN    64

/* Asynchronous events have ids that no reply fits. */
#define ASYNC_BIT (UINT64_C(1) << 63)

/* ---- the mapping -------------------------------------------------------- */

/** Whether `count` things of `stride` bytes, at off, lie within len. */
static bool
fits(uint32_t off, uint32_t stride, size_t least, uint32_t count, size_t len)
{
	return off % 64 == 0 && stride % 64 == 0 && stride >= least &&
	       off >= sizeof(struct agent_shared) && off <= len &&
	       (uint64_t)stride * count <= len - off;
}

/** Copy the layout, and look whether it can be. */
static bool take_layout(struct agent_channel *c)
{
	struct agent_shared shared;

	memcpy(&shared, c->shared, sizeof(shared));
	c->slots = shared.vcpu_count;
	c->slot_offset = shared.slot_offset;
	c->slot_stride = shared.slot_stride;
	c->ring_offset = shared.ring_offset;
	c->ring_stride = shared.ring_stride;
	return shared.magic == AGENT_MAGIC && c->slots > 0 &&
	       c->slots <= AGENT_VCPUS_MAX &&
	       fits(c->slot_offset, c->slot_stride, sizeof(struct agent_slot),
		    c->slots, c->len) &&
	       fits(c->ring_offset, c->ring_stride, sizeof(struct agent_ring),
		    c->slots, c->len);
}

/** Whether the memory is as long as they say, and stays so. */
static bool is_sealed(int fd, uint32_t len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	return fd >= 0 && len >= sizeof(struct agent_shared) &&
	       fstat(fd, &st) == 0 && st.st_size == (off_t)len && seals >= 0 &&
	       (seals & F_SEAL_SHRINK);
}

enum mvmi_status
agent_client_map(struct agent_client *client, uint32_t len, int memory_fd,
		 int doorbell_fd, struct mvmi_error *err)
{
	struct agent_channel *c = &client->channel;
	void *map = MAP_FAILED;
	bool good = is_sealed(memory_fd, len) && doorbell_fd >= 0;

	if (good)
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			   memory_fd, 0);
	if (memory_fd >= 0)
		(void)close(memory_fd);
	*c = (struct agent_channel){ .doorbell_fd = doorbell_fd };
	if (good && map != MAP_FAILED) {
		c->shared = map;
		c->len = len;
		good = take_layout(c);
		c->heads = good ? calloc(c->slots, sizeof(*c->heads)) : NULL;
		c->fetched =
			good ? calloc(c->slots, sizeof(*c->fetched)) : NULL;
	}
	if (!good || map == MAP_FAILED || !c->heads || !c->fetched) {
		/* It serves a controller that can't be one. */
		agent_client_unmap(client);
		(void)close(client->fd);
		client->fd = -1;
		return fail(err, good ? MVMI_ERR_NOMEM : MVMI_ERR_CORRUPT,
			    "the agent's shared memory can't be used");
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		c->spin_max_ns = AGENT_SPIN_NS;
	c->spin_ns = c->spin_max_ns;
	SHARED_STORE(&c->shared->spin_ns, c->spin_ns);
	/* Who asked for something to wait on as a reader gets more now. */
	if (client->poll_fd >= 0)
		(void)agent_client_waitable(client);
	return MVMI_OK;
}

void agent_client_unmap(struct agent_client *client)
{
	struct agent_channel *c = &client->channel;

	if (c->shared)
		(void)munmap(c->shared, c->len);
	if (c->doorbell_fd >= 0)
		(void)close(c->doorbell_fd);
	free(c->heads);
	free(c->fetched);
	*c = (struct agent_channel){ .doorbell_fd = -1 };
}

static struct agent_slot *slot_of(const struct agent_channel *c, uint32_t vcpu)
{
	char *at = (char *)c->shared + c->slot_offset +
		   (size_t)vcpu * c->slot_stride;

	return (struct agent_slot *)(void *)at;
}

static struct agent_ring *ring_of(const struct agent_channel *c, uint32_t vcpu)
{
	char *at = (char *)c->shared + c->ring_offset +
		   (size_t)vcpu * c->ring_stride;

	return (struct agent_ring *)(void *)at;
}

uint64_t agent_client_incarnation(const struct agent_client *client)
{
	const struct agent_shared *shared = client->channel.shared;

	return shared ? SHARED_LOAD(&shared->incarnation) : 1;
}

uint64_t agent_client_overdue(const struct agent_client *client)
{
	const struct agent_shared *shared = client->channel.shared;

	return shared ? SHARED_LOAD(&shared->overdue) : 0;
}

/* ---- fetching ----------------------------------------------------------- */

static const struct mvmi_event_desc *
find_desc(const struct agent_client *client, uint32_t kind)
{
	for (size_t i = 0; i < client->desc_count; i++) {
		if ((uint32_t)client->descs[i].kind == kind)
			return &client->descs[i];
	}
	return NULL;
}

/** The two registers that every event may bring, as a register file. */
static void take_place(struct agent_client *client, struct mvmi_event *event,
		       const struct agent_event *wire)
{
	struct mvmi_regs *regs = &client->event_regs;

	if (!(wire->known & (AGENT_KNOWS_RIP | AGENT_KNOWS_CR3)))
		return;
	regs->size = sizeof(*regs);
	regs->valid = (mvmi_regset){ { 0, 0 } };
	regs->dirty = (mvmi_regset){ { 0, 0 } };
	if (wire->known & AGENT_KNOWS_RIP) {
		regs->x86.rip = wire->rip;
		mvmi_regset_add(&regs->valid, MVMI_REG_RIP);
	}
	if (wire->known & AGENT_KNOWS_CR3) {
		regs->x86.cr3 = wire->cr3;
		mvmi_regset_add(&regs->valid, MVMI_REG_CR3);
	}
	event->regs = regs;
}

/** One entry of a ring. @return false if there is none that is known. */
static bool
take_async(struct agent_client *client, uint32_t vcpu, struct mvmi_event *ret)
{
	struct agent_channel *c = &client->channel;
	struct agent_ring *ring = ring_of(c, vcpu);
	uint32_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	while (c->heads[vcpu] != tail) {
		uint32_t count = tail - c->heads[vcpu];
		const struct mvmi_event_desc *desc;
		struct agent_event wire;

		if (count > AGENT_RING_LEN) {
			/* It lies: what there was is lost. */
			c->heads[vcpu] = tail;
			SHARED_STORE(&ring->head, tail);
			return false;
		}
		memcpy(&wire, &ring->entries[c->heads[vcpu] % AGENT_RING_LEN],
		       sizeof(wire));
		SHARED_STORE(&ring->head, ++c->heads[vcpu]);
		/* Who waits for room gets much, and a wake for all of it. */
		if (count == AGENT_RING_LEN / 2)
			futex_wake(&ring->head);
		desc = find_desc(client, wire.kind);
		if (!desc)
			continue;
		wire_take_event(ret, &wire, desc);
		ret->async = true;
		ret->id.vcpu = vcpu;
		ret->id.generation = ++c->last_async | ASYNC_BIT;
		ret->lost = SHARED_LOAD(&ring->lost);
		take_place(client, ret, &wire);
		return true;
	}
	return false;
}

/** Let a vCPU go on that waits for an answer that nobody could give. */
static void continue_slot(struct agent_slot *slot, uint32_t state)
{
	uint32_t replied =
		(state & ~UINT32_C(3)) | (uint32_t)AGENT_SLOT_REPLIED;

	slot->reply.action = MVMI_ACTION_CONTINUE;
	slot->reply.regs.dirty[0] = 0;
	slot->reply.regs.dirty[1] = 0;
	if (__atomic_compare_exchange_n(&slot->state, &state, replied, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		futex_wake(&slot->state);
}

/** The event in a slot. @return false if there is none that is known. */
static bool
take_sync(struct agent_client *client, uint32_t vcpu, struct mvmi_event *ret)
{
	struct agent_channel *c = &client->channel;
	struct agent_slot *slot = slot_of(c, vcpu);
	uint32_t state = SHARED_LOAD(&slot->state);
	const struct mvmi_event_desc *desc;
	struct agent_event wire;

	if ((state & 3) != AGENT_SLOT_RAISED)
		return false;
	memcpy(&wire, &slot->event, sizeof(wire));
	desc = find_desc(client, wire.kind);
	if (!desc || wire.generation == 0 || (wire.generation & ASYNC_BIT) ||
	    agent_slot_word(wire.generation, AGENT_SLOT_RAISED) != state) {
		continue_slot(slot, state);
		return false;
	}
	wire_take_event(ret, &wire, desc);
	ret->id.vcpu = vcpu;
	ret->id.generation = wire.generation;
	ret->lost = SHARED_LOAD(&ring_of(c, vcpu)->lost);
	c->fetched[vcpu] = wire.generation;
	if (wire.known & AGENT_KNOWS_REGS) {
		struct agent_regs regs;

		memcpy(&regs, &slot->regs, sizeof(regs));
		wire_take_regs(&client->event_regs, &regs, client->readable);
		ret->regs = &client->event_regs;
	} else {
		take_place(client, ret, &wire);
	}
	return true;
}

/** What is new, to what we know already. @return whether there is any. */
static bool collect(struct agent_channel *c)
{
	uint32_t words = (c->slots + 63) / 64;
	bool any = false;

	for (uint32_t w = 0; w < words; w++) {
		if (SHARED_LOAD(&c->shared->pending[w]))
			c->todo[w] |= SHARED_TAKE(&c->shared->pending[w]);
		if (SHARED_LOAD(&c->shared->ready[w]))
			c->todo[w] |= SHARED_TAKE(&c->shared->ready[w]);
		any |= c->todo[w] != 0;
	}
	return any;
}

static bool is_todo(const struct agent_channel *c, uint32_t vcpu)
{
	return (c->todo[vcpu / 64] >> vcpu % 64 & 1) != 0;
}

/**
 * The next event, of each vCPU in turn, without waiting. What a vCPU told
 * without waiting comes before what it waits for.
 */
static bool take(struct agent_client *client, struct mvmi_event *ret)
{
	struct agent_channel *c = &client->channel;

	if (!collect(c))
		return false;
	for (uint32_t i = 0; i < c->slots; i++) {
		uint32_t vcpu = (c->turn + i) % c->slots;

		if (!is_todo(c, vcpu))
			continue;
		c->turn = (vcpu + 1) % c->slots;
		if (take_async(client, vcpu, ret))
			return true;
		c->todo[vcpu / 64] &= ~(UINT64_C(1) << vcpu % 64);
		if (take_sync(client, vcpu, ret))
			return true;
	}
	return false;
}

/* ---- waiting ------------------------------------------------------------ */

/**
 * Learn from a spin whether spins are worth it: on a host that is busy they
 * keep the other side from running. The vCPUs do as we do.
 */
static void learn(struct agent_channel *c, uint32_t ns, bool success)
{
	ns = success ? MIN(2 * ns, c->spin_max_ns) : ns / 2;
	if (ns < SPIN_LEAST_NS)
		ns = 0;
	if (ns == c->spin_ns)
		return;
	c->spin_ns = ns;
	SHARED_STORE(&c->shared->spin_ns, ns);
}

/** Look again for a while. @return whether the doorbell rang. */
static bool spin(struct agent_client *client, uint64_t until)
{
	struct agent_channel *c = &client->channel;
	uint32_t ns = c->spin_ns;
	uint32_t bell = SHARED_LOAD(&c->shared->doorbell);
	bool rang = false;
	uint64_t end;

	/* Times change: try again now and then. */
	if (ns == 0 && ++c->sleeps % SPIN_AGAIN == 0)
		ns = c->spin_max_ns / 4;
	if (ns == 0)
		return false;
	end = MIN(clock_ns() + ns, until);
	while (!rang && clock_ns() < end) {
		for (unsigned i = 0; i < 64 && !rang; i++) {
			rang = SHARED_LOAD(&c->shared->doorbell) != bell;
			__builtin_ia32_pause();
		}
	}
	learn(c, ns, rang);
	return rang;
}

/** Sleep until the doorbell rings, or a while. */
static void sleep_until(struct agent_client *client, uint64_t until)
{
	struct agent_channel *c = &client->channel;
	uint32_t bell = SHARED_LOAD(&c->shared->doorbell);
	uint64_t now;

	SHARED_STORE(&c->shared->sleeping, AGENT_SLEEPS_FUTEX);
	now = clock_ns();
	if (!collect(c) && now < until)
		futex_wait(&c->shared->doorbell, bell,
			   MIN(until - now, LOOK_NS));
	SHARED_STORE(&c->shared->sleeping, AGENT_AWAKE);
}

static enum mvmi_status
next_of_gone(struct agent_client *client, struct mvmi_event *ret,
	     struct mvmi_error *err)
{
	if (client->gone_delivered)
		return fail(err, MVMI_ERR_GONE, "the VM has ended");
	client->gone_delivered = true;
	*ret = (struct mvmi_event){
		.id.generation = ++client->channel.last_async | ASYNC_BIT,
		.kind = MVMI_EVENT_GONE,
		.phase = MVMI_PHASE_AFTER,
		.async = true,
	};
	return MVMI_OK;
}

/** A reader has no events but the end. */
static enum mvmi_status wait_for_end(struct agent_client *client,
				     uint64_t until, struct mvmi_error *err)
{
	for (;;) {
		enum mvmi_status status = agent_client_lives(client, err);
		struct timespec ts = { .tv_nsec = (long)LOOK_NS };
		uint64_t now = clock_ns();

		if (status != MVMI_OK)
			return status;
		if (now >= until)
			return MVMI_ERR_TIMEOUT;
		if (until - now < LOOK_NS)
			ts.tv_nsec = (long)(until - now);
		(void)nanosleep(&ts, NULL);
	}
}

static enum mvmi_status
wait_for_event(struct agent_client *client, uint64_t until,
	       struct mvmi_event *ret, struct mvmi_error *err)
{
	struct agent_shared *shared = client->channel.shared;
	uint64_t looked = 0;

	if (SHARED_LOAD(&shared->stalled))
		SHARED_STORE(&shared->stalled, 0);
	for (;;) {
		uint64_t now;

		if (take(client, ret))
			return MVMI_OK;
		now = clock_ns();
		if (now - looked >= LOOK_NS || SHARED_LOAD(&shared->gone)) {
			enum mvmi_status status =
				agent_client_lives(client, err);

			if (status != MVMI_OK)
				return status;
			looked = now;
		}
		if (now >= until)
			return MVMI_ERR_TIMEOUT;
		if (!spin(client, until))
			sleep_until(client, until);
	}
}

/** The caller goes on to its own loop: make that wake when there is more. */
static void arm_poll(struct agent_client *client)
{
	struct agent_channel *c = &client->channel;
	uint64_t count;

	if (client->poll_fd < 0 || !c->shared)
		return;
	if (read(c->doorbell_fd, &count, sizeof(count)) < 0)
		count = 0;
	SHARED_STORE(&c->shared->sleeping, AGENT_SLEEPS_POLL);
	if (!collect(c))
		return;
	count = 1;
	if (write(c->doorbell_fd, &count, sizeof(count)) < 0)
		return; /* It is full: readable as well. */
}

enum mvmi_status
agent_client_next(struct agent_client *client, int timeout_ms,
		  struct mvmi_event *ret, struct mvmi_error *err)
{
	uint64_t until =
		timeout_ms < 0 ? UINT64_MAX
			       : clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	struct mvmi_event event;
	enum mvmi_status status;

	if (client->gone)
		return next_of_gone(client, ret, err);
	if (client->channel.shared)
		status = wait_for_event(client, until, &event, err);
	else
		status = wait_for_end(client, until, err);
	if (status == MVMI_ERR_GONE)
		return next_of_gone(client, ret, err);
	arm_poll(client);
	if (status == MVMI_ERR_TIMEOUT)
		return fail(err, status, "no event came");
	if (status == MVMI_OK)
		*ret = event;
	return status;
}

/** Among the descriptors of the caller's loop; one that is missing is not. */
static void watch(int poll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd >= 0)
		(void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

struct mvmi_waitable agent_client_waitable(struct agent_client *client)
{
	if (client->poll_fd < 0)
		client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->poll_fd < 0)
		return (struct mvmi_waitable){ .handle = -1 };
	/* What is in there already is refused, and stays. */
	watch(client->poll_fd, client->fd);
	watch(client->poll_fd, client->pidfd);
	watch(client->poll_fd, client->channel.doorbell_fd);
	arm_poll(client);
	return (struct mvmi_waitable){ .handle = client->poll_fd };
}

/* ---- answering ---------------------------------------------------------- */

enum mvmi_status
agent_client_reply(struct agent_client *client, struct mvmi_event_id id,
		   const struct mvmi_reply *reply, struct mvmi_error *err)
{
	struct agent_channel *c = &client->channel;
	uint32_t raised = agent_slot_word(id.generation, AGENT_SLOT_RAISED);
	uint32_t replied = agent_slot_word(id.generation, AGENT_SLOT_REPLIED);
	enum mvmi_status status;
	struct agent_slot *slot;

	if (client->gone)
		return fail(err, MVMI_ERR_GONE, "the VM has ended");
	if (!c->shared || id.vcpu >= c->slots || id.generation == 0 ||
	    c->fetched[id.vcpu] != id.generation)
		return fail(err, MVMI_ERR_STALE, "that event is gone");
	if (SHARED_LOAD(&c->shared->stalled))
		SHARED_STORE(&c->shared->stalled, 0);
	slot = slot_of(c, id.vcpu);
	c->fetched[id.vcpu] = 0;
	wire_put_reply(&slot->reply, id.vcpu, reply);
	if (__atomic_compare_exchange_n(&slot->state, &raised, replied, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		if (SHARED_LOAD(&slot->sleeps))
			futex_wake(&slot->state);
		return MVMI_OK;
	}
	/* Too late: the agent went on without us, if it is there at all. */
	status = agent_client_lives(client, err);
	return status != MVMI_OK
		       ? status
		       : fail(err, MVMI_ERR_STALE, "that event is gone");
}
