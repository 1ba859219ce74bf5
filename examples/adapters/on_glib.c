/*
 * To GLib the loop is a source with one fd and the next deadline. The source does not recurse: a main loop that
 * somebody runs inside of a task finds it blocked, and does not poll in vain.
 *
 *     who runs whom                                          a call's end reaches its task
 *     begun         GLib the loop, by the source             GLib dispatches on_glib_called, which wakes it
 *     ended         the loop GLib, by a hook, while calls    likewise, in that hook
 *                   are under way: eddy_loop_free waits
 *                   for their tasks
 *     cut off       eddy_loop_free waits no longer: the      not at all: it is gone
 *                   wait's cut_off runs GLib to its end
 *
 * The last is why a frame never goes while GIO has memory of it.
 */
#include "on_glib.h"

#include <errno.h>
#include <limits.h>

static const int64_t LOOK_AT_GLIB = 5 * EDDY_MILLISECOND; /* how often, when the loop runs it */

/* ---- the source */

struct source {
    GSource base; /* first */
    struct on_glib *glib;
};

static bool is_due(struct on_glib *glib)
{
    return eddy_loop_next_deadline(glib->loop) <= eddy_loop_now(glib->loop);
}

static gboolean prepare(GSource *base, gint *timeout)
{
    struct on_glib *glib = ((struct source *)(void *)base)->glib;
    int64_t deadline = eddy_loop_next_deadline(glib->loop);
    int64_t left = deadline - eddy_loop_now(glib->loop);
    int64_t milliseconds =
        left / EDDY_MILLISECOND + 1; /* rounded down, GLib would spin through the last one */

    *timeout = deadline == EDDY_FOREVER ? -1
               : milliseconds > INT_MAX ? INT_MAX
                                        : (gint)milliseconds;
    return left <= 0;
}

static gboolean check(GSource *base)
{
    struct on_glib *glib = ((struct source *)(void *)base)->glib;

    return g_source_query_unix_fd(base, glib->fd) != 0 || is_due(glib);
}

static gboolean dispatch(GSource *base, GSourceFunc function, gpointer user)
{
    struct on_glib *glib = ((struct source *)(void *)base)->glib;
    int64_t result = eddy_loop_poll_once(glib->loop, 0, glib->budget);

    (void)function;
    (void)user;
    if (result < 0 && result != -EBUSY) {
        g_warning("eddy: %s", eddy_strerror(result));
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

int on_glib_init(struct on_glib *glib, eddy_loop *loop, GMainContext *context, int64_t budget)
{
    static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};
    int fd = eddy_loop_fd(loop);

    if (fd < 0) {
        return fd;
    }
    *glib = (struct on_glib){.loop = loop, .budget = budget};
    glib->context = context != NULL ? context : g_main_context_default();
    glib->source = g_source_new(&functions, sizeof(struct source));
    ((struct source *)(void *)glib->source)->glib = glib;
    glib->fd = g_source_add_unix_fd(glib->source, fd, G_IO_IN);
    (void)g_source_attach(glib->source, glib->context);
    return 0;
}

/* ---- the end */

static void run_glib(eddy_hook *hook)
{
    struct on_glib *glib = hook->user;

    while (glib->calls > 0 && g_main_context_iteration(glib->context, FALSE)) {}
    if (glib->calls > 0) {
        eddy_loop_limit_wait(glib->loop, LOOK_AT_GLIB);
    }
}

void on_glib_fini(struct on_glib *glib)
{
    if (glib->source != NULL) {
        g_source_destroy(glib->source);
        g_source_unref(glib->source);
        glib->source = NULL;
        glib->drive.user = glib;
        eddy_hook_start(glib->loop, &glib->drive, EDDY_HOOK_PREPARE, run_glib);
    }
}

/* ---- calls */

GCancellable *on_glib_begin(struct on_glib *glib, struct on_glib_call *call)
{
    on_glib_end(call);
    glib->calls++;
    eddy_loop_hold(glib->loop); /* somebody will call, though the loop sees nobody */
    call->glib = glib;
    call->cancellable = g_cancellable_new();
    return call->cancellable;
}

/* GIO's results are GTasks, which can be asked whether they have failed before anybody takes the error. */
static bool has_failed(GAsyncResult *result)
{
    return G_IS_TASK(result) && g_task_had_error(G_TASK(result));
}

void on_glib_called(GObject *source, GAsyncResult *result, gpointer user)
{
    struct on_glib_call *call = user;
    struct eddy_task_record *task = call->task;

    (void)source;
    call->glib->calls--;
    eddy_loop_release(call->glib->loop);
    call->result = g_object_ref(result);
    call->task = NULL;
    if (task != NULL) {
        eddy_wake(task, call->told && has_failed(result) ? -ECANCELED : 0);
    }
}

static int cancel_call(struct eddy_task_record *task)
{
    struct on_glib_call *call = eddy_wait_object(task);

    call->told = true;
    g_cancellable_cancel(call->cancellable);
    return 0;
}

static void wait_at_the_end(struct eddy_task_record *task)
{
    struct on_glib_call *call = eddy_wait_object(task);

    call->task = NULL;
    while (call->result == NULL) {
        (void)g_main_context_iteration(call->glib->context, TRUE);
    }
    on_glib_end(call);
}

static const struct eddy_wait_kind call_kind = {
    .name = "GIO",
    .abort = cancel_call,
    .cut_off = wait_at_the_end,
};

/* The call has begun: a cancel that was pending does not keep it from being waited for. */
int64_t on_glib_wait(eddy_coro *co, struct on_glib_call *call)
{
    eddy_own_begin(co);
    if (call->glib == NULL) {
        return eddy_own_none(co, -EINVAL);
    }
    eddy_check_pointer(co, call);
    if (call->result != NULL) {
        return eddy_own_complete(co, 0);
    }
    call->task = eddy_waiter(co);
    return eddy_own_park(co, &call_kind, call, NULL);
}

void on_glib_end(struct on_glib_call *call)
{
    g_clear_object(&call->result);
    g_clear_object(&call->cancellable);
    call->glib = NULL;
    call->told = false;
}

int64_t on_glib_error(const GError *error)
{
    static const struct {
        int code, number;
    } numbers[] = {
        {G_IO_ERROR_CANCELLED, ECANCELED},
        {G_IO_ERROR_NOT_FOUND, ENOENT},
        {G_IO_ERROR_EXISTS, EEXIST},
        {G_IO_ERROR_IS_DIRECTORY, EISDIR},
        {G_IO_ERROR_NOT_DIRECTORY, ENOTDIR},
        {G_IO_ERROR_PERMISSION_DENIED, EACCES},
        {G_IO_ERROR_NO_SPACE, ENOSPC},
        {G_IO_ERROR_TIMED_OUT, ETIMEDOUT},
        {G_IO_ERROR_BROKEN_PIPE, EPIPE},
        {G_IO_ERROR_CONNECTION_REFUSED, ECONNREFUSED},
        {G_IO_ERROR_INVALID_ARGUMENT, EINVAL},
        {G_IO_ERROR_BUSY, EBUSY},
        {G_IO_ERROR_HOST_UNREACHABLE, EHOSTUNREACH},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (g_error_matches(error, G_IO_ERROR, numbers[i].code)) {
            return -numbers[i].number;
        }
    }
    return -EIO;
}
