/*
 * Queues of items of one size: first in first out, last in first out, or by priority.
 *
 *     FIFO        a ring: `count` items from `head` on
 *     LIFO        a stack: head is 0
 *     PRIORITY    a binary heap, head is 0; behind each item its sequence, so that equals keep their order
 *
 * Four functions know the kind: insert, extract, are_valid, and stride_of, for what a slot has beside the item.
 * What a put into a full queue does, which no kind changes so far, is said by put_now and eddy_queue_full.
 *
 *     the queue is    in `waiting` stand    because
 *     empty           getters, or nobody    a put hands its item to the first of them, and no slot is used
 *     between         nobody
 *     full            putters, or nobody    a get takes one out, and puts the first putter's item in
 *     shut            nobody                all were woken with -ESHUTDOWN
 *
 * So one line is enough for both. Items are handed over by the one who acts, straight to or from the
 * memory of the one who waits: he runs with the item, there is nothing to be taken from him before, and
 * a cancel that comes later finds the wait over. An item is never lost, and never in two places.
 */
#include "eddy/queue.h"

#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

/* ---- slots */

enum {
    FIRST_ROOM = 8, /* slots of a queue without a capacity, when it first needs any */
    SEQUENCE_SIZE = sizeof(uint64_t)
};

static size_t round_up(size_t size, size_t step)
{
    return (size + step - 1) / step * step;
}

/* The compiler makes single instructions of the sizes that it knows. */
static inline void copy(void *to, const void *from, size_t size)
{
    if (size == sizeof(void *)) {
        memcpy(to, from, sizeof(void *));
    } else if (size == sizeof(int)) {
        memcpy(to, from, sizeof(int));
    } else {
        memcpy(to, from, size);
    }
}

static inline char *slot(const eddy_queue *queue, size_t index)
{
    return queue->slots + index * queue->stride;
}

/* The slot that many after the first. */
static inline char *slot_after(const eddy_queue *queue, size_t distance)
{
    size_t to_end = queue->room - queue->head;

    return slot(queue, distance < to_end ? queue->head + distance : distance - to_end);
}

static void release_slots(eddy_queue *queue)
{
    if (queue->slots != NULL) {
        eddy_pool_give(&queue->loop->pool, queue->slots, queue->pool_class);
    }
    queue->slots = NULL;
    queue->room = 0;
    queue->head = 0;
}

/* Moves the items, which fill their slots, to a block with `room` of them, or more if it has. */
static int set_room(eddy_queue *queue, size_t room)
{
    struct eddy_pool *pool = &queue->loop->pool;
    size_t before_end = queue->room - queue->head; /* items there, the rest is at the beginning */
    unsigned pool_class;
    char *slots;

    if (room > (PTRDIFF_MAX / 2) / queue->stride) {
        return -ENOMEM;
    }
    slots = eddy_pool_take(pool, round_up(room * queue->stride, 16), &pool_class);
    if (slots == NULL) {
        return -ENOMEM;
    }
    if (queue->slots != NULL) {
        memcpy(slots, slot(queue, queue->head), before_end * queue->stride);
        memcpy(slots + before_end * queue->stride, queue->slots,
               (queue->count - before_end) * queue->stride);
    }
    release_slots(queue);
    queue->slots = slots;
    queue->pool_class = pool_class;
    queue->room = queue->capacity != 0 ? queue->capacity
                                       : eddy_pool_block_size(slots, pool_class) / queue->stride;
    return 0;
}

static int grow(eddy_queue *queue)
{
    return set_room(queue, queue->room == 0 ? FIRST_ROOM : queue->room * 2);
}

/* ---- priority: a binary heap, whose equal items are told apart by their sequence */

static uint64_t *sequence_of(const eddy_queue *queue, char *item)
{
    return (uint64_t *)(void *)(item + queue->stride - SEQUENCE_SIZE);
}

static bool comes_before(const eddy_queue *queue, char *a, char *b)
{
    int order = queue->compare(a, b);

    return order < 0 || (order == 0 && *sequence_of(queue, a) < *sequence_of(queue, b));
}

/* The new item is the last of its equals, so it passes only greater ones. */
static void heap_insert(eddy_queue *queue, const void *item)
{
    size_t hole = queue->count;

    while (hole > 0 && queue->compare(item, slot(queue, (hole - 1) / 2)) < 0) {
        memcpy(slot(queue, hole), slot(queue, (hole - 1) / 2), queue->stride);
        hole = (hole - 1) / 2;
    }
    memcpy(slot(queue, hole), item, queue->item_size);
    *sequence_of(queue, slot(queue, hole)) = queue->sequence++;
}

/* Takes the first out of the heap, which has `last` items left: the one behind them fills the
 * hole. */
static void heap_extract(eddy_queue *queue, void *item, size_t last)
{
    size_t hole = 0;

    memcpy(item, slot(queue, 0), queue->item_size);
    for (size_t child = 1; child < last; child = 2 * hole + 1) {
        if (child + 1 < last && comes_before(queue, slot(queue, child + 1), slot(queue, child))) {
            child++;
        }
        if (!comes_before(queue, slot(queue, child), slot(queue, last))) {
            break;
        }
        memcpy(slot(queue, hole), slot(queue, child), queue->stride);
        hole = child;
    }
    if (hole != last) {
        memcpy(slot(queue, hole), slot(queue, last), queue->stride);
    }
}

/* ---- items in and out */

/* There is a slot for it. */
static void insert(eddy_queue *queue, const void *item)
{
    if (queue->kind == EDDY_QUEUE_PRIORITY) {
        heap_insert(queue, item);
    } else {
        copy(slot_after(queue, queue->count), item, queue->item_size);
    }
    queue->count++;
}

/* There is an item. */
static void extract(eddy_queue *queue, void *item)
{
    queue->count--;
    switch (
        (enum eddy_queue_kind)queue->kind) { /* no default: a kind that is forgotten is a warning */
    case EDDY_QUEUE_FIFO:
        copy(item, slot(queue, queue->head), queue->item_size);
        queue->head = queue->head + 1 < queue->room ? queue->head + 1 : 0;
        break;
    case EDDY_QUEUE_LIFO:
        copy(item, slot(queue, queue->count), queue->item_size);
        break;
    case EDDY_QUEUE_PRIORITY:
        heap_extract(queue, item, queue->count);
        break;
    }
}

/* Puts without waiting: to the first getter (the queue is empty then), or into a slot. What a queue is
 * to be joined for counts from here, also what a getter has had at once. */
static inline int64_t put_now(eddy_queue *queue, const void *item)
{
    struct eddy_task_record *getter;

    if (queue->shut) {
        return -ESHUTDOWN;
    }
    if (queue->count == 0 && (getter = eddy_waiters_first(&queue->waiting)) != NULL) {
        copy(getter->with.value, item, queue->item_size);
        eddy_wake(getter, 0);
    } else if (eddy_queue_full(queue)) {
        return -EAGAIN;
    } else if (queue->count == queue->room && grow(queue) < 0) {
        return -ENOMEM;
    } else {
        insert(queue, item);
    }
    queue->unfinished++;
    return 0;
}

/* Gets without waiting. A slot is given up and taken by the first putter in one go, so that no newcomer
 * finds room while somebody waits for it. It counts as put from here on. */
static inline int64_t get_now(eddy_queue *queue, void *item)
{
    struct eddy_task_record *putter;

    if (queue->count == 0) {
        return queue->shut ? -ESHUTDOWN : -EAGAIN;
    }
    extract(queue, item);
    putter = eddy_waiters_first(&queue->waiting);
    if (putter != NULL) { /* the room that there is now is its */
        insert(queue, putter->with.value);
        queue->unfinished++;
        eddy_wake(putter, 0);
    }
    return 0;
}

/* ---- the operations: try, and where that says -EAGAIN stand in line with the address of the item */

static void describe(const eddy_queue *queue, const char *to_do, char *text, size_t size)
{
    if (queue->capacity != 0) {
        snprintf(text, size, "%zu of %zu items, %s", queue->count, queue->capacity, to_do);
    } else {
        snprintf(text, size, "%zu items, %s", queue->count, to_do);
    }
}

static void describe_put(const struct eddy_task_record *task, char *text, size_t size)
{
    describe(task->in.object, "to put", text, size);
}

static void describe_get(const struct eddy_task_record *task, char *text, size_t size)
{
    describe(task->in.object, "to get", text, size);
}

static void describe_join(const struct eddy_task_record *task, char *text, size_t size)
{
    const eddy_queue *queue = task->in.object;

    snprintf(text, size, "%llu items not done, to join", (unsigned long long)queue->unfinished);
}

static const struct eddy_wait_kind put_kind = {.name = "queue", .describe = describe_put};
static const struct eddy_wait_kind get_kind = {.name = "queue", .describe = describe_get};
static const struct eddy_wait_kind join_kind = {.name = "queue", .describe = describe_join};

static inline int64_t wait(eddy_coro *co, const struct eddy_wait_kind *kind, eddy_queue *queue,
                           void *item)
{
    eddy_check_pointer_inline(co, item);
    co->task->with.value = item;
    eddy_list_append(&queue->waiting.tasks, &co->task->timed.ready.link);
    return eddy_park_inline(co, kind, queue);
}

int64_t eddy_queue_put_(eddy_coro *co, eddy_queue *queue, const void *item)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = put_now(queue, item);
    return result != -EAGAIN ? eddy_complete(co, result)
                             : wait(co, &put_kind, queue, (void *)(uintptr_t)item);
}

int64_t eddy_queue_get_(eddy_coro *co, eddy_queue *queue, void *item)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    result = get_now(queue, item);
    return result != -EAGAIN ? eddy_complete(co, result) : wait(co, &get_kind, queue, item);
}

static inline void check_thread(const eddy_queue *queue, const char *what)
{
    if (queue->loop != NULL) { /* it was not ended */
        eddy_loop_here(queue->loop, what);
    }
}

int64_t eddy_queue_try_put_(eddy_queue *queue, const void *item)
{
    check_thread(queue, "eddy_queue_try_put");
    return put_now(queue, item);
}

int64_t eddy_queue_try_get_(eddy_queue *queue, void *item)
{
    check_thread(queue, "eddy_queue_try_get");
    return get_now(queue, item);
}

int eddy_queue_task_done(eddy_queue *queue)
{
    if (queue->unfinished == 0) {
        return -EINVAL;
    }
    if (--queue->unfinished == 0) {
        eddy_wake_all(&queue->joining, 0);
    }
    return 0;
}

int64_t eddy_queue_join(eddy_coro *co, eddy_queue *queue)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    if (queue->loop == NULL) {
        return eddy_complete(co, -ESHUTDOWN);
    }
    if (queue->unfinished == 0) {
        return eddy_complete(co, 0);
    }
    return eddy_park(co, &join_kind, queue, &queue->joining);
}

void eddy_queue_shutdown(eddy_queue *queue, enum eddy_queue_shutdown mode)
{
    queue->shut = true;
    if (mode == EDDY_QUEUE_DROP) {
        queue->unfinished -= queue->count < queue->unfinished ? queue->count : queue->unfinished;
        queue->count = 0;
    }
    eddy_wake_all(&queue->waiting, -ESHUTDOWN);
    if (queue->unfinished == 0) {
        eddy_wake_all(&queue->joining, 0);
    }
}

/* ---- its life: initialized by a task it is guarded by that, and in any case ended with the loop, for
 * its slots are the loop's memory */

static void told_of_end(struct eddy_loop_end *end, eddy_loop *loop)
{
    (void)loop;
    eddy_queue_fini((eddy_queue *)(void *)((char *)end - offsetof(struct eddy_queue, end)));
}

/* In a heap the sequence stands behind the item; the items stay aligned. */
static size_t stride_of(const struct eddy_queue_options *options)
{
    if (options->kind != EDDY_QUEUE_PRIORITY) {
        return options->item_size;
    }
    return round_up(options->item_size + SEQUENCE_SIZE, options->item_size % 16 == 0 ? 16 : 8);
}

static int attach(eddy_queue *queue)
{
    struct eddy_task_record *task = queue->loop->current;

    if (task != NULL && eddy_guard_add(task, &queue->guard) < 0) {
        return -ENOMEM;
    }
    eddy_loop_end_follow(queue->loop, &queue->end, told_of_end);
    return 0;
}

/* The options fit each other. */
static bool are_valid(const struct eddy_queue_options *options)
{
    return options->item_size > 0 && options->kind <= EDDY_QUEUE_PRIORITY /* the last kind */ &&
           (options->kind == EDDY_QUEUE_PRIORITY) == (options->compare != NULL);
}

int eddy_queue_init_(eddy_loop *loop, eddy_queue *queue, struct eddy_queue_options options)
{
    if (queue->loop != NULL || !are_valid(&options)) {
        return -EINVAL;
    }
    memset(queue, 0, sizeof *queue);
    queue->loop = loop;
    queue->item_size = options.item_size;
    queue->stride = stride_of(&options);
    queue->capacity = options.capacity;
    queue->compare = options.compare;
    queue->kind = (uint8_t)options.kind;
    if ((queue->capacity != 0 && set_room(queue, queue->capacity) < 0) || attach(queue) < 0) {
        release_slots(queue);
        queue->loop = NULL;
        queue->shut = true; /* as after its fini */
        return -ENOMEM;
    }
    return 0;
}

void eddy_queue_fini(eddy_queue *queue)
{
    if (queue->loop == NULL) {
        return;
    }
    eddy_queue_shutdown(queue, EDDY_QUEUE_DROP);
    queue->unfinished = 0;
    eddy_wake_all(&queue->joining, -ESHUTDOWN);
    release_slots(queue);
    eddy_loop_end_leave(&queue->end);
    if (eddy_link_used(&queue->guard)) {
        eddy_list_remove(&queue->guard);
    }
    queue->loop = NULL;
}
