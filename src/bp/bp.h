/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Breakpoints and the sites that they are at. Internal to bp/.
 *
 * A breakpoint is what the caller asked for; a site is one place where the
 * guest is stopped. Breakpoints of one place share its site, so one patch.
 */
#ifndef MICROVMI_BP_BP_H
#define MICROVMI_BP_BP_H

#include <microvmi/bp.h>

#include "bp/cloak.h"
#include "bp/table.h"
#include "core/vm.h"

#define manager_begin	     mvmi__manager_begin
#define hit_regs	     mvmi__hit_regs
#define bp_track	     mvmi__bp_track
#define bp_link		     mvmi__bp_link
#define bp_end		     mvmi__bp_end
#define bp_space_ref	     mvmi__bp_space_ref
#define bp_space_unref	     mvmi__bp_space_unref
#define bp_place	     mvmi__bp_place
#define bp_locate	     mvmi__bp_locate
#define bp_follow	     mvmi__bp_follow
#define bp_follow_all	     mvmi__bp_follow_all
#define bp_on_cr3	     mvmi__bp_on_cr3
#define manager_of	     mvmi__manager_of
#define site_attach	     mvmi__site_attach
#define site_detach	     mvmi__site_detach
#define site_find_slot	     mvmi__site_find_slot
#define site_find_patch	     mvmi__site_find_patch
#define site_forget	     mvmi__site_forget
#define site_sweep	     mvmi__site_sweep
#define hit_on_slot	     mvmi__hit_on_slot
#define hit_on_int3	     mvmi__hit_on_int3
#define return_expect	     mvmi__return_expect
#define return_is_due	     mvmi__return_is_due
#define return_outermost     mvmi__return_outermost
#define return_forget_deeper mvmi__return_forget_deeper
#define return_forget	     mvmi__return_forget
#define step_owner	     mvmi__step_owner
#define step_resume	     mvmi__step_resume
#define step_find_gpa	     mvmi__step_find_gpa
#define manager_unsubscribe  mvmi__manager_unsubscribe
#define manager_sweep	     mvmi__manager_sweep

#define OPCODE_INT3	     0xcc
/** Longest instruction (SDM 2A 2.3.11). */
#define INSN_LEN_MAX 15
/** Returns that one breakpoint waits for at a time. */
#define RETURNS_MAX 256
/** Registers that come with every hit. */
#define HIT_GROUPS (MVMI_REGS_GENERAL | MVMI_REGS_CONTROL | MVMI_REGS_SEGMENT)

/** One address space, however many breakpoints are in it. */
struct bp_space {
	struct bp_space *next; /**< owned */
	unsigned refs;
	struct mvmi_space *space; /**< owned */
};

struct bp_site;

struct bp {
	struct table_node node; /**< by id */
	struct bp *prev;
	struct bp *next;	/**< of all; once dead, of the dead */
	struct bp *peer;	/**< on the same site */
	struct bp_site *site;	/**< NULL unless it is armed */
	struct bp_space *space; /**< counted; NULL: every space */
	struct mvmi_bp_options what;
	struct mvmi_match cr3; /**< mask 0: any */
	mvmi_bp_fn fn;
	void *arg;
	enum mvmi_bp_state state;
	bool dead;     /**< removed; freed once no callback runs */
	uint64_t walk; /**< the last hit that it was looked at for */
	bool tracked;  /**< counted in bp_manager.tracked */
	bool spent;    /**< one shot, and only its return is left */
	bool has_original;
	uint8_t original; /**< byte under its patch, when it last had one */
	uint64_t hits;
	uint64_t returns;
	uint64_t returns_lost;
	uint64_t moves;
	char refused[256];

	/* A function that called back is waited for by one of these. */
	struct bp *parent;	  /**< NULL: it isn't one */
	struct bp *first_return;  /**< of its own; owned */
	struct bp *next_return;	  /**< of the same parent */
	unsigned returns_waiting; /**< length of that list */
	bool idle;		  /**< armed, but waits for no frame now */
	uint64_t frame;
	uint64_t thread; /**< 0: unknown */
};

struct bp_site {
	struct table_node node; /**< by address */
	bool by_gpa;		/**< the address is physical */
	enum mvmi_bp_means means;
	struct mvmi_match cr3; /**< by gva: what the far side filters by */
	uint64_t token;	       /**< by gva: its subscription */
	uint8_t original;      /**< by gpa: the guest's byte */
	size_t code_len;
	uint8_t code[INSN_LEN_MAX]; /**< by gpa: when it was patched */
	struct cloak_page *page;    /**< VIEW */
	struct bp_site *page_next;  /**< on the same page */
	struct bp *first;	    /**< in the order in which they came */
	struct bp_site *next_dead;
};

struct bp_manager {
	struct mvmi_vm *vm;
	struct table bps;
	struct table sites;
	struct bp *first; /**< all that live; owned */
	struct bp *last;
	struct bp *dead; /**< owned, until no callback runs */
	struct bp_site *dead_sites;
	unsigned depth; /**< callbacks that run */
	uint64_t walk;	/**< numbers the hits */
	uint64_t last_id;
	uint64_t incarnation;
	bool anew; /**< it changed, and nobody was told yet */
	struct bp_space *spaces;
	struct mvmi_bp_guest guest; /**< size 0: none */
	size_t guest_users;	    /**< breakpoints that need it */
	uint64_t int3_token;	    /**< 0: not subscribed */
	size_t int3_users;	    /**< sites by gpa */
	uint64_t cr3_token;
	size_t tracked; /**< breakpoints whose page may move */
	struct cloak cloak;
};

/* ---- manager.c --------------------------------------------------------- */

/** The VM's; made if there is none. NULL: no memory. */
struct bp_manager *manager_of(struct mvmi_vm *vm);
/** Take in a new incarnation: every breakpoint of the old one has ended. */
void manager_begin(struct bp_manager *m);
/**
 * End a subscription, if there is one; 0 takes its place at once. Where that
 * fails, the one who is called back no longer knows the token.
 */
void manager_unsubscribe(struct bp_manager *m, uint64_t *token);
/** Free what ended, if no callback runs. */
void manager_sweep(struct bp_manager *m);

/* ---- bp.c: the life of a breakpoint ------------------------------------ */

/** Count it among those whose page may move, or no longer. */
void bp_track(struct bp_manager *m, struct bp *bp, bool track);
/** Number it and put it among those that live. @return false: NOMEM. */
bool bp_link(struct bp_manager *m, struct bp *bp);
/** Take it out of the guest, and free it once no callback runs. */
enum mvmi_status
bp_end(struct bp_manager *m, struct bp *bp, struct mvmi_error *err);

/* ---- space.c ----------------------------------------------------------- */

/** A space of these parameters; NULL: err says why. */
struct bp_space *
bp_space_ref(struct bp_manager *m, const struct mvmi_space_params *params,
	     struct mvmi_error *err);
void bp_space_unref(struct bp_manager *m, struct bp_space *space);

/* ---- means.c ----------------------------------------------------------- */

/**
 * Arm it by the first means that this VM has; OK also where it waits for its
 * page, as bp->state says.
 */
enum mvmi_status
bp_place(struct bp_manager *m, struct bp *bp, struct mvmi_error *err);

/* ---- arm.c: where its page is ------------------------------------------ */

/** @retval MVMI_ERR_NOT_PRESENT  Nowhere at present. */
enum mvmi_status bp_locate(struct bp_manager *m, const struct bp *bp,
			   mvmi_gpa *ret, struct mvmi_error *err);
/** Look where its page is now and go there. */
enum mvmi_status
bp_follow(struct bp_manager *m, struct bp *bp, struct mvmi_error *err);
/** @param cr3  Only what is under this root; NULL: everything. */
enum mvmi_status bp_follow_all(struct bp_manager *m, const uint64_t *cr3,
			       struct mvmi_error *err);
void bp_on_cr3(struct mvmi_vm *vm, const struct mvmi_event *event,
	       struct mvmi_reply *reply, void *arg);

/* ---- site.c ------------------------------------------------------------ */

/** Be stopped at addr, a gpa or a gva; on failure nothing has changed. */
enum mvmi_status
site_attach(struct bp_manager *m, struct bp *bp, enum mvmi_bp_means means,
	    uint64_t addr, struct mvmi_error *err);
/** On failure it is still there. */
enum mvmi_status
site_detach(struct bp_manager *m, struct bp *bp, struct mvmi_error *err);
/** The site at gva that has this subscription, or NULL. */
struct bp_site *
site_find_slot(const struct bp_manager *m, mvmi_gva gva, uint64_t token);
/** The site whose int3 lies at gpa, in memory or in the view; or NULL. */
struct bp_site *site_find_patch(const struct bp_manager *m, mvmi_gpa gpa);
/** Its VM began anew: take it out as far as that can be, and forget it. */
void site_forget(struct bp_manager *m, struct bp_site *site);
/** Free what died while callbacks ran. */
void site_sweep(struct bp_manager *m);

/* ---- hit.c, returns.c -------------------------------------------------- */

/** The registers of a vCPU that waits for the reply to event. */
enum mvmi_status hit_regs(struct mvmi_vm *vm, const struct mvmi_event *event,
			  struct mvmi_regs *store, const struct mvmi_regs **ret,
			  struct mvmi_error *err);
void hit_on_slot(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply, void *arg);
void hit_on_int3(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply, void *arg);
/** Wait for the function to return whose entry was hit. */
void return_expect(struct bp_manager *m, struct bp *bp,
		   const struct mvmi_bp_hit *hit);
/** Whether a vCPU at its address comes back from the frame it waits for. */
bool return_is_due(const struct bp *bp, const struct mvmi_bp_hit *hit);
/** Of those that wait where this one does, the outermost that is due. */
struct bp *return_outermost(struct bp *bp, const struct mvmi_bp_hit *hit);
/**
 * Give up those that this one came back over: longjmp() and exceptions leave
 * frames in that way.
 */
void return_forget_deeper(struct bp_manager *m, struct bp *bp,
			  const struct mvmi_bp_hit *hit);
/** It is waited for no longer. */
void return_forget(struct bp_manager *m, struct bp *bp, bool lost);

/* ---- step.c ------------------------------------------------------------ */

/** Where the int3 of an event lies. @return false: that can't be told. */
bool step_find_gpa(struct bp_manager *m, const struct mvmi_event *event,
		   mvmi_gpa *ret);
/** As struct vm_patcher's. */
uint64_t step_owner(struct mvmi_vm *vm, const struct mvmi_event *event);
void step_resume(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply);
#endif /* MICROVMI_BP_BP_H */
