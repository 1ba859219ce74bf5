/* expect: an item is aligned to more than EDDY_FRAME_ALIGNMENT */
#include <eddy.h>

struct line {
    _Alignas(64) char bytes[64];
};

eddy_frame(waits) {
    eddy_coro co;
    eddy_queue queue;
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->queue, struct line));
eddy_finally:
    eddy_queue_fini(&self->queue);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(waits));
}
