/*
 * Hooks: functions that run before the loop asks the kernel (prepare), when it has (awake), and at the end
 * of a turn (check).
 *
 * A hook may stop, start or free any other while they run, itself too. So those still to be run are
 * kept in a list of their own, from which stopping takes a hook as from any, and each goes back among
 * the started ones before it is called: nothing is touched after the call. One that is started meanwhile
 * runs in the next turn.
 *
 * A hook sees where a turn ends: while there is one, turns are not run together (turn_seen).
 */
#include "eddy/callback.h"

#include "loop/loop_internal.h"

void eddy_hook_start(eddy_loop *loop, eddy_hook *hook, enum eddy_hook_point point,
                     eddy_hook_fn *callback)
{
    eddy_loop_here(loop, __func__);
    eddy_hook_stop(hook);
    hook->loop = loop;
    hook->callback = callback;
    eddy_list_append(&loop->hooks[point], &hook->link);
    loop->turn_seen = true;
}

void eddy_hook_stop(eddy_hook *hook)
{
    if (hook->loop != NULL) {
        eddy_loop_here(hook->loop, __func__);
        eddy_list_remove(&hook->link);
        hook->loop = NULL;
    }
}

/* Each hook goes back to its list before it is called: it may stop, restart or free any of them. */
void eddy_hooks_run_all(eddy_loop *loop, enum eddy_hook_point point)
{
    struct eddy_link pending = {0};
    struct eddy_link *link;

    eddy_list_splice(&pending, &loop->hooks[point]);
    while ((link = eddy_list_first(&pending)) != NULL) {
        eddy_hook *hook = (eddy_hook *)(void *)link;
        eddy_list_remove(link);
        eddy_list_append(&loop->hooks[point], link);
        hook->callback(hook);
    }
}

void eddy_hooks_fini(eddy_loop *loop)
{
    struct eddy_link *link;

    for (int point = 0; point < EDDY_HOOK_POINTS_; point++) {
        while ((link = eddy_list_first(&loop->hooks[point])) != NULL) {
            eddy_hook_stop((eddy_hook *)(void *)link);
        }
    }
}
