/* Draws the game on the screen. */
#ifndef GAME_DRAW_H
#define GAME_DRAW_H

#include "game.h"

/* How it looks at a time, which is at most a step ago, to the thief at the keyboard. `port` is
 * where guests join, 0: they cannot. */
void draw(const struct game *game, const struct thief *me, int port, int64_t now);

#endif
