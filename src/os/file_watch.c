/*
 * Being told of files: an inotify(7) of the loop's.
 *
 * A read fetches whole events, as many as fit into the buffer; they are handed out one by one, when
 * the task runs that waits for the next. So a cancel finds each in the queue of the kernel, in the buffer, or told.
 * The fd is registered edge-triggered, once: a read is tried unless the last one has found nothing.
 *
 *     buffer     readable     the next one
 *     an event   -            is that
 *     empty      true         is read; without any: false
 *     empty      false        waits for the kernel, which makes it true
 *
 * No list of what is watched is kept: the kernel has it, and its numbers do not come again. What may still come of a
 * number that was removed is told as any other, so that there is nothing to be filtered; its last word is UNWATCHED.
 */
#include "eddy/file_watch.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "loop/look.h"
#include "task/task_internal.h"

enum {
    ASKED = EDDY_FILE_MODIFIED | EDDY_FILE_ATTRIBUTES | EDDY_FILE_WRITTEN | EDDY_FILE_MOVED_FROM |
            EDDY_FILE_MOVED_TO | EDDY_FILE_CREATED | EDDY_FILE_DELETED | EDDY_FILE_SELF_DELETED |
            EDDY_FILE_SELF_MOVED,
    ONLY_NEW = 0x10000000 /* IN_MASK_CREATE, which libc's headers may not know */
};

#define SAME(ours, kernels) \
    _Static_assert((unsigned)(ours) == (unsigned)(kernels), "the kernel's value")
SAME(EDDY_FILE_MODIFIED, IN_MODIFY);
SAME(EDDY_FILE_ATTRIBUTES, IN_ATTRIB);
SAME(EDDY_FILE_WRITTEN, IN_CLOSE_WRITE);
SAME(EDDY_FILE_MOVED_FROM, IN_MOVED_FROM);
SAME(EDDY_FILE_MOVED_TO, IN_MOVED_TO);
SAME(EDDY_FILE_CREATED, IN_CREATE);
SAME(EDDY_FILE_DELETED, IN_DELETE);
SAME(EDDY_FILE_SELF_DELETED, IN_DELETE_SELF);
SAME(EDDY_FILE_SELF_MOVED, IN_MOVE_SELF);
SAME(EDDY_FILE_UNMOUNTED, IN_UNMOUNT);
SAME(EDDY_FILE_OVERFLOW, IN_Q_OVERFLOW);
SAME(EDDY_FILE_UNWATCHED, IN_IGNORED);
SAME(EDDY_FILE_IS_DIRECTORY, IN_ISDIR);

_Static_assert(EDDY_FILE_WATCH_BUFFER >= sizeof(struct inotify_event) + NAME_MAX + 1, "one fits");

/* ---- events */

static void waiting_is_over(eddy_file_watch *watch)
{
    watch->reader = NULL;
    watch->io.loop->references--;
}

static void close_watch(eddy_file_watch *watch)
{
    const struct eddy_sys *sys = watch->io.loop->sys;
    struct eddy_task_record *reader = watch->reader;

    if (reader != NULL) {
        waiting_is_over(watch);
        eddy_wake(reader, -EBADF);
    }
    if (eddy_io_release(&watch->io)) {
        (void)sys->close(sys, watch->io.fd);
    }
}

/* In the middle of the batch of events. 0: the loop is being freed. */
static void on_events(eddy_io *io, unsigned events)
{
    eddy_file_watch *watch = (eddy_file_watch *)(void *)io;

    if ((events & EDDY_IO_GONE) != 0) {
        close_watch(watch);
    } else if (events != 0) {
        watch->readable = true;
        if (watch->reader != NULL) {
            eddy_wake_to_try(watch->reader);
        }
    }
}

/* The queue is the parent's, and the fd has been shared since. */
static bool is_the_parents(const eddy_file_watch *watch)
{
    const struct eddy_sys *sys = watch->io.loop->sys;

    return sys->getpid(sys) != watch->pid;
}

static int fetch(eddy_file_watch *watch)
{
    const struct eddy_sys *sys = watch->io.loop->sys;
    ssize_t size;

    do {
        size = sys->read(sys, watch->io.fd, watch->buffer, sizeof watch->buffer);
    } while (size == -EINTR);
    watch->readable = size != -EAGAIN;
    watch->at = 0;
    watch->filled = size > 0 ? (uint16_t)size : 0;
    return size < 0 ? (int)size : 0;
}

/* Whether there is a whole event in the buffer, as there always is. */
static bool is_whole(const eddy_file_watch *watch, struct inotify_event *head)
{
    size_t left = (size_t)(watch->filled - watch->at);

    if (left < sizeof *head) {
        return false;
    }
    memcpy(head, watch->buffer + watch->at, sizeof *head);
    return head->len <= left - sizeof *head;
}

/* Takes the next out of the buffer. Its name has a 0 at its end, and perhaps more, up to `len`. */
static int take(eddy_file_watch *watch, struct eddy_file_event *event)
{
    static const char none[] = "";
    struct inotify_event head;

    if (!is_whole(watch, &head)) {
        watch->at = watch->filled;
        return -EIO;
    }
    *event = (struct eddy_file_event){
        .number = head.wd,
        .what = head.mask,
        .cookie = head.cookie,
        .name = head.len > 0 ? watch->buffer + watch->at + sizeof head : none,
    };
    watch->at = (uint16_t)(watch->at + sizeof head + head.len);
    return 0;
}

/* 0, an error, or -EAGAIN: there is none. */
static int next(eddy_file_watch *watch, struct eddy_file_event *event)
{
    int result = 0;

    if (is_the_parents(watch)) {
        return -ECHILD;
    }
    if (watch->at == watch->filled) {
        result = watch->readable ? fetch(watch) : -EAGAIN;
    }
    return result < 0 ? result : take(watch, event);
}

static int abort_wait(struct eddy_task_record *task)
{
    waiting_is_over(task->in.object);
    return 1;
}

static int64_t resume(struct eddy_task_record *task)
{
    eddy_file_watch *watch = task->in.object;
    int result = next(watch, watch->event);

    if (result == -EAGAIN) {
        return EDDY_PENDING;
    }
    waiting_is_over(watch);
    return result;
}

static const struct eddy_wait_kind next_kind = {
    .name = "file event",
    .abort = abort_wait,
    .resume = resume,
};

int64_t eddy_file_watch_next(eddy_coro *co, eddy_file_watch *watch, struct eddy_file_event *event)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!eddy_file_watch_is_open(watch)) {
        return -EBADF;
    }
    if (watch->reader != NULL) {
        return -EBUSY;
    }
    result = next(watch, event);
    if (result != -EAGAIN) {
        return eddy_complete(co, result);
    }
    eddy_check_pointer(co, event);
    watch->event = event;
    watch->reader = co->task;
    watch->io.loop->references++;
    return eddy_park(co, &next_kind, watch, NULL);
}

/* ---- opening and closing */

/* Registers the new fd. */
static int start(eddy_coro *co, eddy_file_watch *watch, int fd)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    int result;

    memset(watch, 0, offsetof(eddy_file_watch, buffer));
    result = eddy_io_watch(loop, &watch->io, fd, 0, EDDY_IO_EDGE_WATCH, on_events);
    if (result == 0) {
        result = eddy_guard_add(co->task, &watch->io.ready.link);
        if (result < 0) {
            (void)eddy_io_release(&watch->io);
        }
    }
    return result;
}

int64_t eddy_file_watch_open_(eddy_coro *co, eddy_file_watch *watch, const char *place)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    const struct eddy_sys *sys = loop->sys;
    int64_t result = eddy_check(co);
    int fd;

    if (result < 0) {
        return result;
    }
    if (eddy_file_watch_is_open(watch)) {
        return -EINVAL;
    }
    fd = eddy_above_stdio(loop, sys->inotify_init(sys));
    if (fd == -EMFILE) {
        eddy_error_say(co->task, fd, "%s: fds, or /proc/sys/fs/inotify/max_user_instances",
                       eddy_strerror(fd));
    }
    if (fd < 0) {
        return fd;
    }
    result = start(co, watch, fd);
    if (result < 0) {
        (void)sys->close(sys, fd);
        return result;
    }
    watch->pid = sys->getpid(sys);
    watch->readable = true;
    eddy_look_note_place(loop, &watch->io, place);
    return 0;
}

int64_t(eddy_file_watch_open)(eddy_coro *co, eddy_file_watch *watch)
{
    return eddy_file_watch_open_(co, watch, NULL);
}

void eddy_file_watch_close(eddy_file_watch *watch)
{
    if (eddy_file_watch_is_open(watch)) {
        eddy_loop_here(watch->io.loop, __func__);
        close_watch(watch);
    }
}

/* ---- what is watched */

static int may_change(const eddy_file_watch *watch)
{
    if (!eddy_file_watch_is_open(watch)) {
        return -EBADF;
    }
    return is_the_parents(watch) ? -ECHILD : 0;
}

int64_t eddy_file_watch_add(eddy_coro *co, eddy_file_watch *watch, const char *path, unsigned what)
{
    const struct eddy_sys *sys = eddy_task_loop(co->task)->sys;
    int64_t result = eddy_check(co);
    int number;

    if (result == 0) {
        result = may_change(watch);
    }
    if (result < 0) {
        return result;
    }
    if (what == 0 || (what & ~(unsigned)ASKED) != 0) {
        return -EINVAL;
    }
    number = sys->inotify_add_watch(sys, watch->io.fd, path, what | ONLY_NEW);
    if (number == -ENOSPC) {
        eddy_error_say(co->task, number, "%s: no more than /proc/sys/fs/inotify/max_user_watches",
                       path);
    } else if (number < 0) {
        eddy_error_say(co->task, number, "%s: %s", path, eddy_strerror(number));
    }
    return number;
}

int eddy_file_watch_remove(eddy_file_watch *watch, int number)
{
    const struct eddy_sys *sys;
    int result = may_change(watch);

    if (result < 0) {
        return result;
    }
    eddy_loop_here(watch->io.loop, __func__);
    sys = watch->io.loop->sys;
    return sys->inotify_rm_watch(sys, watch->io.fd, number);
}
