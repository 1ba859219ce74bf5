/*
 * Guards against things that are left open in a frame that ends: they would be written to later.
 *
 * What has an end of its own (a stream, a server, a process, a queue, a group) is linked into a list of the
 * task that has opened it. A line of tasks has none, and no room for a link: a lock may be used
 * without being initialized, by any task, and its struct is small. So a mark says near which
 * addresses somebody may stand in a line, and what lies there of a frame that ends is looked through
 * for a pointer to a task that points back. Marks are hints: they are set by who comes to stand in a
 * line and not taken away by who leaves. Once they have misled as often as there are tasks, they are
 * made anew.
 */
#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

#ifdef EDDY_HAVE_MEMCHECK
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)(address), (void)(size))
#endif

int eddy_guard_add(struct eddy_task_record *opener, struct eddy_link *guard)
{
    struct eddy_task_record *task = eddy_acting(opener); /* whose frame it is */
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
                co, "the coroutine ends although a stream, reader, writer, server, file, watch of "
                    "files, process, "
                    "eddy_fd, queue or group in its frame is still open: close it in eddy_finally");
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

static void check_opened(eddy_coro *co)
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

/* ---- lines */

/* The first task in the line that these two words of a frame are, or NULL. They may be anything,
 * also what was never written: only a record that points back is one. */
static const struct eddy_task_record *first_in_line(const eddy_loop *loop, const void *words)
{
    uintptr_t next;
    const struct eddy_task_record *task;

    memcpy(&next, words, sizeof next);
    VALGRIND_MAKE_MEM_DEFINED(&next, sizeof next);
    if (!eddy_task_record_at(loop, next)) {
        return NULL;
    }
    task = (const struct eddy_task_record *)next;
    return task->timed.ready.state == EDDY_TASK_WAITING_ &&
                   eddy_list_back(&task->timed.ready.link) == words
               ? task
               : NULL;
}

static void check_line(eddy_coro *co, const char *words)
{
    const struct eddy_task_record *task = first_in_line(eddy_task_loop(co->task), words);
    char text[160];

    if (task != NULL) {
        snprintf(text, sizeof text,
                 "the coroutine ends although a task still waits for something in its frame (%s): "
                 "see to it in eddy_finally that none does",
                 task->wait->name);
        eddy_frame_misuse(co, text);
    }
}

/* Looks through what of the frame is marked; whether anything is. */
static bool check_lines(eddy_coro *co)
{
    const uint8_t *marks = eddy_task_loop(co->task)->pool.lines;
    uintptr_t begin = (uintptr_t)(co + 1);
    uintptr_t end = (uintptr_t)co + frame_size(co);
    bool marked = false;

    for (uintptr_t words = begin; words + sizeof(struct eddy_link) <= end;) {
        uintptr_t next = (words / EDDY_POOL_SMALL + 1) * EDDY_POOL_SMALL;
        bool here = marks[EDDY_POOL_MARK(words)] != 0;
        for (; here && words < next && words + sizeof(struct eddy_link) <= end;
             words += sizeof(void *)) {
            check_line(co, (const char *)words);
        }
        marked = marked || here;
        words = next;
    }
    return marked;
}

static void mark_visitor(struct eddy_task_record *task, void *context)
{
    eddy_loop *loop = context;
    struct eddy_link *link = &task->timed.ready.link;

    if (task->timed.ready.state == EDDY_TASK_WAITING_ && eddy_link_used(link) &&
        !eddy_task_record_at(loop, (uintptr_t)link->prev)) { /* it is the first in a line */
        eddy_guard_line(loop, (const struct eddy_waiters *)(void *)link->prev);
    }
}

/* A mark has misled. */
static void was_misled(eddy_loop *loop)
{
    if (++loop->misled > EDDY_POOL_MARKS + loop->tasks->live) {
        loop->misled = 0;
        memset(loop->pool.lines, 0, sizeof loop->pool.lines);
        eddy_task_record_each(loop, mark_visitor, loop);
    }
}

void eddy_guard_check(eddy_coro *co)
{
    if (eddy_has(co->task, EDDY_TASK_GUARDS_)) {
        check_opened(co);
    }
    if (check_lines(co)) {
        was_misled(eddy_task_loop(co->task));
    }
}
