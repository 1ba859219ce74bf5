/*
 * The room. All run in one thread, and nothing here waits, so that its list needs no lock and does not change while it is gone
 * through: who is thrown out because he does not read finds that out by himself, when his task has its turn.
 *
 * What somebody says goes to terminals and to browsers. So it is one line of valid UTF-8, whatever came: otherwise a browser's
 * line feed would be another one's words at a terminal, an escape sequence its colours, and a byte that is no UTF-8 would end
 * every browser's connection.
 */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void room_init(struct room *room)
{
    room->first = NULL;
    room->end = &room->first;
}

int room_tell(struct member *to, const char *text, size_t size)
{
    return to->web != NULL ? websocket_put_text(to->web, text, size)
                           : eddy_writer_printf(&to->out, "%.*s\n", (int)size, text);
}

/* Tells all but one what he says. */
static void tell_others(const struct member *from, const char *text, size_t size)
{
    char line[MOST_NAME + MOST_LINE + 8];
    int length = snprintf(line, sizeof line, "%s: %.*s", from->name, (int)size, text);

    for (struct member *to = from->room->first; to != NULL; to = to->next) {
        if (to != from && room_tell(to, line, (size_t)length) < 0) {
            continue; /* who is too slow, or gone, finds that out himself */
        }
    }
}

void room_enter(struct room *room, struct member *member, char *name, size_t size)
{
    utf8_clean(name, size);
    size = utf8_cut(name, size, MOST_NAME);
    snprintf(member->name, sizeof member->name, "%.*s", size > 0 ? (int)size : 8,
             size > 0 ? name : "somebody");
    member->room = room;
    member->next = NULL;
    member->link = room->end;
    *room->end = member;
    room->end = &member->next;
    tell_others(member, "(has come)", 10);
}

void room_say(struct member *from, char *text, size_t size)
{
    utf8_clean(text, size);
    tell_others(from, text, size);
}

void room_leave(struct member *member, int64_t how)
{
    const char *text = how == -ENOBUFS     ? "(does not read, and is out)"
                       : how == -ETIMEDOUT ? "(does not answer, and is out)"
                                           : "(has gone)";

    if (member->room == NULL) {
        return;
    }
    *member->link = member->next;
    *(member->next != NULL ? &member->next->link : &member->room->end) = member->link;
    tell_others(member, text, strlen(text));
    member->room = NULL;
}
