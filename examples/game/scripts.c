#include "players.h"

void script(eddy_coro *co)
{
    eddy_begin(script);
    for (;;) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 6));
        if (game_random(self->game, 8) == 0) { /* now and then it loses its way */
            self->me->wish = (enum direction)(UP + game_random(self->game, 4));
        } else {
            self->me->wish = arena_way(&self->game->arena, self->me->walker.to, NULL);
        }
    }
    eddy_end;
}
