/* Set-up and teardown around a block, however the block is left. */
#include <eddy.h>
#include <stdio.h>

eddy_frame_of(context);

static void context(eddy_coro *co)
{
    eddy_begin(context);
    printf("Entering context...\n");
    eddy_body;
eddy_finally:
    printf("Exiting context...\n");
    eddy_end;
}

eddy_frame_of(use_context);

static void use_context(eddy_coro *co)
{
    eddy_begin(use_context);
    eddy_with(context) {
        printf("Inside the context manager.\n");
    }
    eddy_end;
}

int main(void)
{
    return eddy_exit_status(eddy_run(use_context));
}
