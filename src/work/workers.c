/*
 * Threads beside a loop, and the jobs they do. Where a job is, and whose:
 *
 *     queue   outstanding   done            what                                  leaves it by
 *     -       -             -               made, not started                     eddy_job_start
 *     in      in            -               no worker has begun                   a worker; withdraw
 *     -       in            -               a worker works: the record is its     its end: the message
 *     -       in            message, list   the end is known to nobody yet        on_done: freed
 *
 * `queue`, the counters and `ending` are under the lock; the rest is the loop's thread's, but for the
 * record of a job while a worker (worker.c) works.
 *
 * No thread outlives the loop, to which it sends its message. A thread that hangs is waited for, in
 * eddy_loop_free: the alternative is a thread that writes to memory which is gone.
 */
#include "work/worker.h"

#include <string.h>

enum { MOST_WORKERS = 1024 };

static eddy_job *of_outstanding(struct eddy_link *link)
{
    return (eddy_job *)(void *)((char *)link - offsetof(eddy_job, outstanding));
}

/* ---- the end of a job, on the loop's thread */

static void job_free(eddy_job *job)
{
    if (eddy_link_used(&job->outstanding)) {
        eddy_list_remove(&job->outstanding);
    }
    eddy_pool_give(&job->workers->loop->pool, job, job->pool_class);
}

static int64_t job_finish(eddy_job *job)
{
    const struct eddy_job_kind *kind = eddy_workers_kind(job->workers);

    return kind->finish != NULL ? kind->finish(job) : job->result;
}

static eddy_job *of_done(eddy_callback *callback)
{
    return (eddy_job *)(void *)((char *)callback - offsetof(eddy_job, done));
}

/* The worker's message has come: the record is the loop's again. */
static void on_done(eddy_callback *callback)
{
    eddy_job *job = of_done(callback);
    int64_t result = job_finish(job);

    if (job->task != NULL) {
        eddy_loop_release(job->workers->loop);
        eddy_wake(job->task, result);
    }
    job_free(job);
}

/* Jobs that are left here were abandoned, or their tasks cut off: nobody is woken. Their memory
 * goes with the pool, for their messages may still be linked in the loop's lists. */
static void close_workers(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_workers *workers = (struct eddy_workers *)(void *)attachment;
    struct eddy_link *head = &workers->outstanding;
    struct eddy_link *link;

    for (link = eddy_list_first(head); link != NULL && link != head; link = link->next) {
        eddy_job_tell(of_outstanding(link));
    }
    eddy_workers_end_threads(workers);
    while ((link = eddy_list_first(head)) != NULL) {
        eddy_job *job = of_outstanding(link);
        eddy_list_remove(link);
        job->task = NULL;
        if (!eddy_link_used(&job->queue)) {
            (void)job_finish(job);
        }
    }
    sem_destroy(&workers->posted);
    pthread_mutex_destroy(&workers->lock);
    eddy_pool_give(&loop->pool, workers, workers->pool_class);
}

/* ---- a child of fork(2), which has the jobs and none of the threads */

/* Those whose end was told before the fork, or is told already in the child. */
static void mark_answered(eddy_loop *loop)
{
    eddy_callback *newest = __atomic_load_n(&loop->messages, __ATOMIC_ACQUIRE);

    for (eddy_callback *message = newest; message != NULL; message = message->next) {
        if (message->function == on_done) {
            of_done(message)->answered = true;
        }
    }
}

/* A worker may have held the lock, half-way through the queue: neither is worth anything here. */
static int reset_workers(struct eddy_workers *workers)
{
    struct eddy_link *link;

    while ((link = eddy_list_first(&workers->threads)) != NULL) {
        eddy_list_remove(link);
        eddy_pool_give(&workers->loop->pool, link, eddy_pool_class_of(sizeof(struct worker)));
    }
    memset(&workers->queue, 0, sizeof workers->queue);
    workers->started = 0;
    workers->queued = 0;
    workers->idle = 0;
    return pthread_mutex_init(&workers->lock, NULL) == 0 && sem_init(&workers->posted, 0, 0) == 0
               ? 0
               : -ENOMEM;
}

static int part_workers(eddy_loop *loop, struct eddy_attachment *attachment)
{
    struct eddy_workers *workers = (struct eddy_workers *)(void *)attachment;
    struct eddy_link *head = &workers->outstanding;
    int result = reset_workers(workers);

    if (result < 0) {
        return result;
    }
    mark_answered(loop);
    for (struct eddy_link *link = eddy_list_first(head); link != NULL && link != head;
         link = link->next) {
        eddy_job *job = of_outstanding(link);
        if (!job->answered && !eddy_link_used(&job->done.ready.link)) {
            memset(&job->queue, 0, sizeof job->queue);
            job->result = -ECHILD;
            eddy_loop_call_own(loop, &job->done, on_done);
        }
    }
    return 0;
}

/* ---- the workers of a loop */

static struct eddy_workers *workers_new(eddy_loop *loop, const struct eddy_job_kind *kind)
{
    unsigned pool_class;
    struct eddy_workers *workers = eddy_pool_take(&loop->pool, sizeof *workers, &pool_class);

    if (workers == NULL) {
        return NULL;
    }
    memset(workers, 0, sizeof *workers);
    workers->attachment.key = kind;
    workers->attachment.close = close_workers;
    workers->attachment.after_fork = part_workers;
    workers->loop = loop;
    workers->limit = kind->workers;
    workers->on_done = on_done;
    workers->pool_class = pool_class;
    /* With default attributes neither can fail in glibc or musl; POSIX allows -ENOMEM. */
    if (pthread_mutex_init(&workers->lock, NULL) != 0) {
        eddy_pool_give(&loop->pool, workers, pool_class);
        return NULL;
    }
    if (sem_init(&workers->posted, 0, 0) != 0) {
        pthread_mutex_destroy(&workers->lock);
        eddy_pool_give(&loop->pool, workers, pool_class);
        return NULL;
    }
    eddy_list_append(&loop->attachments, &workers->attachment.link);
    return workers;
}

static struct eddy_workers *workers_of(eddy_loop *loop, const struct eddy_job_kind *kind)
{
    struct eddy_attachment *attachment = eddy_loop_attachment(loop, kind);

    return attachment != NULL ? (struct eddy_workers *)(void *)attachment : workers_new(loop, kind);
}

/* As many as there are jobs for, and room. */
static void start_workers(struct eddy_workers *workers)
{
    bool needs;

    do {
        pthread_mutex_lock(&workers->lock);
        needs = eddy_worker_needed(workers);
        pthread_mutex_unlock(&workers->lock);
    } while (needs && eddy_worker_start(workers) == 0); /* those that run take the jobs too */
}

int eddy_workers_limit(eddy_loop *loop, const struct eddy_job_kind *kind, unsigned count)
{
    struct eddy_workers *workers;

    if (count == 0 || count > MOST_WORKERS) {
        return -EINVAL;
    }
    workers = workers_of(loop, kind);
    if (workers == NULL) {
        return -ENOMEM;
    }
    if (count < workers->started) {
        return -EBUSY;
    }
    workers->limit = count;
    if (!eddy_loop_forked(loop)) { /* the jobs are the parent's, and so may be the lock */
        start_workers(workers);
    }
    return 0;
}

/* ---- jobs */

eddy_job *eddy_job_new(eddy_coro *co, const struct eddy_job_kind *kind)
{
    eddy_loop *loop = eddy_task_loop(co->task);
    struct eddy_workers *workers = workers_of(loop, kind);
    unsigned pool_class;
    eddy_job *job;

    if (workers == NULL) {
        return NULL;
    }
    job = eddy_pool_take(&loop->pool, kind->size, &pool_class);
    if (job != NULL) {
        memset(job, 0, kind->size);
        job->workers = workers;
        job->task = co->task;
        job->pool_class = pool_class;
    }
    return job;
}

/* Whether another thread is to be started, as eddy_worker_needed says. */
static bool enqueue(struct eddy_workers *workers, eddy_job *job)
{
    const struct eddy_sys *sys = workers->loop->sys;
    sigset_t mask = eddy_worker_mask(); /* if it cannot be asked for */
    bool start;

    if (eddy_workers_kind(workers)->foreign) {
        (void)sys->signal_mask(sys, SIG_BLOCK, NULL, &mask);
    }
    pthread_mutex_lock(&workers->lock);
    workers->mask = mask;
    eddy_list_append(&workers->queue, &job->queue);
    workers->queued++;
    start = eddy_worker_needed(workers);
    pthread_mutex_unlock(&workers->lock);
    (void)sem_post(&workers->posted); /* -EOVERFLOW: there are enough */
    return start;
}

/* Whether no worker had begun it. */
static bool dequeue(eddy_job *job)
{
    struct eddy_workers *workers = job->workers;
    bool queued;

    if (eddy_loop_forked(workers->loop)) { /* nobody would unlock the lock */
        return false;
    }
    pthread_mutex_lock(&workers->lock);
    queued = eddy_link_used(&job->queue);
    if (queued) {
        eddy_list_remove(&job->queue);
        workers->queued--;
        (void)sem_trywait(&workers->posted); /* its post, if no worker is on its way for it */
    }
    pthread_mutex_unlock(&workers->lock);
    return queued;
}

int eddy_job_start(eddy_job *job)
{
    struct eddy_workers *workers = job->workers;
    int result = enqueue(workers, job) ? eddy_worker_start(workers) : 0;

    if (result < 0 && workers->started == 0) { /* with fewer threads it only takes longer */
        (void)dequeue(job);
        job_free(job);
        return result;
    }
    eddy_list_append(&workers->outstanding, &job->outstanding);
    eddy_loop_hold(workers->loop);
    return 0;
}

/* Either the job is still in the queue, and then no worker will see it, or a worker has it: the lock
 * decides, and there is nothing in between. */
bool eddy_job_withdraw(eddy_job *job)
{
    if (!dequeue(job)) {
        return false;
    }
    eddy_loop_release(job->workers->loop);
    job_free(job);
    return true;
}

void eddy_job_tell(eddy_job *job)
{
    __atomic_store_n(&job->cancelled, 1, __ATOMIC_RELAXED);
}

void eddy_job_abandon(eddy_job *job)
{
    job->task = NULL;
    eddy_loop_release(job->workers->loop);
}

void eddy_job_lock(eddy_job *job)
{
    pthread_mutex_lock(&job->workers->lock);
}

void eddy_job_unlock(eddy_job *job)
{
    pthread_mutex_unlock(&job->workers->lock);
}
