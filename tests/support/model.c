#include "model.h"

#include <errno.h>
#include <string.h>

/* ---- lines */

static void enter(struct model *model, int actor, enum model_kind kind, struct model_line *line)
{
    model->actors[actor].kind = kind;
    model->actors[actor].line = line;
    line->actors[line->count++] = actor;
}

static void leave(struct model *model, int actor)
{
    struct model_line *line = model->actors[actor].line;
    int kept = 0;

    if (line == NULL) {
        return;
    }
    for (int i = 0; i < line->count; i++) {
        if (line->actors[i] != actor) {
            line->actors[kept++] = line->actors[i];
        }
    }
    line->count = kept;
    model->actors[actor].line = NULL;
}

static int first(const struct model_line *line)
{
    return line->count > 0 ? line->actors[0] : MODEL_NOBODY;
}

static bool waits(const struct model *model, int actor)
{
    return model->actors[actor].kind != MODEL_NOTHING &&
           model->actors[actor].decided == MODEL_UNDECIDED;
}

static void decide(struct model *model, int actor, int64_t result)
{
    enum model_kind kind = model->actors[actor].kind;

    leave(model, actor);
    model->actors[actor].decided = result;
    if (kind == MODEL_READ || kind == MODEL_WRITE) {
        model->moved(model, actor);
    }
}

static void decide_all(struct model *model, struct model_line *line, int64_t result)
{
    while (line->count > 0) {
        decide(model, first(line), result);
    }
}

/* ---- deadlines */

/* A condition's wait is over, but for its lock. */
static void take_lock_back(struct model *model, int actor, int64_t outcome)
{
    leave(model, actor);
    if (model->holder[0] == MODEL_NOBODY) {
        model->holder[0] = actor;
        decide(model, actor, outcome);
        return;
    }
    enter(model, actor, MODEL_LOCK, &model->lock_line[0]);
    model->actors[actor].in_condition = true;
    model->actors[actor].outcome = outcome;
}

static void interrupt(struct model *model, int actor, int64_t result)
{
    struct model_actor *it = &model->actors[actor];

    if (it->kind == MODEL_COND) {
        take_lock_back(model, actor, result);
    } else if (!it->in_condition) {
        decide(model, actor, result);
    }
}

/* The end of the operation that is next: a sleep's, a child's, or the deadline. */
static int64_t next_time(const struct model *model, int actor)
{
    const struct model_actor *it = &model->actors[actor];

    if (!waits(model, actor)) {
        return INT64_MAX;
    }
    return it->until < it->deadline ? it->until : it->deadline;
}

static void strike(struct model *model, int actor)
{
    struct model_actor *it = &model->actors[actor];

    if (it->until < it->deadline) {
        decide(model, actor, it->outcome);
    } else {
        it->deadline = INT64_MAX;
        interrupt(model, actor, -ETIMEDOUT);
    }
}

void model_time(struct model *model, int64_t now)
{
    for (;;) {
        int next = 0;
        for (int i = 1; i < MODEL_ACTORS; i++) {
            if (next_time(model, i) < next_time(model, next)) {
                next = i;
            }
        }
        if (next_time(model, next) > now) {
            break;
        }
        strike(model, next);
    }
    model->now = now;
}

/* ---- the operations */

void model_init(struct model *model, enum model_order order)
{
    memset(model, 0, sizeof *model);
    model->order = order;
    for (int i = 0; i < MODEL_LOCKS; i++) {
        model->holder[i] = MODEL_NOBODY;
    }
    model->permits = MODEL_PERMITS;
}

int64_t model_begin(struct model *model, int actor, int64_t deadline)
{
    struct model_actor *it = &model->actors[actor];
    bool cancel = it->cancel;

    memset(it, 0, sizeof *it);
    it->deadline = deadline;
    it->until = INT64_MAX;
    it->decided = MODEL_UNDECIDED;
    return cancel ? -ECANCELED : MODEL_UNDECIDED;
}

int64_t model_end(struct model *model, int actor, int64_t now)
{
    model_time(model, now);
    model->actors[actor].kind = MODEL_NOTHING;
    return model->actors[actor].decided;
}

void model_pause(struct model *model, int actor)
{
    decide(model, actor, 0);
}

void model_sleep(struct model *model, int actor, int64_t until)
{
    model->actors[actor].kind = MODEL_SLEEP;
    model->actors[actor].until = until;
}

void model_acquire(struct model *model, int actor, int lock)
{
    if (model->holder[lock] == MODEL_NOBODY) {
        model->holder[lock] = actor;
        decide(model, actor, 0);
    } else if (model->holder[lock] == actor) {
        decide(model, actor, -EDEADLK);
    } else {
        enter(model, actor, MODEL_LOCK, &model->lock_line[lock]);
    }
}

static void hand_over(struct model *model, int lock)
{
    int next = first(&model->lock_line[lock]);

    model->holder[lock] = next;
    if (next != MODEL_NOBODY) {
        decide(model, next, model->actors[next].in_condition ? model->actors[next].outcome : 0);
    }
}

int model_release(struct model *model, int actor, int lock)
{
    if (model->holder[lock] != actor) {
        return -EPERM;
    }
    hand_over(model, lock);
    return 0;
}

void model_wait_cond(struct model *model, int actor)
{
    if (model->holder[0] != actor) {
        decide(model, actor, -EPERM);
        return;
    }
    hand_over(model, 0);
    enter(model, actor, MODEL_COND, &model->cond_line);
}

int model_notify(struct model *model, int actor, int most)
{
    int count = 0;

    if (model->holder[0] != actor) {
        return -EPERM;
    }
    while (count < most && model->cond_line.count > 0) {
        take_lock_back(model, first(&model->cond_line), 0);
        count++;
    }
    return count;
}

void model_take_permit(struct model *model, int actor)
{
    if (model->permits > 0) {
        model->permits--;
        decide(model, actor, 0);
    } else {
        enter(model, actor, MODEL_SEMAPHORE, &model->semaphore_line);
    }
}

void model_give_permit(struct model *model)
{
    int next = first(&model->semaphore_line);

    if (next != MODEL_NOBODY) {
        decide(model, next, 0);
    } else {
        model->permits++;
    }
}

static void insert(struct model *model, int item)
{
    int place = model->count++;

    while (model->order == MODEL_PRIORITY && place > 0 &&
           item % MODEL_PRIORITIES < model->items[place - 1] % MODEL_PRIORITIES) {
        model->items[place] = model->items[place - 1];
        place--;
    }
    model->items[place] = item;
}

int model_take(struct model *model)
{
    int first_item = model->items[0];

    model->count--;
    if (model->order == MODEL_LIFO) {
        return model->items[model->count];
    }
    memmove(model->items, model->items + 1, sizeof model->items - sizeof model->items[0]);
    return first_item;
}

void model_put(struct model *model, int actor, int item)
{
    int getter = first(&model->queue_line);

    model->actors[actor].item = item;
    if (model->shut) {
        decide(model, actor, -ESHUTDOWN);
    } else if (model->count == MODEL_CAPACITY) {
        enter(model, actor, MODEL_PUT, &model->queue_line);
    } else {
        if (getter != MODEL_NOBODY) {
            model->actors[getter].item = item;
            decide(model, getter, 0);
        } else {
            insert(model, item);
        }
        model->unfinished++;
        decide(model, actor, 0);
    }
}

void model_get(struct model *model, int actor)
{
    int putter = first(&model->queue_line);

    if (model->count == 0) {
        if (model->shut) {
            decide(model, actor, -ESHUTDOWN);
        } else {
            enter(model, actor, MODEL_GET, &model->queue_line);
        }
        return;
    }
    model->actors[actor].item = model_take(model);
    if (putter != MODEL_NOBODY) {
        insert(model, model->actors[putter].item);
        model->unfinished++;
        decide(model, putter, 0);
    }
    decide(model, actor, 0);
}

void model_join_queue(struct model *model, int actor)
{
    if (model->unfinished == 0) {
        decide(model, actor, 0);
    } else {
        enter(model, actor, MODEL_QUEUE_JOIN, &model->done_line);
    }
}

static void items_done(struct model *model, int count)
{
    model->unfinished -= count < model->unfinished ? count : model->unfinished;
    if (model->unfinished == 0) {
        decide_all(model, &model->done_line, 0);
    }
}

int model_task_done(struct model *model)
{
    if (model->unfinished == 0) {
        return -EINVAL;
    }
    items_done(model, 1);
    return 0;
}

void model_shut_down(struct model *model, bool drop)
{
    model->shut = true;
    decide_all(model, &model->queue_line, -ESHUTDOWN);
    if (drop) {
        items_done(model, model->count);
        model->count = 0;
    }
}

void model_wait_event(struct model *model, int actor)
{
    if (model->set) {
        decide(model, actor, 0);
    } else {
        enter(model, actor, MODEL_EVENT, &model->event_line);
    }
}

void model_set_event(struct model *model)
{
    model->set = true;
    decide_all(model, &model->event_line, 0);
}

void model_wait_future(struct model *model, int actor)
{
    if (model->done) {
        decide(model, actor, model->value);
    } else {
        enter(model, actor, MODEL_FUTURE, &model->future_line);
    }
}

int model_set_future(struct model *model, int64_t value)
{
    if (model->done) {
        return -EALREADY;
    }
    model->done = true;
    model->value = value;
    decide_all(model, &model->future_line, value);
    return 0;
}

void model_meet(struct model *model, int actor)
{
    int64_t index = 0;

    if (model->broken) {
        decide(model, actor, -ENOTRECOVERABLE);
    } else if (model->barrier_line.count + 1 < MODEL_PARTIES) {
        enter(model, actor, MODEL_BARRIER, &model->barrier_line);
    } else {
        while (model->barrier_line.count > 0) {
            decide(model, first(&model->barrier_line), index++);
        }
        decide(model, actor, index);
    }
}

void model_break(struct model *model, bool broken)
{
    model->broken = broken;
    decide_all(model, &model->barrier_line, -ENOTRECOVERABLE);
}

void model_call(struct model *model, int actor, int64_t until, int64_t outcome)
{
    model_sleep(model, actor, until);
    model->actors[actor].outcome = outcome;
}

void model_join(struct model *model, int actor, int64_t until, int64_t outcome)
{
    model->actors[actor].kind = MODEL_JOIN;
    model->actors[actor].until = until;
    model->actors[actor].outcome = outcome;
    model->actors[actor].child_runs = true;
}

void model_child_ended(struct model *model, int actor)
{
    model->actors[actor].child_runs = false;
}

void model_await_ends(struct model *model, int actor, int item, int ends, int64_t outcome)
{
    model->actors[actor].kind = MODEL_ENDS;
    model->actors[actor].item = item;
    model->actors[actor].ends = ends;
    model->actors[actor].outcome = outcome;
}

/* Also of tasks whose end nobody awaits any more. */
void model_ended(struct model *model, int actor, int item)
{
    struct model_actor *it = &model->actors[actor];

    if (waits(model, actor) && it->kind == MODEL_ENDS && it->item == item && --it->ends == 0) {
        decide(model, actor, it->outcome);
    }
}

void model_wait(struct model *model, int actor, enum model_kind kind)
{
    model->actors[actor].kind = kind;
}

void model_decide(struct model *model, int actor, int64_t result)
{
    if (model->actors[actor].decided == MODEL_UNDECIDED) {
        decide(model, actor, result);
    }
}

void model_go_on(struct model *model, int actor)
{
    struct model_actor *it = &model->actors[actor];

    it->decided = it->cancel ? -ECANCELED : MODEL_UNDECIDED;
    it->cancel = false;
}

/* ---- cancels */

static bool is_interruption(int64_t result)
{
    return result == -ECANCELED || result == -ETIMEDOUT;
}

/* An interruption that the actor has not seen takes further cancels into it, whether its wait is over
 * or goes on (a condition's for its lock, a join's for its task); a result that stands leaves them
 * for the next await. */
void model_cancel(struct model *model, int actor)
{
    struct model_actor *it = &model->actors[actor];

    if (it->kind != MODEL_NOTHING && is_interruption(it->decided)) {
        it->decided = -ECANCELED;
    } else if (waits(model, actor) && it->in_condition && is_interruption(it->outcome)) {
        it->outcome = -ECANCELED;
    } else if (waits(model, actor) && !it->in_condition) {
        interrupt(model, actor, -ECANCELED);
    } else {
        it->cancel = true;
    }
}
