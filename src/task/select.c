/*
 * Select: waiting for the first of several operations.
 *
 * An operation parks the task of its coroutine: a record with a wait, a place in a line and an entry in the heap,
 * of each just one. So each operation of a select gets a record of its own, a branch, which stands in
 * for the task: `co->task` leads to it while the operation is begun. To the operation, and to whoever wakes it,
 * it is a task that waits. But it has no frames of its own and takes no steps:
 *
 *     a branch             how                                            then
 *     is begun             next, the operation, took                      it waits, or has ended at once
 *     is woken             eddy_wake: the result is there                 it ends, in that moment
 *     is woken to try      its turn comes, and `resume` has a result      likewise; and the task goes on in that turn
 *     pauses               its turn comes                                 likewise
 *     is a coroutine       it is a task from the next turn on (owned)     ends as a task, and tells its owner
 *     is cancelled         its abort is called                            it ends, or goes on until it can
 *
 *     the first that ends                  is the winner; the others are cancelled, before anybody else
 *                                          can hand something to one of them
 *     any that ends                        its result is noted
 *     the last that ends                   makes the task ready: its `resume` gives the outcome
 *     a cancel comes to the task           is passed on to all; what ends with it is no winner
 *
 * Who wins is decided by the wake itself and not in the task's turn, or else two queues could hand over an
 * item each before that comes, and one would be lost.
 *
 * That the select is a wait which passes a cancel on is what lets any operation take part: one that cannot let
 * go at once is waited for, as a join would, and nothing runs on in memory of a frame that is gone. For the same
 * reason a cancel that is pending before does not keep it from beginning them: it is pending in each branch, where
 * one that owns tasks takes them over, and any other delivers it and touches nothing.
 */
#include "eddy/select.h"

#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

enum { NOBODY = -1 };

struct eddy_selection {
    eddy_owner owner;              /* first: that of each branch, which leads here */
    struct eddy_task_record *task; /* who selects; perhaps a branch itself */
    int64_t *results;              /* the caller's, or NULL */
    int64_t value;                 /* the winner's result */
    struct eddy_error_info error;  /* where that began, if it is an error that is known */
    uint32_t state;                /* the frame's, before any operation was begun */
    int winner;                    /* its index, or NOBODY */
    int begun;                     /* branches that are there */
    int running;                   /* of those, the ones that have not ended */
    bool cancelled; /* the task was interrupted: who ends with -ECANCELED has not won */
    bool told;      /* the branches were cancelled, for whatever reason */
    unsigned pool_class;
    /* NULL: it was a coroutine, and has ended. An ended one of the others stays until the task goes on, for
     * whoever has woken it may still look at it. */
    struct eddy_task_record *branches[EDDY_SELECT_MOST];
};

static struct eddy_selection *selection_of(const struct eddy_task_record *branch)
{
    return (struct eddy_selection *)(void *)eddy_owner_of(branch);
}

static bool has_ended(const struct eddy_task_record *branch)
{
    return branch == NULL || branch->timed.ready.state == EDDY_TASK_DONE_;
}

struct eddy_task_record *eddy_selecting(const struct eddy_task_record *branch)
{
    return selection_of(branch)->task;
}

struct eddy_task_record *eddy_acting_slow(struct eddy_task_record *branch)
{
    while (eddy_is_branch(branch)) {
        branch = selection_of(branch)->task;
    }
    return branch;
}

/* ---- cancelling the others */

/* A pause is over when it has begun, so no cancel from outside ends it; but it has not won. */
static void end_pause(struct eddy_task_record *branch)
{
    branch->in.result = selection_of(branch)->winner != NOBODY ? -ECANCELED : 0;
    eddy_branch_ended(branch);
}

/* One that is just being begun or tried may itself have led to the winner's result: it is seen to when that
 * is over (eddy_branch_settle). */
static void cancel_branch(struct eddy_task_record *branch)
{
    if (has_ended(branch) ||
        (eddy_is_branch(branch) && branch->timed.ready.state == EDDY_TASK_RUNNING_)) {
        return;
    }
    if (!eddy_is_branch(branch)) {
        eddy_cancel_record(branch); /* a coroutine */
    } else if (branch->wait == NULL) {
        end_pause(branch);
    } else if (branch->wait->abort == NULL) {
        branch->in.result = -ECANCELED;
        eddy_branch_ended(branch);
    } else {
        eddy_set(branch, EDDY_TASK_CANCEL_);
        (void)eddy_interrupt_wait(branch);
    }
}

/* All of it is one cancel. It may be on behalf of one that is just handed something by the abort of a
 * wait in a line: that one has no part in what is cancelled here. */
static void cancel_all(struct eddy_selection *selection)
{
    eddy_loop *loop = eddy_task_loop(selection->task);
    bool nested = loop->interrupting_leaf;
    bool first = eddy_cancel_begin(loop);

    selection->told = true;
    loop->interrupting_leaf = false;
    for (int i = 0; i < selection->begun; i++) {
        cancel_branch(selection->branches[i]);
    }
    loop->interrupting_leaf = nested;
    eddy_cancel_end(loop, first);
}

/* It has been begun, or tried, and waits on: not if another has won by that. */
void eddy_branch_settle(struct eddy_task_record *branch)
{
    if (selection_of(branch)->told) {
        cancel_branch(branch);
    }
}

/* ---- the end of a branch */

static int index_of(const struct eddy_selection *selection, const struct eddy_task_record *branch)
{
    int i = selection->begun - 1; /* who ends at once is the newest */

    while (selection->branches[i] != branch) {
        i--;
    }
    return i;
}

static void win(struct eddy_selection *selection, struct eddy_task_record *branch, int index,
                int64_t result)
{
    selection->winner = index;
    selection->value = result;
    eddy_error_take(branch, result, &selection->error);
    cancel_all(selection);
}

static void lose(const struct eddy_selection *selection, struct eddy_task_record *branch,
                 int64_t result)
{
    if (result < 0 && result != -ECANCELED) {
        eddy_error_report_second(branch, result, selection->value,
                                 "failed when another operation of its select had ended");
    }
}

/* It counts as ended from here on, whatever the cancels of the others lead to. */
static void note(struct eddy_selection *selection, struct eddy_task_record *branch, int64_t result)
{
    int index = index_of(selection, branch);

    selection->running--;
    if (selection->results != NULL) {
        selection->results[index] = result;
    }
    if (selection->winner != NOBODY) {
        lose(selection, branch, result);
    } else if (result != -ECANCELED || !selection->cancelled) {
        win(selection, branch, index, result);
    }
    if (selection->running == 0 && selection->task->timed.ready.state == EDDY_TASK_WAITING_) {
        eddy_wake_to_try(selection->task);
    }
}

static void leave_lists(struct eddy_task_record *branch)
{
    if (eddy_link_used(&branch->timed.ready.link)) {
        eddy_list_remove(&branch->timed.ready.link);
    }
    if (eddy_heap_has(&branch->timed.alarm)) {
        eddy_heap_remove(&eddy_task_loop(branch)->heap, &branch->timed.alarm);
    }
}

static void end_with(struct eddy_task_record *branch, int64_t result)
{
    leave_lists(branch); /* of one that ended at once, too: it may have had a deadline */
    branch->timed.ready.state = EDDY_TASK_DONE_;
    note(selection_of(branch), branch, result);
}

void eddy_branch_ended(struct eddy_task_record *branch)
{
    branch->wait = NULL;
    if (eddy_has(branch, EDDY_TASK_DEADLINES_ | EDDY_TASK_UNTIMED_)) {
        eddy_interrupt_settle(branch);
    }
    end_with(branch, branch->in.result);
}

static void coroutine_ended(eddy_owner *owner, struct eddy_task_record *child, int64_t result)
{
    struct eddy_selection *selection = (struct eddy_selection *)(void *)owner;
    int index = index_of(selection, child);

    note(selection, child, result);
    selection->branches[index] = NULL;
    eddy_task_release(child);
}

static const struct eddy_wait_kind branch_kind = {
    .name = "select",
    .child_done = coroutine_ended,
};

/* ---- the wait of the task */

/* Frees it all; the wait's result. */
static int64_t finish(struct eddy_task_record *task, struct eddy_selection *selection)
{
    int winner = selection->winner;
    int64_t value = selection->value;

    if (selection->error.code < 0) {
        eddy_error_give(task, &selection->error);
    }
    for (int i = 0; i < selection->begun; i++) {
        if (selection->branches[i] != NULL) {
            eddy_task_release(selection->branches[i]);
        }
    }
    eddy_pool_give(&eddy_task_loop(task)->pool, selection, selection->pool_class);
    if (winner == NOBODY) {
        return -ECANCELED;
    }
    return value < 0 ? value : winner;
}

static int64_t resume(struct eddy_task_record *task)
{
    struct eddy_selection *selection = task->in.object;

    return selection->running > 0 ? EDDY_PENDING : finish(task, selection);
}

/* They are told again only of a second cancel from outside, for the first may have been ignored. */
static int pass_cancel_on(struct eddy_task_record *task)
{
    struct eddy_selection *selection = task->in.object;

    selection->cancelled = true;
    if (!selection->told || eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        cancel_all(selection);
    }
    return 0;
}

/* "queue 0 items, to get | sleep 3 s left" */
static size_t describe_branch(const struct eddy_task_record *branch, char *text, size_t size)
{
    int length;

    if (!eddy_is_branch(branch)) {
        return (size_t)snprintf(text, size, "%s", eddy_frame_place(branch->top).function);
    }
    if (branch->wait == NULL || branch->wait->describe == NULL) {
        return (size_t)snprintf(text, size, "%s",
                                branch->wait != NULL ? branch->wait->name : "pause");
    }
    length = snprintf(text, size, "%s ", branch->wait->name);
    if ((size_t)length < size) {
        branch->wait->describe(branch, text + length, size - (size_t)length);
    }
    return strlen(text);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct eddy_selection *selection = task->in.object;
    const char *between = "";
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < selection->begun && used < size; i++) {
        if (!has_ended(selection->branches[i])) {
            used += (size_t)snprintf(text + used, size - used, "%s", between);
            between = " | ";
        }
        if (!has_ended(selection->branches[i]) && used < size) {
            used += describe_branch(selection->branches[i], text + used, size - used);
        }
    }
}

static const struct eddy_wait_kind select_kind = {
    .name = "select",
    .abort = pass_cancel_on,
    .resume = resume,
    .describe = describe,
};

/* ---- what the word calls: begin, (next, the operation, took) of each, end; in between with.value of the
 * task is the selection, or NULL: there is no memory */

int eddy_select_begin_(eddy_coro *co, int64_t *results, int count)
{
    struct eddy_task_record *task = co->task;
    struct eddy_selection *selection;
    unsigned pool_class;

    eddy_own_begin(co);
    for (int i = 0; results != NULL && i < count; i++) {
        results[i] = -ECANCELED;
    }
    selection = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *selection, &pool_class);
    task->with.value = selection;
    if (selection == NULL) {
        return 0;
    }
    selection->owner = &branch_kind;
    selection->task = task;
    selection->results = results;
    selection->error.code = 0;
    selection->error.memory = NULL;
    selection->state = co->state;
    selection->winner = NOBODY;
    selection->begun = 0;
    selection->running = 0;
    selection->cancelled = eddy_interrupt_is_pending(task);
    selection->told = false;
    selection->pool_class = pool_class;
    return 1;
}

int eddy_select_next_(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;
    struct eddy_selection *selection = task->with.value;
    struct eddy_task_record *branch = eddy_task_record_new(eddy_task_loop(task));

    if (branch == NULL) {
        selection->winner = selection->begun; /* the one that could not be begun */
        selection->value = -ENOMEM;
        if (selection->results != NULL) {
            selection->results[selection->winner] = -ENOMEM;
        }
        cancel_all(selection);
        return 0;
    }
    branch->timed.ready.kind = EDDY_READY_BRANCH;
    branch->timed.ready.state = EDDY_TASK_RUNNING_;
    branch->timed.ready.bits = selection->cancelled ? EDDY_TASK_CANCEL_ : 0;
    branch->top = co;
    branch->owner = &selection->owner;
    branch->named_place = task->named_place;
    selection->branches[selection->begun++] = branch;
    selection->running++;
    co->task = branch;
    return 1;
}

/* The operation was a call: what it calls is the first frame of a task that is ours, and may be cancelled
 * whatever cleanup this is. */
static void become_task(struct eddy_selection *selection, struct eddy_task_record *branch)
{
    if (eddy_values_inherit(branch, eddy_acting(selection->task)) < 0) {
        eddy_frame_free(branch, branch->top);
        end_with(branch, -ENOMEM);
        return;
    }
    branch->top->parent = NULL;
    branch->top->mask = 0;
    branch->parent = eddy_acting(selection->task)->timed.ready.generation;
    eddy_task_start(branch, branch->top);
}

int eddy_select_took_(eddy_coro *co, int64_t result)
{
    struct eddy_task_record *branch = co->task;
    struct eddy_selection *selection = selection_of(branch);

    co->task = selection->task;
    if (result != EDDY_PENDING) {
        end_with(branch, result);
    } else {
        if (branch->top != co) {
            become_task(selection, branch);
        }
        eddy_branch_settle(branch);
    }
    return selection->winner == NOBODY;
}

int64_t eddy_select_end_(eddy_coro *co)
{
    struct eddy_task_record *task = co->task;
    struct eddy_selection *selection = task->with.value;

    if (selection == NULL) {
        return eddy_own_none(co, -ENOMEM);
    }
    co->state = selection->state;
    if (selection->running == 0) {
        return eddy_own_complete(co, finish(task, selection));
    }
    if (selection->results != NULL) {
        eddy_check_pointer(co, selection->results);
    }
    return eddy_own_park(co, &select_kind, selection, NULL);
}
