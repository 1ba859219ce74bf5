/* Those who play: one at the keyboard, guests by TCP, and scripts. The first two live in real time,
 * in the loop of the outside world; both act on the game by setting the wish of their thief. */
#ifndef GAME_PLAYERS_H
#define GAME_PLAYERS_H

#include "game.h"

/* keys.c: reads the keys until q, and ends then. */
struct keys {
    eddy_coro co;
    struct game *game; /* arguments */
    struct thief *me;
    int64_t count;
    int escape; /* how much of "\033[" has come */
    char bytes[64];
};
void keys(eddy_coro *co);

/* guests.c: lets guests in until it is cancelled. */
struct house {
    struct game *game;
    eddy_server server;
    struct eddy_link guests;
    unsigned count;           /* of guests */
    int port;                 /* that it listens on; 0: it does not yet */
    eddy_event news;          /* somebody has said something */
    char said[8 * NEWS_SIZE]; /* what, since the last time it was told */
    size_t said_size;
    struct eddy_link *told; /* the guest who is told next */
};

struct open_house {
    eddy_coro co;
    struct house *house; /* arguments */
    int port;
    eddy_task crier;
};
void open_house(eddy_coro *co);

/* scripts.c: a thief who runs for the nearest coin, in the game's time. */
struct script {
    eddy_coro co;
    struct game *game; /* arguments */
    struct thief *me;
};
void script(eddy_coro *co);

/* chatter.c: a process with `count` guests that chatter. It waits for the port, an int, on the pipe
 * whose other end goes to *port_pipe, and ends with its parent. Its id, or a negated errno. */
int64_t chatter_start(unsigned count, int *port_pipe);

#endif
