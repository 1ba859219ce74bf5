/* expect: the frame is larger than EDDY_FRAME_MOST */
#include <eddy.h>

eddy_frame(fills) {
    eddy_coro co;
    char bytes[1 << 20];
};

static void fills(eddy_coro *co)
{
    eddy_begin(fills);
    eddy_return(self->bytes[0]);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(fills));
}
