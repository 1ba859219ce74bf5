/*
 * The program around a coroutine: eddy_run, and the two signals that ask a program to end.
 *
 *     nothing came     both are watched                the first: the coroutine is cancelled,
 *     one came         both are the system's again     the next: the kernel ends the process
 *     one came, and    both are watched                the next: is sent again, unblocked
 *     a task waits
 *
 * That the second one is the kernel's and not ours is the point: it ends a program also in a step
 * that never returns, where no callback would run.
 *
 * The watcher is no reason for the loop to go on (eddy_signal_own): a program in which nothing can happen but
 * a signal is stuck, and is to say so.
 */
#include "eddy/main.h"

#include "os/signal_internal.h"
#include "task/run.h"

struct program {
    eddy_signal signal; /* while both are watched */
    eddy_task task;     /* the coroutine's */
    uint64_t set;       /* of the two, those that were not ignored */
    int number;         /* the first that came; 0: none */
};

static uint64_t wanted_set(const struct eddy_sys *sys)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    uint64_t set = 0;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sys->signal_ignored(sys, numbers[i]) != 1) {
            set |= EDDY_SIGNAL(numbers[i]);
        }
    }
    return set;
}

/* Ends the process as the signal does; returns if something else catches or blocks it. */
static void die_of(const struct eddy_sys *sys, int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    (void)sys->signal_mask(sys, SIG_UNBLOCK, &set, NULL);
    (void)sys->kill(sys, sys->getpid(sys), number);
}

static void on_second(eddy_signal *signal, int number)
{
    die_of(signal->loop->sys, number);
}

static void on_first(eddy_signal *signal, int number)
{
    struct program *program = signal->user;
    eddy_loop *loop = signal->loop;
    uint64_t others = signal->came; /* that came with this one */

    program->number = number;
    (void)eddy_cancel(program->task); /* it may have ended: then its children are ending */
    eddy_signal_stop(signal);
    if (others != 0) {
        die_of(loop->sys, __builtin_ctzll(others) + 1);
    }
    if (eddy_signal_unwatch(loop, program->set) < 0) {
        (void)eddy_signal_start_(loop, signal, program->set, on_second, eddy_signal_own);
    }
}

static int begin(eddy_loop *loop, eddy_task task, void *context)
{
    struct program *program = context;

    program->task = task;
    program->set = wanted_set(loop->sys);
    program->signal.user = program;
    return program->set == 0 ? 0
                             : eddy_signal_start_(loop, &program->signal, program->set, on_first,
                                                  eddy_signal_own);
}

static bool expects_cancel(const void *context)
{
    return ((const struct program *)context)->number != 0;
}

int eddy_main_(const struct eddy_loop_options *options, const char *named_place, const void *frame,
               size_t size)
{
    struct program program = {.number = 0};
    const struct eddy_runner runner = {"was run by eddy_main", begin, expects_cancel, &program};
    const struct eddy_sys *sys =
        options != NULL && options->sys != NULL ? options->sys : eddy_sys_default();
    int64_t result = eddy_run_by(&runner, options, named_place, frame, size);

    if (result != -ECANCELED || program.number == 0) {
        return eddy_exit_status(result);
    }
    die_of(sys, program.number);
    return 128 + program.number;
}
