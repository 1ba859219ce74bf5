/* expect: dangling-else */
/* flags: -Wall -Werror */
#include <eddy.h>

eddy_frame(pauses) {
    eddy_coro co;
    int times;
};

static void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    if (self->times > 0)
        eddy_except(-EIO, eddy_pause(co)) {
            self->times = 0;
        }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(pauses));
}
