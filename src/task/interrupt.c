/*
 * Interrupts. A cancel, a deadline that has passed, and one for which there was no memory are one machine:
 * each asks that what the task waits for, or else its next await, ends with -ECANCELED, once. Who asks
 * only decides what becomes of that on its way up.
 *
 * A task is asked when somebody calls eddy_cancel_record (that is traced), reached when spread.c comes to it, told when
 * its wait's `abort` is called, and the interrupt is delivered when an await or the first step has ended with it.
 *
 *     state        bits of the task            when
 *     none         none of these
 *     pending      CANCEL, PASSED, UNTIMED     the task runs, has a result that came before, or is in a
 *                                              cleanup that holds it back
 *     under way    UNDER_WAY, and it waits     the wait was told, and has passed it on
 *     come         UNDER_WAY, and waits no     the wait is over, and the task has not run since
 *                  longer
 *
 *     event                none            pending         under way         come
 *     a cancel             under way (1)   the same (2)    under way (3)     come: now from outside
 *     a deadline passes    under way (1)   the same (2)    also pending (4)  also pending (4)
 *     the wait's result    none            pending         come              -
 *     the task runs        none            pending         -                 none: delivered, if the
 *                                                                            result is -ECANCELED;
 *                                                                            else pending: ignored
 *     an await begins      none            none: delivered  -                -
 *     a wait that owns     none            under way       -                 -
 *     begins
 *     a cleanup begins     none            pending: it is held back          -
 *     a cleanup ends       none (5)        pending         -                 -
 *     the first step       none            the task ends with -ECANCELED, and has never run
 *     the task ends        -               forgotten       -                 -
 *
 *     (1) if it waits, and no cleanup holds it back: `come` if the wait ends with it, `under way` if it
 *         goes on. Otherwise pending; so it is if the wait has led to a result while it was told. A
 *         deadline that a cleanup holds back is pending when that ends (5).
 *     (2) What was not delivered is not told apart: it is one with the first. One that is held back in
 *         a wait stays so.
 *     (3) Passed on once more only if it is the second from outside, for the first may have been
 *         ignored. After a deadline, what is waited for has been told.
 *     (4) Who was first has the -ECANCELED; this one strikes at the next await, unless a cancel is
 *         delivered with it.
 *     (5) pending, if a deadline has passed meanwhile.
 *
 * The end of the loop is a cancel of every task; the end of a child is the result of who waits for it.
 * Pending is what the very first look of an operation delivers (eddy_check): it touches nothing before, and
 * finds no mistake either. A cancel is held back at each mask but 0, a deadline at each but its own.
 *
 * Delivered, and from whom:
 *
 *     CANCEL, whatever else is there   deadlines that have passed are spent: none takes it for its own,
 *                                      and none strikes again
 *     UNTIMED                          its eddy_wait_for turns it into -ENOMEM
 *     a deadline                       the frame that set it turns it into -ETIMEDOUT
 *
 *     stage of a deadline
 *     SET         -> UNDER_WAY   it has passed, and the wait was told
 *                 -> STRUCK      it has passed, and is delivered at an await
 *     UNDER_WAY   -> STRUCK      delivered
 *                 -> SET         ignored: it is pending, and will strike again
 *     SET (passed), UNDER_WAY, STRUCK
 *                 -> SPENT       a cancel from outside is delivered
 *     STRUCK      -> SPENT       one further out is delivered: its own was swallowed
 *
 * How an interrupt goes from a task to those that it waits for is in spread.c, what deadlines a task
 * has in deadline.c.
 */
#include "task/task_internal.h"

/* A cancel from outside waits for the task, and no cleanup holds it back. */
static bool has_cancel(const struct eddy_task_record *task)
{
    return eddy_has(task, EDDY_TASK_CANCEL_) && task->top->mask == 0;
}

/* ---- from whom: the stages of deadlines */

static bool may_strike(const struct eddy_task_record *task, const struct eddy_deadline *first)
{
    return first != NULL && first->mask == task->top->mask &&
           first->earliest <= eddy_task_loop(task)->now;
}

/* The earliest deadline that has passed is under way; false if there is none. Of those at the same time
 * the outermost: it was set first. */
static bool strike(struct eddy_task_record *task)
{
    struct eddy_deadline *first = eddy_deadline_innermost(task);
    int64_t at;

    if (!may_strike(task, first)) {
        return false;
    }
    at = first->earliest;
    for (struct eddy_deadline *each = first; each != NULL && each->mask == task->top->mask;
         each = each->below) {
        if (each->stage == EDDY_DEADLINE_SET && each->at == at) {
            first = each;
        }
    }
    first->stage = EDDY_DEADLINE_UNDER_WAY;
    eddy_deadline_recompute(task);
    return true;
}

/* The one whose -ECANCELED is awaited, or NULL. */
static struct eddy_deadline *under_way(const struct eddy_task_record *task)
{
    struct eddy_deadline *each = eddy_deadline_innermost(task);

    while (each != NULL && each->stage != EDDY_DEADLINE_UNDER_WAY) {
        each = each->below;
    }
    return each;
}

/* Those further in that were delivered before have been swallowed, and its -ECANCELED passes them. Those
 * further out may still get theirs, from who has kept it. */
static void deliver_deadline(struct eddy_task_record *task)
{
    struct eddy_deadline *delivered = under_way(task);

    if (delivered == NULL) {
        return;
    }
    for (struct eddy_deadline *each = eddy_deadline_innermost(task); each != delivered;
         each = each->below) {
        if (each->stage == EDDY_DEADLINE_STRUCK) {
            each->stage = EDDY_DEADLINE_SPENT;
        }
    }
    delivered->stage = EDDY_DEADLINE_STRUCK;
}

void eddy_interrupt_ignored(struct eddy_task_record *task)
{
    struct eddy_deadline *ignored = under_way(task);

    if (ignored != NULL) {
        ignored->stage = EDDY_DEADLINE_SET;
        eddy_deadline_recompute(task);
        eddy_set(task, EDDY_TASK_PASSED_);
    }
}

/* With a cancel from outside comes what has passed by now. */
static void deliver_cancel(struct eddy_task_record *task)
{
    const int64_t now = eddy_task_loop(task)->now;

    for (struct eddy_deadline *each = eddy_deadline_innermost(task); each != NULL;
         each = each->below) {
        if (each->stage != EDDY_DEADLINE_SET || each->at <= now) {
            each->stage = EDDY_DEADLINE_SPENT;
        }
    }
    eddy_deadline_recompute(task);
    eddy_clear(task, EDDY_TASK_CANCEL_ | EDDY_TASK_PASSED_ | EDDY_TASK_UNTIMED_);
}

/* ---- what is pending is delivered, or reaches a wait */

bool eddy_interrupt_is_pending(const struct eddy_task_record *task)
{
    const struct eddy_deadline *first = eddy_deadline_innermost(task);

    return has_cancel(task) || eddy_has(task, EDDY_TASK_UNTIMED_) ||
           (eddy_has(task, EDDY_TASK_PASSED_) && may_strike(task, first));
}

int64_t eddy_interrupt_deliver(struct eddy_task_record *task)
{
    if (has_cancel(task)) {
        deliver_cancel(task);
        return -ECANCELED;
    }
    if (eddy_has(task, EDDY_TASK_UNTIMED_)) {
        return -ECANCELED; /* which eddy_deadline_missed turns; what else is pending stays so */
    }
    if (eddy_has(task, EDDY_TASK_PASSED_)) {
        eddy_clear(task, EDDY_TASK_PASSED_);
        if (strike(task)) {
            deliver_deadline(task);
            return -ECANCELED;
        }
    }
    return 0;
}

void eddy_interrupt_parked(struct eddy_task_record *task)
{
    if (has_cancel(task) || eddy_has(task, EDDY_TASK_UNTIMED_)) {
        eddy_interrupt_spread(task);
    } else if (eddy_has(task, EDDY_TASK_PASSED_)) {
        eddy_clear(task, EDDY_TASK_PASSED_);
        eddy_interrupt_deadline(task);
        eddy_deadline_arm(task); /* parking has left that out */
    }
}

/* ---- under way */

bool eddy_interrupt_wait(struct eddy_task_record *task)
{
    const struct eddy_wait_kind *wait = task->wait;
    bool over = wait->abort == NULL || wait->abort(task);

    if (task->wait != NULL) {
        eddy_set(task, EDDY_TASK_UNDER_WAY_);
    } else if (!eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        eddy_interrupt_ignored(task); /* the abort itself has led to the result */
    }
    if (over) {
        eddy_wake(task, -ECANCELED);
    }
    return over;
}

void eddy_interrupt_deadline(struct eddy_task_record *task)
{
    if (task->wait == NULL || eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        eddy_set(task, EDDY_TASK_PASSED_);
    } else if (strike(task)) {
        eddy_interrupt_spread(task);
    }
}

/* Whether the cancel is to interrupt the task's wait now. */
static bool reaches_wait(struct eddy_task_record *task)
{
    bool again = eddy_has(task, EDDY_TASK_CANCEL_);

    eddy_traced(eddy_task_loop(task), task, EDDY_TRACE_CANCEL);
    eddy_set(task, EDDY_TASK_CANCEL_);
    if (task->wait == NULL || task->top->mask != 0 || eddy_has(task, EDDY_TASK_PASSING_)) {
        return false; /* delivered when it runs or at its next await, or on its way already */
    }
    return !eddy_has(task, EDDY_TASK_UNDER_WAY_) || again;
}

void eddy_cancel_record(struct eddy_task_record *task)
{
    if (task->timed.ready.state != EDDY_TASK_DONE_ && reaches_wait(task)) {
        eddy_interrupt_spread(task);
    }
}

int eddy_cancel(eddy_task handle)
{
    struct eddy_task_record *task = eddy_task_find(handle);

    if (task == NULL || task->timed.ready.state == EDDY_TASK_DONE_) {
        return -ESRCH;
    }
    eddy_cancel_record(task);
    return 0;
}

/* ---- the wait is over, and the task runs */

/* What has come is delivered, or was ignored. */
static void settle(struct eddy_task_record *task)
{
    eddy_clear(task, EDDY_TASK_UNDER_WAY_);
    if (task->in.result != -ECANCELED) {
        eddy_interrupt_ignored(task);
    } else if (has_cancel(task)) {
        deliver_cancel(task);
    } else {
        deliver_deadline(task);
    }
}

void eddy_interrupt_settle(struct eddy_task_record *task)
{
    if (eddy_has(task, EDDY_TASK_UNDER_WAY_)) {
        settle(task);
    }
    if (eddy_has(task, EDDY_TASK_UNTIMED_)) {
        task->in.result = eddy_deadline_missed(task, task->in.result);
    }
    if (eddy_has(task, EDDY_TASK_DEADLINES_)) {
        task->in.result = eddy_deadline_drop(task, task->in.result);
    }
}
