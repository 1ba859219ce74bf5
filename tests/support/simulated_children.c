/*
 *     state         pidfd      told      left by
 *     NOT_SPAWNED   -          -         spawn
 *     RUNS          parent's   ours      its end: by itself, SIGTERM, SIGKILL, SIGPIPE
 *     ENDED         parent's   written   waitid, once
 *     REAPED        -          -
 *
 * Its pipes are closed when it ends, or later if a child of its own has them (in_background), in whatever state it
 * is by then. One timer a child is started for whatever comes next.
 */
#include "simulated_children.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "eddy/result.h"

enum { FIRST_PID = 100000, ABOVE = 100 };

struct simulated_children simulated;

static int64_t now(void)
{
    return eddy_loop_now(testing.loop);
}

static bool chance(unsigned one_in)
{
    return testing_random(&simulated.state) % one_in == 0;
}

char simulated_byte(int stream, unsigned n)
{
    return (char)((stream == 0 ? 'a' : 'A') + (int)(n % 26));
}

/* FNV-1a, of 64 bits. */
void simulated_trace(const struct simulated_child *child, const char *what, int64_t value)
{
    char line[96];

    snprintf(line, sizeof line, "%lld %d %s %lld", (long long)now(),
             child != NULL ? (int)child->pid : 0, what, (long long)value);
    if (getenv("EDDY_TEST_VERBOSE") != NULL) {
        printf("%s\n", line);
    }
    for (const char *c = line; *c != '\0'; c++) {
        simulated.trace = (simulated.trace ^ (unsigned char)*c) * 0x100000001b3u;
    }
}

/* ---- what comes next */

static void on_time(eddy_timer *timer);

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_for_next(struct simulated_child *child)
{
    int64_t next = child->in_background ? child->closes : EDDY_FOREVER;

    if (child->state == RUNS) {
        next = child->killed;
        if (!child->stopped) {
            next = sooner(next, sooner(child->dies, child->acts));
        }
    }
    if (next == EDDY_FOREVER) {
        eddy_timer_stop(&child->timer);
    } else {
        child->timer.user = child;
        assert_int_equal(eddy_timer_start_at(testing.loop, &child->timer, next, on_time), 0);
    }
}

/* ---- its end */

static void close_fd(struct simulated_child *child, int fd)
{
    if (child->fds[fd] >= 0) {
        close(child->fds[fd]);
        child->fds[fd] = -1;
    }
}

static void close_pipes(struct simulated_child *child)
{
    for (int fd = 0; fd < 3; fd++) {
        close_fd(child, fd);
    }
    child->in_background = false;
}

static void end(struct simulated_child *child, int64_t status)
{
    const uint64_t one = 1;

    child->state = ENDED;
    child->status = status;
    child->ended = now();
    simulated_trace(child, "ends", status);
    assert_int_equal(write(child->told, &one, sizeof one), sizeof one);
    close(child->told);
    child->told = -1;
    child->in_background = child->script.background > 0;
    child->closes = now() + child->script.background;
    if (!child->in_background) {
        close_pipes(child);
    }
}

static void doom(struct simulated_child *child, int64_t delay, int64_t status)
{
    int64_t at = eddy_deadline_after(now(), delay);

    if (at < child->dies) {
        child->dies = at;
        child->dies_of = status;
    }
}

/* ---- its acts */

static void read_input(struct simulated_child *child)
{
    unsigned char bytes[sizeof child->echo];
    size_t room = sizeof bytes - child->echo_count;
    ssize_t count;

    if (child->fds[0] < 0 || room == 0) {
        return;
    }
    count = read(child->fds[0], bytes, room);
    child->at_end = child->at_end || count == 0;
    for (ssize_t i = 0; i < count; i++) {
        assert_int_equal(bytes[i], (unsigned char)child->got);
        child->got++;
        if (child->script.echoes) {
            child->echo[child->echo_count++] = (char)bytes[i];
        }
    }
    if (child->got >= child->script.appetite) {
        child->at_end = true;
        close_fd(child, 0);
    }
}

/* How many it took; it may be 0, for who reads it is slow. Nobody reads: it ends as by SIGPIPE. */
static size_t write_output(struct simulated_child *child, int stream, const char *bytes,
                           size_t size)
{
    const struct eddy_sys *sys = eddy_sys_default();
    struct iovec piece = {(void *)(uintptr_t)bytes, size};
    ssize_t count = child->fds[1 + stream] >= 0
                        ? sys->writev_masked(sys, child->fds[1 + stream], &piece, 1)
                        : (ssize_t)size; /* it has closed it */

    if (count == -EPIPE) {
        doom(child, 0, SIGPIPE << 8);
    }
    if (child->fds[1 + stream] >= 0 && count > 0) {
        child->sent[stream] += (unsigned)count;
    }
    return count > 0 ? (size_t)count : 0;
}

static void write_line(struct simulated_child *child, int stream)
{
    char line[SIMULATED_LINE];

    for (unsigned i = 0; i < sizeof line; i++) {
        line[i] = simulated_byte(stream, child->sent[stream] + i);
    }
    if (child->script.lines[stream] > 0 && write_output(child, stream, line, sizeof line) > 0) {
        child->script.lines[stream]--; /* a pipe takes so few bytes at once, or none of them */
    }
}

static void write_echo(struct simulated_child *child)
{
    size_t count = write_output(child, 0, child->echo, child->echo_count);

    child->echo_count -= (unsigned)count;
    memmove(child->echo, child->echo + count, child->echo_count);
}

static void act(struct simulated_child *child)
{
    const struct simulated_script *script = &child->script;

    read_input(child);
    write_line(child, 0);
    write_line(child, 1);
    if (child->echo_count > 0) {
        write_echo(child);
    }
    if (script->lines[0] == 0 && script->lines[1] == 0 && child->echo_count == 0) {
        if (script->shuts) {
            close_fd(child, 1);
            close_fd(child, 2);
        }
        if (script->ends_when_done && (child->at_end || child->fds[0] < 0)) {
            doom(child, 0, script->code);
        }
    }
    child->acts = now() + script->pace;
}

static void on_time(eddy_timer *timer)
{
    struct simulated_child *child = timer->user;

    if (child->in_background && child->closes <= now()) {
        close_pipes(child);
    } else if (child->state == RUNS && child->killed <= now()) {
        end(child, SIGKILL << 8);
    } else if (child->state == RUNS && !child->stopped && child->dies <= now()) {
        end(child, child->dies_of);
    } else if (child->state == RUNS && !child->stopped && child->acts <= now()) {
        act(child);
    }
    wait_for_next(child);
}

/* ---- signals */

static void terminate(struct simulated_child *child)
{
    const struct simulated_script *script = &child->script;

    child->terminated = child->stopped;
    if (!child->stopped && script->term != TERM_IGNORED) {
        doom(child, script->term_delay,
             script->term == TERM_EXITS ? script->code : (int64_t)SIGTERM << 8);
    }
}

static void go_on(struct simulated_child *child)
{
    child->stopped = false;
    if (child->terminated) {
        terminate(child);
    }
}

/* Everybody of its group gets what is for the group. */
static int deliver(struct simulated_child *child, int signal, bool group)
{
    if (child->script.untouchable) {
        return -EPERM;
    }
    if (signal == SIGKILL && group) {
        child->in_background = child->in_background && child->state == RUNS;
        if (child->state != RUNS) {
            close_pipes(child);
        }
        child->script.background = 0;
    }
    if (child->state != RUNS) {
        return 0; /* a zombie has its pid still */
    }
    simulated_trace(child, "gets signal", signal);
    if (signal == SIGKILL) {
        child->killed = sooner(child->killed, now() + child->script.kill_delay);
    } else if (signal == SIGTERM) {
        child->asked = true;
        terminate(child);
    } else if (signal == SIGSTOP) {
        child->stopped = true;
    } else if (signal == SIGCONT) {
        go_on(child);
    }
    wait_for_next(child);
    return 0;
}

/* The last one: the number may have been that of another one, which nobody waits for any more. */
static struct simulated_child *by_pidfd(int pidfd)
{
    for (int i = simulated.count - 1; i >= 0; i--) {
        struct simulated_child *child = &simulated.all[i];
        if ((child->state == RUNS || child->state == ENDED) && child->pidfd == pidfd) {
            return child;
        }
    }
    fail_msg("fd %d is the pidfd of no child", pidfd);
    return NULL;
}

static int send_by_pidfd(const struct eddy_sys *sys, int pidfd, int signal, unsigned flags)
{
    struct simulated_child *child = by_pidfd(pidfd);

    (void)sys;
    assert_true((flags & EDDY_PIDFD_SIGNAL_GROUP) == 0 || child->group);
    if (simulated.no_pidfd_signals) {
        return -ENOSYS;
    }
    if (simulated.no_group_signals && flags != 0) {
        return -EINVAL;
    }
    return deliver(child, signal, flags != 0);
}

static int send_by_pid(const struct eddy_sys *sys, pid_t pid, int signal)
{
    pid_t of = pid < 0 ? -pid : pid;
    struct simulated_child *child = NULL;

    (void)sys;
    assert_in_range(of, FIRST_PID, FIRST_PID + simulated.count - 1);
    child = &simulated.all[of - FIRST_PID];
    if (child->state != RUNS && child->state != ENDED) {
        fail_msg("signal %d for pid %d, which is nobody's any more", signal, (int)pid);
    }
    assert_true(pid > 0 || child->group);
    return deliver(child, signal, pid < 0);
}

/* ---- the calls */

static void take_fds(struct simulated_child *child, const struct eddy_sys_spawn *spawn)
{
    child->fds[0] = child->fds[1] = child->fds[2] = -1;
    for (size_t i = 0; i < spawn->fd_count; i++) {
        int *mine = &child->fds[spawn->fds[i].to];
        assert_in_range(spawn->fds[i].to, 0, 2);
        *mine = fcntl(spawn->fds[i].from, F_DUPFD_CLOEXEC, ABOVE);
        assert_true(*mine >= 0);
        assert_int_equal(fcntl(*mine, F_SETFL, O_NONBLOCK), 0);
    }
}

static int spawn(const struct eddy_sys *sys, struct eddy_sys_spawn *spawn)
{
    struct simulated_child *child = &simulated.all[atoi(spawn->argv[1])];

    (void)sys;
    assert_int_equal(child->state, NOT_SPAWNED);
    if (child->script.error < 0) {
        spawn->stage = child->script.stage;
        simulated_trace(child, "is not spawned", child->script.error);
        return child->script.error;
    }
    child->state = RUNS;
    child->group = spawn->group || spawn->session;
    child->pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    child->told = fcntl(child->pidfd, F_DUPFD_CLOEXEC, ABOVE);
    assert_true(child->pidfd >= 0 && child->told >= 0);
    take_fds(child, spawn);
    child->acts = now() + child->script.pace;
    child->dies = child->killed = EDDY_FOREVER;
    doom(child, child->script.life,
         child->script.signal != 0 ? (int64_t)child->script.signal << 8 : child->script.code);
    spawn->pid = child->pid;
    simulated_trace(child, "is spawned", (int64_t)spawn->fd_count);
    wait_for_next(child);
    return child->pidfd;
}

/* Who waits in the kernel waits for a child that is being killed, and for no other. */
static int wait_id(const struct eddy_sys *sys, int kind, int id, int options,
                   struct eddy_waited *waited)
{
    struct simulated_child *child = by_pidfd(id);

    (void)sys;
    assert_int_equal(kind, EDDY_P_PIDFD);
    if (chance(8)) {
        return -EINTR;
    }
    if ((options & WNOHANG) == 0 && child->state == RUNS) {
        if (child->killed == EDDY_FOREVER) {
            fail_msg("child %d is waited for, and nobody has killed it", (int)child->pid);
        }
        end(child, SIGKILL << 8);
        wait_for_next(child);
    }
    memset(waited, 0, sizeof *waited);
    if (child->state == ENDED) {
        child->state = REAPED;
        waited->pid = child->pid;
        waited->code = child->status > 255 ? CLD_KILLED : CLD_EXITED;
        waited->status = child->status > 255 ? (int)(child->status >> 8) : (int)child->status;
        simulated_trace(child, "is reaped", child->status);
    }
    return 0;
}

/* ---- all of them */

void simulate_children(uint64_t seed)
{
    memset(&simulated, 0, sizeof simulated);
    simulated.state = seed;
    simulated.trace = 0xcbf29ce484222325u;
    simulated.no_pidfd_signals = chance(8);
    simulated.no_group_signals = chance(4);
    testing.sys.table.spawn = spawn;
    testing.sys.table.waitid = wait_id;
    testing.sys.table.pidfd_send_signal = send_by_pidfd;
    testing.sys.table.kill = send_by_pid;
}

struct simulated_child *simulated_script(const struct simulated_script *script)
{
    struct simulated_child *child = &simulated.all[simulated.count];

    assert_true(simulated.count < MOST_SIMULATED);
    memset(child, 0, sizeof *child);
    child->script = *script;
    child->pid = FIRST_PID + simulated.count;
    child->told = child->fds[0] = child->fds[1] = child->fds[2] = -1;
    snprintf(child->number, sizeof child->number, "%d", simulated.count);
    child->argv[0] = "child";
    child->argv[1] = child->number;
    simulated.count++;
    return child;
}

int simulated_left(void)
{
    int left = 0;

    for (int i = 0; i < simulated.count; i++) {
        left += simulated.all[i].state == RUNS || simulated.all[i].state == ENDED;
    }
    return left;
}

void forget_simulated_children(void)
{
    for (int i = 0; i < simulated.count; i++) {
        struct simulated_child *child = &simulated.all[i];
        eddy_timer_stop(&child->timer);
        close_pipes(child);
        if (child->told >= 0) {
            close(child->told);
        }
    }
    simulated.count = 0;
}
