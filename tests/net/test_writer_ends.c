/* writer.h: errors, cancels, and every way in which a writer ends. */
#include "support/writer.h"

#include <stdio.h>

#include "eddy/task.h"

enum { WAITING = 20 * KIB }; /* bytes that the peer does not take, more than a drain lets be */

/* A writer with bytes that wait, and a task that does something to it. */
static eddy_task stuck(const char *name, enum deed deed)
{
    eddy_task task;

    reopen_writer(.high = 10 * KIB, .low = 5 * KIB, .limit = WAITING);
    fill_up(WAITING);
    task = eddy_loop_spawn(testing.loop, does, .name = name, .deed = deed, .size = KIB);
    testing_turns();
    testing_assert_log("");
    return task;
}

static const struct {
    const char *name;
    enum deed deed;
} deeds[] = {{"drain", DRAIN}, {"flush", FLUSH}, {"write", WRITE}, {"close", CLOSE}};

#define EACH_DEED(i) (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)

static void assert_log_of(const char *name, const char *result)
{
    char expected[64];

    snprintf(expected, sizeof expected, "%s=%s", name, result);
    testing_assert_log(expected);
}

static void renew(void)
{
    eddy_writer_drop(&writer);
    eddy_stream_close(&stream);
    if (peer >= 0) {
        close(peer);
    }
    open_stream();
    open_writer((struct eddy_writer_options){.flush_at = 0});
}

/* ---- errors of the stream */

test(a_peer_that_goes_away_is_told_to_whoever_waits_and_what_waits_is_dropped)
{
    for
        EACH_DEED(i)
        {
            stuck(deeds[i].name, deeds[i].deed);
            close_peer();
            testing_turns();
            assert_log_of(deeds[i].name, "-EPIPE");
            assert_int_equal(eddy_writer_buffered(&writer), 0);
            assert_int_equal(eddy_writer_put(&writer, "x", 1),
                             deeds[i].deed == CLOSE ? -EBADF : -EPIPE);
            assert_int_equal(eddy_writer_is_open(&writer), deeds[i].deed != CLOSE);
            renew();
        }
}

test(a_closed_stream_is_told_to_whoever_waits)
{
    for
        EACH_DEED(i)
        {
            stuck(deeds[i].name, deeds[i].deed);
            eddy_stream_close(&stream);
            testing_turns();
            assert_log_of(deeds[i].name, "-EBADF");
            renew();
        }
}

test(an_idle_time_out_is_told_to_whoever_waits)
{
    static struct eddy_idle idle;

    for
        EACH_DEED(i)
        {
            stuck(deeds[i].name, deeds[i].deed);
            memset(&idle, 0, sizeof idle);
            assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
            testing_run();
            assert_log_of(deeds[i].name, "-ETIMEDOUT");
            renew();
        }
}

test(a_peer_that_takes_bytes_is_not_idle)
{
    static struct eddy_idle idle;

    stuck("flush", FLUSH);
    assert_int_equal(eddy_stream_idle_timeout(&stream, &idle, EDDY_SECOND), 0);
    for (int i = 0; i < 100 && testing.log[0] == '\0'; i++) {
        testing.clock.now += 900 * MS;
        take(2 * KIB);
        testing_turns();
    }
    testing_assert_log("flush=0");
}

test(an_error_that_nobody_waits_for_is_the_next_operations_and_all_later_ones)
{
    close_peer();
    assert_int_equal(eddy_writer_put(&writer, "hello", 5), 0);
    testing_turns();
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -EPIPE);
    finish(start("drain", DRAIN));
    finish(start("close", CLOSE));
    assert_false(eddy_writer_is_open(&writer));
    testing_assert_log("drain=-EPIPE close=-EPIPE");
    assert_int_equal(testing.errors.count, 0);
}

test(an_error_that_nobody_has_had_is_told_to_the_hook_once)
{
    char expected[200];

    close_peer();
    assert_int_equal(eddy_writer_put(&writer, "hello", 5), 0);
    testing_turns();
    snprintf(expected, sizeof expected,
             "a writer (opened at %s) has failed, and nobody was told: %s", writer.place,
             eddy_strerror(-EPIPE));
    eddy_writer_drop(&writer);
    testing_assert_error(-EPIPE, expected);
    eddy_writer_drop(&writer);
    assert_int_equal(testing.errors.count, 0);
}

static void drop_in_the_hook(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    testing_on_error(loop, task, code, text);
    eddy_writer_drop(&writer);
    eddy_stream_close(&stream);
}

test(the_error_hook_may_drop_the_writer)
{
    eddy_stream_close(&stream);
    close(peer);
    testing.options.on_error = drop_in_the_hook;
    testing_reopen();
    open_stream();
    open_writer(
        (struct eddy_writer_options){.high = KIB, .limit = KIB, .at_limit = EDDY_WRITER_CLOSE});
    fill_up(KIB);
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ENOBUFS);
    assert_int_equal(testing.errors.count, 1);
    testing.errors.count = 0;
    assert_false(eddy_writer_is_open(&writer));
}

test(on_a_stream_that_was_opened_anew_the_writer_begins_anew)
{
    int fds[2];

    fill_up(WAITING);
    eddy_stream_close(&stream);
    finish(start("drain", DRAIN));
    close(peer);
    testing_socketpair(fds);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    peer = fds[1];
    assert_int_equal(eddy_writer_put(&writer, "hello", 5), 0);
    testing_turns();
    net_expect(peer, "hello");
    testing_assert_log("drain=-EBADF");
}

/* ---- cancels */

test(a_cancel_before_an_operation_is_its_result_and_it_does_nothing)
{
    for
        EACH_DEED(i)
        {
            eddy_task task =
                eddy_loop_spawn(testing.loop, does, .name = deeds[i].name, .deed = deeds[i].deed);
            put(10);
            assert_int_equal(eddy_cancel(task), 0);
            testing_turns();
            testing_assert_log(""); /* it has not even begun */
            assert_true(eddy_writer_is_open(&writer));
            take_all();
        }
    assert_int_equal(got_so_far, put_so_far);
}

test(a_cancel_during_an_operation_ends_it_and_what_was_put_is_written)
{
    for
        EACH_DEED(i)
        {
            eddy_task task = stuck(deeds[i].name, deeds[i].deed);
            assert_int_equal(eddy_cancel(task), 0);
            testing_turns();
            assert_log_of(deeds[i].name, "-ECANCELED");
            assert_true(eddy_writer_is_open(&writer));
            take_all();
            assert_int_equal(got_so_far, put_so_far); /* and nothing of what waited to be put */
            put(1);
            take_all();
            assert_int_equal(got_so_far, put_so_far);
        }
}

test(a_time_out_ends_a_close_and_another_goes_on)
{
    reopen_writer(.high = 10 * KIB, .limit = WAITING);
    fill_up(WAITING);
    finish(
        eddy_loop_spawn(testing.loop, does, .name = "close", .deed = CLOSE, .limit = EDDY_SECOND));
    testing_assert_log("close=-ETIMEDOUT");
    assert_true(eddy_writer_is_open(&writer));
    start("again", CLOSE);
    testing_turns();
    take_all();
    testing_assert_log("again=0");
    assert_int_equal(got_so_far, put_so_far);
    assert_false(eddy_writer_is_open(&writer));
}

/* ---- closing and dropping */

test(a_close_waits_for_all_and_takes_no_more)
{
    stuck("close", CLOSE);
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -ESHUTDOWN);
    finish(start("second", CLOSE));
    testing_assert_log("second=-EBUSY");
    take_all();
    testing_assert_log("close=0");
    assert_int_equal(got_so_far, put_so_far);
    assert_int_equal(eddy_writer_put(&writer, "x", 1), -EBADF);
    finish(start("third", CLOSE));
    testing_assert_log("third=0");
}

test(a_close_waits_for_those_who_wait_to_put)
{
    size_t before;

    net_fill(pattern, 0, KIB);
    stuck("write", WRITE);
    before = put_so_far;
    start("close", CLOSE);
    testing_turns();
    net_fill(pattern, before, KIB);
    take_all();
    testing_assert_log("write=1024 close=0");
    assert_int_equal(got_so_far, before + KIB);
}

test(a_dropped_writer_gives_everything_back_and_ends_all_waits)
{
    for
        EACH_DEED(i)
        {
            stuck(deeds[i].name, deeds[i].deed);
            eddy_writer_drop(&writer);
            testing_turns();
            assert_log_of(deeds[i].name, "-EBADF");
            assert_int_equal(eddy_try_write(&stream, "x", 1), -EAGAIN);
            renew();
        }
}

test(a_writer_is_opened_with_options_that_fit)
{
    static eddy_writer other;
    struct eddy_writer_options options = {.high = 10, .low = 11};

    assert_int_equal(eddy_writer_open(&writer, &stream, NULL), -EINVAL);
    assert_int_equal(eddy_writer_open(&other, &stream, &options), -EINVAL);
    options = (struct eddy_writer_options){.high = 10, .limit = 9};
    assert_int_equal(eddy_writer_open(&other, &stream, &options), -EINVAL);
    options = (struct eddy_writer_options){.limit = 9};
    assert_int_equal(eddy_writer_open(&other, &stream, &options), 0);
    assert_int_equal(other.options.high, 9);
    eddy_writer_drop(&other);
    eddy_stream_close(&stream);
    assert_int_equal(eddy_writer_open(&other, &stream, NULL), -EBADF);
    assert_int_equal(eddy_writer_put(&other, "x", 1), -EBADF);
}

/* ---- eddy_with_writer */

enum way { TO_THE_END, BY_AN_ERROR, BY_A_SLEEP };

eddy_frame(with) {
    eddy_coro co;
    size_t size;
    enum way way;
    eddy_writer out;
};

static void with(eddy_coro *co)
{
    eddy_begin(with);
    eddy_with_writer(&self->out, &stream, NULL) {
        eddy_await(eddy_writer_put(&self->out, next_bytes(self->size), self->size));
        put_so_far += self->size;
        if (self->way == BY_AN_ERROR) {
            eddy_return(-EIO);
        }
        if (self->way == BY_A_SLEEP) {
            eddy_await(eddy_sleep(co, EDDY_SECOND));
        }
    }
    testing_log("behind");
    eddy_end;
}

test(a_block_that_ends_has_written_all)
{
    eddy_task task = eddy_loop_spawn(testing.loop, with, .size = 300 * KIB);

    take_all();
    testing_assert_log("behind");
    assert_int_equal(finish(task), 0);
    assert_int_equal(got_so_far, put_so_far);
}

test(a_block_that_an_error_ends_has_written_all_too)
{
    eddy_task task = eddy_loop_spawn(testing.loop, with, .size = 300 * KIB, .way = BY_AN_ERROR);

    take_all();
    assert_int_equal(finish(task), -EIO);
    assert_int_equal(got_so_far, put_so_far);
}

test(a_block_that_a_cancel_ends_writes_what_the_kernel_takes_and_waits_for_nobody)
{
    eddy_task task = eddy_loop_spawn(testing.loop, with, .size = 300, .way = BY_A_SLEEP);

    testing_turns();
    assert_int_equal(take(MOST), 300);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    task = eddy_loop_spawn(testing.loop, with, .size = 300 * KIB, .way = BY_A_SLEEP);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_in_range(take(MOST), 1, 300 * KIB - 1);
}

test(a_cancel_ends_the_wait_at_the_end_of_a_block)
{
    eddy_task task = eddy_loop_spawn(testing.loop, with, .size = 300 * KIB);

    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    assert_in_range(take(MOST), 1, 300 * KIB - 1);
    testing_assert_log("");
}

test(an_error_of_the_stream_is_the_blocks)
{
    close_peer();
    assert_int_equal(testing_run_task(with, .size = 300 * KIB), -EPIPE);
    assert_int_equal(testing_run_task(with, .size = 3), -EPIPE);
}

/* ---- left behind */

eddy_frame_of(leaves_a_writer, eddy_writer out);

static void leaves_a_writer(eddy_coro *co)
{
    eddy_begin(leaves_a_writer);
    eddy_await(eddy_writer_open(&self->out, &stream, NULL));
    eddy_end;
}

static void leave_a_writer(void *unused)
{
    (void)unused;
    (void)testing_run_task(leaves_a_writer);
}

test(an_open_writer_in_a_frame_that_ends_aborts)
{
    testing_expect_abort(
        leave_a_writer, NULL,
        "leaves_a_writer: the coroutine ends although a stream, reader, writer, server");
}

test(the_loops_end_writes_what_the_kernel_takes_and_tells_of_the_rest)
{
    char expected[200];
    size_t left;

    assert_int_equal(eddy_writer_put(&writer, "hello", 5), 0);
    testing_free();
    net_expect(peer, "hello");
    assert_false(eddy_writer_is_open(&writer));
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    close(peer);
    open_stream();
    open_writer((struct eddy_writer_options){.flush_at = 0});
    fill_up(WAITING);
    left = eddy_writer_buffered(&writer);
    snprintf(expected, sizeof expected,
             "a writer (opened at %s) still has %zu bytes when the loop ends: they are dropped",
             writer.place, left);
    testing_free();
    testing_assert_error(-ECANCELED, expected);
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        writer_case(a_peer_that_goes_away_is_told_to_whoever_waits_and_what_waits_is_dropped),
        writer_case(a_closed_stream_is_told_to_whoever_waits),
        writer_case(an_idle_time_out_is_told_to_whoever_waits),
        writer_case(a_peer_that_takes_bytes_is_not_idle),
        writer_case(an_error_that_nobody_waits_for_is_the_next_operations_and_all_later_ones),
        writer_case(an_error_that_nobody_has_had_is_told_to_the_hook_once),
        writer_case(the_error_hook_may_drop_the_writer),
        writer_case(on_a_stream_that_was_opened_anew_the_writer_begins_anew),
        writer_case(a_cancel_before_an_operation_is_its_result_and_it_does_nothing),
        writer_case(a_cancel_during_an_operation_ends_it_and_what_was_put_is_written),
        writer_case(a_time_out_ends_a_close_and_another_goes_on),
        writer_case(a_close_waits_for_all_and_takes_no_more),
        writer_case(a_close_waits_for_those_who_wait_to_put),
        writer_case(a_dropped_writer_gives_everything_back_and_ends_all_waits),
        writer_case(a_writer_is_opened_with_options_that_fit),
        writer_case(a_block_that_ends_has_written_all),
        writer_case(a_block_that_an_error_ends_has_written_all_too),
        writer_case(a_block_that_a_cancel_ends_writes_what_the_kernel_takes_and_waits_for_nobody),
        writer_case(a_cancel_ends_the_wait_at_the_end_of_a_block),
        writer_case(an_error_of_the_stream_is_the_blocks),
        writer_case(an_open_writer_in_a_frame_that_ends_aborts),
        writer_case(the_loops_end_writes_what_the_kernel_takes_and_tells_of_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
