/* eddy inside a main loop of GLib. */
#include "support/embed.h"

#include <glib-unix.h>
#include <glib.h>

static GMainContext *context;
static GMainLoop *loop;
static GSource *source;

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)user;
    assert_int_equal(condition, G_IO_IN);
    embed_poll();
    return G_SOURCE_CONTINUE;
}

/* A source with a callback in a context that is not the process's only one. */
static void attach(GSource *which, GSourceFunc function)
{
    g_source_set_callback(which, function, NULL, NULL);
    (void)g_source_attach(which, context);
}

static void foreign_open(int fd)
{
    context = g_main_context_new();
    loop = g_main_loop_new(context, FALSE);
    source = g_unix_fd_source_new(fd, G_IO_IN);
    attach(source, G_SOURCE_FUNC(on_readable));
}

static gboolean on_idle(gpointer user)
{
    (void)user;
    embed_called();
    return G_SOURCE_REMOVE;
}

static void foreign_call_soon(void)
{
    GSource *idle = g_idle_source_new();

    attach(idle, on_idle);
    g_source_unref(idle);
}

static void foreign_quit(void)
{
    g_main_loop_quit(loop);
}

static void foreign_run(void)
{
    g_main_loop_run(loop);
}

static void foreign_close(void)
{
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(loop);
    g_main_context_unref(context);
}

/* GLib opens fds for the process at its first use, and keeps them. */
static int set_up_glib(void **state)
{
    GMainContext *first = g_main_context_new();

    (void)state;
    g_main_context_unref(first);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {EMBED_CASES};

    return cmocka_run_group_tests(tests, set_up_glib, NULL);
}
