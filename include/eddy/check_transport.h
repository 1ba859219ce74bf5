/*
 * A test of a transport: does it keep all that streams promise? For whoever writes one (transport.h); every
 * transport of the library passes it. It is not included by eddy.h.
 *
 *     static int open_pair(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user)
 *     {
 *         return my_pair(loop, one, other);
 *     }
 *
 *     static const struct eddy_transport_pair pair = {.name = "mine", .open = open_pair};
 *     ...
 *     eddy_await(eddy_check_transport(co, &pair));
 *
 * Bytes and their order in both directions at once; a writer that waits for a reader; half-close, the end
 * and a peer that is gone; cancels and time-outs that lose nothing; a second reader; closing under who waits;
 * eddy_readable and eddy_writable; pieces, lines, copies, idle time-outs. Run it on a real clock, unless the pair
 * needs nothing but the loop; and in debug builds with sanitizers.
 */
#ifndef EDDY_CHECK_TRANSPORT_H
#define EDDY_CHECK_TRANSPORT_H

#include "eddy/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a transport cannot do by its nature. */
enum eddy_transport_lack {
    EDDY_LACKS_WAY_BACK = 0x1,   /* a pipe: only `one` writes and only `other` reads */
    EDDY_LACKS_HALF_CLOSE = 0x2, /* a terminal: both directions end together */
    EDDY_LACKS_END =
        0x4 /* a terminal: a peer that closes is an error (-EIO, -ECONNRESET) or an end */
};

/* How to make two connected streams. */
struct eddy_transport_pair {
    const char *name;
    /* Opens both, which are zeroed: 0 or an error. Many times, one pair after the other. */
    int (*open)(eddy_loop *loop, eddy_stream *one, eddy_stream *other, void *user);
    /* Both have been closed: gives back what else there is, such as streams below. NULL: nothing. */
    void (*close)(eddy_loop *loop, void *user);
    void *user;
    unsigned lacks; /* enum eddy_transport_lack, or-ed */
};

/* Returns 0; -EPROTO: it does not keep a promise, and the text of the error (error.h) says which, and what
 * happened instead; an error of `open`; -ENOMEM; -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_check_transport(eddy_coro *co,
                                                    const struct eddy_transport_pair *pair);

#ifdef __cplusplus
}
#endif

#endif
