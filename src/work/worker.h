/* The threads of a loop's workers, as workers.c has them started and ended. */
#ifndef EDDY_SRC_WORKER_H
#define EDDY_SRC_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "work/workers.h"

/* The workers of one kind of a loop; made when they are first needed, ended with the loop. */
struct eddy_workers {
    struct eddy_attachment attachment; /* its key is the kind of their jobs */
    eddy_loop *loop;
    struct eddy_link threads;     /* struct worker; the loop's thread alone touches it */
    struct eddy_link outstanding; /* all jobs whose end the loop does not know; likewise */
    unsigned limit;               /* on the number of threads; likewise */
    unsigned started;             /* likewise */
    unsigned pool_class;
    eddy_callback_fn *on_done; /* the message of a job's end; set once */

    /* At least as often as there are jobs in the queue, but for those that a worker is on its way to; once
     * for each thread when `ending` is set. */
    sem_t posted;
    pthread_mutex_t lock;   /* guards what follows */
    struct eddy_link queue; /* jobs that no worker has begun, oldest first */
    unsigned queued;
    unsigned idle; /* threads that have no job, those that are about to begin or to wait too */
    bool ending;
    sigset_t mask; /* the loop's thread's, when it last offloaded something */
};

struct worker {
    struct eddy_link link;
    pthread_t thread;
};

static inline eddy_job *eddy_job_of_queue(struct eddy_link *link)
{
    return (eddy_job *)(void *)link;
}

static inline const struct eddy_job_kind *eddy_workers_kind(const struct eddy_workers *workers)
{
    return workers->attachment.key;
}

/* The signals that are for other threads than a worker. */
sigset_t eddy_worker_mask(void);

/* Whether another thread is to be started, which counts as idle from here on; under the lock. */
bool eddy_worker_needed(struct eddy_workers *workers);

/* Starts the thread that eddy_worker_needed has counted. */
int eddy_worker_start(struct eddy_workers *workers);

/* Lets all threads end, and waits until they have. */
void eddy_workers_end_threads(struct eddy_workers *workers);

#endif
