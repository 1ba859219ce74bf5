#include "app.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCRIPTS = 3 };

static const char *const script_names[SCRIPTS] = {"ann", "bob", "eve"};

void headless_seat(struct game *game)
{
    for (int i = 0; i < SCRIPTS; i++) {
        struct thief *thief = thief_seat(game, script_names[i]);
        eddy_detach(eddy_loop_spawn(game->loop, script, .game = game, .me = thief));
    }
}

/* How long each frame's poll of a loop took, in nanoseconds. */
struct times {
    const char *loop;   /* its name */
    const char *budget; /* in words */
    int64_t *taken;
    size_t count;
};

static int64_t timed_poll(struct times *times, eddy_loop *loop, int64_t budget)
{
    int64_t begin = eddy_loop_now(loop);
    int64_t result = eddy_loop_poll_once(loop, 0, budget);

    times->taken[times->count++] = eddy_loop_now(loop) - begin;
    return result;
}

static int64_t timed_step(struct times *times, struct game *game)
{
    int64_t result = game_step(game);

    times->taken[times->count++] = game->poll_took;
    return result;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sorts the times, and prints how many lie below each power of two. */
static void print_times(struct times *times)
{
    size_t i = 0;

    if (times->count == 0) {
        return;
    }
    qsort(times->taken, times->count, sizeof *times->taken, compare);
    for (int64_t limit = EDDY_MICROSECOND; i < times->count; limit *= 2) {
        static const char bar[] = "##################################################";
        size_t begin = i;
        while (i < times->count && times->taken[i] < limit) {
            i++;
        }
        if (i > begin) {
            printf("poll %s below %7" PRId64 " us %7zu %.*s\n", times->loop, limit / 1000,
                   i - begin, (int)(((i - begin) * 50 + times->count - 1) / times->count), bar);
        }
    }
    printf("poll %s p50 %" PRId64 " us, p99 %" PRId64 " us, most %" PRId64 " us, %s\n", times->loop,
           times->taken[times->count / 2] / 1000, times->taken[times->count * 99 / 100] / 1000,
           times->taken[times->count - 1] / 1000, times->budget);
}

static void print_game(const struct game *game)
{
    printf("level %d, %d coins left, after %" PRId64 " ms\n", game->level, game->arena.coins,
           game_now(game) / EDDY_MILLISECOND);
    for (int i = 0; i < MOST_THIEVES; i++) {
        const struct thief *thief = &game->thief[i];
        if (thief->seated) {
            printf("%s %d points, %d lives\n", thief->name, thief->points, thief->lives);
        }
    }
    for (int i = 0; i < game->best_count; i++) {
        printf("best %d %s\n", game->best[i].points, game->best[i].name);
    }
    printf("checksum %016" PRIx64 "\n", game->checksum);
}

/* Waits until as many clients are there as were asked for. */
static int64_t let_clients_in(struct app *app, int port_pipe)
{
    int64_t result = 0;

    if (app->house.port > 0) {
        printf("listening on 127.0.0.1:%d\n", app->house.port);
        fflush(stdout);
    }
    if (port_pipe >= 0 && write(port_pipe, &app->house.port, sizeof app->house.port) < 0) {
        return -errno;
    }
    while (result >= 0 && app->house.server.active < app->options.clients && app->signal == 0) {
        result = eddy_loop_poll_once(app->world, EDDY_SECOND, app->options.budget);
    }
    return result < 0 ? result : 0;
}

/* Each frame is one step of the game, however long it takes: the same seed gives the same game.
 * With nobody to wait for, the frames follow each other at once. */
static int64_t run_frames(struct app *app, struct times *world, struct times *game)
{
    int64_t next = eddy_loop_now(app->world);
    int64_t result = 0;

    for (int64_t i = 0; i < app->options.frames && app->signal == 0 && result >= 0; i++) {
        result = timed_poll(world, app->world, app->options.budget);
        if (result >= 0) {
            result = game_settle(&app->game);
        }
        if (result >= 0) {
            result = timed_step(game, &app->game);
        }
        if (app->house.port > 0) {
            next += STEP;
            sleep_until(next);
        }
        if (result >= 0) {
            result = app_check(app);
        }
    }
    return result < 0 ? result : 0;
}

static int64_t run_and_print(struct app *app, int port_pipe, struct times *world,
                             struct times *game)
{
    int64_t result = let_clients_in(app, port_pipe);

    if (result == 0) {
        result = run_frames(app, world, game);
    }
    if (result < 0) {
        return result;
    }
    if (app->options.clients > 0) {
        printf("clients %" PRIu32 "\n", app->house.server.active);
    }
    print_game(&app->game);
    print_times(world);
    print_times(game);
    fflush(stdout);
    return 0;
}

int64_t headless_run(struct app *app, int port_pipe)
{
    size_t frames = (size_t)app->options.frames;
    char budget[32];
    struct times world = {"world", budget, calloc(frames, sizeof *world.taken), 0};
    struct times game = {"game", "no budget", calloc(frames, sizeof *game.taken), 0};
    int64_t result = -ENOMEM;

    snprintf(budget, sizeof budget, "budget %" PRId64 " us", app->options.budget / 1000);
    if (world.taken != NULL && game.taken != NULL) {
        result = run_and_print(app, port_pipe, &world, &game);
    }
    free(world.taken);
    free(game.taken);
    return result;
}
