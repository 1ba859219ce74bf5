/*
 * Queues: items of one type, handed from task to task.
 *
 *     eddy_queue_init(eddy_loop_of(co), &self->jobs, struct job, .capacity = 8);
 *
 *     eddy_await(eddy_queue_put(co, &self->jobs, &self->job));     // waits while it is full
 *     eddy_await(eddy_queue_get(co, &self->jobs, &self->job));     // waits while it is empty
 *
 * Items are copied in and out as bytes; the queue never looks into them. An item that is put while
 * tasks wait for one goes straight to the task that has waited longest; while tasks wait to put,
 * each item that is taken lets the next one's in. So nobody barges in, and no item is lost to a
 * cancel or a time-out: one that was handed to a task is its result, one that was not taken is
 * still its putter's.
 *
 * The caller owns the struct, zeroed before eddy_queue_init; from then on until eddy_queue_fini it
 * must stay where it is. A coroutine must not end with such a queue in its frame: fini it in
 * eddy_finally. Its loop's end finis it too. A queue belongs to its loop's thread; what has no `co`
 * may also be called outside of tasks and of the loop.
 *
 * As asyncio's Queue, LifoQueue and PriorityQueue, with join, task_done and shutdown (of Python
 * 3.13).
 */
#ifndef EDDY_QUEUE_H
#define EDDY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "eddy/task.h"
#include "eddy/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In which order items come out. */
enum eddy_queue_kind {
    EDDY_QUEUE_FIFO,    /* first in, first out */
    EDDY_QUEUE_LIFO,    /* last in, first out */
    EDDY_QUEUE_PRIORITY /* the least first, by `compare`; equal ones first in, first out */
};

/* Compares two items, as qsort(3) does: negative if `a` is to come out before `b`, 0 if they are
 * equal. It must not call into the queue. */
typedef int eddy_queue_compare_fn(const void *a, const void *b);

/* Zeroed options are the defaults. */
struct eddy_queue_options {
    size_t item_size;               /* private: of the type that eddy_queue_init names */
    size_t capacity;                /* how many items it holds at most; 0: as many as memory does */
    enum eddy_queue_kind kind;      /* EDDY_QUEUE_FIFO by default */
    eddy_queue_compare_fn *compare; /* of EDDY_QUEUE_PRIORITY, else NULL */
};

/* How a queue is shut down. */
enum eddy_queue_shutdown {
    EDDY_QUEUE_DRAIN, /* what is in it can still be taken */
    EDDY_QUEUE_DROP   /* what is in it is dropped */
};

/* All of it is private. */
typedef struct eddy_queue {
    /* While it is empty those who wait to get, while it is full those who wait to put: never both.
     * Their tasks' `with` says where the item goes or is. */
    struct eddy_waiters waiting;
    char *slots;      /* a ring (FIFO), a stack or a heap of items; NULL: none yet */
    size_t count;     /* of items in it */
    size_t head;      /* the index of the first one: not 0 in a ring only */
    size_t room;      /* of slots; `capacity` if that is set */
    size_t stride;    /* from one slot to the next; in a heap the item's sequence is at its end */
    size_t capacity;  /* 0: none */
    size_t item_size; /* 0: never initialized */
    uint64_t unfinished; /* items put for which nobody has called eddy_queue_task_done */
    uint64_t sequence;   /* of the next item in a heap */
    eddy_queue_compare_fn *compare;
    eddy_loop *loop; /* NULL: not initialized */
    struct eddy_waiters joining;
    struct eddy_loop_end end; /* followed while it is initialized */
    struct eddy_link guard;   /* in the list of the task that has initialized it */
    unsigned pool_class;      /* of the slots */
    uint8_t kind;             /* enum eddy_queue_kind */
    bool shut;                /* takes no more items */
} eddy_queue;

/*
 * eddy_queue_init(loop, queue, type, .capacity = 8, .kind = EDDY_QUEUE_LIFO): makes an empty
 * queue of items of that type, which is aligned to EDDY_FRAME_ALIGNMENT at most; the options by name,
 * in the order of struct eddy_queue_options. With a capacity its memory is taken here and nothing
 * allocates later; without, it grows with its items, and keeps the memory.
 * eddy_queue_init(loop, queue, type, .kind = EDDY_QUEUE_PRIORITY, .compare = by_urgency): likewise.
 *
 * 0; -EINVAL: it is initialized already, or kind and compare do not fit; -ENOMEM.
 */
#define eddy_queue_init(loop, queue, ...) EDDY_QUEUE_INIT_(loop, queue, __VA_ARGS__, )

/* Ends the queue and gives its memory back: what is in it is dropped, and who waits for it gets
 * -ESHUTDOWN, as who uses it afterwards. Nothing if it is not initialized. It may be initialized
 * again. */
EDDY_API void eddy_queue_fini(eddy_queue *queue);

/*
 * eddy_queue_put(co, queue, item): puts a copy of *item, waiting while the queue is full.
 * Returns 0; -ESHUTDOWN: it is shut down; -ENOMEM: it cannot grow; -ECANCELED. After an error the
 * item was not taken. `item` must stay until then: not on the C stack.
 *
 * eddy_queue_get(co, queue, item): takes the next item into *item, waiting while there is none.
 * Returns 0; -ESHUTDOWN: it is shut down, and empty; -ECANCELED: nothing was taken. Likewise.
 *
 * eddy_queue_try_put(queue, item), eddy_queue_try_get(queue, item): never wait: -EAGAIN if the
 * queue is full, or empty. `item` may be anywhere.
 *
 * All four abort, naming function, file and line, if `item` points to something of another size
 * than the queue's items.
 */
#define eddy_queue_put(co, queue, item) \
    eddy_queue_put_(co, EDDY_QUEUE_OF_(queue, sizeof *(item)), item)
#define eddy_queue_get(co, queue, item) \
    eddy_queue_get_(co, EDDY_QUEUE_OF_(queue, sizeof *(item)), item)
#define eddy_queue_try_put(queue, item) \
    eddy_queue_try_put_(EDDY_QUEUE_OF_(queue, sizeof *(item)), item)
#define eddy_queue_try_get(queue, item) \
    eddy_queue_try_get_(EDDY_QUEUE_OF_(queue, sizeof *(item)), item)

/* Says that the work on one item that was taken is done, which eddy_queue_join waits for. 0;
 * -EINVAL: it was called more often than items were put. */
EDDY_API int eddy_queue_task_done(eddy_queue *queue);

/* Waits until eddy_queue_task_done was called for every item that was put, but for those that
 * eddy_queue_shutdown has dropped. Returns 0; -ESHUTDOWN: the queue is not initialized any more;
 * -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_queue_join(eddy_coro *co, eddy_queue *queue);

/*
 * The queue takes no more items: puts, also those that wait, get -ESHUTDOWN. EDDY_QUEUE_DRAIN:
 * what is in it can still be taken; when it is empty, gets get -ESHUTDOWN. EDDY_QUEUE_DROP: what
 * is in it is dropped and counts as done; gets get -ESHUTDOWN at once. A join goes on until what
 * was taken is done. A queue that drains may still be dropped. Items that own something: drain,
 * and take them with eddy_queue_try_get.
 */
EDDY_API void eddy_queue_shutdown(eddy_queue *queue, enum eddy_queue_shutdown mode);

/* The number of items in it; those that tasks wait to put do not count. */
static inline size_t eddy_queue_count(const eddy_queue *queue)
{
    return queue->count;
}

static inline bool eddy_queue_empty(const eddy_queue *queue)
{
    return queue->count == 0;
}

/* Whether a put would have to wait, as every put decides: never without a capacity. */
static inline bool eddy_queue_full(const eddy_queue *queue)
{
    return queue->capacity != 0 && queue->count == queue->capacity;
}

#ifdef __cplusplus
}
#endif

#include "eddy/impl/queue.h"

#endif
