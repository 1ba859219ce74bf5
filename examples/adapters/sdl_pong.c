/*
 * Pong against a wall, in a window, by an eddy loop inside SDL's.
 *
 *     sdl_pong [--script STEPS]
 *
 * The keys up and down move you, p makes a pause and ends it, escape leaves. The main loop is
 * SDL's: some 60 frames a second, each of which polls eddy's, where a task takes the keys. In a pause there are no frames
 * and only the title blinks, by another task: the program sleeps until there is an event, or that is due.
 *
 * With --script nobody plays: "30d,90u,120p,200q" presses down in the 30th frame, and so on; the frames follow each
 * other at once, and a pause ends by itself after three blinks. It needs no screen (SDL_VIDEODRIVER=dummy).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_sdl.h"

enum { FRAME_MS = 16, WIDTH = 640, HEIGHT = 480, BALL = 10, PADDLE = 80, EDGE = 20, SPEED = 6 };

struct pong {
    struct on_sdl sdl;
    eddy_loop *loop;
    const char *script; /* what is left of it; NULL: somebody plays */
    long frame;         /* how many there were */
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Rect ball, paddle;
    int right, down, way; /* pixels a frame: of the ball, and of the paddle */
    int hits;
    bool paused, over;
    eddy_task blinks; /* valid while it is paused */
};

/* ---- the rules, a frame at a time */

static void update(struct pong *pong)
{
    SDL_Rect *ball = &pong->ball;

    pong->paddle.y = SDL_clamp(pong->paddle.y + pong->way, 0, HEIGHT - PADDLE);
    ball->x += pong->right;
    ball->y += pong->down;
    if (ball->y < 0 || ball->y > HEIGHT - BALL) {
        pong->down = -pong->down;
    }
    if (ball->x > WIDTH - BALL) {
        pong->right = -SPEED;
    } else if (ball->x < 0) {
        printf("lost, after %d hits\n", pong->hits);
        pong->over = true;
    } else if (pong->right < 0 && SDL_HasIntersection(ball, &pong->paddle)) {
        pong->right = SPEED;
        pong->down = (ball->y + BALL / 2 - pong->paddle.y - PADDLE / 2) / 6;
        pong->hits++;
    }
}

static void draw(struct pong *pong)
{
    SDL_SetRenderDrawColor(pong->renderer, 0, 0, 0, 255);
    SDL_RenderClear(pong->renderer);
    SDL_SetRenderDrawColor(pong->renderer, 255, 255, 255, 255);
    SDL_RenderFillRect(pong->renderer, &pong->ball);
    SDL_RenderFillRect(pong->renderer, &pong->paddle);
    SDL_RenderPresent(pong->renderer);
}

/* ---- the script */

static void press(char key)
{
    SDL_Event event = {.type = key == 'q' ? SDL_QUIT : SDL_KEYDOWN};

    event.key.keysym.sym = key == 'u' ? SDLK_UP : key == 'd' ? SDLK_DOWN : SDLK_p;
    (void)SDL_PushEvent(&event);
}

/* The next step of a script: its frame and, behind that, its key; NULL: there is none. */
static const char *next_step(const char *script, long *frame)
{
    char *key;

    *frame = strtol(script, &key, 10);
    return key > script && *key != '\0' && strchr("udpq", *key) != NULL ? key : NULL;
}

static void play_script(struct pong *pong)
{
    const char *key;
    long frame;

    while ((key = next_step(pong->script, &frame)) != NULL && frame <= pong->frame) {
        press(*key);
        pong->script = key + 1 + (key[1] == ',');
    }
}

static bool is_script(const char *text)
{
    long frame;

    while (*text != '\0') {
        const char *key = next_step(text, &frame);
        if (key == NULL || (key[1] != '\0' && key[1] != ',')) {
            return false;
        }
        text = key + 1 + (key[1] == ',');
    }
    return true;
}

/* ---- tasks */

eddy_frame(blinks) {
    eddy_coro co;
    struct pong *pong;
    int i;
};

static void blinks(eddy_coro *co)
{
    eddy_begin(blinks);
    for (self->i = 0;; self->i++) {
        SDL_SetWindowTitle(self->pong->window, self->i % 2 == 0 ? "pong: a pause" : "pong");
        if (self->pong->script != NULL && self->i == 3) {
            press('p');
        }
        eddy_await(eddy_sleep(co, (self->pong->script != NULL ? 1 : 500) * EDDY_MILLISECOND));
    }
    eddy_end;
}

static void toggle_pause(struct pong *pong)
{
    pong->paused = !pong->paused;
    printf("%s\n", pong->paused ? "a pause" : "and on");
    if (pong->paused) {
        pong->blinks = eddy_loop_spawn(pong->loop, blinks, .pong = pong);
    } else {
        (void)eddy_cancel(pong->blinks);
        eddy_detach(pong->blinks);
        SDL_SetWindowTitle(pong->window, "pong");
    }
}

static void on_key(struct pong *pong, const SDL_KeyboardEvent *key)
{
    int way = key->keysym.sym == SDLK_UP ? -SPEED : key->keysym.sym == SDLK_DOWN ? SPEED : 0;

    if (way != 0) {
        pong->way = key->type == SDL_KEYDOWN ? way : 0;
    } else if (key->type == SDL_KEYDOWN && key->repeat == 0 && key->keysym.sym == SDLK_p) {
        toggle_pause(pong);
    } else if (key->keysym.sym == SDLK_ESCAPE) {
        pong->over = true;
    }
}

eddy_frame(takes_keys) {
    eddy_coro co;
    struct pong *pong;
    SDL_Event event;
};

static void takes_keys(eddy_coro *co)
{
    eddy_begin(takes_keys);
    for (;;) {
        eddy_await(on_sdl_next_event(co, &self->pong->sdl, &self->event));
        if (self->event.type == SDL_QUIT) {
            self->pong->over = true;
        } else if (self->event.type == SDL_KEYDOWN || self->event.type == SDL_KEYUP) {
            on_key(self->pong, &self->event.key);
        }
    }
    eddy_end;
}

/* ---- the main loop */

/* A budget is real time, and what it cuts off comes a frame later: a script has none, to be the same each time. */
static int64_t main_loop(struct pong *pong)
{
    bool plays = pong->script == NULL;
    int64_t budget = plays ? 2 * EDDY_MILLISECOND : EDDY_FOREVER;
    int64_t result = 0;

    while (result >= 0 && !pong->over) {
        if (pong->paused) {
            result = on_sdl_wait(&pong->sdl, budget);
            continue;
        }
        if (!plays) {
            play_script(pong);
        }
        result = on_sdl_frame(&pong->sdl, budget);
        update(pong);
        draw(pong);
        pong->frame++;
        if (plays) {
            SDL_Delay(FRAME_MS);
        }
    }
    return result < 0 ? result : 0;
}

static int play(struct pong *pong)
{
    int64_t result = eddy_loop_new(&pong->loop, NULL);

    pong->paddle = (SDL_Rect){EDGE, HEIGHT / 2, BALL, PADDLE};
    pong->ball = (SDL_Rect){WIDTH / 2, HEIGHT / 2, BALL, BALL};
    pong->right = -SPEED;
    pong->down = SPEED / 2;
    if (result == 0) {
        result = on_sdl_init(&pong->sdl, pong->loop);
    }
    if (result == 0) {
        eddy_detach(eddy_loop_spawn(pong->loop, takes_keys, .pong = pong));
        result = main_loop(pong);
    }
    eddy_loop_free(pong->loop);
    on_sdl_fini(&pong->sdl);
    return eddy_exit_status(result);
}

int main(int argc, char **argv)
{
    struct pong pong = {.script = argc == 3 ? argv[2] : NULL};
    int status = 1;

    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--script") != 0 || !is_script(argv[2]))) {
        fputs("usage: sdl_pong [--script FRAMEKEY,...]\n", stderr);
        return 2;
    }
    if (SDL_Init(SDL_INIT_VIDEO) == 0 &&
        SDL_CreateWindowAndRenderer(WIDTH, HEIGHT, 0, &pong.window, &pong.renderer) == 0) {
        status = play(&pong);
    } else {
        fprintf(stderr, "sdl_pong: %s\n", SDL_GetError());
    }
    SDL_DestroyRenderer(pong.renderer);
    SDL_DestroyWindow(pong.window);
    SDL_Quit();
    return status;
}
