/* Hooks: callbacks at the two fixed points of every turn. */
#ifndef EDDY_HOOK_H
#define EDDY_HOOK_H

#include "eddy/impl/ready.h"
#include "eddy/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A callback at a fixed point of every turn. The caller owns the struct, zeroed before its first
 * start. */
enum eddy_hook_point { EDDY_HOOK_PREPARE, EDDY_HOOK_CHECK };

typedef struct eddy_hook eddy_hook;
typedef void eddy_hook_fn(eddy_hook *hook);

struct eddy_hook {
    struct eddy_link link;  /* private */
    eddy_loop *loop;        /* private: NULL while stopped */
    eddy_hook_fn *callback; /* private */
    void *user;             /* the caller's */
};

/* Starts a hook, behind those of the same point; one that is started already moves there. It runs
 * the next time that its point comes: one that a step starts, however many are ready behind it, at
 * the end of this turn or the beginning of the next. A hook that is started inside a hook of its
 * point runs from the next turn on. Keeps no loop alive. */
EDDY_API void eddy_hook_start(eddy_loop *loop, eddy_hook *hook, enum eddy_hook_point point,
                              eddy_hook_fn *callback);
EDDY_API void eddy_hook_stop(eddy_hook *hook);

#ifdef __cplusplus
}
#endif

#endif
