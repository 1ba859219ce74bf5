/*
 * Datagram sockets: what their two files do for each other.
 *
 * Circle: datagram.c and datagram_open.c. Opening registers who hears of events (datagram.c), and an event
 * may say that the fd is gone, which closes the socket (datagram_open.c).
 */
#ifndef EDDY_SRC_DATAGRAM_INTERNAL_H
#define EDDY_SRC_DATAGRAM_INTERNAL_H

#include "eddy/datagram.h"
#include "task/task_internal.h"

/*
 * A socket's state: EDDY_READ and EDDY_WRITE while a receive or a send may bring something, and these.
 *
 *     bit        set by                                  cleared by
 *     READ       opening; an event of anything but room  a receive that found nothing, or DRAINS and fewer
 *                                                        than asked for
 *     WRITE      opening; an event of room or an error   a send for which there was no room
 *     OPEN       opening                                 closing, also with the loop: then all is 0
 *     READING    a receiver that parks                   its result, its abort
 *     WRITING    a sender that parks                     likewise
 *     DRAINS     opening an unconnected one              connecting
 */
enum {
    EDDY_DATAGRAM_OPEN = 0x100,
    EDDY_DATAGRAM_READING = 0x200, /* `reader` waits */
    EDDY_DATAGRAM_WRITING = 0x400, /* `writer` waits */
    /* a call that receives fewer than it might has found no more: no error can have ended it, for
     * none comes back to a socket that is not connected */
    EDDY_DATAGRAM_DRAINS = 0x800
};

/* datagram.c: what the kernel tells of its fd. */
void eddy_datagram_on_events(eddy_io *io, unsigned events);

/* datagram_open.c: who waits gets the result. */
void eddy_datagram_close_with(eddy_datagram *socket, int64_t result);

#endif
