#include "players.h"

#include <unistd.h>

static void toggle_slow(eddy_clock *clock)
{
    eddy_clock_scale(clock, clock->scale == 0.25 ? 1 : 0.25);
}

static void toggle_pause(eddy_clock *clock)
{
    if (clock->paused) {
        eddy_clock_resume(clock);
    } else {
        eddy_clock_pause(clock);
    }
}

/* The direction of hjkl, or of the last letter of an arrow's "\033[A"; -1: none. */
static int direction_of(char key)
{
    switch (key) {
    case 'k':
    case 'A':
        return UP;
    case 'j':
    case 'B':
        return DOWN;
    case 'l':
    case 'C':
        return RIGHT;
    case 'h':
    case 'D':
        return LEFT;
    case ' ':
        return STAY;
    default:
        return -1;
    }
}

/* A byte, of a key or of an arrow's escape, which may come in pieces. False: it was q. */
static bool handle(struct keys *self, char byte)
{
    int direction = direction_of(byte);

    if (byte == '\033') {
        self->escape = 1;
        return true;
    }
    if (self->escape == 1 && (byte == '[' || byte == 'O')) {
        self->escape = 2;
        return true;
    }
    if (direction >= 0 && (self->escape == 2 || byte >= 'a' || byte == ' ')) {
        self->me->wish = (enum direction)direction;
    }
    self->escape = 0;
    if (byte == 'p') {
        toggle_pause(&self->game->clock);
    } else if (byte == 's') {
        toggle_slow(&self->game->clock);
    }
    return byte != 'q';
}

void keys(eddy_coro *co)
{
    eddy_begin(keys);
    for (;;) {
        eddy_await(eddy_fd_wait(co, STDIN_FILENO, EDDY_READ));
        self->count = read(STDIN_FILENO, self->bytes, sizeof self->bytes);
        if (self->count <= 0 && errno != EINTR && errno != EAGAIN) {
            eddy_return(0); /* the terminal is gone */
        }
        for (int i = 0; i < self->count; i++) {
            if (!handle(self, self->bytes[i])) {
                eddy_return(0);
            }
        }
    }
    eddy_end;
}
