/*
 * The course of the games, as one coroutine of the game's loop: levels, lives, scores.
 *
 * Files are read and written beside the loop, by a thread of eddy's. While a level is played the
 * next one is loaded. Should it not be there in time, the game's time stands still (game->waits),
 * while frames are drawn and guests are served as always. So a slow disk can neither make a frame
 * late nor change how a game goes.
 */
#include "game.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILE = 4096 };

/* ---- levels */

static int64_t read_level(struct game *game, int number, struct arena *arena,
                          const struct eddy_file_data *file)
{
    const char *wrong = arena_parse(arena, file->bytes, file->size);

    if (wrong != NULL) {
        snprintf(game->problem, sizeof game->problem, "level %d: %s", number, wrong);
        return -EBADMSG;
    }
    return 1;
}

eddy_frame(load_level) {
    eddy_coro co;
    struct game *game; /* arguments */
    int number;
    struct arena *arena;
    char path[1024];
    struct eddy_file_data file;
};

/* Returns 1; 0: there is none of that number. */
static void load_level(eddy_coro *co)
{
    eddy_begin(load_level);
    snprintf(self->path, sizeof self->path, "%s/%d.txt", self->game->levels, self->number);
    eddy_except(-ENOENT, eddy_file_read(co, self->path, &self->file, MOST_FILE)) {
        eddy_return(0);
    }
    eddy_return(read_level(self->game, self->number, self->arena, &self->file));
eddy_finally:
    eddy_file_free(eddy_loop_of(co), &self->file);
    eddy_end;
}

static void enter_level(struct game *game, const struct arena *arena)
{
    game->level++;
    game->arena = *arena;
    for (int i = 0; i < arena->guards; i++) {
        struct guard *guard = &game->guard[i];
        guard->beat = &game->arena.beat[i];
        guard->mood = PATROLS;
        walker_place(&guard->walker, guard->beat->post[0]);
    }
    for (int i = 0; i < MOST_THIEVES; i++) {
        thief_start(game, &game->thief[i]);
        thief_tell(&game->thief[i], "a new level\n");
    }
    eddy_event_clear(&game->level_over);
    game->banner = NULL;
}

/* A level, from its first step until its coins or the thieves are gone. */
eddy_frame(play_level) {
    eddy_coro co;
    struct game *game; /* argument */
    eddy_group guards;
};

static void play_level(eddy_coro *co)
{
    eddy_begin(play_level);
    for (int i = 0; i < self->game->arena.guards; i++) {
        eddy_group_spawn(co, &self->guards, guard_life, .game = self->game,
                         .me = &self->game->guard[i]);
    }
    eddy_await(eddy_event_wait(co, &self->game->level_over));
eddy_finally: /* the guards go with their level */
    eddy_group_cancel(&self->guards);
    eddy_await(eddy_group_wait(co, &self->guards));
    eddy_end;
}

/* ---- scores */

static void add_score(struct game *game, const char *name, size_t length, int points)
{
    int i = game->best_count < MOST_SCORES ? game->best_count++ : MOST_SCORES - 1;

    if (game->best[i].points > points) {
        return; /* the list is full of better ones */
    }
    for (; i > 0 && game->best[i - 1].points < points; i--) {
        game->best[i] = game->best[i - 1];
    }
    game->best[i].points = points;
    copy_text(game->best[i].name, sizeof game->best[i].name, name, length);
}

/* Lines of points and name; what is no such line is passed over. */
static void read_scores(struct game *game, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        char *end;
        long points = strtol(text, &end, 10);
        if (points > 0 && points < 1000000 && *end == ' ' && end < text + length) {
            add_score(game, end + 1, (size_t)(text + length - (end + 1)), (int)points);
        }
        text += length + (text[length] == '\n');
    }
}

eddy_frame(load_scores) {
    eddy_coro co;
    struct game *game; /* argument */
    struct eddy_file_data file;
};

static void load_scores(eddy_coro *co)
{
    eddy_begin(load_scores);
    if (self->game->scores == NULL) {
        eddy_return(0);
    }
    eddy_except(-ENOENT, eddy_file_read(co, self->game->scores, &self->file, MOST_FILE)) {
        eddy_return(0);
    }
    read_scores(self->game, self->file.bytes); /* there is a '\0' behind the last byte */
eddy_finally:
    eddy_file_free(eddy_loop_of(co), &self->file);
    eddy_end;
}

eddy_frame(save_scores) {
    eddy_coro co;
    struct game *game; /* argument */
    size_t size;
    char text[MOST_SCORES * (MOST_NAME + 16)];
};

static void save_scores(eddy_coro *co)
{
    eddy_begin(save_scores);
    for (int i = 0; i < self->game->best_count; i++) {
        const struct score *score = &self->game->best[i];
        self->size += (size_t)snprintf(self->text + self->size, sizeof self->text - self->size,
                                       "%d %s\n", score->points, score->name);
    }
    if (self->game->scores != NULL) {
        eddy_await(eddy_file_write(co, self->game->scores, self->text, self->size, 0));
    }
    eddy_end;
}

/* ---- games */

static void begin_game(struct game *game)
{
    game->level = 0;
    for (int i = 0; i < MOST_THIEVES; i++) {
        game->thief[i].lives = LIVES;
        game->thief[i].points = 0;
    }
}

static void end_game(struct game *game)
{
    for (int i = 0; i < MOST_THIEVES; i++) {
        const struct thief *thief = &game->thief[i];
        if (thief->seated && thief->points > 0) {
            add_score(game, thief->name, MOST_NAME, thief->points);
        }
    }
}

void referee(eddy_coro *co)
{
    eddy_begin(referee);
    self->game->banner = "";
    self->game->waits = true;
    eddy_await(eddy_call(co, load_scores, .game = self->game));
    for (;;) {
        begin_game(self->game);
        self->next =
            eddy_spawn(co, load_level, .game = self->game, .number = 1, .arena = &self->arena);
        for (;;) {
            self->game->waits = true;
            eddy_catch(self->result, eddy_join(co, self->next));
            self->game->waits = false;
            if (self->result < 0) {
                eddy_return(self->result);
            } else if (self->result == 0 && self->game->level == 0) {
                eddy_return(-ENOENT); /* not even the first */
            } else if (self->result == 0) {
                self->game->banner = "YOU HAVE ROBBED THEM ALL"; /* that was the last level */
                break;
            }
            enter_level(self->game, &self->arena);
            self->next = eddy_spawn(co, load_level, .game = self->game, .arena = &self->arena,
                                    .number = self->game->level + 1);
            eddy_await(eddy_call(co, play_level, .game = self->game));
            if (self->game->arena.coins > 0) {
                self->game->banner = "GAME OVER"; /* all are caught */
                self->game->waits = true;
                eddy_catch(self->result, eddy_join(co, self->next));
                break;
            }
            self->game->banner = "LEVEL CLEARED";
            eddy_await(eddy_sleep(co, 2 * EDDY_SECOND));
        }
        end_game(self->game);
        self->game->waits = true;
        eddy_catch(self->result, eddy_call(co, save_scores, .game = self->game));
        self->game->waits = false;
        if (self->result < 0) {
            game_say(self->game, "scores not saved: %s", eddy_strerror(self->result));
        }
        eddy_await(eddy_sleep(co, 8 * EDDY_SECOND)); /* the picture shows the best scores */
    }
eddy_finally: /* the level that is loaded is written into this frame; nothing, if it was joined */
    eddy_cancel(self->next);
    eddy_catch(self->result, eddy_join(co, self->next));
    eddy_end;
}
