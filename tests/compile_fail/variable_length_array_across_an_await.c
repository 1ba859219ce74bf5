/* expect: variably modified type|cannot jump from switch statement */
#include <eddy.h>

eddy_frame(fills) {
    eddy_coro co;
    int count;
};

static void fills(eddy_coro *co)
{
    eddy_begin(fills);
    char buffer[self->count];
    buffer[0] = 'x';
    eddy_await(eddy_pause(co));
    eddy_return(buffer[0]);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(fills, .count = 10));
}
