/* The room: who is in it hears all that the others say, whether he came by lines or by a browser. */
#ifndef CHAT_ROOM_H
#define CHAT_ROOM_H

#include <eddy.h>
#include <stdbool.h>
#include <stddef.h>

#include "websocket.h"

enum { MOST_NAME = 32, MOST_LINE = 1024 };

struct room {
    struct member *first; /* in the order in which they have come; NULL: nobody is there */
    struct member **end;  /* where the next one is hung */
};

/* Zeroed, and then: */
struct member {
    /* Set by who serves him, before room_enter. */
    eddy_writer out; /* never waited for: what is done with who does not read, its options say */
    struct websocket *web; /* by which he hears; NULL: by lines */

    /* The room's: valid while he is in it. */
    struct room *room; /* NULL: he is not */
    struct member *next;
    struct member **link; /* what points to him */
    char name[MOST_NAME + 1];
};

void room_init(struct room *room);

/* Tells one alone: of the server, no member. 0; else as eddy_writer_put. */
int room_tell(struct member *to, const char *text, size_t size);

/* From here on he hears the others, who are told; never waits. The name, and what is said, is cleaned in place. */
void room_enter(struct room *room, struct member *member, char *name, size_t size);

/* Says at most MOST_LINE bytes to all others; never waits. */
void room_say(struct member *from, char *text, size_t size);

/* He goes, and the others are told, and why: `how` is the error that his client has ended with. Nothing if he is not in a
 * room. */
void room_leave(struct member *member, int64_t how);

#endif
