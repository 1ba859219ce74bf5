/*
 * The way to the error hook: all that the library has to tell a program, and that no call returns.
 *
 * What is told holds names of the user's and of peers, so it is made printable here, once for all.
 * While the hook runs nothing else is told: it would have to be told of while it is told of, by a
 * hook that need not be ready for that. It may spawn and cancel, but neither poll nor free the loop.
 */
#include <stdarg.h>
#include <stdio.h>

#include "loop/loop_internal.h"

void eddy_loop_report(eddy_loop *loop, eddy_task task, int64_t code, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (loop->reporting) {
        return; /* the hook may not re-enter */
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    eddy_make_printable(text);
    loop->reporting = true;
    if (loop->on_error != NULL) {
        loop->on_error(loop, task, code, text);
    } else {
        fprintf(stderr, "eddy: %s\n", text);
    }
    loop->reporting = false;
}
