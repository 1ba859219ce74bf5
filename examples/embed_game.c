/* Two loops in a game: one for the outside world, on real time; one for what happens in the game,
 * on a clock that the game moves on frame by frame, slows down and stops. Runs for two seconds. */
#include <eddy.h>
#include <stdio.h>

static const int64_t FRAME = EDDY_SECOND / 60;

/* On game time: an hour of the game may take a minute. */
eddy_frame(day_and_night) {
    eddy_coro co;
    int day;
};

static void day_and_night(eddy_coro *co)
{
    eddy_begin(day_and_night);
    for (self->day = 1;; self->day++) {
        printf("day %d\n", self->day);
        eddy_await(eddy_sleep(co, 250 * EDDY_MILLISECOND));
        printf("night %d\n", self->day);
        eddy_await(eddy_sleep(co, 250 * EDDY_MILLISECOND));
    }
    eddy_end;
}

/* On real time: the network goes on while the game is paused. */
eddy_frame(keeps_alive) {
    eddy_coro co;
};

static void keeps_alive(eddy_coro *co)
{
    eddy_begin(keeps_alive);
    for (;;) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 2));
        printf("still there\n");
    }
    eddy_end;
}

/* What the player does, at which frame. */
static void handle_input(eddy_clock *game_clock, int frame)
{
    if (frame == 30) {
        printf("slow motion\n");
        eddy_clock_scale(game_clock, 0.5);
    } else if (frame == 60) {
        printf("pause\n");
        eddy_clock_pause(game_clock);
    } else if (frame == 90) {
        printf("and on\n");
        eddy_clock_resume(game_clock);
        eddy_clock_scale(game_clock, 1);
    }
}

static int64_t play(eddy_loop *world, eddy_loop *game, eddy_clock *game_clock)
{
    int64_t next_frame = eddy_loop_now(world);

    for (int frame = 0; frame < 120; frame++) {
        int64_t result;
        handle_input(game_clock, frame);
        eddy_clock_advance(game_clock, FRAME);
        /* All that the frame made due, in one call: a chain of hand-overs takes no frames. */
        result = eddy_loop_poll_once(game, 0, FRAME / 4);
        /* draw here; what is left of the frame is the network's */
        next_frame += FRAME;
        while (result >= 0 && eddy_loop_now(world) < next_frame) {
            result = eddy_loop_poll_once(world, next_frame - eddy_loop_now(world), FRAME / 4);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int main(void)
{
    eddy_clock game_clock;
    const struct eddy_loop_options game_options = {.clock = &game_clock};
    eddy_loop *world = NULL;
    eddy_loop *game = NULL;
    int64_t result;

    eddy_clock_init(&game_clock, EDDY_CLOCK_MANUAL);
    result = eddy_loop_new(&world, NULL);
    if (result == 0) {
        result = eddy_loop_new(&game, &game_options);
    }
    if (result == 0) {
        eddy_detach(eddy_loop_spawn(world, keeps_alive));
        eddy_detach(eddy_loop_spawn(game, day_and_night));
        result = play(world, game, &game_clock);
    }
    eddy_loop_free(game);
    eddy_loop_free(world);
    return eddy_exit_status(result);
}
