#include "eddy/loop.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop_internal.h"

static const int64_t DEFAULT_SHUTDOWN_LIMIT = 10 * EDDY_SECOND;
static const int64_t ASK_AT_LEAST_EVERY = EDDY_MILLISECOND;

/* ---- making and freeing */

static bool real_time(const eddy_loop *loop)
{
    return loop->clock->kind == EDDY_CLOCK_MONOTONIC || loop->clock->kind == EDDY_CLOCK_BOOTTIME;
}

static void print_error(eddy_loop *loop, eddy_task task, int64_t code, const char *text)
{
    (void)loop;
    (void)task;
    (void)code;
    fprintf(stderr, "eddy: %s\n", text);
}

static void init(eddy_loop *loop, const struct eddy_loop_options *options)
{
    memset(loop, 0, sizeof *loop);
    eddy_pool_init(&loop->pool, options->allocate, options->allocate_user);
    eddy_heap_init(&loop->heap, &loop->pool);
    eddy_list_init(&loop->ready);
    eddy_list_init(&loop->batch);
    loop->clock = options->clock != NULL ? options->clock : &loop->own_clock;
    loop->sys = options->sys != NULL ? options->sys : eddy_sys_default();
    loop->on_error = options->on_error != NULL ? options->on_error : print_error;
    loop->user = options->user;
    loop->flags = options->flags;
    loop->shutdown_limit =
        options->shutdown_limit > 0 ? options->shutdown_limit : DEFAULT_SHUTDOWN_LIMIT;
    loop->ask_interval = 1;
    loop->epoll = -1;
    loop->timerfd = -1;
}

int eddy_above_stdio(eddy_loop *loop, int fd)
{
    int moved;

    if (fd < 0 || fd > 2) {
        return fd;
    }
    moved = loop->sys->fcntl(loop->sys, fd, F_DUPFD_CLOEXEC, 3);
    (void)loop->sys->close(loop->sys, fd);
    return moved;
}

/* A timer of the timerfd has only one use: it makes the epoll fd readable. */
static void on_timerfd(eddy_io *io, unsigned events)
{
    uint64_t count;

    (void)events;
    io->loop->timerfd_deadline = EDDY_FOREVER;
    (void)io->loop->sys->read(io->loop->sys, io->fd, &count, sizeof count);
}

static int open_timerfd(eddy_loop *loop)
{
    int result;

    loop->timerfd_deadline = EDDY_FOREVER;
    if ((loop->flags & EDDY_LOOP_TIMERFD) == 0) {
        return 0;
    }
    loop->timerfd = eddy_above_stdio(
        loop, loop->sys->timerfd_create(loop->sys, loop->clock->kind == EDDY_CLOCK_BOOTTIME
                                                       ? CLOCK_BOOTTIME
                                                       : CLOCK_MONOTONIC));
    if (loop->timerfd < 0) {
        return loop->timerfd;
    }
    result =
        eddy_io_watch(loop, &loop->timer_io, loop->timerfd, EDDY_READ, EDDY_IO_NOTIFY, on_timerfd);
    loop->watched -= result == 0;
    return result;
}

static int open_kernel_side(eddy_loop *loop)
{
    int result;

    loop->epoll = eddy_above_stdio(loop, loop->sys->epoll_create(loop->sys));
    if (loop->epoll < 0) {
        return loop->epoll;
    }
    result = eddy_wake_open(loop);
    return result < 0 ? result : open_timerfd(loop);
}

static void close_fd(eddy_loop *loop, int fd)
{
    if (fd >= 0) {
        loop->sys->close(loop->sys, fd);
    }
}

/* Frees what open_kernel_side made, also after half of it. */
static void fini(eddy_loop *loop)
{
    struct eddy_pool pool;
    int wake_fd = loop->wake_io.loop != NULL ? loop->wake_io.fd : -1;

    eddy_io_fini(loop);
    close_fd(loop, wake_fd);
    close_fd(loop, loop->timerfd);
    close_fd(loop, loop->epoll);
    eddy_timers_fini(loop);
    eddy_pool_fini(&loop->pool);
    pool = loop->pool;
    eddy_pool_resize(&pool, loop, sizeof *loop, 0);
}

static int check_options(const struct eddy_loop_options *options)
{
    const unsigned known = EDDY_LOOP_TIMERFD | EDDY_LOOP_CHECK | EDDY_LOOP_POISON_STACK;
    enum eddy_clock_kind kind =
        options->clock != NULL ? options->clock->kind : EDDY_CLOCK_MONOTONIC;

    if ((options->flags & ~known) != 0 || options->shutdown_limit < 0) {
        return -EINVAL;
    }
    /* Only time that passes by itself can be mirrored. */
    return (options->flags & EDDY_LOOP_TIMERFD) != 0 && kind != EDDY_CLOCK_MONOTONIC &&
                   kind != EDDY_CLOCK_BOOTTIME
               ? -EINVAL
               : 0;
}

int eddy_loop_new_versioned(eddy_loop **out, const struct eddy_loop_options *options,
                            unsigned version, size_t options_size)
{
    static const struct eddy_loop_options defaults;
    struct eddy_pool bootstrap;
    eddy_loop *loop;
    int result;

    *out = NULL;
    options = options != NULL ? options : &defaults;
    if (version != EDDY_VERSION || options_size != sizeof *options || check_options(options) < 0) {
        return -EINVAL;
    }
    eddy_pool_init(&bootstrap, options->allocate, options->allocate_user);
    loop = eddy_pool_resize(&bootstrap, NULL, 0, sizeof *loop);
    if (loop == NULL) {
        return -ENOMEM;
    }
    init(loop, options);
    result = open_kernel_side(loop);
    if (result < 0) {
        fini(loop);
        return result;
    }
    loop->now = eddy_clock_read(loop->clock, loop->sys);
    *out = loop;
    return 0;
}

/* Takes everything out of a list of ready things; the structs are the caller's. */
static void empty_list(struct eddy_link *list)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(list)) != NULL) {
        struct eddy_ready *ready = (struct eddy_ready *)(void *)link;
        eddy_list_remove(link);
        if (ready->kind == EDDY_READY_TIMER) {
            ((eddy_timer *)(void *)ready)->loop = NULL;
        }
    }
}

static void close_attachments(eddy_loop *loop)
{
    struct eddy_link *link;

    while (!eddy_list_empty(&loop->attachments)) {
        link = loop->attachments.prev;
        eddy_list_remove(link);
        ((struct eddy_attachment *)(void *)link)
            ->close(loop, (struct eddy_attachment *)(void *)link);
    }
}

int eddy_loop_free(eddy_loop *loop)
{
    int result = 0;

    if (loop == NULL) {
        return 0;
    }
    if (loop->running || loop->closing || loop->reporting) {
        return -EBUSY;
    }
    loop->closing = true;
    loop->stop = false;
    if (loop->task_class != NULL) {
        result = loop->task_class->shutdown(loop);
    }
    close_attachments(loop);
    if (loop->task_class != NULL) {
        loop->task_class->fini(loop);
    }
    eddy_hooks_fini(loop);
    empty_list(&loop->batch);
    empty_list(&loop->ready);
    fini(loop);
    return result;
}

void *eddy_loop_user(const eddy_loop *loop)
{
    return loop->user;
}

struct eddy_attachment *eddy_loop_attachment(eddy_loop *loop, const void *key)
{
    for (struct eddy_link *link = eddy_list_first(&loop->attachments);
         link != NULL && link != &loop->attachments; link = link->next) {
        struct eddy_attachment *attachment = (struct eddy_attachment *)(void *)link;
        if (attachment->key == key) {
            return attachment;
        }
    }
    return NULL;
}

void eddy_loop_report(eddy_loop *loop, eddy_task task, int64_t code, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (loop->reporting) {
        return; /* the hook may not re-enter */
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    loop->reporting = true;
    loop->on_error(loop, task, code, text);
    loop->reporting = false;
}

/* ---- time */

int64_t eddy_loop_update(eddy_loop *loop)
{
    loop->now = eddy_clock_read(loop->clock, loop->sys);
    return loop->now;
}

int64_t eddy_loop_now(eddy_loop *loop)
{
    return loop->in_turn ? loop->now : eddy_loop_update(loop);
}

static bool has_ready(const eddy_loop *loop)
{
    return !eddy_list_empty(&loop->ready) || !eddy_list_empty(&loop->batch);
}

int64_t eddy_loop_next_deadline(eddy_loop *loop)
{
    if (has_ready(loop) || !eddy_list_empty(&loop->always) || eddy_messages_waiting(loop)) {
        return loop->now;
    }
    return eddy_timers_next(loop);
}

/* Keeps the timerfd at the next deadline; a deadline that is past is the next nanosecond. */
static void mirror_deadline(eddy_loop *loop)
{
    int64_t deadline;

    if (loop->timerfd < 0) {
        return;
    }
    deadline = eddy_loop_next_deadline(loop);
    if (deadline != loop->timerfd_deadline || has_ready(loop)) {
        loop->timerfd_deadline = deadline;
        (void)loop->sys->timerfd_settime(loop->sys, loop->timerfd,
                                         deadline == EDDY_FOREVER ? 0
                                         : deadline > 0           ? deadline
                                                                  : 1);
    }
}

void eddy_loop_changed(eddy_loop *loop)
{
    if (!loop->running) {
        mirror_deadline(loop);
    }
}

/* ---- asking the kernel */

static int wait_for_events(eddy_loop *loop, int64_t timeout)
{
    const struct eddy_sys *sys = loop->sys;
    int64_t milliseconds;

    if (timeout > 0 && timeout != EDDY_FOREVER && !loop->no_pwait2) {
        int result = sys->epoll_pwait2(sys, loop->epoll, loop->events, EVENTS_A_TURN, timeout);
        if (result != -ENOSYS) {
            return result;
        }
        loop->no_pwait2 = true;
    }
    /* Rounded up: a timer never fires early, and the loop never spins through a last
     * millisecond. */
    milliseconds = timeout == EDDY_FOREVER ? -1
                   : timeout > INT64_C(1000000) * INT32_MAX
                       ? INT32_MAX
                       : (timeout + EDDY_MILLISECOND - 1) / EDDY_MILLISECOND;
    return sys->epoll_wait(sys, loop->epoll, loop->events, EVENTS_A_TURN, (int)milliseconds);
}

/* How long the kernel may be asked to wait. A virtual clock is first asked without waiting. */
static int64_t kernel_timeout(eddy_loop *loop, int64_t max_wait)
{
    int64_t next;

    if (max_wait == 0 || has_ready(loop) || !eddy_list_empty(&loop->always) ||
        eddy_messages_waiting(loop)) {
        return 0;
    }
    next = eddy_timers_next(loop);
    if (real_time(loop)) {
        int64_t now = eddy_loop_update(loop);
        if (next == EDDY_FOREVER) {
            return max_wait;
        }
        next = next > now ? next - now : 0;
        return next < max_wait ? next : max_wait;
    }
    if (loop->clock->kind == EDDY_CLOCK_MANUAL) {
        return next <= loop->clock->now ? 0 : max_wait;
    }
    return loop->holds == 0 && (next != EDDY_FOREVER || max_wait != EDDY_FOREVER) ? 0 : max_wait;
}

static int fetch_events(eddy_loop *loop, int64_t timeout)
{
    int count;

    /* With no fd to ask about, a look that does not wait can bring nothing but a wake-up. */
    if (timeout == 0 && loop->watched == 0 &&
        __atomic_load_n(&loop->woken, __ATOMIC_RELAXED) == 0 && loop->timerfd < 0) {
        return 0;
    }
    count = wait_for_events(loop, timeout);
    return count == -EINTR ? 0 : count;
}

/* Nothing came and nothing is ready: virtual time jumps to the next deadline. */
static void jump(eddy_loop *loop, int64_t max_wait)
{
    int64_t next = eddy_timers_next(loop);
    int64_t limit = eddy_deadline_after(loop->clock->now, max_wait);

    if (max_wait == 0 || loop->holds > 0 || has_ready(loop) || eddy_messages_waiting(loop) ||
        !eddy_list_empty(&loop->always)) {
        return;
    }
    next = next < limit ? next : limit;
    if (next != EDDY_FOREVER && next > loop->clock->now) {
        loop->clock->now = next;
    }
}

/* Fits the number of steps between two looks to what they cost. */
static void adapt_interval(eddy_loop *loop, int64_t before)
{
    int64_t elapsed = loop->now - before;

    if (elapsed > ASK_AT_LEAST_EVERY) {
        loop->ask_interval = (int)(loop->ask_interval * ASK_AT_LEAST_EVERY / elapsed);
        loop->ask_interval = loop->ask_interval > 0 ? loop->ask_interval : 1;
    } else if (loop->ask_interval < MOST_ASK_INTERVAL) {
        loop->ask_interval *= 2;
    }
}

/* Steps 2 to 6 of a turn. */
static int ask(eddy_loop *loop, int64_t max_wait)
{
    bool busy = has_ready(loop);
    int64_t before = loop->now;
    int count = fetch_events(loop, kernel_timeout(loop, max_wait));

    if (count < 0) {
        return count;
    }
    if (count == 0 && loop->clock->kind == EDDY_CLOCK_VIRTUAL) {
        jump(loop, max_wait);
    }
    eddy_loop_update(loop);
    loop->steps_since_asked = 0;
    if (busy) {
        adapt_interval(loop, before);
    }
    eddy_io_dispatch(loop, count);
    eddy_io_dispatch_always(loop);
    eddy_timers_expire(loop);
    eddy_messages_receive(loop);
    return 0;
}

/* ---- turns */

static void run_callback(struct eddy_ready *ready)
{
    switch ((enum eddy_ready_kind)ready->kind) {
    case EDDY_READY_TASK:
        break;
    case EDDY_READY_CALLBACK:
        eddy_callback_run(ready);
        break;
    case EDDY_READY_IO:
        eddy_io_run(ready);
        break;
    case EDDY_READY_TIMER:
        eddy_timer_run(ready);
        break;
    }
}

/* Runs the batch until it is empty or real time has come to `until`. Returns the number of
 * steps. */
static int64_t run_batch(eddy_loop *loop, int64_t until)
{
    int most = until == EDDY_FOREVER ? INT32_MAX : 1;
    int64_t steps = 0;

    while (loop->batch.next != &loop->batch) {
        if (((struct eddy_ready *)(void *)loop->batch.next)->kind == EDDY_READY_TASK) {
            steps += loop->task_class->run(loop, most);
        } else {
            run_callback(eddy_batch_take(loop));
            steps++;
        }
        if (until != EDDY_FOREVER && loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC) >= until) {
            break;
        }
    }
    loop->steps_since_asked += (int)steps;
    return steps;
}

static void check_or_abort(eddy_loop *loop)
{
    if ((loop->flags & EDDY_LOOP_CHECK) != 0 && eddy_loop_check(loop) < 0) {
        fputs("eddy: eddy_loop_check: an invariant of the loop is broken\n", stderr);
        abort();
    }
}

/* Nobody sees where one turn ends and the next begins, and the kernel need not be asked yet. */
static bool may_go_on(const eddy_loop *loop, int64_t until)
{
    return loop->ready.next != &loop->ready && loop->steps_since_asked < loop->ask_interval &&
           !loop->stop && !loop->awaited_ended && !loop->one_turn && until == EDDY_FOREVER &&
           eddy_list_empty(&loop->hooks[EDDY_HOOK_PREPARE]) &&
           eddy_list_empty(&loop->hooks[EDDY_HOOK_CHECK]) && (loop->flags & EDDY_LOOP_CHECK) == 0;
}

/* Steps 7 and, while that makes no difference to anybody, the next turns' too. */
static int64_t run_batches(eddy_loop *loop, int64_t until)
{
    int64_t steps = 0;

    do {
        eddy_list_splice(&loop->batch, &loop->ready);
        steps += run_batch(loop, until);
    } while (may_go_on(loop, until));
    return steps;
}

/* `budget` is real time from the end of the wait on; *until, if it is set, is when it ends. */
static int64_t turn(eddy_loop *loop, int64_t max_wait, int64_t budget, int64_t *until)
{
    int64_t result = 0;

    eddy_hooks_run(loop, EDDY_HOOK_PREPARE);
    if (loop->steps_since_asked >= loop->ask_interval || !has_ready(loop)) {
        loop->in_turn = false; /* a loop that sleeps in the kernel is between two times */
        result = ask(loop, max_wait);
        loop->in_turn = true;
    }
    if (budget > 0 && *until == EDDY_FOREVER) {
        *until = eddy_deadline_after(loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC), budget);
    }
    if (result == 0) {
        result = run_batches(loop, *until);
    }
    eddy_hooks_run(loop, EDDY_HOOK_CHECK);
    check_or_abort(loop);
    return result;
}

int eddy_loop_enter(eddy_loop *loop, const char *stack_base)
{
    if (loop->running || loop->reporting) {
        return -EBUSY;
    }
    loop->running = true;
    loop->stack_base = stack_base;
    loop->steps_since_asked = MOST_ASK_INTERVAL; /* a poll begins by asking */
    eddy_loop_update(loop);
    loop->in_turn = true;
    return 0;
}

void eddy_loop_leave(eddy_loop *loop)
{
    loop->running = false;
    loop->in_turn = false;
    loop->one_turn = false;
    loop->stack_base = NULL;
    mirror_deadline(loop);
}

int eddy_loop_turn(eddy_loop *loop, int64_t max_wait)
{
    int64_t until = EDDY_FOREVER;
    int64_t result = turn(loop, max_wait, 0, &until);

    return result < 0 ? (int)result : 0;
}

bool eddy_loop_alive(eddy_loop *loop)
{
    return has_ready(loop) || loop->references > 0 || loop->holds > 0 ||
           eddy_messages_waiting(loop) ||
           (loop->clock->kind != EDDY_CLOCK_MANUAL && eddy_timers_next(loop) != EDDY_FOREVER) ||
           (loop->clock->kind == EDDY_CLOCK_MANUAL && eddy_timers_next(loop) <= loop->clock->now);
}

int64_t eddy_loop_poll_once(eddy_loop *loop, int64_t max_wait, int64_t budget)
{
    int64_t until = EDDY_FOREVER;
    int64_t steps = 0;
    int64_t result;

    if (max_wait < 0 || budget < 0) {
        return -EINVAL;
    }
    result = eddy_loop_enter(loop, __builtin_frame_address(0));
    if (result < 0) {
        return result;
    }
    loop->one_turn = budget == 0;
    while (!loop->stop) {
        result = turn(loop, max_wait, budget, &until);
        steps += result > 0 ? result : 0;
        max_wait = 0;
        if (result < 0 || budget == 0 || !has_ready(loop) ||
            loop->sys->clock_now(loop->sys, CLOCK_MONOTONIC) >= until) {
            break;
        }
    }
    loop->stop = false;
    eddy_loop_leave(loop);
    return result < 0 ? result : steps;
}

int eddy_loop_run(eddy_loop *loop)
{
    int result = eddy_loop_enter(loop, __builtin_frame_address(0));

    if (result < 0) {
        return result;
    }
    while (result == 0 && !loop->stop && eddy_loop_alive(loop)) {
        result = eddy_loop_turn(loop, EDDY_FOREVER);
    }
    if (result == 0 && !loop->stop && loop->task_class != NULL) {
        result = loop->task_class->stuck(loop);
    }
    loop->stop = false;
    eddy_loop_leave(loop);
    return result;
}

void eddy_loop_stop(eddy_loop *loop)
{
    loop->stop = true;
}

/* ---- small things */

int eddy_loop_fd(const eddy_loop *loop)
{
    return loop->epoll;
}

void eddy_loop_hold(eddy_loop *loop)
{
    loop->holds++;
}

void eddy_loop_release(eddy_loop *loop)
{
    loop->holds -= loop->holds > 0;
}

static int check_list(const struct eddy_link *list)
{
    const struct eddy_link *link = list;

    do {
        if (link->next == NULL || link->next->prev != link) {
            return -EINVAL;
        }
        link = link->next;
    } while (link != list);
    return 0;
}

int eddy_loop_check(eddy_loop *loop)
{
    if (check_list(&loop->ready) < 0 || check_list(&loop->batch) < 0 ||
        eddy_heap_check(&loop->heap) < 0 || eddy_io_check(loop) < 0) {
        return -EINVAL;
    }
    return loop->task_class != NULL ? loop->task_class->check(loop) : 0;
}
