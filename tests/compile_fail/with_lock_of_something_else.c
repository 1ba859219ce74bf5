/* expect: incompatible pointer type */
/* flags: -Werror=incompatible-pointer-types */
#include <eddy.h>

static eddy_semaphore semaphore = {.permits = 1};

eddy_frame(takes_turns) {
    eddy_coro co;
};

static void takes_turns(eddy_coro *co)
{
    eddy_begin(takes_turns);
    eddy_with_lock(&semaphore) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(takes_turns));
}
