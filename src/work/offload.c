/*
 * The user's work on a worker: one kind of jobs (workers.c), and the messages of its progress.
 *
 * Only the newest progress is of use. So a value is stored under the lock and a message sent
 * if none is under way; the loop then takes what is newest by then. A fast worker does not flood the
 * loop, and the last value always arrives, before the end of the work: both are messages of one thread.
 */
#include "eddy/offload.h"

#include "work/workers.h"

struct offload {
    eddy_job job; /* first */
    eddy_offload_fn *work;
    void *argument;
    eddy_progress *progress; /* NULL: nobody watches */
    eddy_callback told;      /* the message that there is a value */
    int64_t value;           /* the newest one; under the lock */
    bool telling;            /* the message is under way; under the lock */
};

/* On a worker. */
static int64_t work(eddy_job *job)
{
    const struct offload *offload = (const struct offload *)(const void *)job;

    return offload->work(job, offload->argument);
}

static const struct eddy_job_kind offload_jobs = {
    .size = sizeof(struct offload),
    .workers = 4,
    .foreign = true,
    .work = work,
};

/* ---- waiting */

static int abort_offload(struct eddy_task_record *task)
{
    eddy_job *job = task->in.object;

    if (eddy_job_withdraw(job)) {
        return 1;
    }
    eddy_job_tell(job);
    return 0;
}

static const struct eddy_wait_kind offload_kind = {.name = "offload", .abort = abort_offload};

int64_t eddy_offload_watched(eddy_coro *co, eddy_offload_fn *function, void *argument,
                             eddy_progress *progress)
{
    struct offload *job;
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    eddy_check_pointer(co, argument);
    eddy_check_pointer(co, progress);
    job = (struct offload *)(void *)eddy_job_new(co, &offload_jobs);
    if (job == NULL) {
        return -ENOMEM;
    }
    job->work = function;
    job->argument = argument;
    job->progress = progress;
    result = eddy_job_start(&job->job);
    return result < 0 ? result : eddy_park(co, &offload_kind, job, NULL);
}

int64_t eddy_offload(eddy_coro *co, eddy_offload_fn *function, void *argument)
{
    return eddy_offload_watched(co, function, argument, NULL);
}

int eddy_offload_workers(eddy_loop *loop, unsigned count)
{
    return eddy_workers_limit(loop, &offload_jobs, count);
}

/* ---- in the work */

bool eddy_offload_cancelled(const eddy_job *job)
{
    return __atomic_load_n(&job->cancelled, __ATOMIC_RELAXED) != 0;
}

/* The message of the job's end is sent behind this one, and so runs behind it. */
static void on_told(eddy_callback *callback)
{
    struct offload *offload =
        (struct offload *)(void *)((char *)callback - offsetof(struct offload, told));
    eddy_progress *progress = offload->progress;

    eddy_job_lock(&offload->job);
    progress->value = offload->value;
    offload->telling = false;
    eddy_job_unlock(&offload->job);
    if (progress->callback != NULL) {
        progress->callback(progress, progress->value);
    }
}

/* On a worker. */
void eddy_offload_progress(eddy_job *job, int64_t value)
{
    struct offload *offload = (struct offload *)(void *)job;
    bool tell;

    if (offload->progress == NULL) {
        return;
    }
    eddy_job_lock(job);
    offload->value = value;
    tell = !offload->telling;
    offload->telling = true;
    eddy_job_unlock(job);
    if (tell) {
        eddy_loop_call_own(eddy_task_loop(job->task), &offload->told, on_told);
    }
}
