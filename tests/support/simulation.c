#include "simulation.h"

#include "eddy/gather.h"

struct simulation sim;

unsigned below(unsigned limit)
{
    return (unsigned)(testing_random(&sim.state) % limit);
}

int64_t time_after(int64_t milliseconds)
{
    int64_t now = eddy_loop_now(testing.loop);

    return milliseconds * EDDY_MILLISECOND + ++sim.next_nanosecond - now % EDDY_MILLISECOND;
}

int64_t some_time(void)
{
    return time_after(1 + below(40));
}

/* ---- what the tasks of the actors do, and their own frames */

eddy_frame(child) {
    eddy_coro co;
    int64_t duration;
    int64_t result;
    int number; /* whose child it is, who awaits its end as that item; item 0: nobody does */
    int item;
};

static void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_await(eddy_sleep(co, self->duration));
    if (self->item != 0) {
        model_time(&sim.model, eddy_loop_now(testing.loop));
        model_ended(&sim.model, self->number, self->item);
    }
    eddy_return(self->result);
    eddy_end;
}

/* Keeps a lock for a while: in the model one operation after the other, and the release. */
eddy_frame_of(holds, struct actor *actor, int64_t rc);

static void holds(eddy_coro *co)
{
    int64_t now;

    eddy_begin(holds);
    eddy_with_lock(&sim.locks[self->actor->lock]) {
        now = eddy_loop_now(testing.loop);
        self->actor->duration = some_time();
        check(model_end(&sim.model, self->actor->number, now) == 0);
        model_go_on(&sim.model, self->actor->number);
        model_sleep(&sim.model, self->actor->number, now + self->actor->duration);
        eddy_catch(self->rc, eddy_sleep(co, self->actor->duration));
        model_time(&sim.model, eddy_loop_now(testing.loop));
        check(model_release(&sim.model, self->actor->number, self->actor->lock) == 0);
    }
    eddy_return(self->rc);
    eddy_end;
}

/* Returns the first index, and whether the other came next. */
eddy_frame_of(completes, int number, size_t i, int seen, int64_t order);

static void completes(eddy_coro *co)
{
    eddy_begin(completes);
    eddy_for_each(self->i, eddy_as_completed, .tasks = sim.children[self->number],
                  .count = CHILDREN) {
        self->order = self->order * 10 + (int64_t)self->i + 1;
        if (++self->seen == CHILDREN) {
            break;
        }
    }
    eddy_return(self->order);
    eddy_end;
}

/* ---- what never waits */

void cancel_actor(int number)
{
    const eddy_task *its = sim.children[number];

    if (sim.runs[number]) {
        if (eddy_task_done(its[0]) && eddy_task_done(its[1])) {
            model_child_ended(&sim.model, number);
        }
        model_cancel(&sim.model, number);
        check(eddy_cancel(sim.tasks[number]) == 0);
    }
}

void act(eddy_coro *co, struct actor *self)
{
    struct model *model = &sim.model;
    int most = (int)below(3);

    switch (self->operation) {
    case RELEASE:
        check(eddy_lock_release(co, &sim.locks[self->lock]) ==
              model_release(model, self->number, self->lock));
        break;
    case NOTIFY:
        check(eddy_cond_notify(co, &sim.cond, most) == model_notify(model, self->number, most));
        break;
    case GIVE_PERMIT:
        if (self->permits > 0) {
            self->permits--;
            model_give_permit(model);
            check(eddy_semaphore_release(&sim.semaphore) == 0);
        }
        break;
    case TASK_DONE:
        check(eddy_queue_task_done(&sim.queue) == model_task_done(model));
        break;
    case SHUT_DOWN:
        if (below(20) == 0) {
            bool drop = below(2) == 0;
            model_shut_down(model, drop);
            eddy_queue_shutdown(&sim.queue, drop ? EDDY_QUEUE_DROP : EDDY_QUEUE_DRAIN);
        }
        break;
    case SET_EVENT:
        model_set_event(model);
        eddy_event_set(&sim.event);
        break;
    case CLEAR_EVENT:
        model->set = false;
        eddy_event_clear(&sim.event);
        break;
    case SET_FUTURE:
        check(eddy_future_set(&sim.future, self->item) == model_set_future(model, self->item));
        break;
    case RESET_FUTURE:
        model->done = false;
        eddy_future_reset(&sim.future);
        break;
    case BREAK:
        if (below(5) == 0) {
            model_break(model, true);
            eddy_barrier_abort(&sim.barrier);
        }
        break;
    case RESET_BARRIER:
        model_break(model, false);
        eddy_barrier_reset(&sim.barrier);
        break;
    case TRY_TO_READ:
    case TRY_TO_WRITE:
    case SHUT_END:
    case CLOSE_END:
        act_on_end(self);
        break;
    case CANCEL:
        cancel_actor((int)below(MODEL_ACTORS));
        break;
    default:
        break;
    }
}

static int64_t later(const struct actor *self)
{
    return self->duration > self->other_duration ? self->duration : self->other_duration;
}

static void begin_operation_in_model(struct actor *self, int64_t now)
{
    struct model *model = &sim.model;
    int number = self->number;

    switch (self->operation) {
    case SLEEP:
        model_sleep(model, number, now + self->duration);
        break;
    case ACQUIRE:
        model_acquire(model, number, self->lock);
        break;
    case WAIT_COND:
        model_wait_cond(model, number);
        break;
    case TAKE_PERMIT:
        model_take_permit(model, number);
        break;
    case PUT:
        model_put(model, number, self->item);
        break;
    case GET:
        model_get(model, number);
        break;
    case WAIT_EVENT:
        model_wait_event(model, number);
        break;
    case WAIT_FUTURE:
        model_wait_future(model, number);
        break;
    case MEET:
        model_meet(model, number);
        break;
    case JOIN_QUEUE:
        model_join_queue(model, number);
        break;
    case READ_BYTES:
        begin_read_in_model(self);
        break;
    case WRITE_BYTES:
        begin_write_in_model(self);
        break;
    case CALL:
        model_call(model, number, now + self->duration, self->item);
        break;
    case HOLD:
        model_acquire(model, number, self->lock);
        break;
    case JOIN:
        model_join(model, number, now + self->duration, self->item);
        break;
    case GATHER:
    case WAIT_GROUP:
        model_join(model, number, now + later(self), 0);
        break;
    case SHIELD:
        model_await_ends(model, number, self->item, 1, self->item);
        break;
    case WAIT_FIRST:
        model_await_ends(model, number, self->item, 1, 1);
        break;
    case WAIT_ALL:
        model_await_ends(model, number, self->item, CHILDREN, CHILDREN);
        break;
    case AS_COMPLETED:
        model_await_ends(model, number, self->item, CHILDREN,
                         self->duration < self->other_duration ? 12 : 21);
        break;
    default:
        model_pause(model, number);
        break;
    }
}

static int64_t begin_operation(eddy_coro *co, struct actor *self)
{
    switch (self->operation) {
    case SLEEP:
        return eddy_sleep(co, self->duration);
    case ACQUIRE:
        return eddy_lock_acquire(co, &sim.locks[self->lock]);
    case WAIT_COND:
        return eddy_cond_wait(co, &sim.cond);
    case TAKE_PERMIT:
        return eddy_semaphore_acquire(co, &sim.semaphore);
    case PUT:
        return eddy_queue_put(co, &sim.queue, &self->item);
    case GET:
        return eddy_queue_get(co, &sim.queue, &self->item);
    case WAIT_EVENT:
        return eddy_event_wait(co, &sim.event);
    case WAIT_FUTURE:
        return eddy_future_wait(co, &sim.future);
    case MEET:
        return eddy_barrier_wait(co, &sim.barrier);
    case JOIN_QUEUE:
        return eddy_queue_join(co, &sim.queue);
    case READ_BYTES:
        return eddy_read(co, &sim.ends[self->end].stream, self->bytes, self->size);
    case WRITE_BYTES:
        return eddy_write(co, &sim.ends[self->end].stream, self->bytes, self->size);
    case CALL:
        return eddy_call(co, child, .duration = self->duration, .result = self->item);
    case HOLD:
        return eddy_call(co, holds, .actor = self);
    case JOIN:
        return eddy_join(co, sim.children[self->number][0]);
    case GATHER:
        return eddy_gather(co, sim.children[self->number], CHILDREN);
    case WAIT_GROUP:
        return eddy_group_wait(co, &sim.groups[self->number]);
    case SHIELD:
        return eddy_shield(co, sim.children[self->number][0]);
    case WAIT_FIRST:
        return eddy_wait_tasks(co, sim.children[self->number], CHILDREN, EDDY_WAIT_FIRST);
    case WAIT_ALL:
        return eddy_wait_tasks(co, sim.children[self->number], CHILDREN, EDDY_WAIT_ALL);
    case AS_COMPLETED:
        return eddy_call(co, completes, .number = self->number);
    default:
        return eddy_pause(co);
    }
}

/* What it is to wait for. */
static void spawn_children(eddy_coro *co, struct actor *self)
{
    eddy_task *its = sim.children[self->number];
    eddy_group *group = &sim.groups[self->number];
    int item = self->operation >= SHIELD ? self->item : 0;

    memset(its, 0, sizeof sim.children[self->number]);
    if (self->operation < JOIN) {
        return;
    }
    if (self->operation == WAIT_GROUP) {
        its[0] = eddy_group_spawn(co, group, child, .duration = self->duration);
        its[1] = eddy_group_spawn(co, group, child, .duration = self->other_duration);
        return;
    }
    its[0] = eddy_spawn(co, child, .duration = self->duration, .result = self->item,
                        .number = self->number, .item = item);
    if (self->operation != JOIN && self->operation != SHIELD) {
        its[1] = eddy_spawn(co, child, .duration = self->other_duration, .number = self->number,
                            .item = item);
    }
}

void begin_in_model(eddy_coro *co, struct actor *self, int64_t now)
{
    spawn_children(co, self);
    begin_operation_in_model(self, now);
}

void leave_children(struct actor *self)
{
    int count = self->operation > SHIELD ? CHILDREN : 1;

    for (int i = 0; self->operation >= SHIELD && i < count; i++) {
        bool joined = self->operation == SHIELD && self->rc == self->item;
        check(eddy_detach(sim.children[self->number][i]) == (joined ? -ESRCH : 0));
    }
}

eddy_frame_of(limits, struct actor *actor, int64_t rc);

static void limits(eddy_coro *co)
{
    eddy_begin(limits);
    eddy_with_timeout(self->actor->limit) {
        eddy_await(self->rc, begin_operation(co, self->actor));
    }
    eddy_return(self->rc);
    eddy_end;
}

int64_t begin(eddy_coro *co, struct actor *self)
{
    if (self->limit == EDDY_FOREVER) {
        return begin_operation(co, self);
    }
    return self->in_block ? eddy_call(co, limits, .actor = self)
                          : eddy_wait_for(co, self->limit, begin_operation(co, self));
}
