/* A game's main loop at 60 frames a second, with eddy's tasks running inside of it. Runs for two
 * seconds. */
#include <eddy.h>
#include <stdio.h>

static const int64_t FRAME = EDDY_SECOND / 60;

eddy_frame(opponent) {
    eddy_coro co;
    int move;
};

static void opponent(eddy_coro *co)
{
    eddy_begin(opponent);
    for (self->move = 1;; self->move++) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 2));
        printf("the opponent makes move %d\n", self->move);
    }
    eddy_end;
}

int main(void)
{
    eddy_loop *loop;
    int64_t next_frame;
    int64_t result = eddy_loop_new(&loop, NULL);

    if (result < 0) {
        fprintf(stderr, "embed_minimal: %s\n", eddy_strerror(result));
        return 1;
    }
    eddy_detach(eddy_loop_spawn(loop, opponent));
    next_frame = eddy_loop_now(loop);
    for (int frame = 0; frame < 120 && result >= 0; frame++) {
        /* update and draw here; then eddy has what is left of the frame */
        next_frame += FRAME;
        while (result >= 0 && eddy_loop_now(loop) < next_frame) {
            result = eddy_loop_poll_once(loop, next_frame - eddy_loop_now(loop), FRAME / 4);
        }
    }
    eddy_loop_free(loop); /* cancels the opponent */
    return eddy_exit_status(result < 0 ? result : 0);
}
