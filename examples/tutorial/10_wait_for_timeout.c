/* A time-out around a coroutine that is no task. */
#include <eddy.h>
#include <stdio.h>

eddy_frame_of(eternity);

static void eternity(eddy_coro *co)
{
    eddy_begin(eternity);
    eddy_await(eddy_sleep(co, 3600 * EDDY_SECOND));
    printf("This line will never be reached\n");
    eddy_end;
}

eddy_frame_of(wait_a_second);

static void wait_a_second(eddy_coro *co)
{
    eddy_begin(wait_a_second);
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, 1 * EDDY_SECOND, eddy_call(co, eternity))) {
        printf("The coroutine took too long!\n");
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(wait_a_second));
}
