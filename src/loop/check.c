/*
 * eddy_loop_check: what must be true of a loop between two turns.
 *
 *     ready, batch    each link is between its neighbours, all the way round
 *     heap            its order, and each alarm knows its position
 *     watchers        each lies in the slot of its fd and knows its loop
 *     tasks           each is linked, and has a frame and a wait, as its state says
 *
 * It is for tests, which look after every turn (EDDY_LOOP_CHECK), so it may take as long as there are
 * things to look at. It follows no pointer that it has not looked at before; what it cannot see is
 * whether a thing is in a list of which nothing in it says so.
 */
#include "loop/loop_internal.h"

static int check_list(const struct eddy_link *list)
{
    const struct eddy_link *link = list;

    do {
        if (link->next == NULL || link->next->prev != link) {
            return -EINVAL;
        }
        link = link->next;
    } while (link != list);
    return 0;
}

int eddy_loop_check(eddy_loop *loop)
{
    eddy_loop_here(loop, __func__);
    if (check_list(&loop->ready) < 0 || check_list(&loop->batch) < 0 ||
        eddy_heap_check(&loop->heap) < 0 || eddy_io_check(loop) < 0) {
        return -EINVAL;
    }
    return loop->task_class != NULL ? loop->task_class->check(loop) : 0;
}
