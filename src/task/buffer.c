/*
 * Buffers of the loop's memory: blocks of its pool with their class beside them.
 *
 * Nobody keeps track of those that are taken. A scope gives its buffer back by whatever way it is left,
 * and a buffer that is forgotten is memory that is not used, which goes with the loop: nothing is
 * written to it, so that a list of them would guard against nothing.
 */
#include "eddy/buffer.h"

#include "task/task_internal.h"

enum { ALIGNMENT = 16 };

int eddy_buffer_take(eddy_loop *loop, eddy_buffer *buffer, size_t size)
{
    unsigned pool_class;
    char *data;

    eddy_loop_here(loop, __func__);
    buffer->data = NULL;
    if (size == 0) {
        return -EINVAL;
    }
    if (size > SIZE_MAX - ALIGNMENT) {
        return -ENOMEM;
    }
    data = eddy_pool_take(&loop->pool, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, &pool_class);
    if (data == NULL) {
        return -ENOMEM;
    }
    buffer->data = data;
    buffer->size = size;
    buffer->loop = loop;
    buffer->pool_class = pool_class;
    return 0;
}

void eddy_buffer_give(eddy_buffer *buffer)
{
    if (buffer->data != NULL) {
        eddy_loop_here(buffer->loop, __func__);
        eddy_pool_give(&buffer->loop->pool, buffer->data, buffer->pool_class);
        buffer->data = NULL;
    }
}

int64_t eddy_buffer_leave_(eddy_coro *co, struct eddy_scope *scope)
{
    (void)co;
    eddy_buffer_give(scope->object);
    return 0;
}
