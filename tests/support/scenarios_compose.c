/* Scenarios of blocks that have a deadline or own tasks, of waits that own none, of frames that are
 * the caller's, and of callbacks. */
#include "scenarios.h"

#include "eddy/gather.h"
#include "eddy/group.h"
#include "eddy/task.h"

enum { TASKS = 3 };

static int members; /* tasks that run */

static void reset(void)
{
    members = 0;
}

static void check(void)
{
    scenario_assert(members == 0);
}

/* Sleeps some times, and cleans up for two turns. */
eddy_frame(member) {
    eddy_coro co;
    int times;
    int64_t result;
};

static void member(eddy_coro *co)
{
    eddy_begin(member);
    scenario_opened();
    members++;
    while (self->times-- > 0) {
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_return(self->result);
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    members--;
    scenario_closed();
    eddy_end;
}

/* ---- a block with a group */

eddy_frame(with_group) {
    eddy_coro co;
    int id;
    int64_t failure; /* of one task; 0: none */
    eddy_group group;
};

static void with_group(eddy_coro *co)
{
    eddy_begin(with_group);
    eddy_with_group(&self->group) {
        (void)eddy_group_spawn(co, &self->group, member, .times = 3);
        (void)eddy_group_spawn(co, &self->group, member, .times = 2, .result = self->failure);
        eddy_await(eddy_sleep(co, 4 * TICK));
        (void)eddy_group_spawn(co, &self->group, member, .times = 1);
    }
eddy_finally:
    scenario_assert(eddy_group_count(&self->group) == 0);
    scenario_assert(members == 0);
    eddy_end;
}
scenario_role(with_group);

/* A task of the group fails, and cancels the block; that is never a cancel of the role. */
eddy_frame(fails_in_group) {
    eddy_coro co;
    int id;
};

static void fails_in_group(eddy_coro *co)
{
    eddy_begin(fails_in_group);
    eddy_except(-EIO, eddy_call(co, with_group, .failure = -EIO)) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}
scenario_role(fails_in_group);

/* What came first goes on; the failure is told if that was something else. */
static void check_failure(void)
{
    check();
    if (testing.errors.code == -EIO) {
        testing.errors.count = 0;
    }
}

/* ---- a group whose results are kept */

eddy_frame(takes_results) {
    eddy_coro co;
    int id;
    int64_t result, sum;
    int64_t rc;
    int i;
    eddy_group group;
};

static void takes_results(eddy_coro *co)
{
    eddy_begin(takes_results);
    self->group.policy = EDDY_GROUP_KEEP;
    for (self->i = 1; self->i <= TASKS; self->i++) {
        (void)eddy_group_spawn(co, &self->group, member, .times = self->i, .result = self->i);
    }
    for (self->i = 0; self->i < TASKS; self->i++) {
        eddy_await(self->rc, eddy_group_next(co, &self->group, &self->result));
        scenario_assert(self->rc == 1);
        if (self->result < 0 && self->result != -ECANCELED) {
            eddy_return(self->result);
        }
        self->sum += self->result > 0 ? self->result : 0;
        eddy_await(eddy_pause(co));
    }
eddy_finally:
    eddy_group_cancel(&self->group);
    do { /* what was not taken is still there, each once */
        eddy_catch(self->rc, eddy_group_next(co, &self->group, &self->result));
        self->i += self->rc == 1;
    } while (self->rc == 1);
    scenario_assert(self->i <= TASKS || self->rc < 0 || scenario_lacks_memory());
    scenario_assert(self->sum <= 6);
    scenario_assert(eddy_group_count(&self->group) == 0);
    eddy_end;
}
scenario_role(takes_results);

/* ---- a block with a deadline, in which another has one, too */

eddy_frame(with_timeout) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void with_timeout(eddy_coro *co)
{
    eddy_begin(with_timeout);
    eddy_with_timeout(5 * TICK) {
        eddy_await(eddy_sleep(co, TICK));
        eddy_with_timeout(2 * TICK) {
            eddy_catch(self->rc, eddy_call(co, member, .times = 4));
            if (self->rc < 0 && self->rc != -ECANCELED) {
                eddy_return(self->rc);
            }
            scenario_carries_on();
            eddy_await(self->rc, give(co, self->rc));
        }
    }
    eddy_return(self->rc);
    eddy_end;
}

/* The inner deadline's cancel was caught: the block has had its way. */
eddy_frame(has_its_way) {
    eddy_coro co;
    int id;
};

static void has_its_way(eddy_coro *co)
{
    eddy_begin(has_its_way);
    eddy_except(-ETIMEDOUT, eddy_call(co, with_timeout)) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}
scenario_role(has_its_way);

/* ---- waits that own no task: who spawned them joins them */

eddy_frame(waits) {
    eddy_coro co;
    int id;
    int64_t rc;
    size_t i;
    int64_t results[TASKS];
    eddy_task tasks[TASKS];
};

static void waits(eddy_coro *co)
{
    eddy_begin(waits);
    for (int i = 0; i < TASKS; i++) {
        self->tasks[i] = eddy_spawn(co, member, .times = i + 1, .result = i);
    }
    eddy_await(self->rc, eddy_wait_tasks(co, self->tasks, TASKS, EDDY_WAIT_FIRST));
    scenario_assert(self->rc >= 1);
    eddy_catch(self->rc,
               eddy_wait_for(co, TICK, eddy_wait_tasks(co, self->tasks, TASKS, EDDY_WAIT_ALL)));
    if (self->rc == -ECANCELED || self->rc == -ENOMEM) {
        eddy_return(self->rc);
    }
    eddy_for_each(self->i, eddy_as_completed, .tasks = self->tasks, .count = TASKS) {
        scenario_assert(eddy_task_done(self->tasks[self->i]));
        eddy_await(eddy_pause(co));
    }
eddy_finally:
    for (int i = 0; i < TASKS; i++) {
        (void)eddy_cancel(self->tasks[i]);
    }
    eddy_catch(self->rc, eddy_gather_all(co, self->tasks, TASKS, self->results));
    if (self->rc == -ENOMEM) { /* nothing was touched */
        for (int i = 0; i < TASKS; i++) {
            (void)eddy_detach(self->tasks[i]);
        }
    }
    eddy_end;
}
scenario_role(waits);

/* ---- frames in memory of the caller's */

eddy_frame(lends) {
    eddy_coro co;
    int id;
    eddy_task task;
    int64_t rc;
    struct member spawned, called;
};

static void lends(eddy_coro *co)
{
    eddy_begin(lends);
    self->task = eddy_spawn_in(co, &self->spawned, member, .times = 4, .result = 4);
    eddy_await(self->rc, eddy_call_in(co, &self->called, member, .times = 2, .result = 2));
    scenario_assert(self->rc == 2);
    eddy_await(self->rc, eddy_call_in(co, &self->called, member, .times = 1, .result = 1));
    scenario_assert(self->rc == 1);
    eddy_await(self->rc, eddy_join(co, self->task));
    scenario_assert(self->rc == 4);
    eddy_return(0);
eddy_finally:
    (void)eddy_cancel(self->task); /* it must not outlive the frame */
    eddy_catch(self->rc, eddy_join(co, self->task));
    scenario_assert(eddy_task_done(self->task));
    eddy_end;
}
scenario_role(lends);

/* ---- callbacks for the end of a task: of two, the second is stopped */

enum { HEARERS = 2, ENDS = 2 };

static struct end {
    eddy_done_callback callback;
    bool set;
    int told;
} all_ends[HEARERS][ENDS];

static void reset_ends(void)
{
    reset();
    memset(all_ends, 0, sizeof all_ends);
}

static void on_done(eddy_done_callback *callback)
{
    struct end *end = callback->user;

    end->told++;
}

eddy_frame(hears) {
    eddy_coro co;
    int id;
    int i;
    int64_t rc;
    eddy_task tasks[ENDS];
};

static void set_callbacks(struct hears *self)
{
    for (int i = 0; i < ENDS; i++) {
        struct end *end = &all_ends[self->id][i];
        end->callback.user = end;
        end->set = eddy_task_on_done(self->tasks[i], &end->callback, on_done) == 0;
        scenario_assert(end->set || scenario_lacks_memory());
    }
}

/* Two turns after the task's end its callback has run, once and with its result, or never will. */
static void hears(eddy_coro *co)
{
    const struct end *end;

    eddy_begin(hears);
    for (int i = 0; i < ENDS; i++) {
        self->tasks[i] = eddy_spawn(co, member, .times = 3 - i, .result = i);
    }
    set_callbacks(self);
    eddy_await(eddy_sleep(co, TICK));
    eddy_done_callback_stop(&all_ends[self->id][1].callback);
    all_ends[self->id][1].set = eddy_spawn_error(self->tasks[1]) < 0; /* then it has run */
    eddy_await(eddy_wait_tasks(co, self->tasks, ENDS, EDDY_WAIT_ALL));
eddy_finally:
    for (self->i = 0; self->i < ENDS; self->i++) {
        (void)eddy_cancel(self->tasks[self->i]);
        eddy_catch(self->rc, eddy_join(co, self->tasks[self->i]));
        eddy_await(eddy_pause(co)); /* it may have ended in this very turn, */
        eddy_await(eddy_pause(co)); /* and the next may be shuffled */
        end = &all_ends[self->id][self->i];
        scenario_assert(end->told == end->set);
        scenario_assert(!end->set || end->callback.result == self->rc);
    }
    eddy_end;
}
scenario_role(hears);

/* ---- a block that catches, with a group in it that fails */

eddy_frame_of(tries, int id, int64_t rc, eddy_group group);

static void tries(eddy_coro *co)
{
    eddy_begin(tries);
    eddy_try(self->rc) {
        eddy_with_group(&self->group) {
            (void)eddy_group_spawn(co, &self->group, member, .times = 3);
            (void)eddy_group_spawn(co, &self->group, member, .times = 1, .result = -EIO);
        }
    }
    /* 0: the one that was to fail was cancelled itself */
    scenario_assert(self->rc == -EIO || self->rc == 0 ||
                    (self->rc == -ENOMEM && scenario_lacks_memory()));
    eddy_await(eddy_sleep(co, TICK));
eddy_finally:
    scenario_assert(eddy_outcome(co) != -EIO);
    eddy_try(self->rc) {
        eddy_await(eddy_call(co, member, .times = 1, .result = -EPERM));
    }
    scenario_assert(self->rc == -EPERM || (self->rc == -ENOMEM && scenario_lacks_memory()) ||
                    eddy_outcome(co) < 0);
    eddy_end;
}
scenario_role(tries);

const struct scenario compose_scenarios[] = {
    {"block with a group", reset, {play_with_group}, check},
    {"block with a group that fails", reset, {play_fails_in_group}, check_failure},
    {"kept results", reset, {play_takes_results, play_takes_results}, check},
    {"block with a deadline", reset, {play_has_its_way, play_has_its_way}, check},
    {"block that catches", reset, {play_tries, play_tries}, check},
    {"waits", reset, {play_waits, play_waits}, check},
    {"frames of the caller's", reset, {play_lends, play_lends}, check},
    {"callbacks at the end", reset_ends, {play_hears, play_hears}, check},
    {NULL, NULL, {NULL}, NULL},
};
