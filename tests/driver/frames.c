/*
 * The coroutines. Each takes steps, some of them inside of a block, and cleans up in the same way: it
 * cancels what it owns, waits for that, lets go of what it holds, and closes its books.
 *
 * What a block itself delivers, at its enter or its exit, no step sees: so the books then know less.
 */
#include "driver.h"

/* A block may have delivered a cancel. */
static void know_less(struct node *node)
{
    if (node->me->cancel == SURE) {
        node->me->cancel = MAYBE;
    }
}

/* What was caught last is the error of the step. Without memory it is not noted. */
static void check_error(eddy_coro *co, const struct node *node)
{
    const struct eddy_error_info *error = eddy_error(co);
    char text[32];

    if (node->rc >= 0 || world.faults) {
        return;
    }
    if (error->code != node->rc) {
        driver_fail("%lld was caught, and noted is %lld", (long long)node->rc,
                    (long long)error->code);
    }
    if (node->rc <= EDDY_ERROR_USER) {
        snprintf(text, sizeof text, "task %d", (int)(EDDY_ERROR_USER - node->rc));
        if (strcmp(error->text, text) != 0) {
            driver_fail("the error of %s says \"%s\"", text, error->text);
        }
    }
}

/* Ends the frame if a step has failed. An error of a task's own says which task that is. */
#define END_IF_FAILED                                                                              \
    if (self->node.verdict <= EDDY_ERROR_USER) {                                                   \
        eddy_fail(co, self->node.verdict, "task %d", (int)(EDDY_ERROR_USER - self->node.verdict)); \
    }                                                                                              \
    if (self->node.verdict < 0) {                                                                  \
        eddy_return(self->node.verdict);                                                           \
    }

#define STEP                                                \
    eddy_catch(self->node.rc, step_begin(co, &self->node)); \
    check_error(co, &self->node);                           \
    (void)step_end(&self->node);

/* Takes steps until there are none left, or one fails. */
#define STEPS                      \
    while (goes_on(&self->node)) { \
        STEP                       \
    }

/* A block is entered once or twice, */
#define TIMES for (self->turns = one_in(4) ? 2 : 1; self->turns > 0; self->turns--)

/* and left in every way that there is. */
#define MAY_LEAVE                          \
    if (one_in(6)) {                       \
        self->left = true;                 \
        break;                             \
    }                                      \
    if (one_in(6)) {                       \
        continue;                          \
    }                                      \
    if (one_in(8)) {                       \
        eddy_return(outcome(&self->node)); \
    }

/* The same frame does not clean up twice, and needs no memory for it. */
#define CLEAN eddy_catch(self->rc, eddy_call_in(co, &self->clean, clean, .node = &self->node))

/* ---- cleaning up */

static void check_masked(int64_t rc)
{
    if (rc == -ECANCELED) {
        driver_fail("a cancel strikes in a cleanup");
    }
}

/* How long a cleanup sleeps; now and then so long that the end of the loop cuts it off. */
static int64_t some_cleanup(void)
{
    return world.slow_cleanups && one_in(10) ? 10 * EDDY_SECOND : some_time();
}

static bool has_tasks(const struct node *node)
{
    for (int i = 0; i < node->kid_count; i++) {
        if (!eddy_task_done(node->kids[i])) {
            return true;
        }
    }
    return node->group.count > 0;
}

/* All that it owns is to end. */
static void cancel_kids(const struct node *node)
{
    for (int i = 0; i < node->kid_count; i++) {
        struct tracked *kid = task_of(node->kids[i]);
        if (kid != NULL && !eddy_task_done(node->kids[i])) {
            cancel(kid);
        }
    }
}

void clean(eddy_coro *co)
{
    eddy_begin(clean);
    self->was_masked = self->node->masked;
    self->was_in_group = self->node->in_group;
    self->node->in_group = false;
    self->deadline = self->node->me->deadline;
    self->node->masked = true;
    self->node->me->deadline = EDDY_FOREVER; /* held back */
    if (one_in(4)) {
        eddy_catch(self->rc, eddy_sleep(co, some_cleanup()));
        check_masked(self->rc);
    }
    if (self->node->depth < DEPTH && one_in(6)) {
        self->node->operation = NULL;
        eddy_catch(self->rc, eddy_call(co, program, .node = CALLED_BY(self->node)));
        self->node->verdict = self->node->verdict < 0 ? self->node->verdict : 0;
    }
    let_go(co, self->node);
    while (has_tasks(self->node)) {
        cancel_kids(self->node);
        for (self->i = 0; self->i < self->node->kid_count; self->i++) {
            eddy_catch(self->rc, eddy_join(co, self->node->kids[self->i]));
        }
        eddy_group_cancel(&self->node->group);
        eddy_catch(self->rc, eddy_group_wait(co, &self->node->group));
        if (has_tasks(self->node)) { /* others wait for them */
            eddy_catch(self->rc, eddy_pause(co));
            eddy_catch(self->rc, eddy_sleep(co, 25 * EDDY_MILLISECOND));
        }
    }
    eddy_catch(self->rc, eddy_group_wait(co, &self->node->group));
    self->node->masked = self->was_masked;
    self->node->in_group = self->was_in_group;
    self->node->me->deadline = self->deadline;
    eddy_end;
}

/* ---- steps, and nothing else */

void program(eddy_coro *co)
{
    eddy_begin(program);
    node_open(&self->node);
    STEPS
    END_IF_FAILED
    eddy_return(outcome(&self->node));
eddy_finally:
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

void leaf(eddy_coro *co)
{
    eddy_begin(leaf);
    touch(self->home);
    if (self->me != NULL) {
        require(self->me->cancel != SURE && !self->me->doomed);
        self->me->began = true;
    } else {
        self->home->refused = false;
    }
    eddy_catch(self->rc, eddy_sleep(co, some_time()));
    touch(self->home);
    if (self->me == NULL && self->rc == -ECANCELED && !self->home->masked) {
        self->home->me->cancel = NO;
    }
    if (self->rc < 0) {
        eddy_return(-ECANCELED);
    }
    eddy_return(0);
eddy_finally:
    eddy_catch(self->rc, eddy_pause(co));
    touch(self->home);
    if (self->me != NULL) {
        tracked_ended(self->me, co->outcome);
    }
    eddy_end;
}

/* ---- blocks */

void grouping(eddy_coro *co)
{
    eddy_begin(grouping);
    node_open(&self->node);
    TIMES
    {
        self->group.policy = (enum eddy_group_policy)below(3);
        know_less(&self->node);
        eddy_with_group(&self->group) {
            self->node.me->entangled = true; /* a task that fails cancels the block */
            self->node.in_group = true;
            for (self->i = below(KIDS + 1); self->i > 0; self->i--) {
                spawn_sibling(co, &self->group, &self->node);
            }
            STEPS
            END_IF_FAILED
            MAY_LEAVE
        }
        require(!self->left);
        self->node.in_group = false;
        if (self->group.count != 0) {
            driver_fail("a block with a group is over, and %u tasks run", self->group.count);
        }
    }
eddy_finally:
    require(self->group.count == 0);
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

/* Within `i` nanoseconds. */
void limited(eddy_coro *co)
{
    eddy_begin(limited);
    node_open(&self->node);
    self->deadline = self->node.me->deadline;
    TIMES
    {
        know_less(&self->node);
        eddy_with_timeout(self->i) {
            int64_t deadline = eddy_deadline_after(world.clock.now, self->i);
            if (deadline < self->node.me->deadline) {
                self->node.me->deadline = deadline;
            }
            STEPS
            END_IF_FAILED
            MAY_LEAVE
        }
        require(!self->left);
        self->node.me->deadline = self->deadline;
    }
eddy_finally:
    self->node.me->deadline = self->deadline;
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

/* Holds a lock, or a permit, of a box: `value` says how. */
void holding(eddy_coro *co)
{
    eddy_begin(holding);
    node_open(&self->node);
    know_less(&self->node);
    if (self->value == 0) {
        eddy_with_lock(&self->box->lock) {
            gets_lock(self->box, self->node.me);
            STEPS
            gives_lock(self->box, self->node.me);
            END_IF_FAILED
        }
    } else if (self->value == 1) {
        eddy_with_semaphore(&self->box->semaphore) {
            self->box->out++;
            require(self->box->out <= PERMITS);
            STEPS
            self->box->out--;
            END_IF_FAILED
        }
    } else {
        eddy_with_cond(&self->box->cond) {
            gets_lock(self->box, self->node.me);
            STEPS
            gives_lock(self->box, self->node.me);
            END_IF_FAILED
        }
    }
eddy_finally:
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

/* ---- generators and managers; their user knows nothing of what they deliver */

void counting(eddy_coro *co)
{
    eddy_begin(counting);
    node_open(&self->node);
    for (self->i = below(5); self->i > 0; self->i--) {
        if (goes_on(&self->node)) {
            STEP END_IF_FAILED
        }
        eddy_yield((int)self->i);
    }
eddy_finally:
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

void looping(eddy_coro *co)
{
    eddy_begin(looping);
    node_open(&self->node);
    eddy_for_each(self->value, counting, .node = CALLED_BY(&self->node)) {
        touch(&self->node);
        require(self->value > 0 && self->value < 5);
        if (goes_on(&self->node)) {
            STEP END_IF_FAILED
        }
        if (one_in(6)) {
            break;
        }
    }
eddy_finally:
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

void managing(eddy_coro *co)
{
    eddy_begin(managing);
    node_open(&self->node);
    if (goes_on(&self->node)) {
        STEP END_IF_FAILED
    }
    eddy_body;
    eddy_catch(self->rc, eddy_pause(co));
    check_masked(self->rc);
eddy_finally:
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

void managed(eddy_coro *co)
{
    eddy_begin(managed);
    node_open(&self->node);
    TIMES
    {
        eddy_with(managing, .node = CALLED_BY(&self->node)) {
            touch(&self->node);
            STEPS
            END_IF_FAILED
            MAY_LEAVE
        }
        require(!self->left);
    }
eddy_finally:
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}

/* The ends of some tasks, in their order; those that may be joined are. */
void completing(eddy_coro *co)
{
    eddy_begin(completing);
    node_open(&self->node);
    know_less(&self->node);
    for (self->node.count = 0; self->node.count < KIDS; self->node.count++) {
        self->node.tasks[self->node.count] = some_stranger(self->node.me);
    }
    eddy_for_each(self->at, eddy_as_completed, .tasks = self->node.tasks, .count = KIDS) {
        require(eddy_task_done(self->node.tasks[self->at]));
        if (one_in(2)) {
            eddy_catch(self->node.rc, eddy_join(co, self->node.tasks[self->at]));
            if (self->node.rc >= 0) {
                require_result(task_of(self->node.tasks[self->at]), self->node.rc);
            }
        } else if (one_in(6)) {
            break;
        }
    }
eddy_finally:
    know_less(&self->node);
    CLEAN;
    node_close(&self->node);
    eddy_end;
}
