/*
 * Two streams that are connected in memory: for tests, and for filters between tasks.
 *
 * They behave as the two ends of a socketpair(2), with a capacity that is told and exact: a writer
 * waits when the other end has that many bytes unread, half of it may be shut, and the end is read when the
 * other end is shut or closed. No fd, no thread and no time is in it: all of it happens in the tasks that
 * read and write, on a virtual clock too, and the order is always the same. Tasks that wait for each
 * other on it are a deadlock, which the loop tells, and do not hang.
 */
#ifndef EDDY_MEMORY_H
#define EDDY_MEMORY_H

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens both ends. Each direction holds `capacity` (at least 1) bytes; the memory for that is the loop's and
 * goes when both ends are closed. 0; -EINVAL: a stream is open already, both are the same, or the
 * capacity is 0 or past SIZE_MAX / 4; -ENOMEM. After an error neither is open.
 *
 * When an end is closed the other one still reads what was written before, and then 0; what it writes is
 * -EPIPE. */
EDDY_API int eddy_memory_pair(eddy_loop *loop, eddy_stream *one, eddy_stream *other,
                              size_t capacity);
#define eddy_memory_pair(...) eddy_memory_pair_(__VA_ARGS__, EDDY_PLACE_)

/* Private. */
EDDY_API int eddy_memory_pair_(eddy_loop *loop, eddy_stream *one, eddy_stream *other,
                               size_t capacity, const char *place);

#ifdef __cplusplus
}
#endif

#endif
