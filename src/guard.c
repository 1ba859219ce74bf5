/* Guards against things that are left open in a frame that ends: they would be written to later. */
#include "task_internal.h"

int eddy_guard_add(struct eddy_task_record *task, struct eddy_link *guard)
{
    struct eddy_task_extra *extra = eddy_extra_make(task);

    if (extra == NULL) {
        return -ENOMEM;
    }
    eddy_list_append(&extra->guards, guard);
    eddy_set(task, EDDY_TASK_GUARDS_);
    return 0;
}

/* A frame of the caller's memory, whose size is unknown, counts as its head only. */
static size_t frame_size(const eddy_coro *co)
{
    if ((co->flags & EDDY_FRAME_BORROWED_) != 0) {
        return sizeof *co;
    }
    if ((co->flags & EDDY_FRAME_SCOPED_) != 0) {
        const struct eddy_scope *scope = co->parent->scope;
        return eddy_pool_block_size(scope, scope->pool_class) - EDDY_SCOPE_SIZE;
    }
    return eddy_pool_block_size(co, co->pool_class);
}

static bool lies_in(const eddy_coro *co, const void *pointer)
{
    uintptr_t low = (uintptr_t)co;

    return (uintptr_t)pointer >= low && (uintptr_t)pointer < low + frame_size(co);
}

static void check_guards(eddy_coro *co, const struct eddy_link *guards)
{
    for (const struct eddy_link *link = eddy_list_first(guards); link != NULL && link != guards;
         link = link->next) {
        if (lies_in(co, link)) {
            eddy_frame_misuse(
                co, "the coroutine ends although a stream, server, queue or group in its frame "
                    "is still open: close it in eddy_finally");
        }
    }
}

static void check_lent(eddy_coro *co, const struct eddy_link *lent)
{
    for (const struct eddy_link *link = eddy_list_first(lent); link != NULL && link != lent;
         link = link->next) {
        const char *rare = (const char *)link - offsetof(struct eddy_task_rare, frame_guard);
        if (lies_in(co, ((const struct eddy_task_rare *)(const void *)rare)->frame)) {
            eddy_frame_misuse(co, "the coroutine ends although a task of eddy_spawn_in still runs "
                                  "in its frame: join it in eddy_finally");
        }
    }
}

void eddy_guard_check(eddy_coro *co)
{
    const struct eddy_task_extra *extra = eddy_extra(co->task);
    bool lends = extra->rare != NULL && !eddy_list_empty(&extra->rare->lent);

    if (eddy_list_empty(&extra->guards) && !lends) {
        eddy_clear(co->task, EDDY_TASK_GUARDS_);
        return;
    }
    check_guards(co, &extra->guards);
    if (lends) {
        check_lent(co, &extra->rare->lent);
    }
}
