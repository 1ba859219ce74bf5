/* A guest: a client of either server, and what both talks with him begin with. */
#ifndef CHAT_GUEST_H
#define CHAT_GUEST_H

#include "room.h"

/* What all guests share; set before the first one comes. */
struct house {
    struct room room;
    struct eddy_writer_options reading; /* what is done with who does not read */
    int64_t newcomer_time; /* nanoseconds within which a guest must have said who he is */
    int64_t ping_after;    /* nanoseconds: a browser that is silent for so long is pinged */
};

/* Zeroed, and then set by who serves him, who also opens and closes its parts; but for `web`. */
struct guest {
    struct house *house;
    struct member member;
    eddy_reader in;       /* its buffer may have LONGEST_HEAD bytes */
    struct websocket web; /* talk_by_web's, from the handshake on */
};

/* How long what he says next may take. */
static inline int64_t guest_time(const struct guest *guest)
{
    return guest->member.room == NULL ? guest->house->newcomer_time : EDDY_FOREVER;
}

/* eddy_call(co, talk_by_lines, .guest = guest): lets him in, and says what he says, until he ends; 0, or an error. It is the
 * caller's to let him out: room_leave. A cancel ends it. */
struct talk_by_lines {
    eddy_coro co;
    struct guest *guest;
    int64_t length; /* of the line that was read; or an error */
};
void talk_by_lines(eddy_coro *co);

/* Likewise of a browser: answers its request, which may be one for the talk, by a websocket. */
struct talk_by_web {
    eddy_coro co;
    struct guest *guest;
    int64_t length;                   /* of the head; or an error */
    int status;                       /* that it is answered with */
    struct websocket_request request; /* valid until the reader is used again */
};
void talk_by_web(eddy_coro *co);

/* The longest head of a request; also what its reader may buffer. */
enum { LONGEST_HEAD = 8192 };

/* What a browser gets: HTML, in UTF-8. */
extern const char page[];

#endif
