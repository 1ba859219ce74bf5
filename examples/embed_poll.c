/* A main loop of somebody else's around poll(2), with eddy inside of it: one more fd to sleep on.
 * Echoes the lines of standard input, and ends with it; meanwhile a task counts the seconds. */
#include <eddy.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

eddy_frame(counts_seconds) {
    eddy_coro co;
    int i;
};

static void counts_seconds(eddy_coro *co)
{
    eddy_begin(counts_seconds);
    for (self->i = 1;; self->i++) {
        eddy_await(eddy_sleep(co, EDDY_SECOND));
        printf("%d s\n", self->i);
        fflush(stdout);
    }
    eddy_end;
}

/* One line of the program's own business; false at its end. */
static bool echo_input(void)
{
    char buffer[1024];
    ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);

    return count > 0 && write(STDOUT_FILENO, buffer, (size_t)count) == count;
}

static int64_t main_loop(eddy_loop *loop)
{
    /* With EDDY_LOOP_TIMERFD "readable" is the whole truth: poll needs no time-out. */
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = eddy_loop_fd(loop), .events = POLLIN},
    };

    while (poll(fds, 2, -1) >= 0) {
        if (fds[0].revents != 0 && !echo_input()) {
            return 0;
        }
        if (fds[1].revents != 0) {
            int64_t result = eddy_loop_poll_once(loop, 0, 5 * EDDY_MILLISECOND);
            if (result < 0) {
                return result;
            }
        }
    }
    return -errno;
}

int main(void)
{
    const struct eddy_loop_options options = {.flags = EDDY_LOOP_TIMERFD};
    eddy_loop *loop;
    int64_t result = eddy_loop_new(&loop, &options);

    if (result == 0) {
        eddy_detach(eddy_loop_spawn(loop, counts_seconds));
        result = main_loop(loop);
        eddy_loop_free(loop); /* cancels the task */
    }
    return eddy_exit_status(result);
}
