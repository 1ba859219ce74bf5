/*
 * A worker: a thread that takes the oldest job of its queue, does it, and sends the loop a message.
 *
 * `idle` counts threads without a job, and those that are about to start, as eddy_worker_needed has
 * promised the jobs to them. A worker counts itself idle before it sends its message, or the next job,
 * which the message may bring, would start a thread that nobody needs.
 *
 * Workers wait for a semaphore and not for a condition: pthread_cond_signal may wait in its turn, for threads
 * that it has woken before and that have not come to a processor since (glibc before 2.41), and it is the loop's
 * thread that would stand still. sem_post never does, and comes behind the lock, so that who is woken
 * does not take that from the loop either. A post whose job was withdrawn wakes a worker for nothing.
 *
 * Nothing is allocated on a worker, and no lock is held while work runs. The record of a job is the
 * worker's from the queue to the message, and not a moment longer.
 */
#include "work/worker.h"

#include <sched.h>
#include <string.h>

/* The oldest job of the queue, waited for, and the signal mask for it; NULL: it is time to end. */
static eddy_job *next_job(struct eddy_workers *workers, sigset_t *mask)
{
    eddy_job *job = NULL;
    bool ending;

    do {
        while (sem_wait(&workers->posted) != 0) {} /* EINTR */
        pthread_mutex_lock(&workers->lock);
        ending = workers->ending;
        if (!ending && !eddy_list_empty(&workers->queue)) {
            job = eddy_job_of_queue(eddy_list_first(&workers->queue));
            eddy_list_remove(&job->queue);
            workers->queued--;
            workers->idle--;
            *mask = workers->mask;
        }
        pthread_mutex_unlock(&workers->lock);
    } while (job == NULL && !ending);
    return job;
}

/* `more` may be -1u: arithmetic of unsigned numbers. */
static void count_idle(struct eddy_workers *workers, unsigned more)
{
    pthread_mutex_lock(&workers->lock);
    workers->idle += more;
    pthread_mutex_unlock(&workers->lock);
}

/* A process that the work starts inherits the mask of its thread, and must be the same process as if
 * the loop's thread had started it: not one that no SIGTERM ends. So the user's work runs with the mask
 * of the loop's thread. That takes no signal from anybody: what the loop waits for is blocked there,
 * what is not ends the process in whatever thread it comes, or runs a handler, which may be any
 * thread's. A worker that waits has all blocked, so that it has nothing to do with signals that are
 * watched, and blocked, only later. */
static int64_t do_job(const struct eddy_workers *workers, eddy_job *job, const sigset_t *mask)
{
    const struct eddy_sys *sys = workers->loop->sys;
    const struct eddy_job_kind *kind = eddy_workers_kind(workers);
    bool masked = kind->foreign;
    sigset_t before;
    int64_t result;

    if (masked) {
        masked = sys->signal_mask(sys, SIG_SETMASK, mask, &before) == 0;
    }
    result = kind->work(job);
    if (masked) {
        (void)sys->signal_mask(sys, SIG_SETMASK, &before, NULL);
    }
    return result;
}

/* A worker that the loop's thread wakes does not take the processor from it at that moment, in the middle of a
 * game's frame perhaps (SCHED_BATCH, sched(7)); it has as much of it as before. Not where the user's work runs, which
 * starts processes that would inherit it; and if it is refused, all is as it was. */
static void give_way(void)
{
    struct sched_param parameter;
    int policy;

    if (pthread_getschedparam(pthread_self(), &policy, &parameter) == 0 && policy == SCHED_OTHER) {
        (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameter);
    }
}

static void *work(void *argument)
{
    struct eddy_workers *workers = argument;
    sigset_t mask;
    eddy_job *job;

    if (!eddy_workers_kind(workers)->foreign) {
        give_way();
    }
    while ((job = next_job(workers, &mask)) != NULL) {
        job->result = do_job(workers, job, &mask);
        count_idle(workers, 1); /* before the loop hears of it, and may have another job */
        /* From here on the job is the loop's, which may have freed it already. */
        eddy_loop_call_own(workers->loop, &job->done, workers->on_done);
    }
    return NULL;
}

/* ---- starting and ending threads */

/* Signals are for the threads of the program, but for those that a thread brings on itself:
 * blocked, they would kill the process without its crash handler. */
sigset_t eddy_worker_mask(void)
{
    static const int own[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        sigdelset(&set, own[i]);
    }
    return set;
}

static int create(const struct eddy_sys *sys, pthread_t *thread, struct eddy_workers *workers)
{
    return sys->thread_create != NULL ? sys->thread_create(sys, thread, work, workers)
                                      : -pthread_create(thread, NULL, work, workers);
}

/* A thread starts with the mask of the one that creates it. */
static int create_masked(const struct eddy_sys *sys, pthread_t *thread,
                         struct eddy_workers *workers)
{
    sigset_t mask = eddy_worker_mask();
    sigset_t before;
    int result = sys->signal_mask(sys, SIG_BLOCK, &mask, &before);

    if (result == 0) {
        result = create(sys, thread, workers);
        (void)sys->signal_mask(sys, SIG_SETMASK, &before, NULL);
    }
    return result;
}

static int add_worker(struct eddy_workers *workers)
{
    eddy_loop *loop = workers->loop;
    unsigned pool_class;
    struct worker *worker = eddy_pool_take(&loop->pool, sizeof *worker, &pool_class);
    int result;

    if (worker == NULL) {
        return -ENOMEM;
    }
    result = create_masked(loop->sys, &worker->thread, workers);
    if (result < 0) {
        eddy_pool_give(&loop->pool, worker, pool_class);
        return result;
    }
    memset(&worker->link, 0, sizeof worker->link);
    eddy_list_append(&workers->threads, &worker->link);
    workers->started++;
    return 0;
}

bool eddy_worker_needed(struct eddy_workers *workers)
{
    bool needs = workers->queued > workers->idle && workers->started < workers->limit;

    workers->idle += needs;
    return needs;
}

int eddy_worker_start(struct eddy_workers *workers)
{
    int result = add_worker(workers);

    if (result < 0) {
        count_idle(workers, -1u);
    }
    return result;
}

/* No thread may outlive the loop, to which it sends its messages. */
void eddy_workers_end_threads(struct eddy_workers *workers)
{
    struct eddy_link *link;

    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++) {
        (void)sem_post(&workers->posted);
    }
    while ((link = eddy_list_first(&workers->threads)) != NULL) {
        eddy_list_remove(link);
        pthread_join(((struct worker *)(void *)link)->thread, NULL);
    }
}
