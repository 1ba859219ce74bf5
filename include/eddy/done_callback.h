/* Callbacks for the end of a task, for those who are no coroutine and cannot join it. */
#ifndef EDDY_DONE_CALLBACK_H
#define EDDY_DONE_CALLBACK_H

#include "eddy/callback.h"
#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_done_callback eddy_done_callback;
typedef void eddy_done_callback_fn(eddy_done_callback *callback);

/* The caller owns it, zeroed before its first use, until the function has been entered or it was
 * stopped. */
struct eddy_done_callback {
    eddy_callback scheduled;         /* private */
    eddy_done_callback_fn *function; /* private */
    int64_t result;                  /* inside the function: the result of the task */
    void *user;                      /* the caller's */
};

/* Runs function(callback) once when the task has ended, however it ends: in the batch after its
 * last step, as a callback of the loop; at once in that way if it has ended already. A task may
 * have any number of them, which run in the order in which they were set, before whoever waited for
 * it. Not if the loop is freed first. 0; -ESRCH: no such task; -EBUSY: `callback` is set already;
 * -ENOMEM. */
EDDY_API int eddy_task_on_done(eddy_task task, eddy_done_callback *callback,
                               eddy_done_callback_fn *function);

/* Takes it back, if it has not run; it never runs afterwards. */
EDDY_API void eddy_done_callback_stop(eddy_done_callback *callback);

#ifdef __cplusplus
}
#endif

#endif
