/* An error that is raised after a suspension reaches the awaiter, with its text. */
#include <eddy.h>
#include <stdio.h>

/* codes from here down are the program's own */
static const int64_t SOMETHING_BAD = EDDY_ERROR_USER;

eddy_frame_of(fail);

static void fail(eddy_coro *co)
{
    eddy_begin(fail);
    eddy_await(eddy_sleep(co, 1 * EDDY_SECOND));
    eddy_fail(co, SOMETHING_BAD, "Something bad happened!");
    eddy_end;
}

eddy_frame_of(catch_it);

static void catch_it(eddy_coro *co)
{
    eddy_begin(catch_it);
    eddy_except(SOMETHING_BAD, eddy_call(co, fail)) {
        printf("Caught an exception: %s\n", eddy_error(co)->text);
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(catch_it));
}
