/* expect: 'next' may be used uninitialized */
/* flags: -O2 -Werror=maybe-uninitialized */
/* compiler: gcc */
#include <eddy.h>

eddy_frame(counts) {
    eddy_coro co;
    int from;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    int next = self->from + 1; /* lost at the await: it belongs into the frame */
    eddy_await(eddy_pause(co));
    eddy_return(next);
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(counts, .from = 1));
}
