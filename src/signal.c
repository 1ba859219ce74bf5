#include "eddy/signal.h"

#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "task_internal.h"

enum { MOST_SIGNALS = 16 }; /* read in one turn */

/* What a loop knows of signals; made at the first wait. */
struct signals {
    struct eddy_attachment attachment;
    eddy_io io;            /* the signalfd; started once there is one */
    uint64_t watched;      /* waited for at least once */
    uint64_t blocked_here; /* of those, the ones that were not blocked before */
    uint64_t pending;      /* came while nobody waited for them */
    struct eddy_line waiting;
    unsigned pool_class;
};

static const char attachment_key;

static sigset_t to_sigset(uint64_t set)
{
    sigset_t result;

    sigemptyset(&result);
    for (int number = 1; number <= 64; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0) {
            sigaddset(&result, number);
        }
    }
    return result;
}

/* ---- delivery */

static void deliver(struct signals *signals, int number)
{
    struct eddy_link *tasks = &signals->waiting.tasks;
    struct eddy_link *link = eddy_list_first(tasks);
    bool taken = false;

    while (link != NULL && link != tasks) {
        struct eddy_task_record *task = (struct eddy_task_record *)(void *)link;
        link = link->next;
        if (((uint64_t)task->with.until & EDDY_SIGNAL(number)) != 0) {
            eddy_task_loop(task)->references--;
            eddy_wake(task, number);
            taken = true;
        }
    }
    if (!taken) {
        signals->pending |= EDDY_SIGNAL(number);
    }
}

static int open_signalfd(eddy_loop *loop, struct signals *signals, uint64_t set);

/* Somebody has closed the signalfd. */
static void reopen(eddy_loop *loop, struct signals *signals)
{
    int result;

    eddy_io_stop(&signals->io);
    result = open_signalfd(loop, signals, signals->watched);
    if (result < 0) {
        eddy_loop_report(loop, (eddy_task){0}, result, "the loop hears of no signals any more");
    }
}

static void on_signalfd(eddy_io *io, unsigned events)
{
    struct signals *signals = io->user;
    const struct eddy_sys *sys = io->loop->sys;
    struct signalfd_siginfo info;

    if (events == EDDY_IO_GONE) {
        reopen(io->loop, signals);
        return;
    }
    for (int i = 0; i < MOST_SIGNALS; i++) {
        if (sys->read(sys, io->fd, &info, sizeof info) != (ssize_t)sizeof info) {
            return;
        }
        deliver(signals, (int)info.ssi_signo);
    }
}

/* ---- opening and closing */

static void unblock(const struct eddy_sys *sys, uint64_t set)
{
    sigset_t signals = to_sigset(set);

    (void)sys->signal_mask(sys, SIG_UNBLOCK, &signals, NULL);
}

/* Signals that have come are taken out first: nobody wants their default action now. */
static void close_signals(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct signals *signals = (struct signals *)(void *)attachment;
    struct signalfd_siginfo info;
    const struct eddy_sys *sys = loop->sys;
    struct eddy_task_record *task;
    int fd = signals->io.fd;

    while ((task = eddy_line_first(&signals->waiting)) != NULL) { /* cut off in a cleanup */
        eddy_list_remove(&task->timed.ready.link);
    }
    if (eddy_io_started(&signals->io)) {
        while (sys->read(sys, fd, &info, sizeof info) == (ssize_t)sizeof info) {}
        eddy_io_stop(&signals->io);
        (void)sys->close(sys, fd);
    }
    unblock(sys, signals->blocked_here);
    eddy_pool_give(&loop->pool, signals, signals->pool_class);
}

/* A signalfd may be widened by all who share it. What came before the fork is the parent's. */
static int part_signals(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct signals *signals = (struct signals *)(void *)attachment;
    sigset_t watched = to_sigset(signals->watched);

    signals->pending = 0;
    return eddy_io_started(&signals->io)
               ? eddy_fd_replace(loop, signals->io.fd, loop->sys->signalfd(loop->sys, -1, &watched))
               : 0;
}

static struct signals *signals_of(eddy_loop *loop)
{
    struct signals *signals = (struct signals *)(void *)eddy_loop_attachment(loop, &attachment_key);
    unsigned pool_class;

    if (signals != NULL) {
        return signals;
    }
    signals = eddy_pool_take(&loop->pool, sizeof *signals, &pool_class);
    if (signals == NULL) {
        return NULL;
    }
    memset(signals, 0, sizeof *signals);
    signals->attachment.key = &attachment_key;
    signals->attachment.close = close_signals;
    signals->attachment.after_fork = part_signals;
    signals->pool_class = pool_class;
    signals->io.user = signals;
    eddy_list_append(&loop->attachments, &signals->attachment.link);
    return signals;
}

/* Blocks the signals in this thread, and notes which were not blocked before. */
static int block(eddy_loop *loop, uint64_t set, uint64_t *newly)
{
    sigset_t signals = to_sigset(set);
    sigset_t old;
    int result = loop->sys->signal_mask(loop->sys, SIG_BLOCK, &signals, &old);

    *newly = 0;
    for (int number = 1; result == 0 && number <= 64; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0 && sigismember(&old, number) == 0) {
            *newly |= EDDY_SIGNAL(number);
        }
    }
    return result;
}

/* Makes the signalfd, or widens it to the set. */
static int open_signalfd(eddy_loop *loop, struct signals *signals, uint64_t set)
{
    sigset_t wanted = to_sigset(set);
    bool open = eddy_io_started(&signals->io);
    int fd =
        eddy_above_stdio(loop, loop->sys->signalfd(loop->sys, open ? signals->io.fd : -1, &wanted));
    int result;

    if (fd < 0 || open) {
        return fd < 0 ? fd : 0;
    }
    result = eddy_io_watch(loop, &signals->io, fd, EDDY_READ, EDDY_IO_OWN, on_signalfd);
    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
    return result;
}

static int watch_new(eddy_loop *loop, struct signals *signals, uint64_t set)
{
    uint64_t newly;
    int result;

    if ((set & ~signals->watched) == 0) {
        return 0;
    }
    result = block(loop, set & ~signals->watched, &newly);
    if (result < 0) {
        return result;
    }
    result = open_signalfd(loop, signals, set | signals->watched);
    if (result < 0) {
        unblock(loop->sys, newly);
        return result;
    }
    signals->watched |= set;
    signals->blocked_here |= newly;
    return 0;
}

/* ---- the operation */

static int abort_wait(struct eddy_task_record *task)
{
    eddy_task_loop(task)->references--;
    return 1;
}

/* Appends a signal to a list of them. */
static void append_name(char *text, size_t size, int number)
{
    static const struct {
        int number;
        const char *name;
    } known[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
                 {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}, {SIGALRM, "SIGALRM"},
                 {SIGTERM, "SIGTERM"}, {SIGCHLD, "SIGCHLD"}};
    size_t used = strlen(text);
    const char *comma = used > 0 ? ", " : "";

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].number == number) {
            snprintf(text + used, size - used, "%s%s", comma, known[i].name);
            return;
        }
    }
    snprintf(text + used, size - used, "%s%d", comma, number);
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    text[0] = '\0';
    for (int number = 1; number <= 64; number++) {
        if (((uint64_t)task->with.until & EDDY_SIGNAL(number)) != 0) {
            append_name(text, size, number);
        }
    }
}

static const struct eddy_wait signal_kind = {
    .name = "signal",
    .abort = abort_wait,
    .describe = describe,
};

/* The lowest signal of the set that has come already, or 0. */
static int take_pending(struct signals *signals, uint64_t set)
{
    for (int number = 1; number <= 64; number++) {
        if ((signals->pending & set & EDDY_SIGNAL(number)) != 0) {
            signals->pending &= ~EDDY_SIGNAL(number);
            return number;
        }
    }
    return 0;
}

/* Not empty, and nothing that cannot be blocked: SIGKILL, SIGSTOP, and libc's own. */
static bool can_be_watched(uint64_t set)
{
    sigset_t signals;

    sigemptyset(&signals);
    for (int number = 1; number <= 64; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0 && sigaddset(&signals, number) < 0) {
            return false;
        }
    }
    return set != 0 && (set & (EDDY_SIGNAL(SIGKILL) | EDDY_SIGNAL(SIGSTOP))) == 0;
}

int eddy_signal_watch(eddy_loop *loop, uint64_t set)
{
    struct signals *signals;

    eddy_loop_here(loop, __func__);
    if (!can_be_watched(set)) {
        return -EINVAL;
    }
    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    signals = signals_of(loop);
    return signals == NULL ? -ENOMEM : watch_new(loop, signals, set);
}

int64_t eddy_signal_wait(eddy_coro *co, uint64_t set)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    struct signals *signals;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_signal_watch(loop, set);
    if (result < 0) {
        return result;
    }
    signals = signals_of(loop);
    result = take_pending(signals, set);
    if (result > 0) {
        return eddy_done(co, result);
    }
    loop->references++;
    co->task->with.until = (int64_t)set;
    return eddy_park(co, &signal_kind, NULL, &signals->waiting);
}
