/* Cancelling tasks that wait for tasks that wait for tasks: circles, chains and trees. */
#include "support/tasks.h"

#include "eddy/gather.h"
#include "eddy/group.h"

static eddy_task circle[2];

eddy_frame(joins_in_a_circle) {
    eddy_coro co;
    int i;
    int64_t rc;
};

static void joins_in_a_circle(eddy_coro *co)
{
    eddy_begin(joins_in_a_circle);
    eddy_catch(self->rc, eddy_join(co, circle[1 - self->i]));
    eddy_end;
}

test(a_cancel_goes_round_a_circle_of_joins_once)
{
    circle[0] = start(joins_in_a_circle, .i = 0);
    circle[1] = start(joins_in_a_circle, .i = 1);
    testing_turns();
    assert_int_equal(eddy_cancel(circle[0]), 0);
    assert_int_equal(eddy_cancel(circle[1]), 0);
    testing_turns();
    assert_false(eddy_task_done(circle[0]));           /* a deadlock, and no endless loop */
    assert_int_equal(eddy_loop_free(testing.loop), 0); /* which gives one of the joins up */
    testing.loop = NULL;
}

enum by { GATHER, GATHER_ALL, GROUP };

/* A chain of tasks each of which waits for the next one. */
eddy_frame(link_of_chain) {
    eddy_coro co;
    enum by by;
    int depth;
    eddy_task next;
    int64_t result;
    eddy_group group;
};

static int reached;

/* Likewise, by joins alone: small, for there are many. */
eddy_frame(link_of_joins) {
    eddy_coro co;
    int depth;
};

static void link_of_joins(eddy_coro *co)
{
    eddy_begin(link_of_joins);
    if (self->depth == 0) {
        eddy_await(eddy_sleep(co, EDDY_FOREVER));
    }
    eddy_await(eddy_join(co, eddy_spawn(co, link_of_joins, .depth = self->depth - 1)));
eddy_finally:
    reached++;
    eddy_end;
}

static void link_of_chain(eddy_coro *co)
{
    eddy_begin(link_of_chain);
    if (self->depth == 0) {
        eddy_await(eddy_sleep(co, EDDY_FOREVER));
    }
    if (self->by == GROUP) {
        eddy_group_spawn(co, &self->group, link_of_chain, .by = self->by, .depth = self->depth - 1);
        eddy_await(eddy_group_wait(co, &self->group));
    }
    self->next = eddy_spawn(co, link_of_chain, .by = self->by, .depth = self->depth - 1);
    if (self->by == GATHER) {
        eddy_await(eddy_gather(co, &self->next, 1));
    }
    eddy_await(eddy_gather_all(co, &self->next, 1, &self->result));
eddy_finally:
    reached++;
    eddy_end;
}

/* Checking every turn of so many would take for ever. */
static void without_checks(void)
{
    testing.options.flags = 0;
    testing_reopen();
    reached = 0;
}

static void cancel_chain(eddy_task task, int depth)
{
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_int_equal(reached, depth + 1);
}

test(a_cancel_reaches_the_end_of_a_million_joins)
{
    without_checks();
    cancel_chain(start(link_of_joins, .depth = 1000000), 1000000);
}

test(a_cancel_reaches_the_end_of_two_hundred_thousand_gathers)
{
    without_checks();
    cancel_chain(start(link_of_chain, .by = GATHER, .depth = 200000), 200000);
    without_checks();
    cancel_chain(start(link_of_chain, .by = GATHER_ALL, .depth = 200000), 200000);
}

test(a_cancel_reaches_the_end_of_two_hundred_thousand_groups)
{
    without_checks();
    cancel_chain(start(link_of_chain, .by = GROUP, .depth = 200000), 200000);
}

/* A tree: the order is that of a recursion, whatever the depth. */
eddy_frame(node_of_tree) {
    eddy_coro co;
    int number;
    eddy_task children[2];
};

static void node_of_tree(eddy_coro *co)
{
    eddy_begin(node_of_tree);
    if (self->number >= 3) {
        eddy_await(eddy_sleep(co, EDDY_FOREVER));
    }
    self->children[0] = eddy_spawn(co, node_of_tree, .number = self->number * 2);
    self->children[1] = eddy_spawn(co, node_of_tree, .number = self->number * 2 + 1);
    eddy_await(eddy_gather(co, self->children, 2));
eddy_finally:
    testing_log("%d", self->number);
    eddy_end;
}

test(a_cancel_goes_down_a_tree_from_the_first_leaf_to_the_last)
{
    eddy_task task = start(node_of_tree, .number = 1);

    testing_turns();
    eddy_cancel(task);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("4 5 3 2 1");
}

/* Swallows every cancel, and tells of each. */
eddy_frame(swallows_all) {
    eddy_coro co;
    int i;
    int64_t rc;
};

static void swallows_all(eddy_coro *co)
{
    eddy_begin(swallows_all);
    for (self->i = 0; self->i < 2; self->i++) {
        eddy_catch(self->rc, eddy_sleep(co, 5 * EDDY_SECOND));
        log_end("child", self->rc);
    }
    eddy_end;
}

eddy_frame(joins_with_limit) {
    eddy_coro co;
    int64_t rc;
};

static void joins_with_limit(eddy_coro *co)
{
    eddy_begin(joins_with_limit);
    eddy_catch(self->rc,
               eddy_wait_for(co, EDDY_SECOND, eddy_join(co, eddy_spawn(co, swallows_all))));
    log_end("join", self->rc);
    eddy_catch(self->rc, eddy_pause(co));
    log_end("next", self->rc);
    eddy_end;
}

test(a_cancel_after_a_time_out_that_was_passed_on_is_not_passed_on_once_more)
{
    eddy_task task = start(joins_with_limit);

    eddy_detach(start(cancels, .task = task, .at = 2));
    assert_int_equal(finish(task), 0);
    testing_assert_log("child=ECANCELED@1 child=0@6 join=0@6 next=ECANCELED@6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_cancel_goes_round_a_circle_of_joins_once),
        testing_case(a_cancel_reaches_the_end_of_a_million_joins),
        testing_case(a_cancel_reaches_the_end_of_two_hundred_thousand_gathers),
        testing_case(a_cancel_reaches_the_end_of_two_hundred_thousand_groups),
        testing_case(a_cancel_goes_down_a_tree_from_the_first_leaf_to_the_last),
        testing_case(a_cancel_after_a_time_out_that_was_passed_on_is_not_passed_on_once_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
