/* eddy inside a loop of libuv. */
#include "support/embed.h"

#include <uv.h>

static uv_loop_t loop;
static uv_poll_t poller;
static uv_timer_t soon;

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    embed_poll();
}

static void foreign_open(int fd)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &soon), 0);
    assert_int_equal(uv_poll_init(&loop, &poller, fd), 0);
    assert_int_equal(uv_poll_start(&poller, UV_READABLE, on_readable), 0);
}

static void on_soon(uv_timer_t *handle)
{
    (void)handle;
    embed_called();
}

static void foreign_call_soon(void)
{
    assert_int_equal(uv_timer_start(&soon, on_soon, 0, 0), 0);
}

static void foreign_quit(void)
{
    uv_stop(&loop);
}

static void foreign_run(void)
{
    (void)uv_run(&loop, UV_RUN_DEFAULT);
}

static void foreign_close(void)
{
    uv_close((uv_handle_t *)&poller, NULL);
    uv_close((uv_handle_t *)&soon, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* libuv opens fds for the process at its first use, and keeps them. */
static int set_up_uv(void **state)
{
    (void)state;
    return uv_loop_init(&loop) == 0 && uv_loop_close(&loop) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {EMBED_CASES};

    return cmocka_run_group_tests(tests, set_up_uv, NULL);
}
