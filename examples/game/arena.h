/* An arena: walls, coins, and where thieves and guards begin. Knows no time and no eddy. */
#ifndef GAME_ARENA_H
#define GAME_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MOST_WIDTH = 39,
    MOST_HEIGHT = 20,
    MOST_STARTS = 16,
    MOST_GUARDS = 8,
    MOST_POSTS = 6,
    SIGHT = 7 /* how many tiles far a guard sees */
};

enum direction { STAY, UP, DOWN, LEFT, RIGHT };

struct place { /* a tile */
    int x, y;
};

/* The posts between which a guard walks, in this order, for ever. */
struct beat {
    int posts;
    struct place post[MOST_POSTS];
};

struct arena {
    int width, height;
    char tile[MOST_HEIGHT][MOST_WIDTH]; /* '#', '$' or ' ' */
    int coins;                          /* that are left */
    int starts;
    struct place start[MOST_STARTS];
    int guards;
    struct beat beat[MOST_GUARDS];
};

/*
 * Reads a level: '#' a wall, '$' a coin, '@' where thieves begin, 'A' to 'H' the first post of a
 * guard, 'a' to 'h' his others, in the order of the text. All around it are walls.
 * Returns NULL, or what is wrong with it.
 */
const char *arena_parse(struct arena *arena, const char *text, size_t size);

/* Whether one can stand there. */
bool arena_is_open(const struct arena *arena, struct place place);

struct place place_beside(struct place place, enum direction direction);
bool place_equal(struct place a, struct place b);

/* The first step of a shortest way to a place, or (NULL) to the nearest coin. STAY: one is there,
 * or there is no way. */
enum direction arena_way(const struct arena *arena, struct place from, const struct place *to);

/* Whether somebody at `from` who looks in a direction sees what is at `to`: near enough, in front
 * of him, and no wall between. */
bool arena_sees(const struct arena *arena, struct place from, enum direction facing,
                struct place to);

#endif
