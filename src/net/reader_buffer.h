/* The buffers of readers, as reader.c uses them. */
#ifndef EDDY_SRC_READER_BUFFER_H
#define EDDY_SRC_READER_BUFFER_H

#include "eddy/reader.h"
#include "net/stream_internal.h"

/* Makes room for at least a byte behind the unread ones, which are fewer than the limit: 0 or -ENOMEM. */
int eddy_reader_make_room(eddy_reader *reader);

/* Nobody needs what is no longer unread: the buffer of an opened reader is given back if that is all. */
void eddy_reader_rest(eddy_reader *reader);

#endif
