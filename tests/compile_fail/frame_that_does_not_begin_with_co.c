/* expect: a frame begins with `eddy_coro co;` */
#include <eddy.h>

eddy_frame(counts) {
    int count;
    eddy_coro co;
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
