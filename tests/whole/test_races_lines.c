/* What is handed to the first in line: what comes first is the outcome, and nothing is lost to what
 * comes second (rules 4 to 8). */
#include "support/races.h"

#include "eddy/event.h"
#include "eddy/lock.h"
#include "eddy/queue.h"

/* ---- lock */

static eddy_lock lock;

static void take_lock(eddy_coro *co)
{
    eddy_lock_init(&lock);
    assert_int_equal(eddy_lock_try_acquire(co, &lock), 0);
}

static int64_t wait_lock(eddy_coro *co)
{
    return eddy_lock_acquire(co, &lock);
}

/* The second time it is not the rival's any more. */
static void release_lock(eddy_coro *co)
{
    (void)eddy_lock_release(co, &lock);
}

static void log_lock(void)
{
    eddy_task holder = eddy_lock_holder(&lock);

    testing_log("%s", !eddy_lock_locked(&lock)             ? "free"
                      : holder.record == racer_task.record ? "its"
                                                           : "the rival's");
}

static const struct race_table lock_races = {
    .operation = "lock",
    .set_up = take_lock,
    .wait = wait_lock,
    .wake = release_lock,
    .log_left = log_lock,
    .pending = {"ECANCELED; the rival's", "ECANCELED; the rival's"},
    .cells =
        {
            [WAKE] = {"ok; its", "ok; its", "ok, then ECANCELED; its", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; free", ONE_DEADLINE, "ECANCELED; the rival's", NO_CLOSE},
            [CANCEL] = {"ECANCELED; free", "ECANCELED; the rival's", "ECANCELED; the rival's",
                        NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_lock)
{
    run_race_table(&lock_races);
}

/* ---- event */

static eddy_event event;

static void reset_event(eddy_coro *co)
{
    (void)co;
    eddy_event_init(&event);
}

static int64_t wait_event(eddy_coro *co)
{
    return eddy_event_wait(co, &event);
}

/* Set, and taken back before who waited has run. */
static void set_event(eddy_coro *co)
{
    (void)co;
    eddy_event_set(&event);
    eddy_event_clear(&event);
}

static void log_event(void)
{
    testing_log("%s", eddy_event_fini(&event) == 0 ? "nobody waits" : "in line");
}

static const struct race_table event_races = {
    .operation = "event",
    .set_up = reset_event,
    .wait = wait_event,
    .wake = set_event,
    .log_left = log_event,
    .pending = {"ECANCELED; nobody waits", "ECANCELED; nobody waits"},
    .cells =
        {
            [WAKE] = {"ok; nobody waits", "ok; nobody waits", "ok, then ECANCELED; nobody waits",
                      NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; nobody waits", ONE_DEADLINE, "ECANCELED; nobody waits",
                          NO_CLOSE},
            [CANCEL] = {"ECANCELED; nobody waits", "ECANCELED; nobody waits",
                        "ECANCELED; nobody waits", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(an_event)
{
    run_race_table(&event_races);
}

/* ---- condition */

static eddy_cond cond;
static int notified; /* how many tasks the rival has notified */

static void reset_cond(eddy_coro *co)
{
    (void)co;
    eddy_lock_init(&lock);
    eddy_cond_init(&cond, &lock);
    notified = 0;
}

static int64_t wait_cond(eddy_coro *co)
{
    if (!eddy_lock_locked(&lock)) {
        assert_int_equal(eddy_lock_try_acquire(co, &lock), 0);
    }
    return eddy_cond_wait(co, &cond);
}

/* The lock is with the racer already if its wait has ended: then nothing is notified. */
static void notify(eddy_coro *co)
{
    if (eddy_lock_try_acquire(co, &lock) == 0) {
        notified += eddy_cond_notify(co, &cond, 1);
        assert_int_equal(eddy_lock_release(co, &lock), 0);
    }
}

static void log_cond(void)
{
    log_lock();
    testing_log("%d notified", notified);
    assert_int_equal(eddy_cond_fini(&cond), 0);
}

static const struct race_table cond_races = {
    .operation = "condition",
    .set_up = reset_cond,
    .wait = wait_cond,
    .wake = notify,
    .log_left = log_cond,
    .pending = {"ECANCELED; its 0 notified", "ECANCELED; its 0 notified"},
    .cells =
        {
            [WAKE] = {"ok; its 1 notified", "ok; its 1 notified",
                      "ok, then ECANCELED; its 1 notified", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; its 0 notified", ONE_DEADLINE, "ECANCELED; its 0 notified",
                          NO_CLOSE},
            [CANCEL] = {"ECANCELED; its 0 notified", "ECANCELED; its 0 notified",
                        "ECANCELED; its 0 notified", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_condition)
{
    run_race_table(&cond_races);
}

/* Likewise while the rival holds the lock, in whose line the racer then waits. */

static void notify_with_lock(eddy_coro *co)
{
    notified += eddy_cond_notify(co, &cond, 1);
}

static void take_lock_of_cond(eddy_coro *co)
{
    assert_int_equal(eddy_lock_try_acquire(co, &lock), 0);
}

static void release_lock_of_cond(eddy_coro *co)
{
    assert_int_equal(eddy_lock_release(co, &lock), 0);
}

static const struct race_table cond_lock_races = {
    .operation = "condition whose lock is taken",
    .set_up = reset_cond,
    .prepare = take_lock_of_cond,
    .prepare_late = take_lock_of_cond,
    .wait = wait_cond,
    .wake = notify_with_lock,
    .settle = release_lock_of_cond,
    .log_left = log_cond,
    .pending = {"ECANCELED; free 0 notified", "ECANCELED; free 0 notified"},
    .cells =
        {
            /* while it waits for the lock, a cancel overtakes the time-out, and two are one */
            [WAKE] = {"ok; its 1 notified", "ok; its 1 notified",
                      "ok, then ECANCELED; its 1 notified", NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; its 0 notified", ONE_DEADLINE, "ECANCELED; its 0 notified",
                          NO_CLOSE},
            [CANCEL] = {"ECANCELED; its 0 notified", "ECANCELED; its 0 notified",
                        "ECANCELED; its 0 notified", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_condition_whose_lock_is_taken)
{
    run_race_table(&cond_lock_races);
}

/* ---- semaphore */

static eddy_semaphore semaphore;
static uint32_t released;

static void reset_semaphore(eddy_coro *co)
{
    (void)co;
    eddy_semaphore_init(&semaphore, 0);
    released = 0;
}

static int64_t wait_semaphore(eddy_coro *co)
{
    return eddy_semaphore_acquire(co, &semaphore);
}

static void release_permit(eddy_coro *co)
{
    (void)co;
    assert_int_equal(eddy_semaphore_release(&semaphore), 0);
    released++;
}

static void log_semaphore(void)
{
    testing_log("%u of %u there", semaphore.permits, released);
}

static const struct race_table semaphore_races = {
    .operation = "semaphore",
    .set_up = reset_semaphore,
    .wait = wait_semaphore,
    .wake = release_permit,
    .log_left = log_semaphore,
    .pending = {"ECANCELED; 0 of 0 there", "ECANCELED; 0 of 0 there"},
    .cells =
        {
            [WAKE] = {"ok; 1 of 2 there", "ok; 0 of 1 there", "ok, then ECANCELED; 0 of 1 there",
                      NO_CLOSE},
            [TIME_OUT] = {"ETIMEDOUT; 1 of 1 there", ONE_DEADLINE, "ECANCELED; 0 of 0 there",
                          NO_CLOSE},
            [CANCEL] = {"ECANCELED; 1 of 1 there", "ECANCELED; 0 of 0 there",
                        "ECANCELED; 0 of 0 there", NO_CLOSE},
            [CLOSE] = NEVER_CLOSED,
        },
};

test(a_semaphore)
{
    run_race_table(&semaphore_races);
}

/* ---- barrier */

static eddy_barrier barrier;

static void reset_barrier(eddy_coro *co)
{
    (void)co;
    eddy_barrier_init(&barrier, 2);
}

static int64_t wait_barrier(eddy_coro *co)
{
    return eddy_barrier_wait(co, &barrier);
}

eddy_frame(party) {
    eddy_coro co;
};

static void party(eddy_coro *co)
{
    eddy_begin(party);
    eddy_await(eddy_barrier_wait(co, &barrier));
    eddy_end;
}

static eddy_task parties[2];
static int party_count;

/* Another party, which comes in the next step. */
static void send_party(eddy_coro *co)
{
    (void)co;
    parties[party_count++] = start(party);
}

static void abort_barrier(eddy_coro *co)
{
    (void)co;
    eddy_barrier_abort(&barrier);
}

static void log_barrier(void)
{
    testing_log("%u wait%s", eddy_barrier_waiting(&barrier),
                eddy_barrier_broken(&barrier) ? " broken" : "");
}

static void end_parties(void)
{
    eddy_barrier_abort(&barrier);
    while (party_count > 0) {
        (void)finish(parties[--party_count]);
    }
}

static const struct race_table barrier_races = {
    .operation = "barrier",
    .set_up = reset_barrier,
    .wait = wait_barrier,
    .wake = send_party,
    .close = abort_barrier,
    .log_left = log_barrier,
    .tear_down = end_parties,
    .wakes_by_event = true,
    .pending = {"ECANCELED; 0 wait", "ECANCELED; 0 wait"},
    .cells =
        {
            /* a third party begins the next round */
            [WAKE] = {"ok; 1 wait", "ETIMEDOUT; 1 wait", "ok, then ECANCELED; 0 wait",
                      "ok; 0 wait broken"},
            [TIME_OUT] = {"ETIMEDOUT; 1 wait", ONE_DEADLINE, "ECANCELED; 0 wait",
                          "ETIMEDOUT; 0 wait broken"},
            [CANCEL] = {"ECANCELED; 1 wait", "ECANCELED; 0 wait", "ECANCELED; 0 wait",
                        "ECANCELED; 0 wait broken"},
            [CLOSE] = {"BROKEN; 0 wait broken", "BROKEN; 0 wait broken",
                       "BROKEN, then ECANCELED; 0 wait broken", "BROKEN; 0 wait broken"},
        },
};

/* Likewise by the rival, which is the last to come and does not wait: the party is complete before
 * the second event. */
static void complete_party(eddy_coro *co)
{
    if (eddy_barrier_waiting(&barrier) == 1) {
        assert_int_equal(eddy_barrier_wait(co, &barrier), 1);
    }
}

static const struct race_table complete_barrier_races = {
    .operation = "barrier that is completed at once",
    .set_up = reset_barrier,
    .wait = wait_barrier,
    .wake = complete_party,
    .close = abort_barrier,
    .log_left = log_barrier,
    .pending = {"ECANCELED; 0 wait", "ECANCELED; 0 wait"},
    .cells =
        {
            [WAKE] = {"ok; 0 wait", "ok; 0 wait", "ok, then ECANCELED; 0 wait",
                      "ok; 0 wait broken"},
            /* who has left is not there when the last comes */
            [TIME_OUT] = {"ETIMEDOUT; 0 wait", ONE_DEADLINE, "ECANCELED; 0 wait",
                          "ETIMEDOUT; 0 wait broken"},
            [CANCEL] = {"ECANCELED; 0 wait", "ECANCELED; 0 wait", "ECANCELED; 0 wait",
                        "ECANCELED; 0 wait broken"},
            [CLOSE] = {"BROKEN; 0 wait broken", "BROKEN; 0 wait broken",
                       "BROKEN, then ECANCELED; 0 wait broken", "BROKEN; 0 wait broken"},
        },
};

test(a_barrier)
{
    run_race_table(&barrier_races);
    run_race_table(&complete_barrier_races);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_lock),      testing_case(an_event),
        testing_case(a_condition), testing_case(a_condition_whose_lock_is_taken),
        testing_case(a_semaphore), testing_case(a_barrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
