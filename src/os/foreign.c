/*
 * The callback floor by numbers, for callers that cannot read the headers.
 *
 * One table instead of a function for each struct and question: a binding asks once, when it is loaded, and
 * a struct that grows does not break it. The numbers are the interface, so they are written down in
 * the header and never change.
 */
#include "eddy/foreign.h"

#include <errno.h>

#include "eddy/callback.h"
#include "eddy/io.h"
#include "eddy/signal.h"
#include "eddy/timer.h"

enum { STRUCTS = EDDY_STRUCT_SIGNAL + 1 };

#define ROW(type)                          \
    {                                      \
        sizeof(type), offsetof(type, user) \
    }

static const struct {
    size_t size;
    size_t user;
} structs[STRUCTS] = {
    [EDDY_STRUCT_LOOP_OPTIONS] = ROW(struct eddy_loop_options),
    [EDDY_STRUCT_IO] = ROW(eddy_io),
    [EDDY_STRUCT_TIMER] = ROW(eddy_timer),
    [EDDY_STRUCT_CALLBACK] = ROW(eddy_callback),
    [EDDY_STRUCT_HOOK] = ROW(eddy_hook),
    [EDDY_STRUCT_SIGNAL] = ROW(eddy_signal),
};

size_t eddy_struct_size(int which)
{
    return which >= 0 && which < STRUCTS ? structs[which].size : 0;
}

size_t eddy_struct_user(int which)
{
    return which >= 0 && which < STRUCTS ? structs[which].user : 0;
}

int eddy_struct_started(int which, const void *object)
{
    switch (which) {
    case EDDY_STRUCT_IO:
        return eddy_io_started(object);
    case EDDY_STRUCT_TIMER:
        return eddy_timer_started(object);
    case EDDY_STRUCT_CALLBACK:
        return eddy_link_used(&((const eddy_callback *)object)->ready.link);
    case EDDY_STRUCT_HOOK:
        return ((const eddy_hook *)object)->loop != NULL;
    case EDDY_STRUCT_SIGNAL:
        return ((const eddy_signal *)object)->loop != NULL;
    default:
        return -EINVAL;
    }
}

int eddy_loop_new_foreign(eddy_loop **loop, const struct eddy_loop_options *options,
                          size_t options_size)
{
    return eddy_loop_new_versioned(loop, options, EDDY_VERSION,
                                   options != NULL ? options_size : sizeof *options);
}
