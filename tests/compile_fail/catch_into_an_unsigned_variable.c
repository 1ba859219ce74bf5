/* expect: eddy_catch needs a signed variable, for the errors */
#include <eddy.h>

eddy_frame(catches) {
    eddy_coro co;
    size_t size;
};

static void catches(eddy_coro *co)
{
    eddy_begin(catches);
    eddy_catch(self->size, eddy_sleep(co, 1));
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(catches));
}
