/* For embed.h: a foreign loop that is nothing but rounds around a call that sleeps. The file that
 * includes this says what that is: foreign_sleep waits, unless it may not, and tells whether the fd is
 * readable. */
#ifndef EDDY_TESTING_EMBED_ROUNDS_H
#define EDDY_TESTING_EMBED_ROUNDS_H

#include "support/embed.h"

static bool foreign_sleep(bool may_wait);

static bool rounds_call_soon;
static bool rounds_quit;

static void foreign_call_soon(void)
{
    rounds_call_soon = true;
}

static void foreign_quit(void)
{
    rounds_quit = true;
}

static void foreign_run(void)
{
    rounds_quit = false;
    while (!rounds_quit) {
        if (foreign_sleep(!rounds_call_soon)) {
            embed_poll();
        }
        if (rounds_call_soon) {
            rounds_call_soon = false;
            embed_called();
        }
    }
}

#endif
