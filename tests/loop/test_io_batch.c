/* io.h: what callbacks may do to the watchers of their batch. */
#include "support/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/callback.h"

/* ---- inside callbacks; two watchers whose events come in one batch */

static struct pair {
    eddy_io first, second;
    int one[2], two[2];
} pair;

/* What the one of the two does that runs first; the other is its argument. */
static void (*act)(eddy_io *other);

static void act_once(eddy_io *io, unsigned events)
{
    void (*action)(eddy_io * other) = act;

    log_events(io, events);
    act = NULL;
    if (action != NULL) {
        action(io == &pair.first ? &pair.second : &pair.first);
    }
}

static void open_pair(void (*action)(eddy_io *other))
{
    memset(&pair, 0, sizeof pair);
    act = action;
    testing_socketpair(pair.one);
    testing_socketpair(pair.two);
    pair.first.user = pair.second.user = "x";
    start(&pair.first, pair.one[0], EDDY_READ, act_once);
    start(&pair.second, pair.two[0], EDDY_READ, act_once);
    testing_poke(pair.one[1]);
    testing_poke(pair.two[1]);
}

static void close_pair(void)
{
    eddy_io_stop(&pair.first);
    eddy_io_stop(&pair.second);
    close_both(pair.one);
    close_both(pair.two);
}

test(two_events_of_one_batch_are_both_told)
{
    open_pair(NULL);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("x:R x:R");
    close_pair();
}

test(a_stopped_watcher_is_not_told_of_an_event_that_was_fetched)
{
    open_pair(eddy_io_stop);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    close_pair();
}

static void stop_and_start_again(eddy_io *other)
{
    eddy_io_stop(other);
    start(other, other->fd, EDDY_READ, log_events);
}

test(one_that_is_started_anew_is_not_told_of_an_event_that_was_fetched_before)
{
    open_pair(stop_and_start_again);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    assert_int_equal(testing_turn(), 2); /* it is level-triggered: now it is told */
    testing_assert_log("x:R x:R");
    close_pair();
}

static int reused[2];

/* Closes the other's fd, and has its number used again by a pipe in which nothing is. */
static void reuse_fd(eddy_io *other)
{
    int fd = other->fd;

    eddy_io_stop(other);
    close(fd);
    testing_pipe(reused);
    if (reused[0] != fd) {
        assert_int_equal(dup3(reused[0], fd, O_CLOEXEC), fd);
        close(reused[0]);
        reused[0] = fd;
    }
    start(other, fd, EDDY_READ, log_events);
}

test(a_stale_event_does_not_reach_the_new_user_of_an_fd_number)
{
    open_pair(reuse_fd);
    assert_int_equal(testing_turn(), 1);
    testing_assert_log("x:R");
    assert_int_equal(testing_turn(), 1); /* the first again; nothing of the pipe */
    testing_assert_log("x:R");
    testing_poke(reused[1]);
    assert_int_equal(testing_turn(), 2);
    testing_assert_log("x:R x:R");
    close(reused[1]);
    close_pair();
}

static void ask_for_writing(eddy_io *other)
{
    assert_int_equal(eddy_io_change(other, EDDY_WRITE), 0);
}

test(an_event_that_was_fetched_is_not_told_when_it_is_not_asked_for_any_more)
{
    open_pair(ask_for_writing);
    (void)testing_turn();
    testing_assert_log("x:R");
    close_pair();
}

static void ask_for_nothing(eddy_io *other)
{
    assert_int_equal(eddy_io_change(other, 0), 0);
}

test(a_hangup_that_was_fetched_is_not_told_to_one_that_asks_for_nothing_any_more)
{
    open_pair(ask_for_nothing);
    close(pair.one[1]);
    close(pair.two[1]);
    (void)testing_turn();
    testing_assert_log("x:RHC");
    eddy_io_stop(&pair.first);
    eddy_io_stop(&pair.second);
    close(pair.one[0]);
    close(pair.two[0]);
}

test(a_peer_that_closed_is_told_with_read_only)
{
    open_pair(ask_for_writing);
    shutdown(pair.one[1], SHUT_WR);
    shutdown(pair.two[1], SHUT_WR);
    (void)testing_turn();
    testing_assert_log("x:RC");
    close_pair();
}

static void stop_close_and_free_self(eddy_io *io, unsigned events)
{
    testing_log("%s", event_letters(events));
    eddy_io_stop(io);
    close(io->fd);
    free(io);
}

test(a_watcher_may_be_freed_in_its_own_callback)
{
    eddy_io *io = calloc(1, sizeof *io);
    int fds[2];

    testing_pipe(fds);
    start(io, fds[0], EDDY_READ, stop_close_and_free_self);
    testing_poke(fds[1]);
    testing_run();
    testing_assert_log("R");
    close(fds[1]);
}

static eddy_io *to_free;

static void free_the_other(eddy_io *io, unsigned events)
{
    log_events(io, events);
    eddy_io_stop(to_free);
    free(to_free);
}

test(a_watcher_may_be_freed_in_another_callback_of_the_same_batch)
{
    static eddy_io io = {.user = "a"};
    int fds[2], others[2];

    to_free = calloc(1, sizeof *to_free);
    testing_pipe(fds);
    testing_pipe(others);
    start(&io, fds[0], EDDY_READ, free_the_other);
    start(to_free, others[0], EDDY_READ, log_events);
    testing_poke(fds[1]); /* first, so that its event comes first */
    testing_poke(others[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(fds);
    close_both(others);
}

test(stopping_what_is_stopped_does_nothing)
{
    static eddy_io io;

    eddy_io_stop(&io);
    assert_false(eddy_io_started(&io));
}

test(freeing_the_loop_stops_its_watchers_and_closes_no_fd_of_theirs)
{
    static eddy_io io = {.user = "a"}, fetched = {.user = "b"};
    int fds[2], others[2];

    testing_pipe(fds);
    testing_pipe(others);
    start(&io, fds[0], EDDY_READ, log_events);
    start(&fetched, others[0], 0, log_events);
    testing_reopen();
    assert_false(eddy_io_started(&io));
    assert_false(eddy_io_started(&fetched));
    start(&io, fds[0], EDDY_READ, log_events);
    testing_poke(fds[1]);
    (void)testing_turn();
    testing_assert_log("a:R");
    eddy_io_stop(&io);
    close_both(fds);
    close_both(others);
}

/* ---- more than the kernel tells at once */

enum { MANY = 1300, AT_ONCE = 512, AT_EASE = 64 };

static struct {
    eddy_io io[MANY];
    int fds[MANY][2];
    bool told[MANY];
    int count; /* of those that were told */
    int calls;
} many;

static void note_told(eddy_io *io, unsigned events)
{
    size_t i = (size_t)(io - many.io);

    (void)events;
    many.count += !many.told[i];
    many.told[i] = true;
    many.calls++;
    testing.sys.now += EDDY_MICROSECOND;
}

static void start_many(eddy_io_fn *callback)
{
    memset(&many, 0, sizeof many);
    for (int i = 0; i < MANY; i++) {
        testing_pipe(many.fds[i]);
        start(&many.io[i], many.fds[i][1], EDDY_WRITE, callback);
    }
}

static void forget_many(void)
{
    memset(many.told, 0, sizeof many.told);
    many.count = 0;
    many.calls = 0;
}

static void stop_many(void)
{
    for (int i = 0; i < MANY; i++) {
        eddy_io_stop(&many.io[i]);
        close_both(many.fds[i]);
    }
}

/* They stay ready, and the poll ends all the same. */
test(a_poll_that_has_time_left_goes_on_until_the_kernel_has_told_all)
{
    start_many(note_told);
    for (int i = 0; i < 3; i++) { /* whatever was told before */
        forget_many();
        assert_true(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER) >= MANY);
        assert_int_equal(many.count, MANY);
        assert_in_range(many.calls, MANY, 3 * AT_ONCE);
        (void)testing_turn();
    }
    forget_many();
    assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, EDDY_SECOND) >= MANY);
    assert_int_equal(many.count, MANY);
    stop_many();
}

static void note_told_and_stop(eddy_io *io, unsigned events)
{
    note_told(io, events);
    eddy_io_stop(io);
}

test(those_that_are_no_longer_ready_are_told_once)
{
    start_many(note_told_and_stop);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER), MANY);
    assert_int_equal(many.count, MANY);
    stop_many();
}

test(one_turn_tells_of_512_and_the_next_of_others)
{
    start_many(note_told);
    assert_int_equal(testing_turn(), AT_ONCE);
    assert_int_equal(many.count, AT_ONCE);
    assert_int_equal(testing_turn(), AT_ONCE);
    assert_int_equal(many.count, 2 * AT_ONCE);
    (void)testing_turn();
    assert_int_equal(many.count, MANY);
    stop_many();
}

static int told_at_hook[4];
static int hook_calls;

static void note_turn(eddy_hook *hook)
{
    told_at_hook[hook_calls++] = many.count;
    if (hook_calls == 3) {
        eddy_hook_stop(hook);
        eddy_loop_stop(testing.loop);
    }
}

test(a_loop_that_runs_takes_fewer_at_once)
{
    static eddy_hook hook;

    start_many(note_told);
    hook_calls = 0;
    eddy_hook_start(testing.loop, &hook, EDDY_HOOK_CHECK, note_turn);
    assert_int_equal(eddy_loop_run(testing.loop), 0);
    for (int i = 0; i < 3; i++) { /* always others */
        assert_int_equal(told_at_hook[i], (i + 1) * AT_EASE);
    }
    stop_many();
}

test(a_budget_that_is_used_up_ends_the_poll_before_all_are_told)
{
    testing_fake_clock(0);
    start_many(note_told);
    assert_int_equal(eddy_loop_poll_once(testing.loop, 0, 600 * EDDY_MICROSECOND), 600);
    assert_int_equal(many.count, 600);
    stop_many();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(two_events_of_one_batch_are_both_told),
        testing_case(a_stopped_watcher_is_not_told_of_an_event_that_was_fetched),
        testing_case(one_that_is_started_anew_is_not_told_of_an_event_that_was_fetched_before),
        testing_case(a_stale_event_does_not_reach_the_new_user_of_an_fd_number),
        testing_case(an_event_that_was_fetched_is_not_told_when_it_is_not_asked_for_any_more),
        testing_case(a_hangup_that_was_fetched_is_not_told_to_one_that_asks_for_nothing_any_more),
        testing_case(a_peer_that_closed_is_told_with_read_only),
        testing_case(a_watcher_may_be_freed_in_its_own_callback),
        testing_case(a_watcher_may_be_freed_in_another_callback_of_the_same_batch),
        testing_case(stopping_what_is_stopped_does_nothing),
        testing_case(freeing_the_loop_stops_its_watchers_and_closes_no_fd_of_theirs),
        testing_case(a_poll_that_has_time_left_goes_on_until_the_kernel_has_told_all),
        testing_case(those_that_are_no_longer_ready_are_told_once),
        testing_case(one_turn_tells_of_512_and_the_next_of_others),
        testing_case(a_loop_that_runs_takes_fewer_at_once),
        testing_case(a_budget_that_is_used_up_ends_the_poll_before_all_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
