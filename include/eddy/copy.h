/*
 * Copying a stream to another: what a proxy, a tunnel or an echo server does all day.
 *
 *     eddy_await(eddy_copy(co, &self->client, &self->upstream, &self->bytes));
 *
 * costs less than reading and writing in a coroutine: as long as both sides keep up, the bytes go
 * from one fd to the other when the loop hears of them, and the task sleeps on. A copy that waits
 * for its source holds no buffer; the buffer of 64 KiB through which bytes go is one for the whole
 * loop.
 */
#ifndef EDDY_COPY_H
#define EDDY_COPY_H

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Copies what `from` brings to `to` (which may be the same stream: an echo), until the end of the
 * file; `to` is left open, also for writing. When `to` hangs up (a reset; both its sides are shut), it
 * ends with the error of `to`, also while `from` is silent. It reads no more before `to` has taken all it has
 * read, so a slow reader slows the sender down. Returns 0 at the end of the file; the error of
 * read(2) or send(2); -EBADF: one of the streams is not open, or was closed meanwhile; -EBUSY:
 * another task reads `from` or writes `to`; -ENOMEM; -ECANCELED.
 *
 * *count (NULL: nobody counts) grows by every byte that was written, as it is written, so it tells
 * also after an error or a cancel how far the copy came. Then up to 64 KiB that were read may not
 * have been written. The counter must stay until the copy returns, and several copies may share
 * one. A cancel takes effect at once. */
EDDY_API EDDY_MUST_USE int64_t eddy_copy(eddy_coro *co, eddy_stream *from, eddy_stream *to,
                                         uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
