/* expect: ignoring return value|result unused|value computed is not used */
/* flags: -Wall -Werror=unused-result -Werror=unused-value */
#include <eddy.h>

eddy_frame(parent) {
    eddy_coro co;
};

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    eddy_wait_for(co, EDDY_SECOND, eddy_pause(co));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(parent));
}
