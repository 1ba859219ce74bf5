/* Coroutines that many test cases need, and short words to run one. */
#ifndef EDDY_TESTING_TASKS_H
#define EDDY_TESTING_TASKS_H

#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "eddy/deadline.h"
#include "eddy/task.h"
#include "eddy/wait.h"

/* Starts a coroutine as a task of the fixture's loop. */
#define start(...) eddy_loop_spawn(testing.loop, __VA_ARGS__)

/* Runs a coroutine as a task until it has ended; its result. */
#define run(...) eddy_loop_run_until(testing.loop, start(__VA_ARGS__))

/* Runs a task that was started until it has ended; its result. */
#define finish(task) eddy_loop_run_until(testing.loop, task)

/* The time on the fixture's virtual or manual clock, in whole seconds. */
static inline int seconds(void)
{
    return (int)(testing.clock.now / EDDY_SECOND);
}

/* Logs how something ended, and when: "name=3@7", "name=ECANCELED@7". */
static inline void log_end(const char *name, int64_t result)
{
    static const struct {
        int64_t code;
        const char *text;
    } codes[] = {
        {-ECANCELED, "ECANCELED"}, {-ETIMEDOUT, "ETIMEDOUT"}, {-EIO, "EIO"},
        {-ENOMEM, "ENOMEM"},       {-ESRCH, "ESRCH"},         {-EBUSY, "EBUSY"},
        {-EPERM, "EPERM"},         {-EDEADLK, "EDEADLK"},     {-EAGAIN, "EAGAIN"},
        {-EINVAL, "EINVAL"},       {-EOVERFLOW, "EOVERFLOW"}, {-ENOTRECOVERABLE, "BROKEN"},
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == result) {
            testing_log("%s=%s@%d", name, codes[i].text, seconds());
            return;
        }
    }
    testing_log("%s=%lld@%d", name, (long long)result, seconds());
}

/* Exactly one report came since the last assert, with that code and, somewhere in its text, that. */
static inline void assert_told(int64_t code, const char *part)
{
    assert_int_equal(testing.errors.count, 1);
    assert_int_equal(testing.errors.code, code);
    if (strstr(testing.errors.text, part) == NULL) {
        fail_msg("\"%s\" is not in the report: %s", part, testing.errors.text);
    }
    testing.errors.count = 0;
}

/* From here on the loop has no memory, neither of the allocator nor in its pool; that of the
 * allocator is back with testing_fail_allocation(0), that of the pool with the next loop. */
static inline void use_up_memory(void)
{
    struct eddy_pool *pool = (struct eddy_pool *)(void *)testing.loop; /* a loop begins with it */
    unsigned pool_class;

    testing_fail_allocations_from(1);
    for (size_t size = EDDY_POOL_SMALL; size > 0; size -= EDDY_POOL_STEP) {
        while (eddy_pool_take(pool, size, &pool_class) != NULL) {}
    }
}

/* An operation that has its result at once. */
EDDY_MUST_USE static inline int64_t give(eddy_coro *co, int64_t result)
{
    int64_t interrupted = eddy_check(co);

    return interrupted < 0 ? interrupted : eddy_complete(co, result);
}

/* Sleeps, logs how that ended if it has a name, and returns `result`, or the error of the sleep. */
struct sleeps {
    eddy_coro co;
    const char *name;
    int seconds;
    int64_t result;
    int64_t rc;
};

static inline void sleeps(eddy_coro *co)
{
    eddy_begin(sleeps);
    eddy_catch(self->rc, eddy_sleep(co, self->seconds * EDDY_SECOND));
    self->rc = self->rc < 0 ? self->rc : self->result;
    if (self->name != NULL) {
        log_end(self->name, self->rc);
    }
    eddy_return(self->rc);
    eddy_end;
}

/* Sleeps so many nanoseconds, swallows a cancel, and returns 0. */
struct swallows_cancel {
    eddy_coro co;
    int64_t sleep;
    int64_t rc;
};

static inline void swallows_cancel(eddy_coro *co)
{
    eddy_begin(swallows_cancel);
    eddy_catch(self->rc, eddy_sleep(co, self->sleep));
    eddy_return(0);
    eddy_end;
}

/* Returns at once. */
struct returns {
    eddy_coro co;
    int64_t result;
};

static inline void returns(eddy_coro *co)
{
    eddy_begin(returns);
    eddy_return(self->result);
    eddy_end;
}

/* Logs its name and pauses, `times` times. */
struct pauses {
    eddy_coro co;
    const char *name;
    int times;
};

static inline void pauses(eddy_coro *co)
{
    eddy_begin(pauses);
    while (self->times-- > 0) {
        testing_log("%s", self->name);
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

/* Cancels a task at a time; logs nothing. */
struct cancels {
    eddy_coro co;
    eddy_task task;
    int at;
};

static inline void cancels(eddy_coro *co)
{
    eddy_begin(cancels);
    if (self->at > seconds()) {
        eddy_await(eddy_sleep(co, (self->at - seconds()) * EDDY_SECOND));
    }
    eddy_return(eddy_cancel(self->task));
    eddy_end;
}

/* Sleeps `body` seconds, and then in its finally `cleanup` seconds; logs how both ended. */
struct cleans {
    eddy_coro co;
    const char *name;
    int body;
    int cleanup;
    int64_t result;
    int64_t rc;
};

static inline void cleans(eddy_coro *co)
{
    eddy_begin(cleans);
    eddy_catch(self->rc, eddy_sleep(co, self->body * EDDY_SECOND));
    log_end(self->name, self->rc);
    eddy_return(self->rc < 0 ? self->rc : self->result);
eddy_finally:
    eddy_await(eddy_sleep(co, self->cleanup * EDDY_SECOND));
    testing_log("%s.clean@%d", self->name, seconds());
    eddy_end;
}

#endif
