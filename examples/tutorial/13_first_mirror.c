/* The first of three mirrors that answers; all of them share one login. */
#include <eddy.h>
#include <stdio.h>
#include <string.h>

static const int64_t IS_DOWN = EDDY_ERROR_USER;

eddy_frame_of(log_in);

static void log_in(eddy_coro *co)
{
    eddy_begin(log_in);
    puts("logging in");
    fflush(stdout);
    eddy_await(eddy_sleep(co, 500 * EDDY_MILLISECOND));
    eddy_return(7);
    eddy_end;
}

eddy_frame_of(fetch, eddy_task session, const char *mirror, int64_t delay, int token);

static void fetch(eddy_coro *co)
{
    eddy_begin(fetch);
    eddy_await(self->token, eddy_task_wait(co, self->session));
    eddy_await(eddy_sleep(co, self->delay));
    if (strcmp(self->mirror, "near") == 0) {
        eddy_fail(co, IS_DOWN, "%s is down", self->mirror);
    }
    eddy_return(self->token * 100);
    eddy_end;
}

enum { MIRRORS = 3 };

eddy_frame(first_mirror) {
    eddy_coro co;
    eddy_task session, pending[MIRRORS];
    int left, done, number;
    int64_t error;
};

static void first_mirror(eddy_coro *co)
{
    eddy_begin(first_mirror);
    self->session = eddy_spawn(co, log_in);
    self->pending[0] =
        eddy_spawn(co, fetch, .session = self->session, .mirror = "near", .delay = EDDY_SECOND / 2);
    self->pending[1] =
        eddy_spawn(co, fetch, .session = self->session, .mirror = "far", .delay = EDDY_SECOND);
    self->pending[2] =
        eddy_spawn(co, fetch, .session = self->session, .mirror = "last", .delay = 5 * EDDY_SECOND);
    for (self->left = MIRRORS; self->left > 0;) {
        eddy_await(eddy_wait_tasks(co, self->pending, (size_t)self->left, EDDY_WAIT_FIRST));
        for (self->done = 0; !eddy_task_done(self->pending[self->done]); self->done++) {}
        eddy_try(self->error) {
            eddy_await(self->number, eddy_join(co, self->pending[self->done]));
            printf("%d bytes\n", self->number);
            break;
        }
        if (self->error != IS_DOWN) {
            eddy_return(self->error);
        }
        printf("%s, waiting for the others\n", eddy_error(co)->text);
        fflush(stdout);
        self->pending[self->done] = self->pending[--self->left];
    }
    for (int i = 0; i < self->left; i++) {
        (void)eddy_cancel(self->pending[i]); /* -ESRCH of the one that has won: never mind */
    }
    eddy_await(self->number, eddy_task_wait(co, self->session));
    printf("session %d ends\n", self->number);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(first_mirror));
}
