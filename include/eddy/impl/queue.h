/*
 * What the macros of queue.h are made of. Part of queue.h, which includes it.
 */
#ifndef EDDY_IMPL_QUEUE_H
#define EDDY_IMPL_QUEUE_H

#include "eddy/queue.h"

#ifdef __cplusplus
extern "C" {
#endif

EDDY_API int eddy_queue_init_(eddy_loop *loop, eddy_queue *queue,
                              struct eddy_queue_options options);
EDDY_API EDDY_MUST_USE int64_t eddy_queue_put_(eddy_coro *co, eddy_queue *queue, const void *item);
EDDY_API EDDY_MUST_USE int64_t eddy_queue_get_(eddy_coro *co, eddy_queue *queue, void *item);
EDDY_API int64_t eddy_queue_try_put_(eddy_queue *queue, const void *item);
EDDY_API int64_t eddy_queue_try_get_(eddy_queue *queue, void *item);

static inline eddy_queue *eddy_queue_of_(eddy_queue *queue, size_t item_size, const char *function,
                                         const char *file, int line)
{
    if (queue->item_size != item_size) {
        eddy_misuse_(function, file, line,
                     queue->item_size == 0 ? "the queue is not initialized"
                                           : "the item is not of the size of the queue's items");
    }
    return queue;
}

#ifdef __cplusplus
}
#endif

#define EDDY_QUEUE_INIT_(loop, queue, type, ...) \
    eddy_queue_init_(loop, queue, EDDY_QUEUE_OPTIONS_(type, __VA_ARGS__))

#define EDDY_QUEUE_OF_(queue, item_size) \
    eddy_queue_of_(queue, item_size, __func__, __FILE__, __LINE__)

#define EDDY_ITEM_IS_ALIGNED_(type)                                    \
    EDDY_STATIC_ASSERT_(EDDY_ALIGNMENT_(type) <= EDDY_FRAME_ALIGNMENT, \
                        "an item is aligned to more than EDDY_FRAME_ALIGNMENT")

/* The last argument is always empty. */
#ifdef __cplusplus
/* clang-format off */
#define EDDY_QUEUE_OPTIONS_(type, ...)                                           \
    ([&]() -> struct eddy_queue_options {                                        \
        EDDY_ITEM_IS_ALIGNED_(type);                                             \
        _Pragma("GCC diagnostic push")                                           \
        _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"")       \
        return (struct eddy_queue_options){.item_size = sizeof(type), __VA_ARGS__}; \
        _Pragma("GCC diagnostic pop")                                            \
    }())
/* clang-format on */
#else
#define EDDY_QUEUE_OPTIONS_(type, ...) \
    ((struct eddy_queue_options){.item_size = EDDY_ITEM_SIZE_(type), __VA_ARGS__})
#define EDDY_ITEM_SIZE_(type)                        \
    (sizeof(type) + 0 * sizeof(struct {              \
                        char c;                      \
                        EDDY_ITEM_IS_ALIGNED_(type); \
                    }))
#endif

#endif
