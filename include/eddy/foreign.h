/*
 * The callback floor for other languages: what they cannot read out of these headers, as functions of the
 * library. (All else that is an inline function or a macro here is short, or has a function of the same
 * name: eddy_io_start, eddy_timer_start, eddy_signal_start.)
 *
 * A struct is memory of the caller's, of the size told here, zeroed before its first use and aligned as
 * malloc(3) aligns; its only field that a program touches is `user`.
 */
#ifndef EDDY_FOREIGN_H
#define EDDY_FOREIGN_H

#include <stddef.h>

#include "eddy/impl/ready.h"
#include "eddy/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers stay. */
enum eddy_struct {
    EDDY_STRUCT_LOOP_OPTIONS = 0, /* its user pointer is that of eddy_loop_user */
    EDDY_STRUCT_IO = 1,
    EDDY_STRUCT_TIMER = 2,
    EDDY_STRUCT_CALLBACK = 3,
    EDDY_STRUCT_HOOK = 4,
    EDDY_STRUCT_SIGNAL = 5
};

/* Its size in bytes, and where in it the user's pointer lies. 0: there is no such struct. */
EDDY_API size_t eddy_struct_size(int which);
EDDY_API size_t eddy_struct_user(int which);

/* eddy_loop_new as a function, with options of the version of the library. Options of another size are
 * -EINVAL, so that a binding which was made for another version says so at once. */
EDDY_API int eddy_loop_new_foreign(eddy_loop **loop, const struct eddy_loop_options *options,
                                   size_t options_size);

/* Whether a watcher, timer, hook or signal is started: 1 or 0; -EINVAL: there is no such struct. (A
 * deferred callback is started until it runs.) */
EDDY_API int eddy_struct_started(int which, const void *object);

#ifdef __cplusplus
}
#endif

#endif
