#include "testing.h"

#include "net.h"

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/task.h"

struct testing testing;

/* ---- memory */

/* In front of every block, so that the size which the loop gives back can be checked. */
union block_header {
    size_t size;
    char alignment[16]; /* as malloc aligns; on i386 max_align_t may say less */
};

static bool memory_fails(struct testing_memory *memory)
{
    memory->calls++;
    return memory->fail_at != 0 &&
           (memory->fail_on ? memory->calls >= memory->fail_at : memory->calls == memory->fail_at);
}

void *testing_allocate(void *user, void *old, size_t old_size, size_t new_size)
{
    struct testing_memory *memory = user;
    union block_header *old_header = old != NULL ? (union block_header *)old - 1 : NULL;
    union block_header *header = NULL;

    if ((old != NULL ? old_header->size : 0) != old_size) {
        fprintf(stderr, "the allocator was told a wrong size: %zu\n", old_size);
        abort();
    }
    if (new_size > 0) {
        if (new_size <= SIZE_MAX - sizeof *header && !memory_fails(memory)) {
            header = malloc(sizeof *header + new_size);
        }
        if (header == NULL) {
            return NULL;
        }
        header->size = new_size;
        memset(header + 1, 0xA5, new_size);
        if (old != NULL) {
            memcpy(header + 1, old, old_size < new_size ? old_size : new_size);
        }
    }
    if (old != NULL) {
        free(old_header);
    }
    memory->bytes += new_size - old_size;
    return header != NULL ? header + 1 : NULL;
}

void testing_fail_allocation(unsigned k)
{
    testing.memory.fail_at = k == 0 ? 0 : testing.memory.calls + k;
    testing.memory.fail_on = false;
}

void testing_fail_allocations_from(unsigned k)
{
    testing_fail_allocation(k);
    testing.memory.fail_on = true;
}

/* Larger than what the pool has at hand. */
eddy_frame(never_starts) {
    eddy_coro co;
    char room[200000];
};

static void never_starts(eddy_coro *co)
{
    eddy_begin(never_starts);
    eddy_end;
}

eddy_task testing_failed_spawn(void)
{
    eddy_task task;

    testing_fail_allocations_from(1);
    task = eddy_loop_spawn(testing.loop, never_starts);
    testing_fail_allocation(0);
    assert_int_equal(eddy_task_done(task), true);
    return task;
}

/* ---- system calls */

unsigned testing_calls_of(size_t call)
{
    return __atomic_load_n(&testing.sys.calls[call], __ATOMIC_RELAXED);
}

void testing_fail_call(size_t call, unsigned k, int error, bool on)
{
    testing.sys.fail[call].at = k == 0 ? 0 : testing_calls_of(call) + k;
    testing.sys.fail[call].on = on;
    testing.sys.fail[call].error = error;
}

unsigned testing_waits(void)
{
    return testing_calls(epoll_wait) + testing_calls(epoll_pwait2);
}

/* Counts a call; the error with which it is to fail, or 0. Other threads come here too. */
static int enter(const struct eddy_sys *table, size_t call)
{
    struct testing_sys *sys = (struct testing_sys *)(uintptr_t)table;
    unsigned number = __atomic_add_fetch(&sys->calls[call], 1, __ATOMIC_RELAXED);
    unsigned at = sys->fail[call].at;
    bool fails = at != 0 && (sys->fail[call].on ? number >= at : number == at);

    return fails ? sys->fail[call].error : 0;
}

/* WRAP(type, name, (its parameters but for the table), its arguments) */
#define UNWRAP(...) __VA_ARGS__
#define WRAP(type, name, parameters, ...)                                     \
    static type name##_(const struct eddy_sys *sys UNWRAP parameters)         \
    {                                                                         \
        int error = enter(sys, TESTING_CALL(name));                           \
        return error < 0 ? error : eddy_sys_default()->name(sys __VA_ARGS__); \
    }

WRAP(int, epoll_create, (), )
WRAP(int, epoll_ctl, (, int epoll, int op, int fd, struct epoll_event *event), , epoll, op, fd,
     event)
WRAP(int, kcmp_epoll, (, int fd, int epoll, uint32_t nth), , fd, epoll, nth)
WRAP(int, eventfd, (), )
WRAP(int, timerfd_create, (, clockid_t clock), , clock)
WRAP(int, timerfd_settime, (, int fd, int64_t deadline), , fd, deadline)
WRAP(int, signalfd, (, int fd, const sigset_t *set), , fd, set)
WRAP(int, signal_mask, (, int how, const sigset_t *set, sigset_t *old), , how, set, old)
WRAP(int, signal_ignored, (, int number), , number)
WRAP(int, bind, (, int fd, const struct sockaddr *address, socklen_t size), , fd, address, size)
WRAP(int, listen, (, int fd, int backlog), , fd, backlog)
WRAP(int, accept4, (, int fd, struct sockaddr *address, socklen_t *size, int flags), , fd, address,
     size, flags)
WRAP(int, connect, (, int fd, const struct sockaddr *address, socklen_t size), , fd, address, size)
WRAP(int, shutdown, (, int fd, int how), , fd, how)
WRAP(int, getsockopt, (, int fd, int level, int name, void *value, socklen_t *size), , fd, level,
     name, value, size)
WRAP(int, setsockopt, (, int fd, int level, int name, const void *value, socklen_t size), , fd,
     level, name, value, size)
WRAP(int, getsockname, (, int fd, struct sockaddr *address, socklen_t *size), , fd, address, size)
WRAP(int, getpeername, (, int fd, struct sockaddr *address, socklen_t *size), , fd, address, size)
WRAP(ssize_t, read, (, int fd, void *buffer, size_t size), , fd, buffer, size)
WRAP(ssize_t, write, (, int fd, const void *buffer, size_t size), , fd, buffer, size)
WRAP(ssize_t, send, (, int fd, const void *buffer, size_t size), , fd, buffer, size)
WRAP(ssize_t, sendv, (, int fd, struct iovec *pieces, int count), , fd, pieces, count)
WRAP(ssize_t, sendmsg, (, int fd, const struct msghdr *message, int flags), , fd, message, flags)
WRAP(ssize_t, recvmsg, (, int fd, struct msghdr *message, int flags), , fd, message, flags)
WRAP(int, sendmmsg, (, int fd, struct mmsghdr *messages, unsigned count, int flags), , fd, messages,
     count, flags)
WRAP(int, recvmmsg, (, int fd, struct mmsghdr *messages, unsigned count, int flags), , fd, messages,
     count, flags)
WRAP(ssize_t, writev_nosignal, (, int fd, const struct iovec *pieces, int count), , fd, pieces,
     count)
WRAP(ssize_t, sendfile, (, int to, int from, int64_t offset, size_t size), , to, from, offset, size)
WRAP(ssize_t, pread, (, int fd, void *buffer, size_t size, int64_t offset), , fd, buffer, size,
     offset)
WRAP(ssize_t, writev_masked, (, int fd, const struct iovec *pieces, int count), , fd, pieces, count)
WRAP(int, terminal, (, int fd), , fd)
WRAP(int, kcmp_file, (, int fd, int other), , fd, other)
WRAP(int, unsent, (, int fd, int *bytes), , fd, bytes)
WRAP(int, fcntl, (, int fd, int command, int argument), , fd, command, argument)
WRAP(pid_t, getpid, (), )
WRAP(int, mmap, (, size_t size, void **memory), , size, memory)
WRAP(int, munmap, (, void *memory, size_t size), , memory, size)
WRAP(int, madvise_wipe_on_fork, (, void *memory, size_t size), , memory, size)
WRAP(int, dup3, (, int from, int to), , from, to)
WRAP(int, open, (, const char *path, int flags, mode_t mode), , path, flags, mode)
WRAP(int, fstat, (, int fd, int64_t *size, mode_t *mode), , fd, size, mode)
WRAP(int, lstat, (, const char *path, uint64_t *device, uint64_t *inode), , path, device, inode)
WRAP(int, fchmod, (, int fd, mode_t mode), , fd, mode)
WRAP(int, fsync, (, int fd), , fd)
WRAP(int, rename, (, const char *from, const char *to), , from, to)
WRAP(int, unlink, (, const char *path), , path)
WRAP(int, mkdir, (, const char *path, mode_t mode), , path, mode)
WRAP(int, rmdir, (, const char *path), , path)
WRAP(ssize_t, pwrite, (, int fd, const void *buffer, size_t size, int64_t offset), , fd, buffer,
     size, offset)
WRAP(int, ftruncate, (, int fd, int64_t size), , fd, size)
WRAP(int, fdatasync, (, int fd), , fd)
WRAP(int, fstatat, (, int fd, const char *path, struct eddy_file_info *info, int flags), , fd, path,
     info, flags)
WRAP(ssize_t, getdents, (, int fd, void *buffer, size_t size), , fd, buffer, size)
WRAP(int, pipe, (, int ends[2]), , ends)
WRAP(int, spawn, (, struct eddy_sys_spawn *spawn), , spawn)
WRAP(int, waitid, (, int kind, int id, int options, struct eddy_waited *waited), , kind, id,
     options, waited)
WRAP(int, pidfd_open, (, pid_t pid), , pid)
WRAP(int, pidfd_send_signal, (, int pidfd, int signal, unsigned flags), , pidfd, signal, flags)
WRAP(int, kill, (, pid_t pid, int signal), , pid, signal)
WRAP(int, inotify_init, (), )
WRAP(int, inotify_add_watch, (, int fd, const char *path, uint32_t mask), , fd, path, mask)
WRAP(int, inotify_rm_watch, (, int fd, int number), , fd, number)

/* The default table leaves these to the modules that need them. */
static int thread_create_(const struct eddy_sys *sys, pthread_t *thread, void *(*function)(void *),
                          void *argument)
{
    int error = enter(sys, TESTING_CALL(thread_create));

    return error < 0 ? error : -pthread_create(thread, NULL, function, argument);
}

/* The error with which it is to fail is one of EAI_. */
static int getaddrinfo_(const struct eddy_sys *sys, const char *host, const struct addrinfo *hints,
                        struct addrinfo **results, int *error)
{
    int code = enter(sys, TESTING_CALL(getaddrinfo));

    code = code != 0 ? code : getaddrinfo(host, NULL, hints, results);
    *error = errno;
    return code;
}

static void freeaddrinfo_(const struct eddy_sys *sys, struct addrinfo *results)
{
    (void)enter(sys, TESTING_CALL(freeaddrinfo));
    freeaddrinfo(results);
}

static int socket_(const struct eddy_sys *table, int domain, int type, int protocol)
{
    struct testing_sys *sys = (struct testing_sys *)(uintptr_t)table;
    int error = enter(table, TESTING_CALL(socket));

    sys->internet = sys->internet || domain != AF_UNIX;
    return error < 0 ? error : eddy_sys_default()->socket(table, domain, type, protocol);
}

/* One that fails has closed the fd all the same, as close(2) does. */
static int close_(const struct eddy_sys *sys, int fd)
{
    int error = enter(sys, TESTING_CALL(close));
    int result = eddy_sys_default()->close(sys, fd);

    return error < 0 ? error : result;
}

static int64_t clock_now_(const struct eddy_sys *table, clockid_t clock)
{
    const struct testing_sys *sys = (const struct testing_sys *)(const void *)table;

    (void)enter(table, TESTING_CALL(clock_now));
    if (!sys->fake_clock) {
        return eddy_sys_default()->clock_now(table, clock);
    }
    return clock == CLOCK_BOOTTIME ? sys->now + sys->suspended : sys->now;
}

/* Valgrind, too, may not know the newer call. */
static int wait_really(int epoll, struct epoll_event *events, int most, int64_t timeout)
{
    const struct eddy_sys *real = eddy_sys_default();
    int result = timeout > 0 ? real->epoll_pwait2(real, epoll, events, most, timeout) : -ENOSYS;

    if (result != -ENOSYS) {
        return result;
    }
    return real->epoll_wait(real, epoll, events, most,
                            timeout <= 0 ? (int)timeout
                                         : (int)((timeout - 1) / EDDY_MILLISECOND + 1));
}

/* Asks the kernel. Under a fake clock a time-out passes in no time. */
static int wait_for_events(struct testing_sys *sys, int epoll, struct epoll_event *events, int most,
                           int64_t timeout)
{
    const struct eddy_sys *real = eddy_sys_default();
    int count;

    if (sys->on_wait != NULL) {
        sys->on_wait();
    }
    if (sys->internet) {
        net_settle();
    }
    if (!sys->fake_clock || timeout <= 0) {
        return wait_really(epoll, events, most, timeout);
    }
    count = real->epoll_wait(real, epoll, events, most, 0);
    if (count == 0) {
        sys->now += timeout;
    }
    return count;
}

static int epoll_wait_(const struct eddy_sys *table, int epoll, struct epoll_event *events,
                       int most, int milliseconds)
{
    struct testing_sys *sys = (struct testing_sys *)(uintptr_t)table;
    int error = enter(table, TESTING_CALL(epoll_wait));

    sys->milliseconds = milliseconds;
    return error < 0 ? error
                     : wait_for_events(sys, epoll, events, most,
                                       milliseconds < 0 ? -1 : milliseconds * EDDY_MILLISECOND);
}

static int epoll_pwait2_(const struct eddy_sys *table, int epoll, struct epoll_event *events,
                         int most, int64_t timeout)
{
    struct testing_sys *sys = (struct testing_sys *)(uintptr_t)table;
    int error = enter(table, TESTING_CALL(epoll_pwait2));

    sys->nanoseconds = timeout;
    return error < 0 ? error : wait_for_events(sys, epoll, events, most, timeout);
}

static void init_sys(struct testing_sys *sys)
{
    memset(sys, 0, sizeof *sys);
    sys->table = (struct eddy_sys){
        .clock_now = clock_now_,
        .epoll_create = epoll_create_,
        .epoll_ctl = epoll_ctl_,
        .epoll_pwait2 = epoll_pwait2_,
        .kcmp_epoll = kcmp_epoll_,
        .epoll_wait = epoll_wait_,
        .eventfd = eventfd_,
        .timerfd_create = timerfd_create_,
        .timerfd_settime = timerfd_settime_,
        .signalfd = signalfd_,
        .signal_mask = signal_mask_,
        .signal_ignored = signal_ignored_,
        .socket = socket_,
        .bind = bind_,
        .listen = listen_,
        .accept4 = accept4_,
        .connect = connect_,
        .shutdown = shutdown_,
        .getsockopt = getsockopt_,
        .setsockopt = setsockopt_,
        .getsockname = getsockname_,
        .getpeername = getpeername_,
        .read = read_,
        .write = write_,
        .send = send_,
        .sendv = sendv_,
        .sendmsg = sendmsg_,
        .recvmsg = recvmsg_,
        .sendmmsg = sendmmsg_,
        .recvmmsg = recvmmsg_,
        .sendfile = sendfile_,
        .pread = pread_,
        .writev_nosignal = writev_nosignal_,
        .writev_masked = writev_masked_,
        .terminal = terminal_,
        .kcmp_file = kcmp_file_,
        .unsent = unsent_,
        .fcntl = fcntl_,
        .getpid = getpid_,
        .mmap = mmap_,
        .munmap = munmap_,
        .madvise_wipe_on_fork = madvise_wipe_on_fork_,
        .dup3 = dup3_,
        .close = close_,
        .open = open_,
        .fstat = fstat_,
        .lstat = lstat_,
        .fchmod = fchmod_,
        .fsync = fsync_,
        .rename = rename_,
        .unlink = unlink_,
        .mkdir = mkdir_,
        .rmdir = rmdir_,
        .pwrite = pwrite_,
        .ftruncate = ftruncate_,
        .fdatasync = fdatasync_,
        .fstatat = fstatat_,
        .getdents = getdents_,
        .pipe = pipe_,
        .spawn = spawn_,
        .waitid = waitid_,
        .pidfd_open = pidfd_open_,
        .pidfd_send_signal = pidfd_send_signal_,
        .kill = kill_,
        .inotify_init = inotify_init_,
        .inotify_add_watch = inotify_add_watch_,
        .inotify_rm_watch = inotify_rm_watch_,
        .thread_create = thread_create_,
        .getaddrinfo = getaddrinfo_,
        .freeaddrinfo = freeaddrinfo_,
    };
}

void testing_fake_clock(int64_t now)
{
    testing.sys.fake_clock = true;
    testing.sys.now = now;
}

/* ---- what was reported and what happened */

void testing_on_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)loop;
    testing.errors.count++;
    testing.errors.task = task;
    testing.errors.code = code;
    snprintf(testing.errors.text, sizeof testing.errors.text, "%s", text);
}

void testing_log(const char *format, ...)
{
    size_t used = strlen(testing.log);
    va_list arguments;

    if (used > 0 && used + 1 < sizeof testing.log) {
        testing.log[used++] = ' ';
    }
    va_start(arguments, format);
    vsnprintf(testing.log + used, sizeof testing.log - used, format, arguments);
    va_end(arguments);
}

/* ---- the fixture */

/* Writes the numbers of all open fds, in order: "0 1 2 5". */
static void list_open_fds(char *text, size_t size)
{
    DIR *directory = opendir("/proc/self/fd");
    bool open[1024 * 64] = {false};
    const struct dirent *entry;
    size_t used = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        long fd = strtol(entry->d_name, NULL, 10);
        bool is_fd = entry->d_name[0] != '.' && fd != dirfd(directory);
        if (is_fd && fd >= 0 && fd < (long)sizeof open) {
            open[fd] = true;
        }
    }
    closedir(directory);
    text[0] = '\0';
    for (size_t fd = 0; fd < sizeof open; fd++) {
        if (open[fd] && used < size) {
            used += (size_t)snprintf(text + used, size - used, used == 0 ? "%zu" : " %zu", fd);
        }
    }
}

/* Some tests have a thousand. */
static void raise_file_limit(void)
{
    enum { ENOUGH = 4096 };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < ENOUGH) {
        limit.rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int testing_setup(void **state)
{
    (void)state;
    raise_file_limit();
    memset(&testing, 0, sizeof testing);
    list_open_fds(testing.open_fds, sizeof testing.open_fds);
    init_sys(&testing.sys);
    eddy_clock_init(&testing.clock, EDDY_CLOCK_VIRTUAL);
    testing.options.allocate = testing_allocate;
    testing.options.allocate_user = &testing.memory;
    testing.options.clock = &testing.clock;
    testing.options.sys = &testing.sys.table;
    testing.options.on_error = testing_on_error;
    testing.options.user = &testing;
    testing.options.flags = EDDY_LOOP_CHECK | EDDY_LOOP_POISON_STACK;
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    testing_forget_calls();
    return 0;
}

void testing_free(void)
{
    assert_int_equal(eddy_loop_free(testing.loop), 0);
    testing.loop = NULL;
    assert_int_equal(testing.memory.bytes, 0);
}

int testing_teardown(void **state)
{
    char open_fds[sizeof testing.open_fds];

    (void)state;
    testing_fail_allocation(0);
    memset(testing.sys.fail, 0, sizeof testing.sys.fail);
    testing.sys.on_wait = NULL;
    if (eddy_loop_free(testing.loop) == -EBUSY) {
        return 0; /* the case has failed inside a callback, which cmocka has told */
    }
    testing.loop = NULL;
    if (testing.failed) {
        return 0;
    }
    assert_int_equal(testing.memory.bytes, 0);
    list_open_fds(open_fds, sizeof open_fds);
    assert_string_equal(open_fds, testing.open_fds);
    if (testing.errors.count != 0) {
        fail_msg("an error was reported and not asserted: %s", testing.errors.text);
    }
    return 0;
}

void testing_reopen(void)
{
    testing_free();
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    testing_forget_calls();
}

void testing_reopen_with(enum eddy_clock_kind kind, unsigned more_flags)
{
    testing_free();
    eddy_clock_init(&testing.clock, kind);
    testing.options.flags |= more_flags;
    assert_int_equal(eddy_loop_new(&testing.loop, &testing.options), 0);
    testing_forget_calls();
}

int64_t testing_turn(void)
{
    int64_t steps = eddy_loop_poll_once(testing.loop, 0, 0);

    assert_true(steps >= 0);
    return steps;
}

int64_t testing_turns(void)
{
    int64_t steps = eddy_loop_poll_once(testing.loop, 0, EDDY_FOREVER);

    assert_true(steps >= 0);
    return steps;
}

/* ---- misuse */

/* What a process has run is written when it exits; one that aborts has to do it itself. */
#ifdef TESTING_COVERAGE
extern void __gcov_dump(void);

static void write_coverage(int number)
{
    __gcov_dump();
    signal(number, SIG_DFL);
    raise(number);
}
#define ON_ABORT write_coverage
#else
#define ON_ABORT SIG_DFL
#endif

/* A child process goes on with the loop of the fixture. */
static void part_from_parent(void)
{
    if (testing.loop != NULL && eddy_loop_after_fork(testing.loop) < 0) {
        _exit(1);
    }
}

static void abort_in_child(void (*function)(void *argument), void *argument, int error_fd)
{
    const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, ON_ABORT);
    dup2(error_fd, STDERR_FILENO);
    part_from_parent();
    function(argument);
    _exit(0);
}

static void read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t count;

    while (used + 1 < size && (count = read(fd, text + used, size - 1 - used)) > 0) {
        used += (size_t)count;
    }
    text[used] = '\0';
}

void testing_expect_abort(void (*function)(void *argument), void *argument, const char *text)
{
    char told[4096];
    int fds[2];
    int status;
    pid_t child;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        abort_in_child(function, argument, fds[1]);
    }
    close(fds[1]);
    read_all(fds[0], told, sizeof told);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fail_msg("it did not abort (status %#x) and said: %s", (unsigned)status, told);
    }
    if (strstr(told, text) == NULL) {
        fail_msg("it did not say \"%s\" but: %s", text, told);
    }
}

enum {
    OTHER_VALUE = 3,
    VALGRINDS_LEAKS = 9 /* which it looks for at any end of a process; as in .ci/run */
};

/* cmocka catches crashes, and would go on with the parent's tests in the child. */
static void let_crash(void)
{
    static const int numbers[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        signal(numbers[i], SIG_DFL);
    }
}

static void expect_in_child(int (*function)(void *argument), void *argument, int value, bool part)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(200);
        let_crash();
        if (part) {
            part_from_parent();
        }
        _exit(function(argument) == value ? 0 : OTHER_VALUE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        fail_msg("it ended with signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
    }
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != VALGRINDS_LEAKS) {
        fail_msg("it did not return %d, or failed in an assert", value);
    }
}

void testing_expect_return(int (*function)(void *argument), void *argument, int value)
{
    expect_in_child(function, argument, value, true);
}

void testing_expect_in_child(int (*function)(void *argument), void *argument, int value)
{
    expect_in_child(function, argument, value, false);
}

/* ---- fds and random numbers */

void testing_socketpair(int fds[2])
{
    const int half = 106496; /* the kernel doubles it: Linux's default, which others may change */

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &half, sizeof half), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &half, sizeof half), 0);
}

void testing_pipe(int fds[2])
{
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

void testing_poke(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

void testing_drain(int fd)
{
    char buffer[256];

    while (read(fd, buffer, sizeof buffer) > 0) {}
}

uint64_t testing_random(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);

    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}
