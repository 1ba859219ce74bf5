/* Scenarios of calls, scopes, deadlines, and tasks that wait for tasks. */
#include "scenarios.h"

#include "eddy/event.h"
#include "eddy/gather.h"
#include "eddy/group.h"

static void nothing(void) {}

/* ---- what the others call and spawn: sleeps some times, and cleans up for two turns */

eddy_frame(sleeper) {
    eddy_coro co;
    int times;
    int64_t result;
};

static void sleeper(eddy_coro *co)
{
    eddy_begin(sleeper);
    scenario_opened();
    while (self->times-- > 0) {
        eddy_await(eddy_sleep(co, TICK));
    }
    eddy_return(self->result);
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}

/* ---- calls, one in the other, each with a finally */

eddy_frame(descends) {
    eddy_coro co;
    int id;
    int depth;
    int64_t rc;
};

static void descends(eddy_coro *co)
{
    eddy_begin(descends);
    scenario_opened();
    if (self->depth < 4) {
        eddy_await(eddy_pause(co));
        eddy_await(self->rc, eddy_call(co, descends, .depth = self->depth + 1));
        scenario_assert(self->rc == self->depth + 1);
    }
    eddy_await(eddy_sleep(co, TICK));
    eddy_return(self->depth);
eddy_finally:
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}
scenario_role(descends);

/* ---- tasks side by side (chapter 2) */

eddy_frame(gathers) {
    eddy_coro co;
    int id;
    eddy_task tasks[3];
};

static void gathers(eddy_coro *co)
{
    eddy_begin(gathers);
    self->tasks[0] = eddy_spawn(co, sleeper, .times = 3);
    self->tasks[1] = eddy_spawn(co, sleeper, .times = 5);
    self->tasks[2] = eddy_spawn(co, sleeper, .times = 1, .result = 7);
    eddy_await(eddy_gather(co, self->tasks, 3));
    eddy_end;
}
scenario_role(gathers);

/* ---- one of them fails (chapter 12) */

eddy_frame(gathers_failure) {
    eddy_coro co;
    int id;
    eddy_task tasks[3];
};

static void gathers_failure(eddy_coro *co)
{
    eddy_begin(gathers_failure);
    self->tasks[0] = eddy_spawn(co, sleeper, .times = 6);
    self->tasks[1] = eddy_spawn(co, sleeper, .times = 2, .result = -EIO);
    self->tasks[2] = eddy_spawn(co, sleeper, .times = 6);
    eddy_except(-EIO, eddy_gather(co, self->tasks, 3)) {
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}
scenario_role(gathers_failure);

/* If another was cancelled before, the failure is not the gather's result, and is told of. */
static void check_failure(void)
{
    if (testing.errors.code == -EIO) {
        testing.errors.count = 0;
    }
}

/* ---- a group, which the finally waits for whatever comes */

static int members[2]; /* that run, of each role's group */

static void reset_members(void)
{
    memset(members, 0, sizeof members);
}

eddy_frame(member) {
    eddy_coro co;
    int times;
    int *count;
};

static void member(eddy_coro *co)
{
    eddy_begin(member);
    ++*self->count;
    eddy_await(eddy_call(co, sleeper, .times = self->times));
eddy_finally:
    --*self->count;
    eddy_end;
}

/* A task of a group that spawns into it. */
eddy_frame(joins_in) {
    eddy_coro co;
    int *count;
    eddy_group *group;
};

static void joins_in(eddy_coro *co)
{
    eddy_begin(joins_in);
    eddy_await(eddy_sleep(co, TICK));
    (void)eddy_group_spawn(co, self->group, member, .times = 2, .count = self->count);
    eddy_await(eddy_call(co, sleeper, .times = 1));
    eddy_end;
}

eddy_frame(groups) {
    eddy_coro co;
    int id;
    int64_t rc;
    eddy_group group;
};

/* No task of the group outlives it, nor runs although its spawn has failed. */
static void groups(eddy_coro *co)
{
    eddy_begin(groups);
    (void)eddy_group_spawn(co, &self->group, member, .times = 6, .count = &members[self->id]);
    eddy_await(eddy_pause(co));
    (void)eddy_group_spawn(co, &self->group, joins_in, .group = &self->group,
                           .count = &members[self->id]);
    eddy_await(eddy_sleep(co, 2 * TICK));
    eddy_except(-ESHUTDOWN, eddy_group_wait(co, &self->group)) {
        /* it was being cancelled when joins_in came to its spawn: a failure, which stands */
    }
eddy_finally:
    eddy_group_cancel(&self->group);
    eddy_catch(self->rc, eddy_group_wait(co, &self->group));
    scenario_assert(eddy_group_count(&self->group) == 0);
    scenario_assert(members[self->id] == 0);
    eddy_end;
}
scenario_role(groups);

/* ---- joins: of a chain of tasks, and one that is shielded */

eddy_frame(chain) {
    eddy_coro co;
    int id;
    int length;
    eddy_task next;
    int64_t rc;
};

static void chain(eddy_coro *co)
{
    eddy_begin(chain);
    scenario_opened();
    if (self->length < 3) {
        self->next = eddy_spawn(co, chain, .length = self->length + 1);
        eddy_await(eddy_join(co, self->next));
    }
    eddy_await(eddy_sleep(co, TICK));
eddy_finally:
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}
scenario_role(chain);

eddy_frame(shields) {
    eddy_coro co;
    int id;
    eddy_task task;
    int64_t rc;
    bool joined;
};

static void shields(eddy_coro *co)
{
    eddy_begin(shields);
    self->task = eddy_spawn(co, sleeper, .times = 5, .result = 3);
    eddy_catch(self->rc, eddy_wait_for(co, 2 * TICK, eddy_shield(co, self->task)));
    self->joined = self->rc >= 0;
    if (self->rc != -ETIMEDOUT) {
        eddy_return(self->rc < 0 ? self->rc : 0);
    }
    eddy_await(eddy_shield(co, self->task));
    self->joined = true;
eddy_finally:
    if (!self->joined) { /* what was shielded goes on, or has ended; it is joined here */
        eddy_catch(self->rc, eddy_join(co, self->task));
        scenario_assert(self->rc == 3 || self->rc == -ESRCH || self->rc == -ECANCELED ||
                        self->rc == -ENOMEM);
    }
    eddy_end;
}

/* A value is no result of a role. */
eddy_frame(keeps) {
    eddy_coro co;
    int id;
};

static void keeps(eddy_coro *co)
{
    eddy_begin(keeps);
    eddy_await(eddy_call(co, shields));
    eddy_end;
}
scenario_role(keeps);

/* ---- one cancels another, and joins it (chapter 3) */

eddy_frame(eternity) {
    eddy_coro co;
};

static void eternity(eddy_coro *co)
{
    eddy_begin(eternity);
    scenario_opened();
    eddy_await(eddy_sleep(co, 3600 * EDDY_SECOND));
eddy_finally:
    eddy_await(eddy_sleep(co, 2 * TICK));
    scenario_closed();
    eddy_end;
}

eddy_frame(cancels_eternity) {
    eddy_coro co;
    int id;
    eddy_task task;
};

static void cancels_eternity(eddy_coro *co)
{
    eddy_begin(cancels_eternity);
    self->task = eddy_spawn(co, eternity);
    eddy_await(eddy_sleep(co, 2 * TICK));
    (void)eddy_cancel(self->task);
    eddy_except(-ECANCELED, eddy_join(co, self->task)) {
        self->task.record = NULL;
    }
eddy_finally:
    (void)eddy_cancel(self->task);
    (void)eddy_detach(self->task);
    eddy_end;
}
scenario_role(cancels_eternity);

/* ---- generators (chapters 4 and 6) */

eddy_frame(counts) {
    eddy_coro co;
    int end;
    int value;
    int i;
};

static void counts(eddy_coro *co)
{
    eddy_begin(counts);
    scenario_opened();
    for (; self->i < self->end; self->i++) {
        eddy_await(eddy_sleep(co, TICK));
        eddy_yield(self->i);
        eddy_await(eddy_pause(co));
    }
eddy_finally:
    eddy_await(eddy_pause(co));
    scenario_closed();
    eddy_end;
}

eddy_frame(iterates) {
    eddy_coro co;
    int id;
    int i, j;
    int sum;
};

static void iterates(eddy_coro *co)
{
    eddy_begin(iterates);
    eddy_for_each(self->i, counts, .end = 3) {
        eddy_for_each(self->j, counts, .end = 9) {
            self->sum++;
            if (self->j == self->i) {
                break;
            }
            eddy_await(eddy_pause(co));
        }
    }
    scenario_assert(self->sum == 6);
    eddy_end;
}
scenario_role(iterates);

/* ---- context managers (chapter 5) */

eddy_frame(context) {
    eddy_coro co;
    bool entered;
};

static void context(eddy_coro *co)
{
    eddy_begin(context);
    eddy_await(eddy_sleep(co, TICK));
    scenario_opened();
    self->entered = true;
    eddy_body;
eddy_finally:
    eddy_await(eddy_pause(co));
    eddy_await(eddy_pause(co));
    if (self->entered) {
        scenario_closed();
    }
    eddy_end;
}

eddy_frame(uses_context) {
    eddy_coro co;
    int id;
    int i;
};

static void uses_context(eddy_coro *co)
{
    eddy_begin(uses_context);
    for (; self->i < 2; self->i++) {
        eddy_with(context) {
            eddy_await(eddy_sleep(co, TICK));
            eddy_with(context) {
                eddy_await(eddy_call(co, sleeper, .times = 1));
                if (self->i == 1) {
                    eddy_return(0);
                }
            }
        }
    }
    eddy_end;
}
scenario_role(uses_context);

/* ---- deadlines in deadlines (chapter 10) */

eddy_frame(limits) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void limits(eddy_coro *co)
{
    eddy_begin(limits);
    eddy_catch(self->rc, eddy_wait_for(co, 3 * TICK, eddy_call(co, sleeper, .times = 9)));
    if (self->rc != -ETIMEDOUT) {
        eddy_return(self->rc);
    }
    eddy_catch(self->rc,
               eddy_wait_for(co, 9 * TICK,
                             eddy_wait_for(co, 2 * TICK, eddy_call(co, sleeper, .times = 5))));
    eddy_return(self->rc == -ETIMEDOUT ? 0 : self->rc);
    eddy_end;
}
scenario_role(limits);

/* ---- one that carries on after a cancel or deadline, once */

static bool carried_on, struck_again;

static void reset_stubborn(void)
{
    carried_on = struck_again = false;
}

eddy_frame(carries_on) {
    eddy_coro co;
    int id;
    int64_t rc;
};

static void carries_on(eddy_coro *co)
{
    eddy_begin(carries_on);
    eddy_catch(self->rc, eddy_call(co, sleeper, .times = 5));
    if (self->rc != -ECANCELED) {
        eddy_return(self->rc);
    }
    carried_on = true;
    scenario_carries_on();
    eddy_catch(self->rc, eddy_call(co, sleeper, .times = 5));
    struck_again = self->rc == -ECANCELED;
    eddy_return(self->rc);
    eddy_end;
}
scenario_role(carries_on);

/* A deadline strikes once: what strikes after it is a cancel, and is told as that; and the other
 * way round. */
static void check_stubborn(void)
{
    int64_t last = scenario_deadline_is_last() ? -ETIMEDOUT : -ECANCELED;

    scenario_assert(!carried_on || scenario_result(0) == (struck_again ? last : 0) ||
                    scenario_lacks_memory() || scenario_is_chaotic());
}

/* Likewise as a task that is joined: a second cancel of the joiner reaches it, too. */
eddy_frame(joins_stubborn) {
    eddy_coro co;
    int id;
    eddy_task task;
};

static void joins_stubborn(eddy_coro *co)
{
    eddy_begin(joins_stubborn);
    self->task = eddy_spawn(co, carries_on);
    eddy_await(eddy_join(co, self->task));
eddy_finally:
    (void)eddy_detach(self->task); /* if the join has never begun */
    eddy_end;
}
scenario_role(joins_stubborn);

static void check_joined(void)
{
    scenario_assert(!scenario_cancels_again() || !carried_on || struck_again);
}

const struct scenario task_scenarios[] = {
    {"calls", nothing, {play_descends, play_descends}, nothing},
    {"gather", nothing, {play_gathers, play_gathers}, nothing},
    {"gather that fails", nothing, {play_gathers_failure}, check_failure},
    {"group", reset_members, {play_groups, play_groups}, nothing},
    {"joins", nothing, {play_chain}, nothing},
    {"shields", nothing, {play_keeps, play_keeps}, nothing},
    {"cancel", nothing, {play_cancels_eternity}, nothing},
    {"generators", nothing, {play_iterates, play_iterates}, nothing},
    {"context managers", nothing, {play_uses_context, play_uses_context}, nothing},
    {"deadlines", nothing, {play_limits, play_limits}, nothing},
    {"carrying on", reset_stubborn, {play_carries_on}, check_stubborn},
    {"joining one that carries on", reset_stubborn, {play_joins_stubborn}, check_joined},
    {NULL, NULL, {NULL}, NULL},
};
