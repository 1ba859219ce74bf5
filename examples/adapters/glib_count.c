/*
 * Counts the bytes of files, all at once, by GIO in coroutines, on an eddy loop inside GLib's.
 *
 *     glib_count [-t MILLISECONDS] FILE...
 *
 * Prints a line for each file, in their order. What has not ended after the time is given up. On standard error it
 * says how often a timer of GLib's has ticked meanwhile. Exits 1 if a file was not counted.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_glib.h"

enum { PIECE = 65536 };

eddy_frame(count) {
    eddy_coro co;
    struct on_glib *glib;
    const char *path;
    struct on_glib_call call;
    GFile *file;
    GFileInputStream *in;
    GError *error;
    gsize piece;
    int64_t total;
};

/* The size of the piece that was read; 0 also if there is an error. */
static gsize take_piece(struct count *self)
{
    GBytes *bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(self->in), self->call.result, &self->error);
    gsize size = bytes != NULL ? g_bytes_get_size(bytes) : 0;

    g_clear_pointer(&bytes, g_bytes_unref);
    return size;
}

static void count(eddy_coro *co)
{
    eddy_begin(count);
    self->file = g_file_new_for_path(self->path);
    g_file_read_async(self->file, G_PRIORITY_DEFAULT, on_glib_begin(self->glib, &self->call),
                      on_glib_called, &self->call);
    eddy_await(on_glib_wait(co, &self->call));
    self->in = g_file_read_finish(self->file, self->call.result, &self->error);
    do {
        if (self->error != NULL) {
            eddy_return(on_glib_error(self->error));
        }
        g_input_stream_read_bytes_async(G_INPUT_STREAM(self->in), PIECE, G_PRIORITY_DEFAULT,
                                        on_glib_begin(self->glib, &self->call), on_glib_called,
                                        &self->call);
        eddy_await(on_glib_wait(co, &self->call));
        self->piece = take_piece(self);
        self->total += (int64_t)self->piece;
    } while (self->piece > 0);
    eddy_return(self->error != NULL ? on_glib_error(self->error) : self->total);
eddy_finally:
    on_glib_end(&self->call);
    g_clear_object(&self->in);
    g_clear_object(&self->file);
    g_clear_error(&self->error);
    eddy_end;
}

/* Its error is the line of the file, not one that nobody has looked at. */
eddy_frame(count_in_time) {
    eddy_coro co;
    struct on_glib *glib;
    const char *path;
    int64_t limit;
    int64_t *result;
};

static void count_in_time(eddy_coro *co)
{
    eddy_begin(count_in_time);
    eddy_catch(*self->result,
               eddy_wait_for(co, self->limit,
                             eddy_call(co, count, .glib = self->glib, .path = self->path)));
    eddy_end;
}

/* ---- the main loop */

struct counted {
    eddy_task task;
    int64_t result; /* valid when the task has ended */
};

static gboolean on_tick(gpointer ticks)
{
    *(int *)ticks += 1;
    return G_SOURCE_CONTINUE;
}

/* Runs GLib until the file was counted, and says so; whether that went well. */
static bool finish(struct counted *counted, const char *path)
{
    while (!eddy_task_done(counted->task)) {
        (void)g_main_context_iteration(NULL, TRUE);
    }
    eddy_detach(counted->task);
    if (counted->result < 0) {
        printf("%s: %s\n", path,
               counted->result == -ETIMEDOUT ? "given up" : eddy_strerror(counted->result));
    } else {
        printf("%s: %lld bytes\n", path, (long long)counted->result);
    }
    return counted->result >= 0;
}

/* Status of the program, or a negated errno. */
static int64_t count_all(eddy_loop *loop, char **paths, int files, int64_t limit)
{
    struct counted *counted = g_new0(struct counted, (gsize)files);
    struct on_glib glib = {0};
    int ticks = 0;
    guint timer = g_timeout_add(1, on_tick, &ticks);
    int64_t result = on_glib_init(&glib, loop, NULL, 5 * EDDY_MILLISECOND);

    for (int i = 0; i < files && result == 0; i++) {
        counted[i].result = -ENOMEM; /* if it cannot begin */
        counted[i].task = eddy_loop_spawn(loop, count_in_time, .glib = &glib, .path = paths[i],
                                          .limit = limit, .result = &counted[i].result);
    }
    for (int i = 0; i < files && result >= 0; i++) {
        result |= !finish(&counted[i], paths[i]);
    }
    fprintf(stderr, "meanwhile GLib's timer has ticked %d times\n", ticks);
    g_source_remove(timer);
    on_glib_fini(&glib);
    eddy_loop_free(loop);
    g_free(counted);
    return result;
}

int main(int argc, char **argv)
{
    int first = argc > 2 && strcmp(argv[1], "-t") == 0 ? 3 : 1;
    int milliseconds = first == 3 ? atoi(argv[2]) : INT_MAX;
    eddy_loop *loop;
    int64_t result;

    if (argc <= first || argv[first][0] == '-' || milliseconds <= 0) {
        fputs("usage: glib_count [-t MILLISECONDS] FILE...\n", stderr);
        return 2;
    }
    result = eddy_loop_new(&loop, NULL);
    if (result == 0) {
        result = count_all(loop, argv + first, argc - first, milliseconds * EDDY_MILLISECOND);
    }
    return result > 0 ? 1 : eddy_exit_status(result);
}
