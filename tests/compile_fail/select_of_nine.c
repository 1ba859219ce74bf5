/* expect: eddy_select_takes_two_to_eight_operations */
#include <eddy.h>

eddy_frame_of(waits);

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_select(co, NULL, eddy_pause(co), eddy_pause(co), eddy_pause(co), eddy_pause(co),
                           eddy_pause(co), eddy_pause(co), eddy_pause(co), eddy_pause(co),
                           eddy_pause(co)));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(waits));
}
