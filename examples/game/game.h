/*
 * Heist: thieves collect coins while guards walk their beats.
 *
 * Everything in here happens in the game's own time, which is a manual clock and a loop on it:
 * game_step moves the clock on by a sixtieth of a second and runs what that made due. Pause and
 * slow motion are the clock's. So the rules below never speak of frames.
 *
 *     arena.c     walls and ways                   guests.c   players by TCP
 *     game.c      thieves, steps, the rules        keys.c     the player at the keyboard
 *     guards.c    the opponents, as coroutines     screen.c   cells, and the terminal
 *     referee.c   levels, lives, scores            draw.c     the picture
 *     headless.c  the game without a terminal, measured
 */
#ifndef GAME_GAME_H
#define GAME_GAME_H

#include <eddy.h>

#include "arena.h"

enum { MOST_THIEVES = 12, MOST_NAME = 15, LIVES = 3, MOST_NEWS = 3, NEWS_SIZE = 80, TILE = 256 };

#define STEP (EDDY_SECOND / 60)

/* Who walks from tile to tile. Where he is between them follows from the time, so that a picture
 * can be drawn for any time between two steps. */
struct walker {
    struct place from, to;
    int64_t left, arrives; /* when, in game time */
    enum direction facing;
};

/* A seat for a player: one at the keyboard, a guest, or a script. */
struct thief {
    bool seated;
    char name[MOST_NAME + 1];
    struct walker walker;
    enum direction wish; /* turns there as soon as there is a way */
    int lives;           /* 0: out, until the next game */
    int points;
    int64_t safe_until;  /* just caught: nobody sees him */
    eddy_stream *stream; /* a guest's, to tell him what happens; else NULL */
    eddy_task task;      /* a guest's */
};

/* What a guard is up to; see guards.c. */
enum mood { PATROLS, NOTICES, CHASES, SEEKS };

struct guard {
    struct walker walker;
    enum mood mood;
    const struct beat *beat;
};

struct score {
    char name[MOST_NAME + 1];
    int points;
};

enum { MOST_SCORES = 10 };

struct game {
    eddy_clock clock;
    eddy_loop *loop;             /* on that clock */
    uint32_t random;             /* state of game_random; the seed */
    const char *levels, *scores; /* a folder, a file; scores NULL: they are not kept */
    bool on_screen;              /* there is a picture: errors go to the news, not to stderr */

    eddy_task referee;    /* ends only with an error */
    int64_t stepped_from; /* the time before the last step */
    int64_t poll_took;    /* how long the last step's poll was, in real time; only to be told of */
    bool waits; /* the referee wants a file: the game's time stands still until it is there */
    char problem[120]; /* what is wrong with a level */

    int level; /* the number of the one that is played; 0: none yet */
    struct arena arena;
    struct guard guard[MOST_GUARDS];
    struct thief thief[MOST_THIEVES];
    eddy_event level_over; /* no coins are left, or no thieves */
    const char *banner;    /* a text across the picture, or NULL */
    int best_count;        /* the best scores of all games */
    struct score best[MOST_SCORES];

    char news[MOST_NEWS][NEWS_SIZE]; /* the last lines that were said, the newest last */
    uint64_t checksum;               /* of all that has happened */
};

/* game.c */
int64_t game_init(struct game *game, const char *levels, const char *scores, uint32_t seed);
void game_fini(struct game *game);
int64_t game_step(struct game *game);
int64_t game_settle(struct game *game); /* waits until the file is there that the referee wants */
eddy_error_fn game_on_error;            /* the error hook of both loops; their user is the game */
unsigned game_random(struct game *game, unsigned below);
void game_say(struct game *game, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct thief *thief_seat(struct game *game, const char *name); /* NULL: all seats are taken */
void thief_start(struct game *game, struct thief *thief);      /* at one of the arena's starts */
bool thief_plays(const struct thief *thief);
void thief_tell(struct thief *thief, const char *text);

int64_t game_now(const struct game *game);
void walker_place(struct walker *walker, struct place place);
void walker_go(struct game *game, struct walker *walker, enum direction direction, int64_t pace);
struct place walker_at(const struct walker *walker, int64_t now); /* in parts of a tile: TILE */

/* Copies a text that came from outside: only what is printable, for it is shown in a terminal. */
void copy_text(char *to, size_t size, const char *from, size_t length);

/* guards.c, referee.c: coroutines of the game's loop. */
struct guard_life {
    eddy_coro co;
    struct game *game; /* arguments */
    struct guard *me;
    int post;
    struct thief *prey;
    struct place last_seen;
    int64_t gives_up;
    int turn;
};
void guard_life(eddy_coro *co);

struct referee {
    eddy_coro co;
    struct game *game; /* argument */
    eddy_task next;    /* loads the level that is played next */
    int64_t result;
    struct arena arena; /* it loads this one */
};
void referee(eddy_coro *co);

#endif
