/*
 * Signals, by signalfd(2): a task waits for one as for an event, and no handler runs.
 *
 *     watched    is blocked in the loop's thread, and in the signalfd; from its first wait to the end of
 *                the loop, so that none gets lost between two waits
 *     waiting    tasks, each with its set in with.until: a signal goes to all of them that want it
 *     watchers   callbacks, likewise; each notes what has come, and is run from the ready list
 *     kept       came while nobody waited for it: once, or, if real-time, as often as it came
 *
 * A process has signals, not a loop: of two loops that watch the same one, either may get it, and a
 * thread that has it unblocked takes it from both. So signals are for one loop, and are watched before
 * threads are started, which inherit the mask. At the end what this loop has blocked is unblocked,
 * what others had blocked before is not.
 */
#include "eddy/signal.h"

#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "os/signal_internal.h"

enum {
    MOST_SIGNALS = 16, /* read in one turn, and again of those that were not among these */
    MOST_DROPPED =
        1 << 17 /* when the loop is freed: more than are queued, unless they go on to come */
};

static const char attachment_key;

static sigset_t to_sigset(uint64_t set)
{
    sigset_t result;

    sigemptyset(&result);
    for (int number = 1; number <= EDDY_SIGNALS; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0) {
            sigaddset(&result, number);
        }
    }
    return result;
}

/* ---- words */

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

void eddy_signals_describe(uint64_t set, char *text, size_t size)
{
    text[0] = '\0';
    for (int number = 1; number <= EDDY_SIGNALS; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0) {
            append_name(text, size, number);
        }
    }
}

/* ---- what came while nobody waited for it
 *
 * Whoever waits for several gets them in turn, or the one that comes all the time would hide those
 * behind it. */

/* Standard signals are merged, as they are in the kernel; real-time signals are not (signal(7)). */
static void keep(struct eddy_signals *signals, int number)
{
    if (signals->came[number] == 0) {
        signals->kept[signals->kept_count++] = (uint8_t)number;
    }
    if (signals->came[number] == 0 || (number >= SIGRTMIN && signals->came[number] < UINT32_MAX)) {
        signals->came[number]++;
    }
}

/* The signal of the set that has waited longest, or 0. What is left of it goes behind the others. */
int eddy_signals_take_kept(struct eddy_signals *signals, uint64_t set)
{
    for (int i = 0; i < signals->kept_count; i++) {
        int number = signals->kept[i];
        if ((set & EDDY_SIGNAL(number)) != 0) {
            signals->kept_count--;
            memmove(&signals->kept[i], &signals->kept[i + 1], (size_t)(signals->kept_count - i));
            if (--signals->came[number] > 0) {
                signals->kept[signals->kept_count++] = (uint8_t)number;
            }
            return number;
        }
    }
    return 0;
}

static void drop_kept(struct eddy_signals *signals)
{
    memset(signals->came, 0, sizeof signals->came);
    signals->kept_count = 0;
}

/* ---- delivery */

/* To all that wait for it, in the order of their waits; kept, if there is none. */
void eddy_signals_deliver(struct eddy_signals *signals, int number)
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
    if (!eddy_signals_tell_watchers(signals, number) && !taken) {
        keep(signals, number);
    }
}

static int open_signalfd(eddy_loop *loop, struct eddy_signals *signals, uint64_t set);

/* Somebody has closed the signalfd. */
static void reopen(eddy_loop *loop, struct eddy_signals *signals)
{
    int result;

    eddy_io_stop(&signals->io);
    result = open_signalfd(loop, signals, signals->watched);
    if (result < 0) {
        eddy_loop_report(loop, (eddy_task){0}, result, "the loop hears of no signals any more");
    }
}

/* Delivers what there is, but only so much: those that came, or all if there may be more. */
static uint64_t read_signals(struct eddy_signals *signals, int fd)
{
    const struct eddy_sys *sys = signals->io.loop->sys;
    struct signalfd_siginfo info;
    uint64_t seen = 0;

    for (int i = 0; i < MOST_SIGNALS; i++) {
        if (sys->read(sys, fd, &info, sizeof info) != (ssize_t)sizeof info) {
            return ~UINT64_C(0);
        }
        eddy_signals_deliver(signals, (int)info.ssi_signo);
        seen |= EDDY_SIGNAL(info.ssi_signo);
    }
    return seen;
}

/* The kernel hands out the lowest number first. What comes faster than it is read would hide all that
 * are higher: these are asked for by themselves, through an fd that has no others. */
static void on_signalfd(eddy_io *io, unsigned events)
{
    struct eddy_signals *signals = io->user;
    uint64_t others;
    sigset_t set;
    int fd;

    if (events == EDDY_IO_GONE) {
        reopen(io->loop, signals);
        return;
    }
    others = signals->watched & ~read_signals(signals, io->fd);
    if (others == 0) {
        return;
    }
    set = to_sigset(others);
    fd = eddy_above_stdio(io->loop, io->loop->sys->signalfd(io->loop->sys, -1, &set));
    if (fd >= 0) { /* else their turn comes when there is an fd again */
        (void)read_signals(signals, fd);
        (void)io->loop->sys->close(io->loop->sys, fd);
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
    struct eddy_signals *signals = (struct eddy_signals *)(void *)attachment;
    struct signalfd_siginfo info;
    const struct eddy_sys *sys = loop->sys;
    struct eddy_task_record *task;
    int fd = signals->io.fd;

    while ((task = eddy_waiters_first(&signals->waiting)) != NULL) { /* cut off in a cleanup */
        eddy_list_remove(&task->timed.ready.link);
    }
    eddy_signals_stop_watchers(loop, signals);
    if (eddy_io_started(&signals->io)) {
        for (int i = 0;
             i < MOST_DROPPED && sys->read(sys, fd, &info, sizeof info) == (ssize_t)sizeof info;
             i++) {}
        eddy_io_stop(&signals->io);
        (void)sys->close(sys, fd);
    }
    unblock(sys, signals->blocked_here);
    eddy_pool_give(&loop->pool, signals, signals->pool_class);
}

/* A signalfd may be widened by all who share it. What came before the fork is the parent's. */
static int part_signals(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_signals *signals = (struct eddy_signals *)(void *)attachment;
    sigset_t watched = to_sigset(signals->watched);

    drop_kept(signals);
    eddy_signals_forget_watchers(signals);
    return eddy_io_started(&signals->io)
               ? eddy_fd_replace(loop, signals->io.fd, loop->sys->signalfd(loop->sys, -1, &watched))
               : 0;
}

static struct eddy_signals *find_signals(eddy_loop *loop)
{
    return (struct eddy_signals *)(void *)eddy_loop_attachment(loop, &attachment_key);
}

struct eddy_signals *eddy_signals_of(eddy_loop *loop)
{
    struct eddy_signals *signals = find_signals(loop);
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
    for (int number = 1; result == 0 && number <= EDDY_SIGNALS; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0 && sigismember(&old, number) == 0) {
            *newly |= EDDY_SIGNAL(number);
        }
    }
    return result;
}

/* Makes the signalfd, or widens it to the set: signalfd(2) changes one in place, so that its number and
 * its watcher stay. */
static int open_signalfd(eddy_loop *loop, struct eddy_signals *signals, uint64_t set)
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

/* Blocked first, and only then in the signalfd: in the other order a signal between the two would have
 * its default action. If the fd was lost it is made anew here, or who waits would never be told. */
static int watch_new(eddy_loop *loop, struct eddy_signals *signals, uint64_t set)
{
    uint64_t newly;
    int result;

    if ((set & ~signals->watched) == 0 && eddy_io_started(&signals->io)) {
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

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    eddy_signals_describe((uint64_t)task->with.until, text, size);
}

static const struct eddy_wait_kind signal_kind = {
    .name = "signal",
    .abort = abort_wait,
    .describe = describe,
};

/* Not empty, and nothing that cannot be blocked: SIGKILL, SIGSTOP, and libc's own. */
static bool can_be_watched(uint64_t set)
{
    sigset_t signals;

    sigemptyset(&signals);
    for (int number = 1; number <= EDDY_SIGNALS; number++) {
        if ((set & EDDY_SIGNAL(number)) != 0 && sigaddset(&signals, number) < 0) {
            return false;
        }
    }
    return set != 0 && (set & (EDDY_SIGNAL(SIGKILL) | EDDY_SIGNAL(SIGSTOP))) == 0;
}

int eddy_signal_watch(eddy_loop *loop, uint64_t set)
{
    struct eddy_signals *signals;

    eddy_loop_here(loop, __func__);
    if (!can_be_watched(set)) {
        return -EINVAL;
    }
    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    signals = eddy_signals_of(loop);
    return signals == NULL ? -ENOMEM : watch_new(loop, signals, set);
}

/* ---- giving back */

static bool is_wanted(const struct eddy_signals *signals, uint64_t set)
{
    const struct eddy_link *tasks = &signals->waiting.tasks;
    const struct eddy_link *watchers = &signals->watchers;

    for (struct eddy_link *link = eddy_list_first(tasks); link != NULL && link != tasks;
         link = eddy_list_front(link)) {
        if (((uint64_t)((struct eddy_task_record *)(void *)link)->with.until & set) != 0) {
            return true;
        }
    }
    for (struct eddy_link *link = eddy_list_first(watchers); link != NULL && link != watchers;
         link = eddy_list_front(link)) {
        if ((((eddy_signal *)(void *)link)->set & set) != 0) {
            return true;
        }
    }
    return false;
}

/* First what the kernel has, so that nothing which came before has its default action now; then it is
 * taken out of the signalfd, and unblocked. */
int eddy_signal_unwatch(eddy_loop *loop, uint64_t set)
{
    struct eddy_signals *signals = find_signals(loop);
    int result;

    eddy_loop_here(loop, __func__);
    if (signals == NULL || (set & signals->watched) == 0) {
        return 0;
    }
    if (eddy_loop_forked(loop)) {
        return -ECHILD;
    }
    if (is_wanted(signals, set)) {
        return -EBUSY;
    }
    set &= signals->watched;
    if (eddy_io_started(&signals->io)) {
        for (int i = 0; i < MOST_DROPPED && read_signals(signals, signals->io.fd) != ~UINT64_C(0);
             i += MOST_SIGNALS) {}
        result = open_signalfd(loop, signals, signals->watched & ~set);
        if (result < 0) {
            return result;
        }
    }
    while (eddy_signals_take_kept(signals, set) != 0) {}
    signals->watched &= ~set;
    unblock(loop->sys, set & signals->blocked_here);
    signals->blocked_here &= ~set;
    return 0;
}

int64_t eddy_signal_wait(eddy_coro *co, uint64_t set)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    struct eddy_signals *signals;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = eddy_signal_watch(loop, set);
    if (result < 0) {
        return result;
    }
    signals = eddy_signals_of(loop);
    result = eddy_signals_take_kept(signals, set);
    if (result > 0) {
        return eddy_complete(co, result);
    }
    loop->references++;
    co->task->with.until = (int64_t)set;
    return eddy_park(co, &signal_kind, NULL, &signals->waiting);
}
