/* A plain local that is used behind an await: eddy::lint warns of it. */
#include <eddy.h>

eddy_frame(naps) {
    eddy_coro co;
    int64_t from;
};

static void naps(eddy_coro *co)
{
    eddy_begin(naps);
    int64_t next = self->from + 1; /* it belongs into the frame */
    eddy_await(eddy_sleep(co, next));
    eddy_await(eddy_sleep(co, next));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(naps, .from = 1));
}
