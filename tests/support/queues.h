/* What the tests of queues share: a queue of numbers, and tasks that put and get. */
#ifndef EDDY_TESTING_QUEUES_H
#define EDDY_TESTING_QUEUES_H

#include "support/tasks.h"

#include "eddy/queue.h"

/* Static, so that the loop still finds it when a case has failed; the set-up clears it. */
static eddy_queue queue;

static inline int set_up_queue(void **state)
{
    memset(&queue, 0, sizeof queue);
    return testing_setup(state);
}

static inline int tear_down_queue(void **state)
{
    if (!testing.failed) {
        eddy_queue_fini(&queue);
    }
    return testing_teardown(state);
}

#define queue_case(name) cmocka_unit_test_setup_teardown(name, set_up_queue, tear_down_queue)

/* init(int, .capacity = 1) */
#define init(...) assert_int_equal(eddy_queue_init(testing.loop, &queue, __VA_ARGS__), 0)

/* "ok", "ESHUTDOWN", ... */
static inline const char *result_name(int64_t result)
{
    switch (result) {
    case 0:
        return "ok";
    case -ECANCELED:
        return "ECANCELED";
    case -ETIMEDOUT:
        return "ETIMEDOUT";
    case -ESHUTDOWN:
        return "ESHUTDOWN";
    case -EAGAIN:
        return "EAGAIN";
    case -ENOMEM:
        return "ENOMEM";
    default:
        return "?";
    }
}

/* Puts the numbers from `first` on, `count` of them (0: one); logs each, "p+3", or the error with
 * which it ends, "p:ECANCELED". `limit` is that of each put; 0: none. */
eddy_frame(putter) {
    eddy_coro co;
    const char *name;
    int first;
    int count;
    int64_t limit;
    int64_t rc;
};

static inline void putter(eddy_coro *co)
{
    eddy_begin(putter);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                           eddy_queue_put(co, &queue, &self->first)));
        if (self->rc < 0) {
            testing_log("%s:%s", self->name, result_name(self->rc));
            eddy_return(0);
        }
        testing_log("%s+%d", self->name, self->first++);
    } while (--self->count > 0);
    eddy_end;
}

/* Gets `count` numbers (0: one); likewise, "g-3". */
eddy_frame(getter) {
    eddy_coro co;
    const char *name;
    int count;
    int64_t limit;
    int number;
    int64_t rc;
};

static inline void getter(eddy_coro *co)
{
    eddy_begin(getter);
    do {
        eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                           eddy_queue_get(co, &queue, &self->number)));
        if (self->rc < 0) {
            testing_log("%s:%s", self->name, result_name(self->rc));
            eddy_return(0);
        }
        testing_log("%s-%d", self->name, self->number);
    } while (--self->count > 0);
    eddy_end;
}

/* Joins the queue, and logs how that ended: "j:ok". */
eddy_frame(joiner) {
    eddy_coro co;
    const char *name;
    int64_t limit;
    int64_t rc;
};

static inline void joiner(eddy_coro *co)
{
    eddy_begin(joiner);
    eddy_catch(self->rc, eddy_wait_for(co, self->limit == 0 ? EDDY_FOREVER : self->limit,
                                       eddy_queue_join(co, &queue)));
    testing_log("%s:%s", self->name, result_name(self->rc));
    eddy_end;
}

static inline void try_put(int number)
{
    assert_int_equal(eddy_queue_try_put(&queue, &number), 0);
}

/* The next number, or -1 if there is none. */
static inline int try_get(void)
{
    int number = -1;

    (void)eddy_queue_try_get(&queue, &number);
    return number;
}

/* Logs what is in the queue, in the order in which it comes out, and takes it: "<1 2>". */
static inline void log_rest(void)
{
    int number;

    testing_log("<");
    while ((number = try_get()) >= 0) {
        testing_log("%d", number);
    }
    testing_log(">");
}

#endif
