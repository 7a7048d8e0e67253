/* SPDX-License-Identifier: MIT */
/*
 * The plugin as QEMU sees it: its version, its installation, its callbacks.
 *
 * QEMU refuses a plugin whose version it doesn't know, and each QEMU knows
 * others. It looks after our constructors ran: so the version is a variable,
 * and one binary fits all.
 */
#include <stdio.h>
#include <string.h>

#include "plugin.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(uint64_t id, const struct api_info *info,
				 int argc, char **argv);

int qemu_plugin_version = 1;

struct agent *agent;
struct vcpu_side vcpu_sides[AGENT_VCPUS_MAX];

__attribute__((constructor)) static void choose_version(void)
{
	qemu_plugin_version = api_wanted();
}

/* ---- raising ------------------------------------------------------------ */

static uint64_t context_cr3(void *arg, uint32_t vcpu)
{
	(void)arg;
	return qemu.usable && vcpu_sides[vcpu].cpu
		       ? regs_u64(&vcpu_sides[vcpu], qemu.at.cr3)
		       : 0;
}

/** Somebody will wait: make rip and flags exact, and read registers. */
static void
context_regs(void *arg, uint32_t vcpu, uint32_t groups, struct agent_regs *regs)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];

	(void)arg;
	if (!qemu.usable || !side->cpu)
		return;
	/* At a reset it has left the code that it was in for good. */
	if (side->in_exec)
		insn_make_exact(side);
	regs_read(side, groups, regs);
}

/** At once, so that whoever holds the vCPU from now on sees them. */
static void
context_reply(void *arg, uint32_t vcpu, const struct agent_reply *reply)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];

	(void)arg;
	if (!(reply->regs.dirty[0] | reply->regs.dirty[1]))
		return;
	regs_write(side, &reply->regs);
	atomic_store(&side->touched, true);
}

/*
 * Who parks in the middle of QEMU's execution can't be stopped by QEMU, nor
 * ended: translated code is left first, where it can be.
 */
static const struct agent_context within = {
	.cr3 = context_cr3,
	.regs = context_regs,
	.reply = context_reply,
};
static const struct agent_context leaving = {
	.cr3 = context_cr3,
	.regs = context_regs,
	.reply = context_reply,
	.parks = true,
};

/** With one thread for all vCPUs, the others rest while one of them waits. */
static void rest_others(uint32_t vcpu, bool rest)
{
	uint32_t count = host.vcpu_count(NULL);

	for (uint32_t i = 0; qemu.round_robin && i < count; i++) {
		if (i == vcpu)
			continue;
		if (rest)
			agent_vcpu_idle(agent, i);
		else
			(void)agent_vcpu_run(agent, i);
	}
}

bool plugin_raise(uint32_t vcpu, struct agent_event *event,
		  struct agent_reply *reply)
{
	bool locked = qemu.usable && qemu.bql_locked();
	bool leaves = qemu.usable && vcpu_sides[vcpu].ra;
	bool replied;

	if (locked)
		qemu.bql_unlock();
	rest_others(vcpu, true);
	replied = agent_raise(agent, event, leaves ? &leaving : &within, reply);
	vcpu_sides[vcpu].held = leaves && agent_vcpu_run(agent, vcpu);
	rest_others(vcpu, false);
	if (locked)
		qemu.bql_lock(__FILE__, __LINE__);
	return replied;
}

void plugin_tell(struct agent_event *event)
{
	struct agent_reply reply;

	(void)agent_raise(agent, event, &within, &reply);
}

/* ---- callbacks ---------------------------------------------------------- */

static void on_init(uint32_t vcpu)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];

	if (vcpu >= AGENT_VCPUS_MAX)
		return;
	if (qemu.usable)
		side->cpu = qemu.qemu_get_cpu((int)vcpu);
	if (side->cpu)
		hooks_install(side->cpu);
	host_vcpu_appeared(vcpu);
	/* Nothing may wait here: this can be QEMU's main thread. */
	if (agent_vcpu_run(agent, vcpu) && host.kick)
		host.kick(NULL, vcpu);
}

static void on_exit(uint32_t vcpu)
{
	if (vcpu < AGENT_VCPUS_MAX)
		agent_vcpu_idle(agent, vcpu);
}

static void on_idle(uint32_t vcpu)
{
	if (vcpu < AGENT_VCPUS_MAX)
		agent_vcpu_idle(agent, vcpu);
}

static void on_resume(uint32_t vcpu)
{
	if (vcpu < AGENT_VCPUS_MAX && agent_vcpu_run(agent, vcpu))
		host_park(vcpu);
}

static void on_end(void)
{
	host_end();
	agent_stop(agent);
}

/* Up to version 6 the plugin's id comes first, after it user data last. */
#define VCPU_CALLBACK(name)                               \
	static void name##_v0(uint64_t id, unsigned vcpu) \
	{                                                 \
		(void)id;                                 \
		name(vcpu);                               \
	}                                                 \
	static void name##_v7(unsigned vcpu, void *arg)   \
	{                                                 \
		(void)arg;                                \
		name(vcpu);                               \
	}

VCPU_CALLBACK(on_init)
VCPU_CALLBACK(on_exit)
VCPU_CALLBACK(on_idle)
VCPU_CALLBACK(on_resume)

static void on_translation_v0(uint64_t id, const struct qemu_plugin_tb *tb)
{
	(void)id;
	code_translated(tb);
}

static void on_translation_v7(const struct qemu_plugin_tb *tb, void *arg)
{
	(void)arg;
	code_translated(tb);
}

static void on_flush(uint64_t id_or_arg)
{
	(void)id_or_arg;
	code_flushed();
}

static void on_atexit(uint64_t id_or_arg, void *arg)
{
	(void)id_or_arg;
	(void)arg;
	on_end();
}

#define CALLBACK(name) \
	(api.version >= API_USERDATA ? (api_fn)name##_v7 : (api_fn)name##_v0)

static void register_callbacks(uint64_t id)
{
	api.register_vcpu_init_cb(id, CALLBACK(on_init), NULL);
	api.register_vcpu_exit_cb(id, CALLBACK(on_exit), NULL);
	api.register_vcpu_idle_cb(id, CALLBACK(on_idle), NULL);
	api.register_vcpu_resume_cb(id, CALLBACK(on_resume), NULL);
	api.register_vcpu_tb_trans_cb(id, CALLBACK(on_translation), NULL);
	api.register_flush_cb(id, (api_fn)on_flush, NULL);
	api.register_atexit_cb(id, (api_fn)on_atexit, NULL);
}

/* ---- installation ------------------------------------------------------- */

static void complain(const char *what, const char *about)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "microvmi: %s%s\n", what, about);
	if (api.outs)
		api.outs(text);
	else
		(void)fputs(text, stderr);
}

int qemu_plugin_install(uint64_t id, const struct api_info *info, int argc,
			char **argv)
{
	static char vmm[64];
	bool internals = true;
	const char *missing;
	int major;
	int minor;
	int micro;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "internals=off") == 0)
			internals = false;
		else if (strcmp(argv[i], "internals=on") != 0) {
			complain("unknown argument: ", argv[i]);
			return 1;
		}
	}
	missing = api_load(info);
	if (missing) {
		complain("this QEMU lacks ", missing);
		return 1;
	}
	if (!info->system || strcmp(info->target, "x86_64") != 0) {
		complain("only x86-64 machines are supported, not ",
			 info->target);
		return 1;
	}
	if (internals)
		internals_probe(api.version >= API_REGISTERS);
	api_qemu_version(&major, &minor, &micro);
	(void)snprintf(vmm, sizeof(vmm), "QEMU %d.%d.%d (TCG)", major, minor,
		       micro);
	host_init(vmm, info->max_vcpus);
	agent = agent_create(&host, NULL);
	if (!agent) {
		complain("cannot listen on the agent's socket", "");
		return 1;
	}
	register_callbacks(id);
	host_listen_to_machine();
	return 0;
}
