/* What the tests of watchers share. */
#ifndef EDDY_TESTING_IO_H
#define EDDY_TESTING_IO_H

#include "support/testing.h"

#include "eddy/io.h"

/* "RW", "RHC", ... */
const char *event_letters(unsigned events);

/* Logs the name of the watcher and the events: "a:RW". */
void log_events(eddy_io *io, unsigned events);

void close_both(const int fds[2]);

static inline void start(eddy_io *io, int fd, unsigned events, eddy_io_fn *callback)
{
    assert_int_equal(eddy_io_start(testing.loop, io, fd, events, callback), 0);
}

#endif
