/*
 * What a guard does, from top to bottom: patrol, notice, chase, give up. Where he is in that is
 * where his coroutine stands; there is no table of states, no counter of frames. All his sleeps are
 * in the game's time: pause and slow motion need nothing here.
 */
#include "game.h"

static const int64_t PATROL_PACE = 320 * EDDY_MILLISECOND; /* a tile */
static const int64_t CHASE_PACE = 190 * EDDY_MILLISECOND;  /* a thief is a little faster */
static const int64_t LOOK = 450 * EDDY_MILLISECOND;        /* how long he looks in a direction */
static const int64_t FRIGHT = 400 * EDDY_MILLISECOND;      /* before he runs */
static const int64_t PATIENCE = 2 * EDDY_SECOND;           /* chases so long who is out of sight */

static bool sees(const struct game *game, const struct guard *me, const struct thief *thief)
{
    return thief_plays(thief) && game_now(game) >= thief->safe_until &&
           arena_sees(&game->arena, me->walker.to, me->walker.facing, thief->walker.to);
}

/* The first thief that he sees, or NULL. */
static struct thief *looks(struct game *game, const struct guard *me)
{
    for (int i = 0; i < MOST_THIEVES; i++) {
        if (sees(game, me, &game->thief[i])) {
            return &game->thief[i];
        }
    }
    return NULL;
}

/* Begins a step towards a place; an operation: it is awaited, and over when the step is done. */
EDDY_MUST_USE static int64_t step_towards(eddy_coro *co, struct game *game, struct guard *me,
                                          struct place goal, int64_t pace)
{
    walker_go(game, &me->walker, arena_way(&game->arena, me->walker.to, &goal), pace);
    return eddy_sleep(co, pace);
}

static void turn_round(struct guard *me)
{
    static const enum direction next[] = {RIGHT, RIGHT, LEFT, UP, DOWN};

    me->walker.facing = next[me->walker.facing];
}

void guard_life(eddy_coro *co)
{
    eddy_begin(guard_life);
    for (;;) {
        /* Patrols from post to post, and looks around at each, until he sees somebody. */
        self->me->mood = PATROLS;
        while ((self->prey = looks(self->game, self->me)) == NULL) {
            if (!place_equal(self->me->walker.to, self->me->beat->post[self->post])) {
                eddy_await(step_towards(co, self->game, self->me, self->me->beat->post[self->post],
                                        PATROL_PACE));
                continue;
            }
            for (self->turn = 0; self->turn < 4 && !looks(self->game, self->me); self->turn++) {
                eddy_await(eddy_sleep(co, LOOK));
                turn_round(self->me);
            }
            self->post = (self->post + 1) % self->me->beat->posts;
        }

        /* Notices: the thief has a moment to get away. */
        self->me->mood = NOTICES;
        self->last_seen = self->prey->walker.to;
        eddy_await(eddy_sleep(co, FRIGHT));

        /* Chases, for as long as he sees the thief or has patience. */
        self->me->mood = CHASES;
        self->gives_up = game_now(self->game) + PATIENCE;
        while (game_now(self->game) < self->gives_up) {
            if (sees(self->game, self->me, self->prey)) {
                self->last_seen = self->prey->walker.to;
                self->gives_up = game_now(self->game) + PATIENCE;
            } else if (place_equal(self->me->walker.to, self->last_seen)) {
                break; /* here it was, and there is nobody */
            }
            eddy_await(step_towards(co, self->game, self->me, self->last_seen, CHASE_PACE));
        }

        /* Gives up: looks around once more, then back to his posts. */
        self->me->mood = SEEKS;
        for (self->turn = 0; self->turn < 4 && !looks(self->game, self->me); self->turn++) {
            eddy_await(eddy_sleep(co, LOOK));
            turn_round(self->me);
        }
    }
    eddy_end;
}
