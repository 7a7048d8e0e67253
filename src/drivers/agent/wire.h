/* SPDX-License-Identifier: MIT */
/** @file Between the structs of the wire and those of the library. */
#ifndef MICROVMI_DRIVERS_AGENT_WIRE_H
#define MICROVMI_DRIVERS_AGENT_WIRE_H

#include <microvmi/event.h>

#include "drivers/agent/abi.h"

#define wire_put_regs	      mvmi__wire_put_regs
#define wire_take_regs	      mvmi__wire_take_regs
#define wire_put_subscription mvmi__wire_put_subscription
#define wire_take_desc	      mvmi__wire_take_desc
#define wire_put_inject	      mvmi__wire_put_inject
#define wire_put_reply	      mvmi__wire_put_reply
#define wire_take_event	      mvmi__wire_take_event

/** Values and both sets. */
void wire_put_regs(struct agent_regs *wire, const struct mvmi_regs *regs);
/** Values, and the valid set as far as it is in readable. */
void wire_take_regs(struct mvmi_regs *regs, const struct agent_regs *wire,
		    mvmi_regset readable);
void wire_put_subscription(struct agent_subscription *wire,
			   const struct mvmi_subscription *what);
/** @return false if it names a kind, or anything else, that is unknown. */
bool wire_take_desc(struct mvmi_event_desc *desc,
		    const struct agent_desc *wire);
void wire_put_inject(struct agent_inject *wire, uint32_t vcpu,
		     const struct mvmi_injection *what);
/** Only what the action and the dirty set make needed. */
void wire_put_reply(struct agent_reply *wire, uint32_t vcpu,
		    const struct mvmi_reply *reply);
/** All but id and regs; members that desc doesn't promise are zero. */
void wire_take_event(struct mvmi_event *event, const struct agent_event *wire,
		     const struct mvmi_event_desc *desc);

#endif /* MICROVMI_DRIVERS_AGENT_WIRE_H */
