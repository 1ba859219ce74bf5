/* The table of src/task/interrupt.c, cell by cell: what state an event leads to, and what the task sees in
 * the end. A task does what its script says, one operation a letter; the events come from outside:
 *
 *     operations   w  waits for the gate             W  likewise, for a second at most
 *                  j  joins a child that obeys       J  likewise
 *                  k  joins one that swallows        K  likewise
 *                  M  as J, without memory for the deadline
 *                  s  shields a child                S  likewise
 *                  g  has its result at once         u  as w, and its error goes out of the block
 *                  f  calls one that cleans up: its finally waits for the gate
 *                  n  calls, for a second at most, one that waits for the gate twice and swallows
 *                  l  as f, in a finally that limits its wait to a second
 *                  C  is cancelled while it runs     D  a deadline passes while it runs
 *     events       .  one turn of the loop           c  a cancel
 *                  ^  (first) it has not begun yet
 *                  r  the gate opens                 d  a second passes, and the heap tells
 *                  e  the child may end, and does    z  the loop ends
 *
 * All operations are in a block of two seconds. */
#include "support/interrupts.h"

eddy_frame(cleans_up) {
    eddy_coro co;
    bool limited;
    int64_t rc;
};

static void cleans_up(eddy_coro *co)
{
    eddy_begin(cleans_up);
    eddy_return(5);
eddy_finally:
    if (self->limited) {
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_event_wait(co, &gate)));
    } else {
        eddy_catch(self->rc, eddy_event_wait(co, &gate));
    }
    log_end("cleanup", self->rc);
    eddy_end;
}

eddy_frame(waits_twice) {
    eddy_coro co;
    int64_t rc;
};

static void waits_twice(eddy_coro *co)
{
    eddy_begin(waits_twice);
    eddy_catch(self->rc, eddy_event_wait(co, &gate));
    log_end("first", self->rc);
    eddy_await(eddy_event_wait(co, &gate));
    eddy_end;
}

eddy_frame(subject) {
    eddy_coro co;
    const char *script;
    eddy_task child;
    char operation;
    int64_t rc;
};

static void subject(eddy_coro *co)
{
    eddy_begin(subject);
    self->child = eddy_spawn(co, child, .swallows = strpbrk(self->script, "kK") != NULL);
    eddy_await(eddy_pause(co)); /* it begins */
    eddy_with_timeout(2 * EDDY_SECOND) {
        while ((self->operation = *self->script++) != '\0') {
            if (self->operation == 'C') {
                eddy_cancel(eddy_task_self(co));
                testing_log("C:%s", state_of(eddy_task_self(co)));
                continue;
            }
            if (self->operation == 'D') {
                second_passes(co->task);
                testing_log("D:%s", state_of(eddy_task_self(co)));
                continue;
            }
            if (self->operation == 'w') {
                eddy_catch(self->rc, eddy_event_wait(co, &gate));
            } else if (self->operation == 'W') {
                eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_event_wait(co, &gate)));
            } else if (self->operation == 'u') {
                eddy_await(self->rc, eddy_event_wait(co, &gate));
            } else if (self->operation == 'j' || self->operation == 'k') {
                eddy_catch(self->rc, eddy_join(co, self->child));
            } else if (self->operation == 'J' || self->operation == 'K') {
                eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->child)));
            } else if (self->operation == 'M') {
                use_up_memory();
                eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->child)));
                testing_fail_allocation(0);
            } else if (self->operation == 's') {
                eddy_catch(self->rc, eddy_shield(co, self->child));
            } else if (self->operation == 'S') {
                eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_shield(co, self->child)));
            } else if (self->operation == 'f' || self->operation == 'l') {
                eddy_catch(self->rc, eddy_call(co, cleans_up, .limited = self->operation == 'l'));
            } else if (self->operation == 'n') {
                eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_call(co, waits_twice)));
            } else {
                eddy_catch(self->rc, give(co, 9));
            }
            log_end((char[]){self->operation, '\0'}, self->rc);
        }
    }
    eddy_return(0);
eddy_finally:
    (void)eddy_detach(self->child);
    eddy_end;
}

/* ---- rows of the table */

struct row {
    const char *script;
    const char *events;
    const char *states; /* after each event */
    const char *log;    /* in the end, when all may end */
};

static void happens(char event, eddy_task task)
{
    if (event == '.') {
        (void)testing_turn();
    } else if (event == 'c') {
        eddy_cancel(task);
    } else if (event == 'd') {
        second_passes(task.record);
    } else if (event == 'r') {
        eddy_event_set(&gate);
    } else if (event == 'e') {
        eddy_event_set(&child_end);
        (void)testing_turn();
    } else if (event == 'z') {
        eddy_event_set(&child_end);
        testing_reopen();
    }
}

static int wrong;

static void check(const struct row *row)
{
    char states[128] = "";
    int64_t result;
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_VIRTUAL, 0);
    init_events();
    task = start(subject, .script = row->script);
    if (row->events[0] != '^') {
        (void)testing_turns();
    }
    for (const char *event = row->events; *event != '\0'; event++) {
        happens(*event, task);
        if (*event == 'z') {
            break;
        }
        snprintf(states + strlen(states), sizeof states - strlen(states), "%s%s",
                 states[0] != '\0' ? " " : "", state_of(task));
    }
    if (strchr(row->events, 'z') == NULL) {
        eddy_event_set(&gate);
        eddy_event_set(&child_end);
        result = finish(task);
        log_end("end", result);
    }
    if (strcmp(states, row->states) != 0 || strcmp(testing.log, row->log) != 0) {
        fprintf(stderr, "{\"%s\", \"%s\", \"%s\", \"%s\"}\n", row->script, row->events, states,
                testing.log);
        wrong++;
    }
    testing.log[0] = '\0';
}

#define check_rows(rows)                                              \
    do {                                                              \
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) { \
            check(&(rows)[i]);                                        \
        }                                                             \
        assert_int_equal(wrong, 0);                                   \
    } while (0)

test(a_cancel)
{
    static const struct row rows[] = {
        /* none: it has not begun, runs, waits */
        {"g", "^c.", "none pending/c ended", "end=ECANCELED@0"},
        {"Cgg", "", "", "C:pending/c g=ECANCELED@0 g=9@0 end=0@0"},
        {"wg", "c.", "come/c ended", "w=ECANCELED@0 g=9@0 end=0@0"},
        {"jg", "c.e.", "way/c way/c come/c ended", "j=ECANCELED@0 g=9@0 end=0@0"},
        {"sg", "c.", "come/c ended", "s=ECANCELED@0 g=9@0 end=0@0"},
        /* none: it has its result */
        {"wg", "rc.", "none pending/c ended", "w=0@0 g=ECANCELED@0 end=0@0"},
        {"w", "rc.", "none pending/c ended", "w=0@0 end=0@0"},
        /* pending */
        {"CCgg", "", "", "C:pending/c C:pending/c g=ECANCELED@0 g=9@0 end=0@0"},
        {"wgg", "rcc.", "none pending/c pending/c ended", "w=0@0 g=ECANCELED@0 g=9@0 end=0@0"},
        {"fgg", "cc", "pending/c pending/c", "cleanup=0@0 f=5@0 g=ECANCELED@0 g=9@0 end=0@0"},
        {"DDCgg", "", "", "D:none D:pending/d C:pending/cd g=ECANCELED@2 g=9@2 end=0@2"},
        /* under way, from outside and by a deadline */
        {"jgg", "cce.", "way/c way/c come/c ended", "j=ECANCELED@0 g=9@0 g=9@0 end=0@0"},
        {"kgg", "c.ce.", "way/c way/c way/c come/c ended", "k=7@0 g=ECANCELED@0 g=9@0 end=0@0"},
        {"Jgg", "d.ce.", "way/d way/d way/cd come/cd ended", "J=ECANCELED@1 g=9@1 g=9@1 end=0@1"},
        {"Kgg", "dc.e.", "way/d way/cd way/cd come/cd ended", "K=7@1 g=ECANCELED@1 g=9@1 end=0@1"},
        /* come */
        {"wgg", "cc.", "come/c come/c ended", "w=ECANCELED@0 g=9@0 g=9@0 end=0@0"},
        {"Wgg", "dc.", "come/d come/cd ended", "W=ECANCELED@1 g=9@1 g=9@1 end=0@1"},
    };

    check_rows(rows);
}

test(a_deadline_that_passes)
{
    static const struct row rows[] = {
        /* none: it runs, waits */
        {"DDgg", "", "", "D:none D:pending/d g=ECANCELED@2 g=9@2 end=0@2"},
        {"Wg", "d.", "come/d ended", "W=ETIMEDOUT@1 g=9@1 end=0@1"},
        {"Jg", "d.e.", "way/d way/d come/d ended", "J=ETIMEDOUT@1 g=9@1 end=0@1"},
        {"Sg", "d.", "come/d ended", "S=ETIMEDOUT@1 g=9@1 end=0@1"},
        {"ug", "dd.", "none come/d ended", "end=ETIMEDOUT@2"},
        /* none: it has its result */
        {"Wg", "rd.", "none pending/d ended", "W=0@1 g=9@1 end=0@1"},
        {"wgg", "rdd.", "none pending/d pending/d ended", "w=0@2 g=ECANCELED@2 g=9@2 end=0@2"},
        {"w", "rdd.", "none pending/d pending/d ended", "w=0@2 end=0@2"},
        /* pending */
        {"CDDgg", "", "", "C:pending/c D:pending/c D:pending/cd g=ECANCELED@2 g=9@2 end=0@2"},
        {"wgg", "rcdd.", "none pending/c pending/cd pending/cd ended",
         "w=0@2 g=ECANCELED@2 g=9@2 end=0@2"},
        {"fgg", "cdd", "pending/c pending/c pending/c",
         "cleanup=0@2 f=5@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* under way, from outside and by another */
        {"jgg", "cdde.", "way/c way/cd way/cd come/cd ended", "j=ECANCELED@2 g=9@2 g=9@2 end=0@2"},
        {"kgg", "cdde.", "way/c way/cd way/cd come/cd ended", "k=7@2 g=ECANCELED@2 g=9@2 end=0@2"},
        {"Jgg", "dd.e.", "way/d way/d way/d come/d ended",
         "J=ETIMEDOUT@2 g=ECANCELED@2 g=9@2 end=0@2"},
        {"Kgg", "dd.e.", "way/d way/d way/d come/d ended", "K=7@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* come */
        {"Wgg", "cdd.", "come/c come/cd come/cd ended", "W=ECANCELED@2 g=9@2 g=9@2 end=0@2"},
        {"Wgg", "dd.", "come/d come/d ended", "W=ETIMEDOUT@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* delivered, and swallowed */
        {"ngg", "d.d.", "come/d none come/d ended",
         "first=ECANCELED@1 n=ECANCELED@2 g=9@2 g=9@2 end=0@2"},
    };

    check_rows(rows);
}

test(a_result_and_the_step_that_sees_it)
{
    static const struct row rows[] = {
        /* none */
        {"wg", "r.", "none ended", "w=0@0 g=9@0 end=0@0"},
        {"Wg", "r.", "none ended", "W=0@0 g=9@0 end=0@0"},
        /* pending: a cleanup held it back */
        {"fgg", "cr.", "pending/c pending/c ended",
         "cleanup=0@0 f=5@0 g=ECANCELED@0 g=9@0 end=0@0"},
        /* under way: the child obeys, swallows */
        {"jg", "c.e.", "way/c way/c come/c ended", "j=ECANCELED@0 g=9@0 end=0@0"},
        {"kgg", "c.e.", "way/c way/c come/c ended", "k=7@0 g=ECANCELED@0 g=9@0 end=0@0"},
        {"Jg", "d.e.", "way/d way/d come/d ended", "J=ETIMEDOUT@1 g=9@1 end=0@1"},
        {"Kg", "d.e.", "way/d way/d come/d ended", "K=7@1 g=9@1 end=0@1"},
        /* come: too late */
        {"sgg", "cr.", "come/c come/c ended", "s=ECANCELED@0 g=9@0 g=9@0 end=0@0"},
        {"Wgg", "dr.", "come/d come/d ended", "W=ETIMEDOUT@1 g=9@1 g=9@1 end=0@1"},
    };

    check_rows(rows);
}

test(the_next_await)
{
    static const struct row rows[] = {
        /* pending, from outside */
        {"Cwg", "", "", "C:pending/c w=ECANCELED@0 g=9@0 end=0@0"},
        {"Csg", "", "", "C:pending/c s=ECANCELED@0 g=9@0 end=0@0"},
        {"Cfg", "", "", "C:pending/c f=ECANCELED@0 g=9@0 end=0@0"},
        /* pending by a deadline */
        {"DDwg", "", "", "D:none D:pending/d w=ECANCELED@2 g=9@2 end=0@2"},
        {"DDsg", "", "", "D:none D:pending/d s=ECANCELED@2 g=9@2 end=0@2"},
        {"DDfg", "", "", "D:none D:pending/d f=ECANCELED@2 g=9@2 end=0@2"},
    };

    check_rows(rows);
}

test(a_wait_that_owns)
{
    static const struct row rows[] = {
        /* pending, from outside */
        {"Cjgg", "e.", "come/c ended", "C:pending/c j=ECANCELED@0 g=9@0 g=9@0 end=0@0"},
        {"Ckgg", "e.", "come/c ended", "C:pending/c k=7@0 g=ECANCELED@0 g=9@0 end=0@0"},
        /* by a deadline */
        {"DDjgg", "e.", "come/d ended", "D:none D:pending/d j=ECANCELED@2 g=9@2 g=9@2 end=0@2"},
        {"DDkgg", "e.", "come/d ended", "D:none D:pending/d k=7@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* both */
        {"CDDjgg", "e.", "come/cd ended",
         "C:pending/c D:pending/c D:pending/cd j=ECANCELED@2 g=9@2 g=9@2 end=0@2"},
        {"CDDkgg", "e.", "come/cd ended",
         "C:pending/c D:pending/c D:pending/cd k=7@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* for want of memory, and a cancel with it */
        {"Mgg", "e.", "come/m ended", "M=ENOMEM@0 g=9@0 g=9@0 end=0@0"},
        {"Mgg", "ce.", "way/cm come/cm ended", "M=ECANCELED@0 g=9@0 g=9@0 end=0@0"},
    };

    check_rows(rows);
}

test(cleanups)
{
    static const struct row rows[] = {
        /* a deadline passes in one, and is pending when it ends */
        {"fgg", "ddr.", "none none none ended", "cleanup=0@2 f=5@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* one of its own strikes in it, the outer one behind it */
        {"lgg", "d.", "come/d ended", "cleanup=ETIMEDOUT@1 l=5@1 g=9@1 g=9@1 end=0@1"},
        {"lgg", "dd.", "come/d come/d ended",
         "cleanup=ETIMEDOUT@2 l=5@2 g=ECANCELED@2 g=9@2 end=0@2"},
        /* a cancel is held back beside it */
        {"lgg", "cd.", "pending/c come/cd ended",
         "cleanup=ETIMEDOUT@1 l=5@1 g=ECANCELED@1 g=9@1 end=0@1"},
        {"fgg", "cr.", "pending/c pending/c ended",
         "cleanup=0@0 f=5@0 g=ECANCELED@0 g=9@0 end=0@0"},
    };

    check_rows(rows);
}

test(the_end_of_the_loop)
{
    static const struct row rows[] = {
        /* none */
        {"g", "^z", "none", ""},
        {"wg", "z", "", "w=ECANCELED@0 g=9@0"},
        {"jg", "z", "", "j=ECANCELED@0 g=9@0"},
        {"kg", "z", "", "k=7@0 g=ECANCELED@0"},
        {"sg", "z", "", "s=ECANCELED@0 g=9@0"},
        {"wgg", "rz", "none", "w=0@0 g=ECANCELED@0 g=9@0"},
        {"fg", "rz", "none", "cleanup=0@0 f=5@0 g=ECANCELED@0"},
        /* pending */
        {"fgg", "crz", "pending/c pending/c", "cleanup=0@0 f=5@0 g=ECANCELED@0 g=9@0"},
        /* under way */
        {"jg", "cz", "way/c", "j=ECANCELED@0 g=9@0"},
        {"kgg", "c.z", "way/c way/c", "k=7@0 g=ECANCELED@0 g=9@0"},
        {"Kgg", "d.z", "way/d way/d", "K=7@1 g=ECANCELED@1 g=9@1"},
        /* come */
        {"wg", "cz", "come/c", "w=ECANCELED@0 g=9@0"},
        {"Wg", "dz", "come/d", "W=ECANCELED@1 g=9@1"},
    };

    check_rows(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_cancel),
        testing_case(a_deadline_that_passes),
        testing_case(a_result_and_the_step_that_sees_it),
        testing_case(the_next_await),
        testing_case(a_wait_that_owns),
        testing_case(cleanups),
        testing_case(the_end_of_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
