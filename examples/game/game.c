#include "game.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t THIEF_PACE = 170 * EDDY_MILLISECOND; /* a tile */
static const int64_t SAFE = 2 * EDDY_SECOND;

int64_t game_init(struct game *game, const char *levels, const char *scores, uint32_t seed)
{
    const struct eddy_loop_options options = {
        .clock = &game->clock, .on_error = game_on_error, .user = game};
    int result;

    memset(game, 0, sizeof *game);
    game->levels = levels;
    game->scores = scores;
    game->random = seed * 2654435761U + 1;
    game->checksum = UINT64_C(0xcbf29ce484222325);
    eddy_clock_init(&game->clock, EDDY_CLOCK_MANUAL);
    result = eddy_loop_new(&game->loop, &options);
    if (result == 0) {
        game->referee = eddy_loop_spawn(game->loop, referee, .game = game);
    }
    return result;
}

void game_fini(struct game *game)
{
    eddy_loop_free(game->loop); /* ends the referee, and he the guards */
}

void game_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    struct game *game = eddy_loop_user(loop);

    (void)task;
    (void)code;
    if (game->on_screen) {
        game_say(game, "%s", text);
    } else {
        fprintf(stderr, "game_loop: %s\n", text);
    }
}

int64_t game_now(const struct game *game)
{
    return game->clock.now;
}

/* A linear congruential generator: the same seed gives the same game everywhere. */
unsigned game_random(struct game *game, unsigned below)
{
    game->random = game->random * 1664525U + 1013904223U;
    return (game->random >> 16) % below;
}

void copy_text(char *to, size_t size, const char *from, size_t length)
{
    size_t i;

    for (i = 0; i < length && i + 1 < size && from[i] != '\0'; i++) {
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    }
    to[i] = '\0';
}

void game_say(struct game *game, const char *format, ...)
{
    char text[2 * NEWS_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memmove(game->news[0], game->news[1], sizeof game->news - sizeof game->news[0]);
    copy_text(game->news[MOST_NEWS - 1], NEWS_SIZE, text, sizeof text);
}

/* ---- walkers */

void walker_place(struct walker *walker, struct place place)
{
    *walker = (struct walker){.from = place, .to = place, .facing = RIGHT};
}

void walker_go(struct game *game, struct walker *walker, enum direction direction, int64_t pace)
{
    walker->from = walker->to;
    walker->left = game_now(game);
    walker->arrives = walker->left + pace;
    if (direction != STAY) {
        walker->facing = direction;
        walker->to = place_beside(walker->to, direction);
    }
}

/* In whole numbers, so that it is the same on every machine. */
struct place walker_at(const struct walker *walker, int64_t now)
{
    struct place at = {walker->to.x * TILE, walker->to.y * TILE};

    if (now < walker->arrives) {
        int64_t whole = walker->arrives - walker->left;
        int64_t rest = now > walker->left ? walker->arrives - now : whole;
        at.x -= (int)((walker->to.x - walker->from.x) * TILE * rest / whole);
        at.y -= (int)((walker->to.y - walker->from.y) * TILE * rest / whole);
    }
    return at;
}

/* ---- thieves */

bool thief_plays(const struct thief *thief)
{
    return thief->seated && thief->lives > 0;
}

void thief_start(struct game *game, struct thief *thief)
{
    int starts = game->arena.starts;
    struct place place = {1, 1};

    if (starts > 0) {
        place = game->arena.start[(thief - game->thief) % starts];
    }
    walker_place(&thief->walker, place);
    thief->wish = STAY;
    thief->safe_until = game_now(game) + SAFE;
}

struct thief *thief_seat(struct game *game, const char *name)
{
    for (int i = 0; i < MOST_THIEVES; i++) {
        struct thief *thief = &game->thief[i];
        if (!thief->seated) {
            *thief = (struct thief){.seated = true, .lives = LIVES};
            copy_text(thief->name, sizeof thief->name, name, MOST_NAME);
            thief_start(game, thief);
            return thief;
        }
    }
    return NULL;
}

/* A guest who does not read what he is told is thrown out, so that nobody waits for him. */
void thief_tell(struct thief *thief, const char *text)
{
    int64_t length = (int64_t)strlen(text);

    if (thief->stream != NULL && eddy_try_write(thief->stream, text, (size_t)length) != length) {
        eddy_cancel(thief->task);
    }
}

/* He goes on until there is a wall; he turns where he wants to as soon as he can. */
static void thief_walk(struct game *game, struct thief *thief)
{
    struct walker *walker = &thief->walker;
    const struct arena *arena = &game->arena;

    if (game_now(game) < walker->arrives || thief->wish == STAY) {
        return;
    }
    if (arena_is_open(arena, place_beside(walker->to, thief->wish))) {
        walker_go(game, walker, thief->wish, THIEF_PACE);
    } else if (arena_is_open(arena, place_beside(walker->to, walker->facing)) &&
               walker->arrives != 0) { /* he is under way, and not at the start */
        walker_go(game, walker, walker->facing, THIEF_PACE);
    } else {
        thief->wish = STAY;
    }
}

static void thief_collect(struct game *game, struct thief *thief)
{
    const struct walker *walker = &thief->walker;
    char *tile = &game->arena.tile[walker->to.y][walker->to.x];
    char text[40];

    if (*tile == '$' && game_now(game) >= walker->arrives) {
        *tile = ' ';
        game->arena.coins--;
        thief->points += 10;
        snprintf(text, sizeof text, "a coin: %d points\n", thief->points);
        thief_tell(thief, text);
    }
}

/* Whether a guard is so near that he reaches him: two thirds of a tile. */
static bool is_caught(const struct game *game, const struct thief *thief)
{
    struct place at = walker_at(&thief->walker, game_now(game));

    for (int i = 0; i < game->arena.guards; i++) {
        struct place guard = walker_at(&game->guard[i].walker, game_now(game));
        int dx = guard.x - at.x;
        int dy = guard.y - at.y;
        if (9 * (dx * dx + dy * dy) < 4 * TILE * TILE) {
            return true;
        }
    }
    return false;
}

static void thief_caught(struct game *game, struct thief *thief)
{
    thief->lives--;
    game_say(game, "%s is caught%s", thief->name, thief->lives > 0 ? "" : ", and out");
    thief_tell(thief, thief->lives > 0 ? "caught!\n" : "caught, and out\n");
    thief_start(game, thief);
}

/* ---- a step */

static void note(struct game *game, int64_t value)
{
    game->checksum = (game->checksum ^ (uint64_t)value) * UINT64_C(0x100000001b3);
}

static void note_all(struct game *game)
{
    for (int i = 0; i < game->arena.guards; i++) {
        note(game, game->guard[i].walker.to.x * 100 + game->guard[i].walker.to.y);
    }
    for (int i = 0; i < MOST_THIEVES; i++) {
        note(game, game->thief[i].walker.to.x * 100 + game->thief[i].walker.to.y);
        note(game, game->thief[i].points * 10 + game->thief[i].lives);
    }
}

static void play(struct game *game)
{
    bool anybody = false;

    for (int i = 0; i < MOST_THIEVES; i++) {
        struct thief *thief = &game->thief[i];
        if (!thief_plays(thief)) {
            continue;
        }
        thief_collect(game, thief); /* where he has arrived, before he goes on */
        thief_walk(game, thief);
        if (game_now(game) >= thief->safe_until && is_caught(game, thief)) {
            thief_caught(game, thief);
        }
        anybody = anybody || thief_plays(thief);
    }
    if (game->arena.coins == 0 || !anybody) {
        eddy_event_set(&game->level_over);
    }
    note_all(game);
}

static int64_t real_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * EDDY_SECOND + now.tv_nsec;
}

/* The budget is endless, for it is real time: with another one the same seed would give another
 * game on a slower machine. There is an end to it because nobody here awaits in circles. */
int64_t game_step(struct game *game)
{
    bool plays = !game->waits && game->banner == NULL;
    int64_t begin, result;

    game->stepped_from = game_now(game);
    if (!game->waits) {
        eddy_clock_advance(&game->clock, STEP);
    }
    begin = real_now();
    result = eddy_loop_poll_once(game->loop, 0, EDDY_FOREVER);
    game->poll_took = real_now() - begin;
    /* A level that begins in this poll is played from the next step on, whether it was there at
     * once or had to be waited for. */
    if (result >= 0 && plays && game_now(game) != game->stepped_from) {
        play(game);
    }
    return result;
}

int64_t game_settle(struct game *game)
{
    int64_t result = eddy_loop_poll_once(game->loop, 0, EDDY_FOREVER);

    while (result >= 0 && game->waits && !eddy_task_done(game->referee)) {
        result = eddy_loop_poll_once(game->loop, EDDY_SECOND, EDDY_FOREVER);
    }
    return result;
}
