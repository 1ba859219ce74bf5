/* What the checks of a transport are made of: coroutines that move bytes of one sequence, and notice each
 * that is lost, doubled or out of order. */
#ifndef EDDY_SRC_CHECK_PARTS_H
#define EDDY_SRC_CHECK_PARTS_H

#include <stdbool.h>

#include "eddy/error.h"
#include "eddy/group.h"
#include "eddy/stream.h"

enum {
    EDDY_CHECK_PIECE = 4096,
    EDDY_CHECK_MOST_BYTES = 64 * 1024 * 1024 /* that a pair may hold before somebody reads */
};

/* The promise, which fails the check if the condition does not hold, and what came instead. */
#define want(condition, promise, got)                                        \
    do {                                                                     \
        if (!(condition)) {                                                  \
            eddy_fail(co, -EPROTO, promise " (got %lld)", (long long)(got)); \
        }                                                                    \
    } while (0)

/* The bytes of the sequence from an offset on. */
void eddy_check_fill(unsigned char *data, size_t offset, size_t size);
bool eddy_check_matches(const unsigned char *data, size_t offset, size_t size);

/* Writes the bytes between two offsets. */
struct eddy_check_sends {
    eddy_coro co;
    eddy_stream *stream;
    size_t from, to; /* offsets */
    int64_t rc;
    size_t size;
    unsigned char data[EDDY_CHECK_PIECE];
};
void eddy_check_sends(eddy_coro *co);

/* Reads them. */
struct eddy_check_receives {
    eddy_coro co;
    eddy_stream *stream;
    size_t from, to;
    int64_t rc;
    size_t size;
    unsigned char data[EDDY_CHECK_PIECE];
};
void eddy_check_receives(eddy_coro *co);

/* Tasks that wait, and note their result. */
struct eddy_check_waits {
    eddy_coro co;
    eddy_stream *stream;
    int64_t (*operation)(eddy_coro *co, eddy_stream *stream, unsigned char *data);
    int64_t *result;
    unsigned char data[EDDY_CHECK_PIECE];
};
void eddy_check_waits(eddy_coro *co);

/* Ends the sending direction, however often the transport asks to be asked again. */
struct eddy_check_shuts {
    eddy_coro co;
    eddy_stream *stream;
    int64_t rc;
};
void eddy_check_shuts(eddy_coro *co);

/* Sends from one end to the other, which takes it meanwhile; and then the end, if that is asked for. */
struct eddy_check_passes {
    eddy_coro co;
    eddy_stream *source, *target;
    size_t from, to;
    bool shut;
    eddy_group group;
};
void eddy_check_passes(eddy_coro *co);

/* Writes until nothing more is taken; the result is how many bytes were. */
struct eddy_check_fills {
    eddy_coro co;
    eddy_stream *stream;
    size_t from;
    int64_t rc;
    int calm; /* how often nothing was taken in a row: what is on its way makes room */
    unsigned char data[EDDY_CHECK_PIECE];
};
void eddy_check_fills(eddy_coro *co);

/* For those: of the stream, with the task's own data. */
int64_t eddy_check_wait_read(eddy_coro *co, eddy_stream *stream, unsigned char *data);
int64_t eddy_check_wait_write(eddy_coro *co, eddy_stream *stream, unsigned char *data);
int64_t eddy_check_wait_readable(eddy_coro *co, eddy_stream *stream, unsigned char *data);
int64_t eddy_check_wait_writable(eddy_coro *co, eddy_stream *stream, unsigned char *data);

#endif
