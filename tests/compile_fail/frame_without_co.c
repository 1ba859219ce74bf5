/* expect: no member named '?co|unknown field '?co|has no member named '?co */
#include <eddy.h>

eddy_frame(counts) {
    int count;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    eddy_return(self->count);
    eddy_end;
}

int main(void)
{
    return 0;
}
