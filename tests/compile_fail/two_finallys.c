/* expect: duplicate case value */
#include <eddy.h>

eddy_frame(cleans) {
    eddy_coro co;
};

static void cleans(eddy_coro *co)
{
    eddy_begin(cleans);
eddy_finally:
    eddy_await(eddy_pause(co));
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(cleans));
}
