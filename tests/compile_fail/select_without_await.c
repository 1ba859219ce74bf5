/* expect: ignoring return value|result unused|value computed is not used */
/* flags: -Wall -Werror=unused-result -Werror=unused-value */
#include <eddy.h>

eddy_frame_of(waits);

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_select(co, NULL, eddy_pause(co), eddy_pause(co));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(waits));
}
