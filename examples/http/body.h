/* The body of a request, piece by piece, however it is sent. */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <eddy.h>

#include "request.h"

/*
 * A generator: eddy_for_each(self->piece, body_pieces, .in = &self->in, .body = &self->body) { ... }
 *
 * Each piece lies in the reader's buffer until the next. It ends with
 * -EBADMSG if what comes is no such body, -EMSGSIZE if it is longer than allowed, -ENODATA if the client has ended in its
 * midst; and with it the connection, for nobody knows where the next request begins.
 */
struct body {
    bool chunked;
    bool expects_continue;
    bool ended;      /* all of it was read: the next request begins here */
    int64_t left;    /* of it, or of the chunk */
    int64_t longest; /* how many bytes more it may have */
};

struct body_pieces {
    eddy_coro co;
    eddy_reader *in;
    struct body *body;
    struct piece value;
    size_t length;
};

void body_pieces(eddy_coro *co);

/* Says "100 Continue" to a client who waits for that before he sends the body. To be called before anything of the
 * answer is put. As eddy_writer_put. */
int body_ask_for(struct body *body, eddy_writer *out);

#endif
