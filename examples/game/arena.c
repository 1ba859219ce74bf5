#include "arena.h"

#include <stdlib.h>
#include <string.h>

static const struct place offsets[] = {{0, 0}, {0, -1}, {0, 1}, {-1, 0}, {1, 0}};

struct place place_beside(struct place place, enum direction direction)
{
    return (struct place){place.x + offsets[direction].x, place.y + offsets[direction].y};
}

bool place_equal(struct place a, struct place b)
{
    return a.x == b.x && a.y == b.y;
}

bool arena_is_open(const struct arena *arena, struct place place)
{
    return place.x >= 0 && place.x < arena->width && place.y >= 0 && place.y < arena->height &&
           arena->tile[place.y][place.x] != '#';
}

/* ---- reading a level */

static const char *add_post(struct arena *arena, char letter, struct place place)
{
    bool first = letter <= 'H';
    int guard = letter - (first ? 'A' : 'a');
    struct beat *beat = &arena->beat[guard];

    if (beat->posts >= MOST_POSTS - 1 && !first) {
        return "a guard has too many posts";
    }
    if (first && beat->posts > 0 && beat->post[0].x > 0) {
        return "a guard is there twice";
    }
    if (guard >= arena->guards) {
        arena->guards = guard + 1;
    }
    if (beat->posts == 0) {
        beat->posts = 1; /* place 0 is kept for the first post, which may come later */
    }
    beat->post[first ? 0 : beat->posts++] = place;
    return NULL;
}

static const char *add_tile(struct arena *arena, char letter, struct place place)
{
    char *tile = &arena->tile[place.y][place.x];

    *tile = ' ';
    if ((letter >= 'A' && letter <= 'H') || (letter >= 'a' && letter <= 'h')) {
        return add_post(arena, letter, place);
    }
    switch (letter) {
    case '#':
        *tile = '#';
        return NULL;
    case '$':
        *tile = '$';
        arena->coins++;
        return NULL;
    case '@':
        if (arena->starts == MOST_STARTS) {
            return "too many starts";
        }
        arena->start[arena->starts++] = place;
        return NULL;
    case ' ':
        return NULL;
    default:
        return "an unknown character";
    }
}

static const char *check(const struct arena *arena)
{
    if (arena->coins == 0 || arena->starts == 0) {
        return arena->coins == 0 ? "no coins" : "no start";
    }
    for (int i = 0; i < arena->guards; i++) {
        if (arena->beat[i].posts == 0 || arena->beat[i].post[0].x == 0) {
            return "a guard without his first post";
        }
    }
    for (int y = 0; y < arena->height; y++) {
        for (int x = 0; x < arena->width; x++) {
            bool edge = x == 0 || y == 0 || x == arena->width - 1 || y == arena->height - 1;
            if (edge && arena->tile[y][x] != '#') {
                return "no wall around it";
            }
        }
    }
    return NULL;
}

const char *arena_parse(struct arena *arena, const char *text, size_t size)
{
    struct place place = {0, 0};

    memset(arena, 0, sizeof *arena);
    memset(arena->tile, ' ', sizeof arena->tile);
    for (size_t i = 0; i < size; i++) {
        const char *wrong;
        if (text[i] == '\n') {
            place = (struct place){0, place.y + 1};
            continue;
        }
        if (place.x >= MOST_WIDTH || place.y >= MOST_HEIGHT) {
            return "it is too large";
        }
        wrong = add_tile(arena, text[i], place);
        if (wrong != NULL) {
            return wrong;
        }
        place.x++;
        arena->width = place.x > arena->width ? place.x : arena->width;
        arena->height = place.y + 1;
    }
    return check(arena);
}

/* ---- ways and views */

/* A breadth-first search that notes with each tile by which first step it was reached. */
enum direction arena_way(const struct arena *arena, struct place from, const struct place *to)
{
    unsigned char first[MOST_HEIGHT][MOST_WIDTH] = {{0}};
    struct place queue[MOST_HEIGHT * MOST_WIDTH];
    int head = 0;
    int tail = 0;

    queue[tail++] = from;
    while (head < tail) {
        struct place here = queue[head++];
        bool found = to != NULL ? place_equal(here, *to) : arena->tile[here.y][here.x] == '$';
        if (found) {
            return (enum direction)first[here.y][here.x];
        }
        for (enum direction d = UP; d <= RIGHT; d++) {
            struct place next = place_beside(here, d);
            if (arena_is_open(arena, next) && first[next.y][next.x] == STAY &&
                !place_equal(next, from)) {
                first[next.y][next.x] =
                    place_equal(here, from) ? (unsigned char)d : first[here.y][here.x];
                queue[tail++] = next;
            }
        }
    }
    return STAY;
}

/* Whether the straight line between two tiles meets no wall (Bresenham's algorithm). */
static bool is_clear(const struct arena *arena, struct place from, struct place to)
{
    int dx = abs(to.x - from.x);
    int dy = -abs(to.y - from.y);
    int error = dx + dy;

    while (!place_equal(from, to)) {
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            from.x += from.x < to.x ? 1 : -1;
        }
        if (twice <= dx) {
            error += dx;
            from.y += from.y < to.y ? 1 : -1;
        }
        if (!arena_is_open(arena, from)) {
            return false;
        }
    }
    return true;
}

bool arena_sees(const struct arena *arena, struct place from, enum direction facing,
                struct place to)
{
    int dx = to.x - from.x;
    int dy = to.y - from.y;
    int ahead = dx * offsets[facing].x + dy * offsets[facing].y;
    int aside = abs(dx * offsets[facing].y) + abs(dy * offsets[facing].x);

    return facing != STAY && ahead >= aside && dx * dx + dy * dy <= SIGHT * SIGHT &&
           is_clear(arena, from, to);
}
