/* expect: a field of the frame is aligned to more than EDDY_FRAME_ALIGNMENT */
#include <eddy.h>

eddy_frame(counts) {
    eddy_coro co;
    _Alignas(32) int count;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    eddy_return(self->count);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(counts, .count = 10));
}
