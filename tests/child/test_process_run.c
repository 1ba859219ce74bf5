/* process.h: pipes to a child and from it, and commands that are run from begin to end. */
#include "support/process.h"

#include <stdlib.h>

#include "child/child_internal.h"
#include "eddy/deadline.h"
#include "eddy/error.h"
#include "eddy/look.h"
#include "eddy/reader.h"

/* ---- pipes as streams */

enum { MEGABYTES = 100, PIECE = 1 << 20 };

static char piece[PIECE];

eddy_frame(writes) {
    eddy_coro co;
    eddy_process *process;
    int i;
};

static void writes(eddy_coro *co)
{
    eddy_begin(writes);
    for (self->i = 0; self->i < MEGABYTES; self->i++) {
        eddy_await(eddy_write(co, &self->process->input, piece, sizeof piece));
    }
    eddy_stream_close(&self->process->input);
    eddy_end;
}

eddy_frame(goes_through_cat) {
    eddy_coro co;
    eddy_process process;
    eddy_task writer;
    size_t highest;
    int64_t sum;
    int64_t count;
    int64_t rc;
};

static void goes_through_cat(eddy_coro *co)
{
    static char buffer[65536];

    eddy_begin(goes_through_cat);
    eddy_with_process(&self->process,
                      eddy_process_spawn(
                          co, &self->process,
                          &(struct eddy_process_options){.argv = (const char *const[]){"cat", NULL},
                                                         .input = {EDDY_STDIO_PIPE, 0},
                                                         .output = {EDDY_STDIO_PIPE, 0}}))
    {
        self->writer = eddy_spawn(co, writes, .process = &self->process);
        do {
            eddy_await(self->count, eddy_read(co, &self->process.output, buffer, sizeof buffer));
            assert_int_equal(memcmp(buffer, piece, (size_t)self->count), 0);
            self->sum += self->count;
            if (testing.memory.bytes > self->highest) {
                self->highest = testing.memory.bytes;
            }
        } while (self->count > 0);
        eddy_await(eddy_join(co, self->writer));
        eddy_await(self->rc, eddy_process_wait(co, &self->process));
        assert_int_equal(self->rc, 0);
    }
    testing_log("%lld bytes", (long long)self->sum);
    assert_true(self->highest < 65536);
    eddy_end;
}

test(a_hundred_megabytes_go_through_a_child_and_back_with_flat_memory)
{
    memset(piece, 'e', sizeof piece);
    assert_int_equal(testing_run_task(goes_through_cat), 0);
    testing_assert_log("104857600 bytes");
}

eddy_frame(writes_to_nobody) {
    eddy_coro co;
    eddy_process process;
    int64_t rc;
};

/* More than a pipe holds. */
static void writes_to_nobody(eddy_coro *co)
{
    eddy_begin(writes_to_nobody);
    eddy_await(eddy_process_spawn(
        co, &self->process,
        &(struct eddy_process_options){.argv = (const char *const[]){"true", NULL},
                                       .input = {EDDY_STDIO_PIPE, 0}}));
    eddy_catch(self->rc, eddy_write(co, &self->process.input, piece, sizeof piece));
    testing_log_result("write", self->rc);
    eddy_await(self->rc, eddy_process_wait(co, &self->process));
    testing_log_result("wait", self->rc);
eddy_finally:
    eddy_process_close(&self->process);
    eddy_end;
}

test(a_reader_of_a_pipe_that_ends_first_is_epipe_and_no_signal)
{
    assert_int_equal(testing_run_task(writes_to_nobody), 0);
    testing_assert_log("write=-EPIPE wait=0");
}

/* ---- running */

static struct eddy_output out;
static struct eddy_output err;

eddy_frame(runs_command) {
    eddy_coro co;
    const char *line;
    const char *input;
    size_t size;
    bool same;
    bool neither;
    int64_t limit;
    int64_t grace;
    int64_t rc;
};

static void runs_command(eddy_coro *co)
{
    eddy_begin(runs_command);
    eddy_await(self->rc,
               eddy_wait_for(co, self->limit > 0 ? self->limit : EDDY_FOREVER,
                             eddy_process_run(co,
                                              &(struct eddy_process_options){
                                                  .argv = (const char *const[]){"/bin/sh", "-c",
                                                                                self->line, NULL},
                                                  .grace = self->grace,
                                                  .flags = EDDY_PROCESS_GROUP},
                                              self->input, self->size, self->neither ? NULL : &out,
                                              self->neither ? NULL
                                              : self->same  ? &out
                                                            : &err)));
    eddy_return(self->rc);
    eddy_end;
}

#define run_command(...) testing_run_task(runs_command, __VA_ARGS__)

static int run_setup(void **state)
{
    out = (struct eddy_output){.limit = 1 << 22};
    err = out;
    return testing_setup(state);
}

static int run_teardown(void **state)
{
    if (testing.loop != NULL) {
        eddy_output_free(testing.loop, &out);
        eddy_output_free(testing.loop, &err);
    }
    return process_teardown(state);
}

#define run_case(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)

static void assert_outputs(const char *output, const char *error)
{
    assert_non_null(out.bytes);
    assert_string_equal(out.bytes, output);
    assert_int_equal(out.size, strlen(output));
    assert_string_equal(err.bytes != NULL ? err.bytes : "", error);
    eddy_output_free(testing.loop, &out);
    eddy_output_free(testing.loop, &err);
}

test(a_command_gets_its_input_and_its_output_error_and_status_come_back)
{
    assert_int_equal(
        run_command(.line = "tr a-z A-Z; echo oops >&2; exit 3", .input = "hello", .size = 5), 3);
    assert_outputs("HELLO", "oops\n");
    assert_int_equal(run_command(.line = "echo one; echo two >&2; echo three", .same = true), 0);
    assert_outputs("one\ntwo\nthree\n", "");
    assert_int_equal(run_command(.line = "cat", .input = "", .size = 0), 0);
    assert_outputs("", "");
    assert_int_equal(run_command(.line = "exit 5", .neither = true), 5);
    assert_no_children();
}

/* O_NONBLOCK is 04000; and a reader of its own input would never see its end. */
test(the_childs_ends_of_the_pipes_block_and_it_has_no_other_end)
{
    testing_forget_calls();
    assert_int_equal(run_command(.line = "cat; for fd in 0 1 2; do read -r name flags <<EOF\n"
                                         "$(grep flags /proc/$$/fdinfo/$fd)\n"
                                         "EOF\n"
                                         "echo $((flags & 04000)); done; ls /proc/$$/fd; exit 0",
                                 .input = "x", .size = 1),
                     0);
    assert_outputs("x0\n0\n0\n0\n1\n2\n", "");
    assert_int_equal(testing_calls(open), 0); /* the parent's do not, and need not be opened anew */
}

/* More than the pipes hold, in all directions at once. */
test(input_and_both_outputs_flow_at_once)
{
    memset(piece, 'x', sizeof piece);
    assert_int_equal(run_command(.line = "tee /dev/stderr", .input = piece, .size = sizeof piece),
                     0);
    assert_int_equal(out.size, sizeof piece);
    assert_memory_equal(out.bytes, piece, sizeof piece);
    assert_int_equal(err.size, sizeof piece);
}

test(a_command_that_does_not_read_its_input_is_no_error)
{
    assert_int_equal(run_command(.line = "exit 0", .input = piece, .size = sizeof piece), 0);
}

test(a_command_that_writes_more_than_its_limit_is_ended)
{
    out.limit = 10;
    assert_int_equal(run_command(.line = "echo 12345678901; sleep 1000"), -EFBIG);
    assert_int_equal(out.size, 10);
    assert_string_equal(out.bytes, "1234567890");
    assert_no_children();
    eddy_output_free(testing.loop, &out);
    eddy_output_free(testing.loop, &err);
    assert_int_equal(run_command(.line = "printf 1234567890"), 0);
    assert_outputs("1234567890", "");
    assert_int_equal(run_command(.line = "yes"), -EFBIG);
}

test(a_command_that_is_cancelled_is_ended_and_what_it_has_written_is_there)
{
    eddy_task task =
        eddy_loop_spawn(testing.loop, runs_command, .grace = EDDY_SECOND,
                        .line = "trap '' TERM; echo here; while :; do sleep 0.01; done");

    while (out.size == 0) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(eddy_loop_run_until(testing.loop, task), -ECANCELED);
    assert_string_equal(out.bytes, "here\n");
    assert_int_equal(eddy_loop_now(testing.loop), EDDY_SECOND); /* its grace */
    assert_no_children();
}

/* The leader ends, its child has the pipe: that is what subprocess.run hangs on, also with a time-out. */
test(a_time_out_ends_also_what_goes_on_in_the_background_with_the_pipes)
{
    int64_t result;

    result = run_command(.line = "sleep 10 & exit 0", .limit = EDDY_SECOND);
    assert_int_equal(result, -ETIMEDOUT);
}

test(outputs_that_make_no_sense_are_refused)
{
    out.limit = 0;
    assert_int_equal(run_command(.line = "exit 0"), -EINVAL);
    out.limit = 1;
    out.bytes = (char *)&out;
    assert_int_equal(run_command(.line = "exit 0"), -EINVAL);
    out.bytes = NULL;
    assert_int_equal(testing_calls(spawn), 0);
}

eddy_frame(runs_nothing) {
    eddy_coro co;
    int64_t rc;
};

static void runs_nothing(eddy_coro *co)
{
    eddy_begin(runs_nothing);
    eddy_catch(self->rc,
               eddy_process_run(co,
                                &(struct eddy_process_options){
                                    .argv = (const char *const[]){"no-such-command", NULL}},
                                "x", 1, &out, &err));
    testing_log("%s", eddy_error(co)->text);
    eddy_return(self->rc);
    eddy_end;
}

test(a_command_that_does_not_exist_is_the_error_and_named)
{
    assert_int_equal(testing_run_task(runs_nothing), -ENOENT);
    testing_assert_log("cannot run \"no-such-command\"");
}

/* ---- what is refused on the way */

static void assert_runs(void)
{
    eddy_output_free(testing.loop, &out);
    eddy_output_free(testing.loop, &err);
    assert_no_children();
}

/* Whichever call it is, the k-th of its kind: it is the result, or it does not matter. */
static void fail_each(size_t call, int error, unsigned most)
{
    for (unsigned k = 1; k <= most; k++) {
        int64_t result;
        testing_fail_call(call, k, error, false);
        result = run_command(.line = "cat", .input = "x", .size = 1, .grace = 1);
        testing_fail_call(call, 0, 0, false);
        if (result != error && result != 0) {
            fail_msg("call %zu, the %u: %lld", call, k, (long long)result);
        }
        assert_runs();
    }
}

test(whatever_call_fails_there_is_no_child_and_no_fd_afterwards)
{
    fail_each(TESTING_CALL(spawn), -EAGAIN, 1);
    fail_each(TESTING_CALL(pipe), -EMFILE, 3);
    fail_each(TESTING_CALL(epoll_ctl), -ENOSPC, 8);
    fail_each(TESTING_CALL(fstat), -EIO, 3);
    fail_each(TESTING_CALL(read), -EIO, 4);
    fail_each(TESTING_CALL(waitid), -EINTR, 2);
    fail_each(TESTING_CALL(pidfd_send_signal), -ENOSYS, 2);
    fail_each(TESTING_CALL(close), -EINTR, 8);
    fail_each(TESTING_CALL(epoll_pwait2), -EINTR, 3);
    testing.errors.count = 0; /* a close that fails may be told */
}

test(without_memory_nothing_is_left_of_a_run)
{
    int64_t result = -ENOMEM;

    for (unsigned k = 1; result == -ENOMEM; k++) {
        testing_fail_allocation(k);
        result = run_command(.line = "cat; exit 3", .input = "x", .size = 1);
        testing_fail_allocation(0);
        assert_runs();
        testing_reopen();
        assert_true(k < 100);
    }
    assert_int_equal(result, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(a_hundred_megabytes_go_through_a_child_and_back_with_flat_memory),
        process_case(a_reader_of_a_pipe_that_ends_first_is_epipe_and_no_signal),
        run_case(the_childs_ends_of_the_pipes_block_and_it_has_no_other_end),
        run_case(a_command_gets_its_input_and_its_output_error_and_status_come_back),
        run_case(input_and_both_outputs_flow_at_once),
        run_case(a_command_that_does_not_read_its_input_is_no_error),
        run_case(a_command_that_writes_more_than_its_limit_is_ended),
        run_case(a_command_that_is_cancelled_is_ended_and_what_it_has_written_is_there),
        run_case(a_time_out_ends_also_what_goes_on_in_the_background_with_the_pipes),
        run_case(outputs_that_make_no_sense_are_refused),
        run_case(a_command_that_does_not_exist_is_the_error_and_named),
        run_case(whatever_call_fails_there_is_no_child_and_no_fd_afterwards),
        run_case(without_memory_nothing_is_left_of_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
