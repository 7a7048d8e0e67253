/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What decorators share: the tables of operations, which turn each call into a
 * struct call and give it to the decorator's one function.
 */
#ifndef MICROVMI_DRIVERS_DECORATOR_H
#define MICROVMI_DRIVERS_DECORATOR_H

#include "drivers/call.h"

#define decorator_tables     mvmi__decorator_tables
#define decorator_offer	     mvmi__decorator_offer
#define decorator_forward    mvmi__decorator_forward
#define decorator_follow     mvmi__decorator_follow
#define decorator_info	     mvmi__decorator_info
#define decorator_poll	     mvmi__decorator_poll
#define decorator_option     mvmi__decorator_option
#define decorator_open_inner mvmi__decorator_open_inner

/** Embedded, as the first thing, in each decorator's own structure. */
struct decorator {
	struct mvmi_conn conn;
	struct mvmi_conn *inner; /**< owned; NULL if there is none */
	/**
	 * Do a call. The outputs in call->out reach the caller only if it
	 * succeeds; those of operations that can't fail always do.
	 */
	enum mvmi_status (*handle)(struct decorator *deco, struct call *call,
				   struct mvmi_error *err);
};

/** enum mvmi_capability bits of the tables that conn has. */
uint32_t decorator_tables(const struct mvmi_conn *conn);

/** Offer the tables of the given enum mvmi_capability bits. */
void decorator_offer(struct decorator *deco, uint32_t caps);

/** Do a call on the inner connection and follow it. */
enum mvmi_status decorator_forward(struct decorator *deco, struct call *call,
				   struct mvmi_error *err);

/** Take over traits, masks and incarnation of the inner connection. */
void decorator_follow(struct decorator *deco);

/** For struct mvmi_driver of a decorator. */
enum mvmi_status
decorator_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	       struct mvmi_error *err);
enum mvmi_status decorator_poll(struct mvmi_conn *conn, struct mvmi_error *err);

/** The value of an option, or NULL. */
const char *
decorator_option(const struct mvmi_open_args *args, const char *key);

/** Open what the option `target` names. */
enum mvmi_status
decorator_open_inner(const struct mvmi_open_args *args, struct mvmi_conn **ret,
		     struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_DECORATOR_H */
