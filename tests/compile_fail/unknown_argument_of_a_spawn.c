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

int main(void)
{
    return eddy_exit_status(eddy_run(paints, .colour = 3));
}
