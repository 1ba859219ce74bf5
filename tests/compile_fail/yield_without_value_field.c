/* expect: has no member named 'value'|no member named 'value' */
#include <eddy.h>

eddy_frame(generates) {
    eddy_coro co;
};

static void generates(eddy_coro *co)
{
    eddy_begin(generates);
    eddy_yield(1);
    eddy_end;
}

int main(void)
{
    return 0;
}
