/* expect: ignoring return value */
/* flags: -Werror=unused-result */
#include <eddy.h>

eddy_frame(naps) {
    eddy_coro co;
};

static void naps(eddy_coro *co)
{
    eddy_begin(naps);
    eddy_sleep(co, EDDY_SECOND);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(naps));
}
