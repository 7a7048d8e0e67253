/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

void interrupt_catch(void)
{
	/*
	 * Without SA_RESTART, so that a call that waits is left too; and once
	 * only: a second ^C ends what doesn't end by itself.
	 */
	struct sigaction action = {
		.sa_handler = catch,
		.sa_flags = (int)SA_RESETHAND,
	};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

bool interrupt_came(void)
{
	return caught != 0;
}
