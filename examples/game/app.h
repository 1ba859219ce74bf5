/* The program around the game: its two loops, and who lives in them. */
#ifndef GAME_APP_H
#define GAME_APP_H

#include <eddy.h>

#include "options.h"
#include "players.h"

struct app {
    struct options options;
    eddy_loop *world; /* on real time: keys, guests, signals */
    struct game game; /* on its own */
    struct thief *me; /* the player at the keyboard; NULL: headless */
    struct house house;
    eddy_task house_task; /* zeroed: no guests */
    int signal;           /* that ended the program, or 0 */
    uint64_t terminal;    /* signals that have come of it and are not seen to: EDDY_SIGNAL, or-ed */
};

/* The error of a part that should not have ended, or 0; says what it was. */
int64_t app_check(struct app *app);

/* Sleeps until a time of CLOCK_MONOTONIC, as a game does that waits for its display. */
void sleep_until(int64_t time);

/* headless.c: the scripts take their seats. */
void headless_seat(struct game *game);

/* The whole run without a terminal. 0 or an error, of which nothing was said. `port_pipe`
 * tells the chatterers the port, if there are any. */
int64_t headless_run(struct app *app, int port_pipe);

#endif
