/* expect: expected declaration or statement at end of input|expected '}' */
#include <eddy.h>

eddy_frame(pauses) {
    eddy_coro co;
};

static void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    eddy_await(eddy_pause(co));
}

int main(void)
{
    return eddy_exit_status(eddy_run(pauses));
}
