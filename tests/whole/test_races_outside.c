/* Signals, names, work and files: what comes first is the outcome; what a thread has begun is told
 * and waited for, or its answer is dropped (rules 4, 6 and 7). */
#include "support/files.h"
#include "support/races.h"
#include "support/threads.h"

#include <sched.h>
#include <signal.h>

#include "eddy/address.h"
#include "eddy/signal.h"
#include "loop/loop_internal.h"
#include "work/file_job.h"

/* ---- signal */

static void watch_signal(eddy_coro *co)
{
    assert_int_equal(eddy_signal_watch(eddy_loop_of(co), EDDY_SIGNAL(SIGUSR1)), 0);
}

static int64_t wait_signal(eddy_coro *co)
{
    return eddy_signal_wait(co, EDDY_SIGNAL(SIGUSR1));
}

static void raise_signal(eddy_coro *co)
{
    (void)co;
    assert_int_equal(raise(SIGUSR1), 0);
}

eddy_frame_of(takes_signal, int64_t rc);

static void takes_signal(eddy_coro *co)
{
    eddy_begin(takes_signal);
    eddy_catch(self->rc, eddy_wait_for(co, 0, wait_signal(co)));
    testing_log("%s", self->rc == SIGUSR1 ? "one kept" : "none kept");
    eddy_end;
}

/* What nobody got is there for the next wait. */
static void log_signal(void)
{
    assert_int_equal(run(takes_signal), 0);
}

static const struct race_table signal_races = {
    .operation = "signal",
    .set_up = watch_signal,
    .wait = wait_signal,
    .wake = raise_signal,
    .log_left = log_signal,
    .wakes_by_event = true,
    .pending = {"ECANCELED; none kept", "ECANCELED; none kept"},
    .cells =
        {
            /* the event is the result */
            [WAKE] = {"ok; one kept", "ok; none kept", "ok, then ECANCELED; none kept", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; one kept", ONE_DEADLINE, "ECANCELED; none kept", NO_CLOSE},
            [CANCEL] = {"ECANCELED; one kept", "ECANCELED; none kept", "ECANCELED; none kept",
                        NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_signal)
{
    run_race_table(&signal_races);
}

/* ---- work: it stands at the gate until the wake */

static struct gate gate;
static bool opened;
static bool obeys; /* the work returns -ECANCELED if it was told */
static bool told;

#define NOT_BEGUN "- nothing is begun: see test_cancel_points.c"

static void close_gate(eddy_coro *co)
{
    (void)co;
    gate_init(&gate);
    opened = false;
    told = false;
}

static void await_worker(eddy_coro *co)
{
    (void)co;
    gate_await(&gate);
}

/* Lets the worker end, and waits until it has told the loop so. */
static void end_work(eddy_coro *co)
{
    (void)co;
    if (!opened) {
        opened = true;
        gate_open(&gate);
        while (!eddy_messages_waiting(testing.loop)) {
            sched_yield();
        }
    }
}

static int64_t work(eddy_job *job, void *argument)
{
    (void)argument;
    gate_pass(&gate);
    told = eddy_offload_cancelled(job);
    return told && obeys ? -ECANCELED : 7;
}

static int64_t wait_work(eddy_coro *co)
{
    return eddy_offload(co, work, NULL);
}

static void log_work(void)
{
    testing_log("%s", told ? "told" : "not told");
}

static const struct race_table obeying_races = {
    .operation = "work that obeys",
    .set_up = close_gate,
    .prepare = await_worker,
    .wait = wait_work,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_work,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; not told", "ok; not told", "ok, then ECANCELED; not told", NO_CLOSE},
            /* one wait, which goes on: a cancel overtakes a time-out, and two are one */
            [TIME_OUT] = {"ETIMEDOUT; told", ONE_DEADLINE, "ECANCELED; told", NO_CLOSE},
            [CANCEL] = {"ECANCELED; told", "ECANCELED; told", "ECANCELED; told", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static const struct race_table ignoring_races = {
    .operation = "work that ignores it",
    .set_up = close_gate,
    .prepare = await_worker,
    .wait = wait_work,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_work,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; not told", "ok; not told", "ok, then ECANCELED; not told", NO_CLOSE},
            /* its result stands */
            [TIME_OUT] = {"ok; told", ONE_DEADLINE, "ok, then ECANCELED; told", NO_CLOSE},
            [CANCEL] = {"ok, then ECANCELED; told", "ok, then ECANCELED; told",
                        "ok, then ECANCELED; told", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

/* The only worker is busy with something else: the work has not begun. */

static eddy_task busy;
static int begun;

eddy_frame_of(keeps_worker_busy);

static void keeps_worker_busy(eddy_coro *co)
{
    eddy_begin(keeps_worker_busy);
    eddy_await(eddy_offload(co, work, NULL));
    eddy_end;
}

static void take_worker(eddy_coro *co)
{
    close_gate(co);
    assert_int_equal(eddy_offload_workers(testing.loop, 1), 0);
    begun = 0;
    busy = start(keeps_worker_busy);
}

static int64_t begin(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    begun++;
    return 0;
}

static int64_t wait_in_queue(eddy_coro *co)
{
    return eddy_offload(co, begin, NULL);
}

static void log_begun(void)
{
    assert_int_equal(finish(busy), 0);
    testing_log("%d begun", begun);
}

#define HAS_BEGUN "- it has begun then"

static const struct race_table queued_races = {
    .operation = "work that has not begun",
    .set_up = take_worker,
    .prepare = await_worker,
    .wait = wait_in_queue,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_begun,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {HAS_BEGUN, HAS_BEGUN, HAS_BEGUN, NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; 0 begun", ONE_DEADLINE, "ECANCELED; 0 begun", NO_CLOSE},
            [CANCEL] = {"ECANCELED; 0 begun", "ECANCELED; 0 begun", "ECANCELED; 0 begun", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(work_in_a_thread)
{
    obeys = true;
    run_race_table(&obeying_races);
    obeys = false;
    run_race_table(&ignoring_races);
    run_race_table(&queued_races);
}

/* ---- name */

static struct eddy_address address;

static void make_resolver(eddy_coro *co)
{
    close_gate(co);
    resolver_install();
    resolver.answers[0] = "192.0.2.7";
    resolver.gate = &gate;
    memset(&address, 0, sizeof address);
}

static int64_t wait_name(eddy_coro *co)
{
    return eddy_resolve(co, "name.example", 80, AF_UNSPEC, &address, 1);
}

/* Whatever came of it, the system's answer is given back. */
static void log_name(void)
{
    assert_int_equal(resolver.asked, 1);
    assert_int_equal(resolver.freed, 1);
    testing_log("%s", address.size != 0 ? "found" : "nothing");
}

static const struct race_table name_races = {
    .operation = "name",
    .set_up = make_resolver,
    .prepare = await_worker,
    .wait = wait_name,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_name,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            /* the thread's message is no result yet: it has its turn in the batch */
            [WAKE] = {"ok; found", "ETIMEDOUT; nothing", "ECANCELED; nothing", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; nothing", ONE_DEADLINE, "ECANCELED; nothing", NO_CLOSE},
            [CANCEL] = {"ECANCELED; nothing", "ECANCELED; nothing", "ECANCELED; nothing", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_name)
{
    run_race_table(&name_races);
}

/* ---- file: the thread has opened it */

static int pass_and_stat(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode)
{
    gate_pass(&gate);
    return eddy_sys_default()->fstat(sys, fd, size, mode);
}

static void make_file(eddy_coro *co)
{
    close_gate(co);
    put(path, "old", 3);
    memset(buffer, 0, 4);
    testing.sys.table.fstat = pass_and_stat;
}

static int64_t wait_file_read(eddy_coro *co)
{
    return eddy_file_read_into(co, path, buffer, sizeof buffer);
}

static void log_file_read(void)
{
    testing_log("%s", buffer[0] != '\0' ? buffer : "nothing"); /* undefined after an error */
}

static const struct race_table file_read_races = {
    .operation = "read of a file",
    .set_up = make_file,
    .prepare = await_worker,
    .wait = wait_file_read,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_file_read,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; old", "ok; old", "ok, then ECANCELED; old", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; old", ONE_DEADLINE, "ECANCELED; old", NO_CLOSE},
            [CANCEL] = {"ECANCELED; old", "ECANCELED; old", "ECANCELED; old", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static int64_t wait_file_write(eddy_coro *co)
{
    return eddy_file_write(co, path, "new", 3, 0);
}

/* The file is the old one or the new one, and nothing lies beside it. */
static void log_file_write(void)
{
    char content[4] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(read(fd, content, sizeof content), 3);
    close(fd);
    assert_int_equal(files(), 1);
    testing_log("%s", content);
}

static const struct race_table file_write_races = {
    .operation = "write of a file",
    .set_up = make_file,
    .prepare = await_worker,
    .wait = wait_file_write,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_file_write,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; new", "ok; new", "ok, then ECANCELED; new", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; old", ONE_DEADLINE, "ECANCELED; old", NO_CLOSE},
            [CANCEL] = {"ECANCELED; old", "ECANCELED; old", "ECANCELED; old", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

/* ---- pieces of an open file, and its opening */

static eddy_file file;

static ssize_t pass_and_write(const struct eddy_sys *sys, int fd, const void *bytes, size_t size,
                              int64_t offset)
{
    gate_pass(&gate);
    return eddy_sys_default()->pwrite(sys, fd, bytes, size, offset);
}

static void have_file(eddy_coro *co)
{
    make_file(co);
    memset(&file, 0, sizeof file);
    assert_int_equal(eddy_file_adopt(co, &file, path, NULL), 0);
    assert_int_equal(eddy_file_opened(&file, open(path, O_RDWR | O_CLOEXEC)), 0);
    testing.sys.table.pwrite = pass_and_write;
}

static int64_t wait_piece(eddy_coro *co)
{
    return eddy_file_write_at(co, &file, "new", 3, 0);
}

eddy_frame_of(closes_file);

static void closes_file(eddy_coro *co)
{
    eddy_begin(closes_file);
    eddy_await(eddy_file_close(co, &file));
    eddy_end;
}

/* Nobody works on it any more. */
static void close_file(void)
{
    assert_int_equal(run(closes_file), 0);
}

static const struct race_table piece_races = {
    .operation = "write of a piece",
    .set_up = have_file,
    .prepare = await_worker,
    .wait = wait_piece,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_file_write,
    .tear_down = close_file,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; new", "ok; new", "ok, then ECANCELED; new", NO_CLOSE},
            /* what has begun is written */
            [TIME_OUT] = {"ok; new", ONE_DEADLINE, "ok, then ECANCELED; new", NO_CLOSE},
            [CANCEL] = {"ok, then ECANCELED; new", "ok, then ECANCELED; new",
                        "ok, then ECANCELED; new", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

static void open_no_file(eddy_coro *co)
{
    make_file(co);
    memset(&file, 0, sizeof file);
}

static int64_t wait_open(eddy_coro *co)
{
    return eddy_file_open(co, &file, path, O_RDONLY, 0);
}

static void log_open(void)
{
    testing_log("%s", eddy_file_is_open(&file) ? "open" : "not open");
}

static const struct race_table open_races = {
    .operation = "opening of a file",
    .set_up = open_no_file,
    .prepare = await_worker,
    .wait = wait_open,
    .wake = end_work,
    .settle = end_work,
    .log_left = log_open,
    .tear_down = close_file,
    .wakes_by_event = true,
    .pending = {NOT_BEGUN, NOT_BEGUN},
    .cells =
        {
            [WAKE] = {"ok; open", "ok; open", "ok, then ECANCELED; open", NO_CLOSE},
            [TIME_OUT] = {"ok; open", ONE_DEADLINE, "ok, then ECANCELED; open", NO_CLOSE},
            [CANCEL] = {"ok, then ECANCELED; open", "ok, then ECANCELED; open",
                        "ok, then ECANCELED; open", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_file)
{
    run_race_table(&file_read_races);
    run_race_table(&file_write_races);
    run_race_table(&piece_races);
    run_race_table(&open_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_signal),
        testing_case(work_in_a_thread),
        testing_case(a_name),
        file_case(a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
