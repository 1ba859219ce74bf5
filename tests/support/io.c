#include "io.h"

#include <unistd.h>

const char *event_letters(unsigned events)
{
    static const struct {
        unsigned event;
        char letter;
    } all[] = {{EDDY_READ, 'R'},  {EDDY_WRITE, 'W'},    {EDDY_HANGUP, 'H'},
               {EDDY_ERROR, 'E'}, {EDDY_PRIORITY, 'P'}, {EDDY_PEER_CLOSED, 'C'}};
    static char text[sizeof all / sizeof *all + 1];
    size_t used = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((events & all[i].event) != 0) {
            text[used++] = all[i].letter;
        }
    }
    text[used] = '\0';
    return text;
}

void log_events(eddy_io *io, unsigned events)
{
    testing_log("%s:%s", (const char *)io->user, event_letters(events));
}

void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}
