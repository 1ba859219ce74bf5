/* expect: has no member named 'colour'|field designator 'colour' does not refer */
#include <eddy.h>

eddy_frame(paints) {
    eddy_coro co;
    int color;
};

static void paints(eddy_coro *co)
{
    eddy_begin(paints);
    eddy_return(self->color);
    eddy_end;
}

eddy_frame(calls) {
    eddy_coro co;
};

static void calls(eddy_coro *co)
{
    eddy_begin(calls);
    eddy_await(eddy_call(co, paints, .colour = 3));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(calls));
}
