#include "draw.h"

#include <stdio.h>
#include <string.h>

#include "screen.h"

/* A tile is two columns wide and a row high, so that it is about square, and walkers move by half
 * tiles. */
struct view {
    const struct game *game;
    const struct thief *me;
    int64_t now;     /* what the picture shows: between the last two steps */
    int x, y;        /* where the arena's corner is on the screen */
    int top, bottom; /* the rows that belong to it */
};

enum { DARK = 16, WALL = 240, FLOOR = 234, LIGHT = 58, GOLD = 220, ALARM = 196, CALM = 80 };

static const int thief_colours[] = {46, 51, 213, 208, 118, 141};

/* Where a thing of size `size` begins in `room`, so that `focus` can be seen. */
static int scroll(int size, int room, int focus)
{
    int begin;

    if (size <= room) {
        return (room - size) / 2;
    }
    begin = room / 2 - focus;
    begin = begin > 0 ? 0 : begin;
    return begin < room - size ? room - size : begin;
}

static void put(const struct view *view, int x, int y, char glyph, int colour, int back)
{
    if (y + view->y >= view->top && y + view->y < view->bottom) {
        screen_put(x + view->x, y + view->y, glyph, colour, back);
    }
}

/* Whether a guard sees the tile: it is lit. */
static bool is_lit(const struct game *game, struct place place)
{
    for (int i = 0; i < game->arena.guards; i++) {
        const struct walker *walker = &game->guard[i].walker;
        if (arena_sees(&game->arena, walker->to, walker->facing, place)) {
            return true;
        }
    }
    return false;
}

static void draw_arena(const struct view *view)
{
    const struct arena *arena = &view->game->arena;

    for (int y = 0; y < arena->height; y++) {
        for (int x = 0; x < arena->width; x++) {
            char tile = arena->tile[y][x];
            int floor = is_lit(view->game, (struct place){x, y}) ? LIGHT : FLOOR;
            int back = tile == '#' ? WALL : floor;
            put(view, 2 * x, y, tile, tile == '#' ? WALL + 4 : GOLD, back);
            put(view, 2 * x + 1, y, tile == '#' ? '#' : ' ', tile == '#' ? WALL + 4 : GOLD, back);
        }
    }
}

/* A letter, and beside it in which direction he looks, or what he thinks. */
static void draw_walker(const struct view *view, const struct walker *walker, char letter,
                        char thought, int colour)
{
    struct place at = walker_at(walker, view->now);
    int x = (2 * at.x + TILE / 2) / TILE;
    int y = (at.y + TILE / 2) / TILE;
    bool left = walker->facing == LEFT;

    put(view, left ? x + 1 : x, y, letter, DARK, colour);
    put(view, left ? x : x + 1, y, thought != 0 ? thought : " ^v<>"[walker->facing], DARK, colour);
}

static void draw_walkers(const struct view *view)
{
    const struct game *game = view->game;

    for (int i = 0; i < MOST_THIEVES; i++) {
        const struct thief *thief = &game->thief[i];
        bool blinks =
            game_now(game) < thief->safe_until && game_now(game) / (EDDY_SECOND / 8) % 2 == 0;
        if (thief_plays(thief) && !blinks) {
            draw_walker(view, &thief->walker, thief == view->me ? '@' : thief->name[0], 0,
                        thief_colours[i % 6]);
        }
    }
    for (int i = 0; i < game->arena.guards; i++) {
        const struct guard *guard = &game->guard[i];
        draw_walker(view, &guard->walker, 'G', "\0!!?"[guard->mood],
                    guard -> mood == PATROLS ? CALM : ALARM);
    }
}

static void draw_status(const struct view *view)
{
    const struct game *game = view->game;
    char text[80];
    int x;

    snprintf(text, sizeof text, "HEIST  level %d  coins %d ", game->level, game->arena.coins);
    screen_print(0, 0, 15, DARK, text);
    x = (int)strlen(text);
    for (int i = 0; i < MOST_THIEVES; i++) {
        const struct thief *thief = &game->thief[i];
        if (thief->seated) {
            int length = snprintf(text, sizeof text, " %s %d %.*s ", thief->name, thief->points,
                                  thief->lives, "***");
            screen_print(x, 0, thief_colours[i % 6], DARK, text);
            x += length;
        }
    }
    if (game->clock.paused || game->clock.scale < 1) {
        const char *how = game->clock.paused ? " PAUSED " : " SLOW ";
        screen_print(screen_width() - (int)strlen(how), 0, DARK, GOLD, how);
    }
}

static void print_centred(int y, int colour, int back, const char *text)
{
    screen_print((screen_width() - (int)strlen(text)) / 2, y, colour, back, text);
}

static void draw_banner(const struct game *game)
{
    int y = screen_height() / 2 - 2;
    char text[80];
    bool over;

    if (game->banner == NULL || *game->banner == '\0') {
        return;
    }
    snprintf(text, sizeof text, "  %s  ", game->banner);
    print_centred(y, DARK, GOLD, text);
    over = game->banner[0] != 'L';
    for (int i = 0; over && i < game->best_count && i < 8; i++) {
        snprintf(text, sizeof text, "  %6d  %-15s  ", game->best[i].points, game->best[i].name);
        print_centred(y + 1 + i, 15, FLOOR, text);
    }
}

void draw(const struct game *game, const struct thief *me, int port, int64_t now)
{
    struct view view = {.game = game, .me = me, .now = now, .top = 1};
    char text[120];

    view.bottom = screen_height() - MOST_NEWS - 1;
    view.x = scroll(2 * game->arena.width, screen_width(), 2 * me->walker.to.x);
    view.y = view.top + scroll(game->arena.height, view.bottom - view.top, me->walker.to.y);
    screen_clear();
    draw_arena(&view);
    draw_walkers(&view);
    draw_status(&view);
    draw_banner(game);
    for (int i = 0; i < MOST_NEWS; i++) {
        screen_print(0, view.bottom + i, 250, DARK, game->news[i]);
    }
    snprintf(text, sizeof text, "arrows, hjkl go  space stop  p pause  s slow  q quit");
    if (port > 0) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "  join: nc 127.0.0.1 %d", port);
    }
    screen_print(0, screen_height() - 1, 244, DARK, text);
    screen_show();
}
