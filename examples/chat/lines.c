/* A guest by lines, at a terminal: `nc 127.0.0.1 8888`. His first line is his name. */
#include "guest.h"

static void take_line(struct guest *guest, char *line, size_t length)
{
    if (guest->member.room == NULL) {
        room_enter(&guest->house->room, &guest->member, line, length);
    } else {
        room_say(&guest->member, line, length);
    }
}

void talk_by_lines(eddy_coro *co)
{
    eddy_begin(talk_by_lines);
    eddy_await(room_tell(&self->guest->member, "Your name?", 10));
    for (;;) {
        eddy_catch(self->length, eddy_wait_for(co, guest_time(self->guest),
                                               eddy_read_line(co, &self->guest->in, MOST_LINE)));
        if (self->length == -EMSGSIZE) {
            eddy_await(eddy_reader_skip_line(co, &self->guest->in));
            eddy_await(room_tell(&self->guest->member, "Too long.", 9));
            continue;
        }
        if (self->length <= 0) { /* the end of the file, or an error */
            eddy_return(self->length);
        }
        take_line(self->guest, self->guest->in.line,
                  eddy_line_strip(self->guest->in.line, (size_t)self->length));
    }
    eddy_end;
}
