/*
 * Buffers, from the loop's memory, for as long as they are needed.
 *
 * A buffer that is a field of a frame is zeroed at each call, and stays as long as the frame: 16 KiB for a
 * client who is silent all night. One that is taken when there is something to read, and given back before
 * the next wait, costs an idle client nothing:
 *
 *     while (true) {
 *         eddy_await(eddy_readable(co, &self->stream));
 *         eddy_with_buffer(&self->buffer, 16384) {
 *             eddy_await(self->count, eddy_try_read(&self->stream, self->buffer.data, self->buffer.size));
 *             ...
 *         }
 *     }
 *
 * What is given back serves the next; of what nobody needs, a mebibyte is kept, and the rest goes back to the
 * allocator at once.
 */
#ifndef EDDY_BUFFER_H
#define EDDY_BUFFER_H

#include <stddef.h>

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The caller owns the struct; its memory is the loop's. */
typedef struct eddy_buffer {
    char *data;          /* not cleared; aligned to 16; NULL: none is taken */
    size_t size;         /* as it was asked for */
    eddy_loop *loop;     /* private, like the next: whose memory it is */
    unsigned pool_class; /* of that memory */
} eddy_buffer;

/* Takes a buffer of `size` bytes (> 0). Never suspends, needs no task. 0; -EINVAL: size 0; -ENOMEM. One that is
 * not given back is lost until the loop is freed, and its memory goes with that. */
EDDY_API int eddy_buffer_take(eddy_loop *loop, eddy_buffer *buffer, size_t size);

/* Gives it back. Nothing if none is taken: a zeroed struct, or a second time. */
EDDY_API void eddy_buffer_give(eddy_buffer *buffer);

/*
 * eddy_with_buffer(&buffer, size) { ... }: takes a buffer, runs the block, and gives it back however the block
 * is left, by an error, a cancel or the end of the loop too. If there is no memory, -ENOMEM goes on and the
 * block does not run. An operation that still uses the buffer ends with the block, as an await does.
 */
#define eddy_with_buffer(buffer, size)            \
    EDDY_WITH_OBJECT_(buffer, eddy_buffer_leave_, \
                      eddy_buffer_take(eddy_loop_of(co), (eddy_buffer *)co->scope->object, size))
EDDY_API EDDY_MUST_USE int64_t eddy_buffer_leave_(eddy_coro *co, struct eddy_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
