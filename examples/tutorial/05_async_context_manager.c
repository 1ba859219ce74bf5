/* Set-up and teardown around a block, however the block is left. */
#include <eddy.h>
#include <stdio.h>

eddy_frame(context) {
    eddy_coro co;
};

static void context(eddy_coro *co)
{
    eddy_begin(context);
    printf("Entering context...\n");
    eddy_body;
eddy_finally:
    printf("Exiting context...\n");
    eddy_end;
}

eddy_frame(use_context) {
    eddy_coro co;
};

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
