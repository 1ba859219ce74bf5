/*
 * A game for a terminal, that embeds eddy: thieves, guards, and others who join by nc.
 *
 *     game_loop [--name NAME] [--port PORT] [--headless FRAMES] ...        --help tells of all
 *
 * Collect the coins. Guards light up what they see; who is seen is chased, and who is caught begins
 * anew, three times. The main loop is the game's, at 60 frames a second, and polls two loops of
 * eddy's: the outside world (keys, guests, signals) on real time and with a budget, and the game on
 * its own time, which it can stop and slow down. The opponents are in game/guards.c; game/game.h
 * tells of the rest.
 */
#define _GNU_SOURCE
#include <eddy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "game/app.h"
#include "game/draw.h"
#include "game/screen.h"

#define ENDING (EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM) | EDDY_SIGNAL(SIGHUP))
#define TERMINAL (EDDY_SIGNAL(SIGWINCH) | EDDY_SIGNAL(SIGTSTP) | EDDY_SIGNAL(SIGCONT))

static const int64_t MOST_LAG = EDDY_SECOND / 4; /* after a longer gap the game does not catch up */

/* ---- signals, in the loop of the outside world */

eddy_frame(await_end) {
    eddy_coro co;
    struct app *app;
};

static void await_end(eddy_coro *co)
{
    eddy_begin(await_end);
    eddy_await(self->app->signal, eddy_signal_wait(co, ENDING));
    eddy_end;
}

eddy_frame(watch_terminal) {
    eddy_coro co;
    struct app *app;
    int number;
};

static void watch_terminal(eddy_coro *co)
{
    eddy_begin(watch_terminal);
    for (;;) {
        eddy_await(self->number, eddy_signal_wait(co, TERMINAL));
        self->app->terminal |= EDDY_SIGNAL(self->number);
    }
    eddy_end;
}

/* Between two frames: the window has another size, Ctrl-Z, or the game goes on after that. */
static int64_t see_to_terminal(struct app *app)
{
    uint64_t came = app->terminal;

    app->terminal = 0;
    if ((came & EDDY_SIGNAL(SIGTSTP)) != 0) {
        screen_suspend();
    }
    if ((came & EDDY_SIGNAL(SIGCONT)) != 0) {
        return screen_resume();
    }
    return (came & EDDY_SIGNAL(SIGWINCH)) != 0 ? screen_resize() : 0;
}

/* ---- frames */

void sleep_until(int64_t time)
{
    struct timespec until = {.tv_sec = (time_t)(time / EDDY_SECOND),
                             .tv_nsec = (long)(time % EDDY_SECOND)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

/* Runs as many steps as the time since the last frame makes; what is left over stays in *lag. */
static int64_t catch_up(struct app *app, int64_t passed, int64_t *lag)
{
    int64_t result = 0;

    *lag = *lag + passed > MOST_LAG ? MOST_LAG : *lag + passed;
    for (; *lag >= STEP && result >= 0; *lag -= STEP) {
        result = game_step(&app->game);
    }
    return result < 0 ? result : app_check(app);
}

/* The picture is a step late, so that it lies between two that are known: what is left over of the
 * time says where. In slow motion the steps are shorter, and so is that. */
static void draw_between(const struct app *app, int64_t lag)
{
    int64_t step = game_now(&app->game) - app->game.stepped_from;

    draw(&app->game, app->me, app->house.port, app->game.stepped_from + step * lag / STEP);
}

static int64_t frames(struct app *app, eddy_task keys_task)
{
    int64_t last = eddy_loop_now(app->world);
    int64_t next = last;
    int64_t lag = 0;
    int64_t result = 0;

    while (result >= 0 && app->signal == 0 && !eddy_task_done(keys_task)) {
        int64_t now = eddy_loop_now(app->world);
        result = eddy_loop_poll_once(app->world, 0, app->options.budget);
        if (result >= 0) {
            result = see_to_terminal(app);
        }
        if (result >= 0) {
            result = catch_up(app, now - last, &lag);
        }
        last = now;
        draw_between(app, lag);
        next = next + STEP > now ? next + STEP : now;
        sleep_until(next);
    }
    return result < 0 ? result : 0;
}

static int64_t run_on_terminal(struct app *app)
{
    int64_t result = screen_open();
    eddy_task keys_task;

    if (result < 0) {
        return result;
    }
    app->game.on_screen = true;
    keys_task = eddy_loop_spawn(app->world, keys, .game = &app->game, .me = app->me);
    eddy_detach(eddy_loop_spawn(app->world, watch_terminal, .app = app));
    result = frames(app, keys_task);
    screen_close();
    app->game.on_screen = false;
    return result;
}

/* ---- the beginning and the end */

int64_t app_check(struct app *app)
{
    if (eddy_task_done(app->game.referee)) {
        return eddy_loop_run_until(app->game.loop, app->game.referee);
    }
    if (app->house_task.record != NULL && eddy_task_done(app->house_task)) {
        return eddy_loop_run_until(app->world, app->house_task);
    }
    return 0;
}

static void take_seats(struct app *app)
{
    if (app->options.frames > 0) {
        headless_seat(&app->game);
    } else {
        app->me = thief_seat(&app->game, app->options.name);
    }
}

/* Until the house is open and the first level there: what is wrong with them shows here. */
static int64_t start(struct app *app)
{
    const struct eddy_loop_options options = {.on_error = game_on_error, .user = &app->game};
    int64_t result = eddy_loop_new(&app->world, &options);

    app->house.game = &app->game;
    if (result == 0) {
        /* Before there are threads, which inherit what is blocked. */
        result = eddy_signal_watch(app->world, ENDING | (app->options.frames > 0 ? 0 : TERMINAL));
    }
    if (result == 0) {
        eddy_detach(eddy_loop_spawn(app->world, await_end, .app = app));
        result = game_init(&app->game, app->options.levels, app->options.scores, app->options.seed);
    }
    if (result == 0) { /* before guests come and take all seats */
        take_seats(app);
    }
    if (result == 0 && (app->options.port > 0 || app->options.clients > 0)) {
        app->house_task = eddy_loop_spawn(app->world, open_house, .house = &app->house,
                                          .port = app->options.port);
        result = eddy_loop_poll_once(app->world, 0, 0); /* an address, no name: it binds at once */
    }
    if (result >= 0) {
        result = game_settle(&app->game);
    }
    return result < 0 ? result : app_check(app);
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int64_t run(struct app *app, int port_pipe)
{
    int64_t result = start(app);

    if (result == 0) {
        result = app->options.frames > 0 ? headless_run(app, port_pipe) : run_on_terminal(app);
    }
    game_fini(&app->game);
    eddy_loop_free(app->world);
    return result;
}

static void say_what_failed(const struct app *app, int64_t error)
{
    if (error == -EADDRINUSE || error == -EACCES) {
        fprintf(stderr, "game_loop: --port %d: ", app->options.port);
    } else if (error == -ENOTTY) {
        fprintf(stderr, "game_loop: it needs a terminal, or --headless: ");
    } else if (app->game.problem[0] != '\0') {
        fprintf(stderr, "game_loop: %s: %s\n", app->options.levels, app->game.problem);
        return;
    } else if (error == -ENOENT) {
        fprintf(stderr, "game_loop: %s/1.txt: ", app->options.levels);
    } else {
        fprintf(stderr, "game_loop: ");
    }
    fprintf(stderr, "%s\n", eddy_strerror(error));
}

int main(int argc, char **argv)
{
    static struct app app;
    int port_pipe = -1;
    int64_t chatter = 0;
    int64_t result;
    int status = options_parse(&app.options, argc, argv);

    if (status >= 0) {
        return status;
    }
    raise_file_limit();
    if (app.options.clients > 0) {
        chatter = chatter_start(app.options.clients, &port_pipe);
    }
    result = chatter < 0 ? chatter : run(&app, port_pipe);
    if (chatter > 0) {
        kill((pid_t)chatter, SIGKILL);
        waitpid((pid_t)chatter, NULL, 0);
    }
    if (result < 0) {
        say_what_failed(&app, result);
    } else if (app.signal != 0) {
        raise(app.signal); /* to end as whoever sent it expects */
    }
    return eddy_exit_status(result);
}
