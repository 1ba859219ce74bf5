/*
 * Connecting to the first of several addresses that answers: "happy eyeballs", RFC 8305.
 *
 * One wait, in which attempts come and go; it is moved on in the task's turn (advance), so that one
 * place sees to all of it, whoever has woken the task. A timer says that the next address may be tried
 * beside the others, and does nothing else; without memory for it the next one is tried at once.
 *
 *     an attempt     its fd is watched by                   error    ends
 *     to come        nobody: there is none                  0        begun in its turn
 *     leads          the stream                             0        connected: has won
 *     beside         its own watcher                        0        connected: exchanges its fd with
 *                                                                    the stream's, and has won
 *     has failed     nobody: it is closed                   < 0
 *
 * Always, while the task waits: the stream is open, with the fd of the earliest attempt that is under
 * way. So it is the stream that another task closes and that is told as a leak, and when the leader fails
 * the next earliest leads in its place. An attempt that fails makes room for the next at once.
 *
 * Everything is closed in `let_go`, by whichever way the wait ends.
 */
#include <stdio.h>
#include <string.h>

#include "loop/look.h"
#include "net/connect_internal.h"

enum { MOST_ATTEMPTS = 16, NONE = -1, REPORT_TEXT = 512 };

struct attempt {
    eddy_io io; /* first; watches unless the stream does */
    struct eddy_address address;
    int error;     /* < 0: it has failed */
    unsigned told; /* of the events that came: 0: none so far */
};

struct race {
    eddy_stream *stream;
    struct eddy_task_record *task;
    const struct eddy_connect_options *options;
    const char *place;
    eddy_timer
        timer; /* the next one's; started while one is to come, in vain if that came before */
    bool due;  /* that has come up, or an attempt has failed since the last began */
    int count;
    int next;   /* the first that is to come */
    int leader; /* whose fd is the stream's; or NONE */
    unsigned pool_class;
    struct attempt attempts[];
};

/* ---- the order: families in turns */

/* The first from there on that is of that family, or is of another one. */
static int find(const struct eddy_address *addresses, int count, int from, bool of_first)
{
    while (from < count &&
           (addresses[from].storage.ss_family == addresses[0].storage.ss_family) != of_first) {
        from++;
    }
    return from;
}

static void copy_in_order(struct race *race, const struct eddy_address *addresses)
{
    int next[2] = {find(addresses, race->count, 0, false), 0}; /* of others, of the first's */
    bool of_first = true;

    for (int i = 0; i < race->count; i++) {
        if (next[of_first] == race->count) {
            of_first = !of_first;
        }
        race->attempts[i].address = addresses[next[of_first]];
        next[of_first] = find(addresses, race->count, next[of_first] + 1, of_first);
        of_first = !of_first;
    }
}

/* ---- the end */

static void close_beside(struct attempt *attempt)
{
    eddy_loop *loop = attempt->io.loop;

    if (loop != NULL && eddy_io_release(&attempt->io)) {
        (void)loop->sys->close(loop->sys, attempt->io.fd);
    }
}

/* The stream is the caller's to close or keep. */
static void let_go(struct race *race)
{
    eddy_timer_stop(&race->timer);
    for (int i = 0; i < race->next; i++) {
        close_beside(&race->attempts[i]);
    }
    eddy_pool_give(&eddy_task_loop(race->task)->pool, race, race->pool_class);
}

/* The greater, the more an error tells. */
static int weight(int error)
{
    switch (error) {
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
    case -ENOSPC:
        return 5;
    case -ECONNREFUSED:
    case -ECONNRESET:
        return 4;
    case -EHOSTUNREACH:
    case -EHOSTDOWN:
        return 2;
    case -ENETUNREACH:
    case -ENETDOWN:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
        return 1;
    default: /* silence (-ETIMEDOUT), what forbids it (-EACCES, -EPERM), and the rest */
        return 3;
    }
}

static int most_telling(const struct race *race)
{
    int error = race->attempts[0].error;

    for (int i = 1; i < race->count; i++) {
        if (weight(race->attempts[i].error) > weight(error)) {
            error = race->attempts[i].error;
        }
    }
    return error;
}

/* "127.0.0.1:80: Connection refused; [::1]:80: ..." */
static void tell_all(const struct race *race, int64_t error)
{
    char text[REPORT_TEXT] = "";
    char address[EDDY_ADDRESS_TEXT];
    size_t used = 0;

    for (int i = 0; i < race->count && used < sizeof text; i++) {
        const struct attempt *each = &race->attempts[i];
        if (!eddy_address_format(&each->address, address, sizeof address)) {
            snprintf(address, sizeof address, "?");
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s: %s", i > 0 ? "; " : "",
                                 address, eddy_strerror(each->error));
    }
    eddy_error_say(race->task, error, "%s", text);
}

/* ---- attempts that end */

static void lead_next(struct race *race);

static void has_failed(struct race *race, int i, int error)
{
    race->attempts[i].error = error;
    race->due = true;
    if (i == race->leader) {
        lead_next(race);
    } else {
        close_beside(&race->attempts[i]);
    }
}

/* The stream's fd is closed, and it goes on with that of an attempt beside it. */
static void lead(struct race *race, int i)
{
    struct attempt *attempt = &race->attempts[i];

    eddy_stream_take(race->stream, &attempt->io, eddy_address_is_tcp(&attempt->address));
    close_beside(attempt);
    race->leader = i;
}

static void lead_next(struct race *race)
{
    int i = 0;

    while (i < race->next && !eddy_io_started(&race->attempts[i].io)) {
        i++;
    }
    if (i < race->next) {
        lead(race, i);
    } else {
        race->leader = NONE;
        eddy_stream_close(race->stream);
    }
}

/* Of the leader the stream is told; and it may have been told of itself before it led. */
static bool is_told(const struct race *race, int i)
{
    const unsigned over = EDDY_WRITE | EDDY_HANGUP | EDDY_ERROR | EDDY_IO_GONE;
    bool under_way = i == race->leader || eddy_io_started(&race->attempts[i].io);

    return under_way && ((race->attempts[i].told & over) != 0 ||
                         (i == race->leader && (race->stream->state & EDDY_WRITE) != 0));
}

static int outcome(struct race *race, int i)
{
    const eddy_io *io = i == race->leader ? &race->stream->io : &race->attempts[i].io;

    return (race->attempts[i].told & EDDY_IO_GONE) != 0 ? -EBADF
                                                        : eddy_connect_outcome(io->loop, io->fd);
}

/* Looks at what the kernel has told of: the earliest that has connected, or NONE. */
static int look(struct race *race)
{
    for (int i = 0; i < race->next; i++) {
        if (is_told(race, i)) {
            int error = outcome(race, i);
            if (error == 0) {
                return i;
            }
            has_failed(race, i, error);
        }
    }
    return NONE;
}

/* ---- attempts that begin */

static void on_events(eddy_io *io, unsigned events)
{
    struct attempt *attempt = (struct attempt *)(void *)io;
    struct race *race = io->user;

    attempt->told |= events;
    if (events != 0) { /* else the loop is being freed */
        eddy_wake_to_try(race->task);
    }
}

static void on_due(eddy_timer *timer)
{
    struct race *race = timer->user;

    race->due = true;
    eddy_wake_to_try(race->task);
}

static int watch_beside(struct race *race, struct attempt *attempt, int fd)
{
    eddy_loop *loop = eddy_task_loop(race->task);
    int result = eddy_io_watch(loop, &attempt->io, fd, 0, EDDY_IO_EDGE, on_events);

    attempt->io.user = race;
    if (result < 0) {
        (void)loop->sys->close(loop->sys, fd);
    }
    return result;
}

/* Begins the next one: true if it has connected at once. */
static bool begin_next(struct race *race)
{
    eddy_loop *loop = eddy_task_loop(race->task);
    int i = race->next++;
    struct attempt *attempt = &race->attempts[i];
    bool connecting;
    int fd = eddy_address_is_tcp(&attempt->address)
                 ? eddy_connect_begin(loop, &attempt->address, race->options, &connecting)
                 : -EAFNOSUPPORT;
    int result = fd;

    if (fd >= 0) {
        result = race->leader == NONE ? eddy_connect_open(race->task, race->stream, fd,
                                                          &attempt->address, connecting)
                                      : watch_beside(race, attempt, fd);
    }
    if (result < 0) {
        has_failed(race, i, result);
        return false;
    }
    if (race->leader == NONE) {
        eddy_look_note_place(loop, &race->stream->io, race->place);
        race->leader = i;
    }
    return !connecting;
}

static void wait_for_next(struct race *race)
{
    int64_t delay = race->options != NULL && race->options->next_after > 0
                        ? race->options->next_after
                        : EDDY_CONNECT_NEXT_AFTER;

    race->due = eddy_timer_start_own(eddy_task_loop(race->task), &race->timer, delay, on_due) < 0;
}

/* One that has connected at once, or NONE. */
static int begin_more(struct race *race)
{
    while (race->next < race->count && (race->due || race->leader == NONE)) {
        race->due = false;
        if (begin_next(race)) {
            return race->next - 1;
        }
        if (!race->due && race->next < race->count) {
            wait_for_next(race);
        }
    }
    return NONE;
}

/* ---- the wait */

static int64_t win(struct race *race, int i)
{
    eddy_stream *stream = race->stream;
    unsigned told = race->attempts[i].told;

    if (i != race->leader) {
        lead(race, i);
    }
    stream->state |= EDDY_WRITE;
    let_go(race);
    if (told != 0) {
        stream->io.callback(&stream->io, told);
    }
    return 0;
}

static int64_t lose(struct race *race)
{
    int error = most_telling(race);

    tell_all(race, error);
    let_go(race);
    return error;
}

/* Its result, or EDDY_PENDING. Nobody waits on the stream. */
static int64_t advance(struct race *race)
{
    int winner = look(race);

    if (winner == NONE) {
        winner = begin_more(race);
    }
    if (winner != NONE) {
        return win(race, winner);
    }
    return race->leader == NONE ? lose(race) : EDDY_PENDING;
}

static int64_t resume_race(struct eddy_task_record *task)
{
    struct race *race = task->in.object;
    int64_t result;

    eddy_stream_connect_over(race->stream);
    result = advance(race);
    if (result == EDDY_PENDING) {
        eddy_stream_connect_begins(race->stream, task);
    }
    return result;
}

static int abort_race(struct eddy_task_record *task)
{
    struct race *race = task->in.object;
    eddy_stream *stream = race->stream;

    eddy_stream_connect_over(stream);
    let_go(race);
    eddy_stream_close(stream);
    return 1;
}

/* "fd 5 ([::1]:80), 1 beside it, 2 failed, 0 to come" */
static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct race *race = task->in.object;
    char fd[EDDY_FD_TEXT];
    int beside = 0;
    int failed = 0;

    for (int i = 0; i < race->next; i++) {
        beside += eddy_io_started(&race->attempts[i].io);
        failed += race->attempts[i].error < 0;
    }
    eddy_look_describe_fd(race->stream->io.loop, race->stream->io.fd, fd, sizeof fd);
    snprintf(text, size, "%s, %d beside it, %d failed, %d to come", fd, beside, failed,
             race->count - race->next);
}

static const struct eddy_wait_kind race_kind = {
    .name = "connect",
    .abort = abort_race,
    .resume = resume_race,
    .describe = describe,
};

static struct race *race_new(eddy_loop *loop, int count)
{
    size_t size = sizeof(struct race) + (size_t)count * sizeof(struct attempt);
    unsigned pool_class;
    struct race *race = eddy_pool_take(&loop->pool, size, &pool_class);

    if (race != NULL) {
        memset(race, 0, size);
        race->count = count;
        race->leader = NONE;
        race->pool_class = pool_class;
        race->timer.user = race;
    }
    return race;
}

static bool are_valid(const struct eddy_address *addresses, int count)
{
    for (int i = 0; i < count; i++) {
        if (eddy_address_port(&addresses[i]) == 0) {
            return false;
        }
    }
    return count > 0 && count <= MOST_ATTEMPTS;
}

static int64_t begin_race(eddy_coro *co, eddy_stream *stream, const struct eddy_address *addresses,
                          int count, const struct eddy_connect_options *options, const char *place)
{
    struct race *race = race_new(eddy_task_loop(co->task), count);
    int64_t result;

    if (race == NULL) {
        return -ENOMEM;
    }
    eddy_check_pointer(co, options);
    race->stream = stream;
    race->task = co->task;
    race->options = options;
    race->place = place;
    copy_in_order(race, addresses);
    result = advance(race);
    if (result != EDDY_PENDING) {
        return eddy_complete(co, result);
    }
    eddy_stream_connect_begins(stream, co->task);
    return eddy_park(co, &race_kind, race, NULL);
}

int64_t eddy_connect_any_(eddy_coro *co, eddy_stream *stream, const struct eddy_address *addresses,
                          int count, const struct eddy_connect_options *options, const char *place)
{
    int64_t result;

    if (count == 1) {
        return eddy_connect_to_(co, stream, addresses, options, place);
    }
    result = eddy_check(co);
    if (result < 0) {
        return result;
    }
    if (eddy_stream_is_open(stream) || !are_valid(addresses, count)) {
        return -EINVAL;
    }
    return begin_race(co, stream, addresses, count, options, place);
}

int64_t(eddy_connect_any)(eddy_coro *co, eddy_stream *stream, const struct eddy_address *addresses,
                          int count, const struct eddy_connect_options *options)
{
    return eddy_connect_any_(co, stream, addresses, count, options, NULL);
}
