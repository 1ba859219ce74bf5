/*
 * An eddy loop inside GLib's main loop (and so inside GTK's), and what GIO does as awaits.
 *
 *     struct on_glib glib = {0};
 *     struct on_glib_call call;                            // in the frame
 *
 *     on_glib_init(&glib, loop, NULL, 5 * EDDY_MILLISECOND);
 *     g_main_loop_run(main_loop);                          // runs both
 *     on_glib_fini(&glib);
 *     eddy_loop_free(loop);
 *
 *     g_file_read_async(self->file, G_PRIORITY_DEFAULT, on_glib_begin(glib, &self->call),      // in a task
 *                       on_glib_called, &self->call);
 *     eddy_await(on_glib_wait(co, &self->call));
 *     self->in = g_file_read_finish(self->file, self->call.result, &self->error);
 *     ...
 *     on_glib_end(&self->call);                            // in eddy_finally
 *
 * So it is with every function whose name ends in _async: three arguments, an await, and the function
 * whose name ends in _finish.
 *
 * A cancel or time-out is passed on by the call's GCancellable, and waited for: GIO has the task's memory
 * until it calls back. If the call has failed by then, that is the cancel; if it has not, its result stands, and the
 * cancel comes at the next await.
 */
#ifndef ON_GLIB_H
#define ON_GLIB_H

#include <gio/gio.h>

#include <eddy.h>

/* The caller owns it, zeroed; it must stay until the loop is freed. All of it is private. */
struct on_glib {
    eddy_loop *loop;
    GMainContext *context; /* NULL: not begun */
    GSource *source;       /* a reference; NULL: GLib runs the loop no longer */
    gpointer fd;           /* the loop's, as the source knows it */
    int64_t budget;
    eddy_hook drive; /* started by on_glib_fini: the loop runs GLib */
    unsigned calls;  /* that GIO has not called back for */
};

/* A call under way. The caller owns it, zeroed, in a frame that ends behind on_glib_wait; but for `result` all of
 * it is private. */
struct on_glib_call {
    struct on_glib *glib;      /* NULL: none was begun */
    GCancellable *cancellable; /* a reference */
    GAsyncResult *result; /* a reference; NULL: GIO has not called back. For the _finish function */
    struct eddy_task_record *task; /* who waits; or NULL */
    bool told;                     /* a cancel was passed on */
};

/* Begins, on the thread of both: `context` (NULL: the default one; it must outlive the loop) runs the loop whenever that has something to do, for
 * `budget` nanoseconds at a time (eddy_loop_poll_once). The loop needs no EDDY_LOOP_TIMERFD; without it
 * deadlines are rounded up to milliseconds. Should a poll fail, that is a g_warning, and GLib runs the loop no more.
 * 0, or an error of eddy_loop_fd. */
int on_glib_init(struct on_glib *glib, eddy_loop *loop, GMainContext *context, int64_t budget);

/* Ends that, just before eddy_loop_free. If calls are under way then, the loop runs GLib until they have ended, in
 * place of the main loop, which has left: other sources of the context may so run, too. */
void on_glib_fini(struct on_glib *glib);

/* Begins a call: what it returns is the GCancellable for GIO, which is the call's. A struct may be used again once
 * its wait has returned. */
GCancellable *on_glib_begin(struct on_glib *glib, struct on_glib_call *call);

/* For GIO, which is to call it once, from the context (the thread's default one), with the call as its `user`. */
void on_glib_called(GObject *source, GAsyncResult *result, gpointer user);

/* An operation: waits until GIO has called back. Every call is to be waited for, and before the frame ends. 0:
 * `result` is there, and says whether it went well; -ECANCELED: it has failed after a cancel; -EINVAL: none was begun. */
EDDY_MUST_USE int64_t on_glib_wait(eddy_coro *co, struct on_glib_call *call);

/* Gives up what the call holds; nothing if that is nothing. */
void on_glib_end(struct on_glib_call *call);

/* An error of GIO's as a negated errno; -EIO if there is none for it. */
int64_t on_glib_error(const GError *error);

#endif
