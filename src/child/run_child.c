/*
 * A command from its begin to its end: input in, output out, and the status.
 *
 * Three tasks move bytes at once, one a pipe. If one fails (a limit, no memory), gather cancels the others,
 * and the child is stopped. The child is waited for last: it may close its pipes long before it
 * ends, and its pipes may be others' long after.
 *
 * The child is spawned by the operation itself, while the options are there; so what the tasks share does
 * not lie in the frame, which is only begun then, but in a block of the pool.
 */
#include <string.h>

#include "child/child_internal.h"
#include "eddy/gather.h"
#include "eddy/task.h"

enum { FIRST_ROOM = 4096, MOST_TASKS = 3 };

struct run {
    eddy_process process;
    const char *input;
    size_t size;
    struct eddy_output *output;
    struct eddy_output *error; /* NULL too if it is the same as `output` */
    unsigned pool_class;
};

/* ---- output */

void eddy_output_free(eddy_loop *loop, struct eddy_output *output)
{
    if (output->bytes != NULL) {
        eddy_pool_resize(&loop->pool, output->bytes, output->room, 0);
    }
    output->bytes = NULL;
    output->size = 0;
    output->room = 0;
}

/* Room for the '\0', and for a byte beyond the limit, which shows that there is more. */
static int grow(eddy_loop *loop, struct eddy_output *output)
{
    size_t most = output->limit < SIZE_MAX - 2 ? output->limit + 2 : SIZE_MAX;
    size_t wanted = output->room <= SIZE_MAX / 2 ? output->room * 2 : SIZE_MAX;
    char *bytes;

    if (output->room - output->size > 1) {
        return 0;
    }
    wanted = wanted < FIRST_ROOM ? FIRST_ROOM : wanted;
    wanted = wanted < most ? wanted : most;
    bytes = eddy_pool_resize(&loop->pool, output->bytes, output->room, wanted);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    output->bytes = bytes;
    output->room = wanted;
    return 0;
}

eddy_frame(collect) {
    eddy_coro co;
    eddy_stream *stream;
    struct eddy_output *output;
    size_t count;
};

static void collect(eddy_coro *co)
{
    struct eddy_output *output;

    eddy_begin(collect);
    do {
        output = self->output;
        if (grow(eddy_loop_of(co), output) < 0) {
            eddy_return(-ENOMEM);
        }
        eddy_await(self->count,
                   eddy_read(co, self->stream, self->output->bytes + self->output->size,
                             self->output->room - self->output->size - 1));
        output = self->output;
        output->size += self->count;
        if (output->size > output->limit) {
            output->size = output->limit;
            output->bytes[output->size] = '\0';
            eddy_return(-EFBIG);
        }
        output->bytes[output->size] = '\0';
    } while (self->count > 0);
    eddy_stream_close(self->stream);
    eddy_end;
}

/* ---- input */

eddy_frame(feed) {
    eddy_coro co;
    struct run *run;
    int64_t rc;
};

/* A command may end, or close its input, before it has read all. */
static void feed(eddy_coro *co)
{
    eddy_begin(feed);
    eddy_catch(self->rc,
               eddy_write(co, &self->run->process.input, self->run->input, self->run->size));
    eddy_stream_close(&self->run->process.input);
    eddy_return(self->rc == -EPIPE ? 0 : self->rc);
    eddy_end;
}

/* ---- the whole */

eddy_frame(run_child) {
    eddy_coro co;
    struct run *run;
    eddy_task tasks[MOST_TASKS];
    size_t count;
    int64_t grace;
    int64_t status;
};

static void begin_tasks(eddy_coro *co)
{
    struct run_child *self = (struct run_child *)(void *)co;
    struct run *run = self->run;

    if (run->input != NULL) {
        self->tasks[self->count++] = eddy_spawn(co, feed, .run = run);
    }
    if (run->output != NULL) {
        self->tasks[self->count++] =
            eddy_spawn(co, collect, .stream = &run->process.output, .output = run->output);
    }
    if (run->error != NULL) {
        self->tasks[self->count++] =
            eddy_spawn(co, collect, .stream = &run->process.error, .output = run->error);
    }
}

static void free_run(eddy_loop *loop, struct run *run)
{
    eddy_process_close(&run->process);
    eddy_pool_give(&loop->pool, run, run->pool_class);
}

static void run_child(eddy_coro *co)
{
    eddy_begin(run_child);
    begin_tasks(co);
    eddy_await(eddy_gather(co, self->tasks, self->count));
    eddy_await(self->status, eddy_process_wait(co, &self->run->process));
    eddy_return(self->status);
eddy_finally:
    if (eddy_process_pid(&self->run->process) > 0) {
        eddy_catch(self->status, eddy_process_stop(co, &self->run->process, self->grace));
    }
    free_run(eddy_loop_of(co), self->run);
    eddy_end;
}

static bool is_valid(const struct eddy_output *output)
{
    return output == NULL || (output->bytes == NULL && output->limit > 0);
}

static struct run *new_run(eddy_loop *loop)
{
    unsigned pool_class;
    struct run *run = eddy_pool_take(&loop->pool, sizeof *run, &pool_class);

    if (run != NULL) {
        memset(run, 0, sizeof *run);
        run->pool_class = pool_class;
    }
    return run;
}

static struct eddy_process_options with_pipes(const struct eddy_process_options *options,
                                              const struct run *run, bool same)
{
    struct eddy_process_options piped = *options;

    if (run->input != NULL) {
        piped.input.kind = EDDY_STDIO_PIPE;
    }
    if (run->output != NULL) {
        piped.output.kind = EDDY_STDIO_PIPE;
    }
    if (run->error != NULL) {
        piped.error.kind = EDDY_STDIO_PIPE;
    } else if (same) {
        piped.error.kind = EDDY_STDIO_OUTPUT;
    }
    return piped;
}

int64_t eddy_process_run(eddy_coro *co, const struct eddy_process_options *options,
                         const void *input, size_t size, struct eddy_output *output,
                         struct eddy_output *error)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    bool same = error != NULL && error == output;
    struct eddy_process_options piped;
    struct run *run;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (!is_valid(output) || !is_valid(error)) {
        return eddy_complete(co, -EINVAL);
    }
    run = new_run(loop);
    if (run == NULL) {
        return eddy_complete(co, -ENOMEM);
    }
    run->input = input;
    run->size = size;
    run->output = output;
    run->error = same ? NULL : error;
    piped = with_pipes(options, run, same);
    result = eddy_child_spawn(co, &run->process, &piped);
    if (result == 0) {
        result = eddy_call(co, run_child, .run = run, .grace = run->process.child->grace);
    }
    if (!eddy_process_is_open(&run->process) || (result < 0 && result != EDDY_PENDING)) {
        free_run(loop, run); /* it has failed, and says so */
    }
    return result;
}
