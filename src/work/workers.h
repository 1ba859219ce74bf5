/* Threads that work beside a loop, and the jobs they do. No other module of the library knows of
 * threads; what links this one are offload, files and names (resolve), and with those connect_name
 * and server_name. */
#ifndef EDDY_SRC_WORKERS_H
#define EDDY_SRC_WORKERS_H

#include "eddy/offload.h"
#include "task/task_internal.h"

/* A kind of job: static and constant. Each kind of workers does one. */
struct eddy_job_kind {
    size_t size;      /* of its record, which begins with an eddy_job */
    unsigned workers; /* at most, unless eddy_workers_limit says otherwise */
    bool foreign;     /* the work is code of the user's, which may start processes */

    /* The work itself, on a worker's thread: its return is the job's result. */
    int64_t (*work)(eddy_job *job);

    /* The work has ended, and so has the job: returns what its task gets. Runs on the loop's
     * thread, once, also if the task is gone (job->task is NULL). NULL: the job's result. */
    int64_t (*finish)(eddy_job *job);
};

/* A piece of work that a task waits for; in a block of the loop's pool. The loop's thread owns it,
 * but for the time from its start to the message `done`, when a worker does its work. */
struct eddy_job {
    struct eddy_link queue;       /* linked until a worker takes it; under the workers' lock */
    struct eddy_link outstanding; /* linked from its start until its end is known to the loop */
    eddy_callback done;           /* the worker's message that the work has ended */
    struct eddy_workers *workers;
    struct eddy_task_record *task; /* who waits for it; NULL: nobody any more */
    int64_t result;                /* what the work returned; valid once `done` runs */
    int cancelled;                 /* atomic: it is asked to end */
    bool answered;                 /* in a child of fork(2): `done` was sent */
    unsigned pool_class;
};

/* A job of that kind for the task of `co`, cleared; NULL: no memory. */
eddy_job *eddy_job_new(eddy_coro *co, const struct eddy_job_kind *kind);

/* Gives the job to a worker, and starts one if all are busy and more are allowed. -EAGAIN and the
 * like of pthread_create(3) if there is none at all; then the job is freed. While its task waits
 * for it, the job holds the loop. */
int eddy_job_start(eddy_job *job);

/* Takes back and frees a job that no worker has begun; false if one has. */
bool eddy_job_withdraw(eddy_job *job);

/* Asks a job that a worker has begun to end. */
void eddy_job_tell(eddy_job *job);

/* Its task will not wait for it any longer: its end frees it. */
void eddy_job_abandon(eddy_job *job);

/* Sets how many workers of that kind there may be: see eddy_offload_workers. */
int eddy_workers_limit(eddy_loop *loop, const struct eddy_job_kind *kind, unsigned count);

/* The lock of a job's workers, for what a job shares with the loop while it runs. */
void eddy_job_lock(eddy_job *job);
void eddy_job_unlock(eddy_job *job);

#endif
