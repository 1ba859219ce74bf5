/* expect: duplicate case value */
#include <eddy.h>

eddy_frame(waits_twice) {
    eddy_coro co;
};

static void waits_twice(eddy_coro *co)
{
    eddy_begin(waits_twice);
    /* clang-format off */
    eddy_await(eddy_pause(co)); eddy_await(eddy_pause(co));
    /* clang-format on */
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(waits_twice));
}
