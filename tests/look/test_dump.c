/* look.h: the tree of tasks, its circles, and the file that it goes to. */
#include "support/text.h"
#include "support/things.h"

#include <limits.h>

#include "eddy/callback.h"
#include "eddy/look.h"
#include "eddy/timer.h"

static struct thing things[3];

static void start_circle(void)
{
    static const char *const names[] = {"fork 1", "fork 2", "fork 3"};

    memset(things, 0, sizeof things);
    for (int i = 0; i < 3; i++) {
        things[i].name = names[i];
        start(takes, .first = &things[i], .second = &things[(i + 1) % 3]);
    }
    testing_turns();
}

/* ---- circles */

test(tasks_that_wait_in_a_circle_are_told_with_what_they_wait_for_and_where)
{
    start_circle();
    assert_dump("eddy: 3 tasks: 3 waiting\n"
                "#1 takes waits 0 ms for thing: fork 2; #2 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#2 takes waits 0 ms for thing: fork 3; #3 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#3 takes waits 0 ms for thing: fork 1; #1 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "circle 1: #1 takes -> #2 takes -> #3 takes -> #1 takes\n");
}

test(who_waits_for_a_circle_is_not_of_it)
{
    static struct thing other = {.name = "spoon"};

    start_circle();
    other = (struct thing){.name = "spoon"};
    start(takes, .first = &other, .second = &things[0]);
    start(takes, .first = &other, .second = &things[0]);
    testing_turns();
    assert_dump("eddy: 5 tasks: 5 waiting\n"
                "#1 takes waits 0 ms for thing: fork 2; #2 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#2 takes waits 0 ms for thing: fork 3; #3 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#3 takes waits 0 ms for thing: fork 1; #1 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#4 takes waits 0 ms for thing: fork 1; #1 must act\n"
                "      at takes (takes.c:52)\n"
                "#5 takes waits 0 ms for thing: spoon; #4 must act\n"
                "      at takes (takes.c:50)\n"
                "circle 1: #1 takes -> #2 takes -> #3 takes -> #1 takes\n");
}

test(two_circles_are_told_apart_and_one_may_be_of_a_single_task)
{
    static struct thing own;
    struct thing two[2] = {{.name = "left"}, {.name = "right"}};

    own = (struct thing){.name = "own"};
    start(takes, .first = &two[0], .second = &two[1]);
    start(takes, .first = &own, .second = &own);
    start(takes, .first = &two[1], .second = &two[0]);
    testing_turns();
    assert_dump("eddy: 3 tasks: 3 waiting\n"
                "#1 takes waits 0 ms for thing: right; #3 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "#2 takes waits 0 ms for thing: own; #2 must act; in circle 2\n"
                "      at takes (takes.c:52)\n"
                "#3 takes waits 0 ms for thing: left; #1 must act; in circle 1\n"
                "      at takes (takes.c:52)\n"
                "circle 1: #1 takes -> #3 takes -> #1 takes\n"
                "circle 2: #2 takes -> #2 takes\n");
    testing_free();
}

/* ---- the tree */

/* Spawns `width` of its kind, `levels` deep, one a second, and waits at the end. */
eddy_frame(spawns) {
    eddy_coro co;
    int levels;
    int width;
    bool ends;
    int i;
};

static int line_of_spawns;

static void spawns(eddy_coro *co)
{
    eddy_begin(spawns);
    for (self->i = 0; self->levels > 0 && self->i < self->width; self->i++) {
        (void)eddy_spawn(co, spawns, .levels = self->levels - 1, .width = self->width);
    }
    if (!self->ends) {
        line_of_spawns = __LINE__ + 1;
        eddy_await(eddy_sleep(co, 100 * EDDY_SECOND));
    }
    eddy_end;
}

test(a_task_stands_below_the_one_that_spawned_it)
{
    const char *const f = __FILE__;
    int n;

    start(spawns, .levels = 2, .width = 2);
    start(spawns);
    testing_turns();
    testing.clock.now += 1500 * EDDY_MILLISECOND;
    n = line_of_spawns;
    assert_dump("eddy: 8 tasks: 8 waiting\n"
                "#1 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "      at spawns (%s:%d)\n"
                "|-- #3 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "|         at spawns (%s:%d)\n"
                "|   |-- #5 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "|   |         at spawns (%s:%d)\n"
                "|   `-- #6 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "|             at spawns (%s:%d)\n"
                "`-- #4 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "          at spawns (%s:%d)\n"
                "    |-- #7 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "    |         at spawns (%s:%d)\n"
                "    `-- #8 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "              at spawns (%s:%d)\n"
                "#2 spawns waits 1.5 s for sleep: 1 min 38 s left\n"
                "      at spawns (%s:%d)\n",
                f, n, f, n, f, n, f, n, f, n, f, n, f, n, f, n);
}

test(a_child_whose_parent_has_ended_stands_at_the_top)
{
    const char *const f = __FILE__;
    eddy_task parent = start(spawns, .levels = 1, .width = 1, .ends = true);
    char site[256];

    snprintf(site, sizeof site, "%s:%d", f, __LINE__ - 3);
    testing_turns();
    assert_dump("eddy: 2 tasks: 1 waiting, 1 ended\n"
                "#1 spawns has ended with 0, and waits to be joined; spawned at %s\n"
                "#2 spawns waits 0 ms for sleep: 1 min 40 s left\n"
                "      at spawns (%s:%d)\n",
                site, f, line_of_spawns);
    assert_int_equal(finish(parent), 0);
    assert_dump("eddy: 1 task: 1 waiting\n"
                "#2 spawns waits 0 ms for sleep: 1 min 40 s left\n"
                "      at spawns (%s:%d)\n",
                f, line_of_spawns);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)) != NULL; text++) {
        count++;
    }
    return count;
}

test(the_dump_of_ten_thousand_tasks_is_whole)
{
    char *text;

    for (int i = 0; i < 100; i++) {
        start(spawns, .levels = 1, .width = 99);
    }
    testing_turns();
    text = dumped();
    assert_contains(text, "eddy: 10000 tasks: 10000 waiting\n");
    assert_int_equal(count_of(text, "\n#"), 100);
    assert_int_equal(count_of(text, "|-- #"), 98 * 100);
    assert_int_equal(count_of(text, "`-- #"), 100);
    assert_int_equal(count_of(text, "at spawns"), 10000);
    free(text);
}

test(a_chain_of_spawns_is_indented_so_far_and_no_farther)
{
    char *text;

    start(spawns, .levels = 300, .width = 1);
    testing_turns();
    text = dumped();
    assert_contains(text, "`-- (depth 300) #301 spawns");
    assert_int_equal(count_of(text, "at spawns"), 301);
    assert_true(strlen(text) < 301 * 400);
    free(text);
}

/* ---- the stack of awaits */

eddy_frame(deep) {
    eddy_coro co;
    int levels;
};

static int line_of_deep[2];

static void deep(eddy_coro *co)
{
    eddy_begin(deep);
    if (self->levels > 0) {
        line_of_deep[0] = __LINE__ + 1;
        eddy_await(eddy_call(co, deep, .levels = self->levels - 1));
    } else {
        line_of_deep[1] = __LINE__ + 1;
        eddy_await(eddy_sleep(co, EDDY_SECOND));
    }
    eddy_end;
}

test(the_stack_is_innermost_first)
{
    const char *const f = __FILE__;

    start(deep, .levels = 2);
    testing_turns();
    assert_dump("eddy: 1 task: 1 waiting\n"
                "#1 deep waits 0 ms for sleep: 1.0 s left\n"
                "      at deep (%s:%d)\n"
                "      at deep (%s:%d)\n"
                "      at deep (%s:%d)\n",
                f, line_of_deep[1], f, line_of_deep[0], f, line_of_deep[0]);
}

test(of_a_very_deep_stack_both_ends_are_printed)
{
    char *text;

    start(deep, .levels = 999);
    testing_turns();
    text = dumped();
    assert_int_equal(count_of(text, "at deep"), 32);
    assert_contains(text, "      ... 968 more ...\n");
    free(text);
}

/* ---- where it is called */

eddy_frame(dumps) {
    eddy_coro co;
    char *text;
};

static void dumps(eddy_coro *co)
{
    eddy_begin(dumps);
    eddy_await(eddy_pause(co));
    self->text = dumped();
    testing_log("%s", self->text);
    free(self->text);
    eddy_end;
}

test(the_task_that_runs_is_marked_and_one_that_is_new_or_pauses_is_ready)
{
    start(dumps);
    start(sleeps, .seconds = 1);
    testing_turn();
    start(pauses, .name = "p", .times = 1);
    testing_run();
    assert_contains(testing.log,
                    "eddy: 3 tasks: 1 ready, 1 running, 1 waiting\n#1 dumps is running\n"
                    "      at dumps (");
    assert_contains(testing.log, "#2 sleeps waits 0 ms for sleep: 1.0 s left\n");
    assert_contains(testing.log, "#3 pauses is ready\n      at pauses (");
    assert_contains(testing.log, "tasks.h)\n"); /* no line: it has not begun */
    testing.log[0] = '\0';
}

test(a_loop_without_tasks_has_none)
{
    assert_dump("eddy: 0 tasks\n");
}

static void on_timer(eddy_timer *timer)
{
    char *text = dumped();

    (void)timer;
    assert_contains(text, "eddy: 1 task: 1 waiting\n");
    free(text);
    testing_log("dumped");
}

test(it_works_in_a_callback)
{
    static eddy_timer timer;

    start(sleeps, .seconds = 2);
    eddy_timer_start(testing.loop, &timer, EDDY_SECOND, on_timer);
    testing_run();
    testing_assert_log("dumped");
}

/* ---- it changes nothing */

static void dump_in_hook(eddy_hook *hook)
{
    (void)hook;
    free(dumped());
}

static void busy_scenario(char *log)
{
    static struct thing one;

    one = (struct thing){.name = "one"};
    start(cleans, .name = "a", .body = 3, .cleanup = 1, .result = 1);
    start(cancels, .task = start(cleans, .name = "b", .body = 9, .cleanup = 2), .at = 1);
    start(pauses, .name = "p", .times = 5);
    start(deep, .levels = 3);
    start(spawns, .levels = 2, .width = 2);
    start(takes, .first = &one, .second = &one);
    assert_int_equal(eddy_loop_run(testing.loop), -EDEADLK);
    testing.errors.count = 0;
    testing_log("now=%d", seconds());
    strcpy(log, testing.log);
    testing.log[0] = '\0';
}

test(a_dump_after_every_turn_changes_nothing)
{
    static char with[sizeof testing.log];
    static char without[sizeof testing.log];
    static eddy_hook hook;

    busy_scenario(without);
    testing_reopen();
    testing.clock.now = 0;
    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_CHECK, dump_in_hook);
    busy_scenario(with);
    assert_string_equal(with, without);
}

/* What happened, in its order: the kinds of events and the tasks. */
static char events[16384];
static size_t events_length;

static void note(eddy_loop *loop, const struct eddy_trace_event *event, void *user)
{
    const bool *dumps = user;

    (void)loop;
    events_length += (size_t)snprintf(events + events_length, sizeof events - events_length,
                                      "%d#%u ", (int)event->kind, (unsigned)event->number);
    assert_true(events_length < sizeof events);
    if (*dumps) {
        free(dumped());
    }
}

test(a_dump_before_and_after_every_step_and_at_all_that_happens_in_it_changes_nothing)
{
    static char log[2][sizeof testing.log];
    static char order[2][sizeof events];
    bool dumps;

    for (int run = 0; run < 2; run++) {
        dumps = run == 1;
        testing_reopen();
        testing.clock.now = 0;
        events_length = 0;
        assert_int_equal(eddy_loop_trace(testing.loop, note, &dumps), 0);
        busy_scenario(log[run]);
        testing_free();
        testing.errors.count = 0;
        memcpy(order[run], events, sizeof events);
    }
    assert_true(events_length > 0);
    assert_string_equal(order[0], order[1]);
    assert_string_equal(log[0], log[1]);
}

test(a_dump_gives_back_its_memory)
{
    size_t before;

    start_circle();
    before = testing.memory.bytes;
    free(dumped());
    assert_int_equal(testing.memory.bytes, before);
}

/* ---- when something is missing */

test(without_memory_it_is_a_list)
{
    start_circle();
    testing_fail_allocations_from(1);
    assert_dump("eddy: 3 tasks: 3 waiting\n"
                "(no memory to sort them)\n"
                "#1 takes waits 0 ms for thing: fork 2\n"
                "      at takes (takes.c:52)\n"
                "#2 takes waits 0 ms for thing: fork 3\n"
                "      at takes (takes.c:52)\n"
                "#3 takes waits 0 ms for thing: fork 1\n"
                "      at takes (takes.c:52)\n");
    testing_fail_allocation(0);
}

test(an_error_of_the_file_is_told)
{
    FILE *full = fopen("/dev/full", "w");

    if (full == NULL) {
        skip();
    }
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(eddy_loop_dump(testing.loop, full), -EIO);
    fclose(full);
}

/* Each write of an unbuffered file must end with a line. */
static ssize_t count_pieces(void *cookie, const char *text, size_t size)
{
    assert_int_equal(text[size - 1], '\n');
    ++*(int *)cookie;
    return (ssize_t)size;
}

test(what_reaches_an_unbuffered_file_is_whole_lines)
{
    int pieces = 0;
    FILE *unbuffered = fopencookie(&pieces, "w", (cookie_io_functions_t){.write = count_pieces});

    assert_non_null(unbuffered);
    setvbuf(unbuffered, NULL, _IONBF, 0);
    start_circle();
    assert_int_equal(eddy_loop_dump(testing.loop, unbuffered), 0);
    assert_int_equal(pieces, 1);
    for (int i = 0; i < 200; i++) {
        start(takes, .first = &things[0], .second = &things[0]);
    }
    testing_turns();
    assert_int_equal(eddy_loop_dump(testing.loop, unbuffered), 0);
    assert_int_equal(pieces, 6);
    fclose(unbuffered);
}

test(whatever_a_task_is_called_it_is_one_line)
{
    eddy_task second;

    start_circle();
    second = (eddy_task){things[1].holder, things[1].holder->timed.ready.generation};
    assert_int_equal(eddy_task_set_name(second, "a\nb\033[2J\xC2\x9B"
                                                "2J\x9B"),
                     0);
    assert_dumped("\n#2 a?b?[2J?2J? waits 0 ms for thing: fork 3;");
    assert_dumped("\ncircle 1: #1 takes -> #2 a?b?[2J?2J? -> #3 takes -> #1 takes\n");
}

test(a_long_name_stays_readable)
{
    static char name[1 + 200 * 2 + 1] = "x";

    for (int i = 0; i < 200; i++) {
        memcpy(name + 1 + 2 * i, "\xC3\xB6", 2); /* an o with dots */
    }
    eddy_task_set_name(start(takes, .first = &things[0], .second = &things[0]), name);
    assert_dumped(name);
}

test(a_line_may_be_longer_than_what_is_written_at_once)
{
    static char name[3 * PIPE_BUF];

    memset(name, 'x', sizeof name - 1);
    things[0] = (struct thing){.name = "fork"};
    eddy_task_set_name(start(takes, .first = &things[0], .second = &things[0]), name);
    testing_turns();
    assert_dumped(name);
    assert_dumped("x waits 0 ms for thing: fork;");
    assert_dumped("      at takes (takes.c:52)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(tasks_that_wait_in_a_circle_are_told_with_what_they_wait_for_and_where),
        testing_case(who_waits_for_a_circle_is_not_of_it),
        testing_case(two_circles_are_told_apart_and_one_may_be_of_a_single_task),
        testing_case(a_task_stands_below_the_one_that_spawned_it),
        testing_case(a_child_whose_parent_has_ended_stands_at_the_top),
        testing_case(the_dump_of_ten_thousand_tasks_is_whole),
        testing_case(a_chain_of_spawns_is_indented_so_far_and_no_farther),
        testing_case(the_stack_is_innermost_first),
        testing_case(of_a_very_deep_stack_both_ends_are_printed),
        testing_case(the_task_that_runs_is_marked_and_one_that_is_new_or_pauses_is_ready),
        testing_case(a_loop_without_tasks_has_none),
        testing_case(it_works_in_a_callback),
        testing_case(a_dump_after_every_turn_changes_nothing),
        testing_case(
            a_dump_before_and_after_every_step_and_at_all_that_happens_in_it_changes_nothing),
        testing_case(a_dump_gives_back_its_memory),
        testing_case(without_memory_it_is_a_list),
        testing_case(an_error_of_the_file_is_told),
        testing_case(what_reaches_an_unbuffered_file_is_whole_lines),
        testing_case(whatever_a_task_is_called_it_is_one_line),
        testing_case(a_long_name_stays_readable),
        testing_case(a_line_may_be_longer_than_what_is_written_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
