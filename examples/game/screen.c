#define _GNU_SOURCE
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct cell {
    char glyph;
    unsigned char colour, back;
};

/* A cell at its longest: \033[255;255H \033[38;5;255;48;5;255m and the glyph. */
enum { MOST_SIDE = 255, MOST_ESCAPES = 40 };

static struct {
    struct termios before; /* valid while `open` */
    volatile sig_atomic_t open;
    int width, height;
    struct cell *wanted; /* width * height; then as many that are shown, then the text */
    struct cell *shown;  /* glyph 0: not known */
    char *text;
} screen;

static const char enter_text[] = "\033[?1049h\033[?25l";        /* the other page, no cursor */
static const char leave_text[] = "\033[0m\033[?25h\033[?1049l"; /* and all that back */

/* ---- taking the terminal, and giving it back */

/* Writes all, or gives up: a terminal that is gone needs nothing. Async-signal-safe. */
static void put_out(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, text, size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return;
        }
        text += count;
        size -= (size_t)count;
    }
}

/* Async-signal-safe, too. */
static void give_back(void)
{
    if (screen.open) {
        screen.open = 0;
        put_out(leave_text, sizeof leave_text - 1);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen.before);
    }
}

static void on_end(int number)
{
    give_back();
    raise(number); /* SA_RESETHAND: now with its default action */
}

static bool ends_a_process(int number)
{
    static const int others[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (number == others[i]) {
            return false;
        }
    }
    return true;
}

/* Whatever signal ends the program, crashes too; those that are ignored stay so. */
static void watch_ends(void)
{
    struct sigaction action;
    struct sigaction before;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_end;
    action.sa_flags = (int)SA_RESETHAND;
    for (int number = 1; number <= SIGRTMAX; number++) {
        if (ends_a_process(number) && sigaction(number, NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN) {
            sigaction(number, &action, NULL); /* fails for SIGKILL and SIGSTOP */
        }
    }
}

static int enter_raw_mode(void)
{
    struct termios raw = screen.before;

    /* SIGINT stays with Ctrl-C, SIGTSTP with Ctrl-Z. Ctrl-S would only seem to stop the game. */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    raw.c_cc[VQUIT] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 0; /* a read never waits */
    raw.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0 ? 0 : -errno;
}

static int take(void)
{
    int result;

    screen.open = 1;
    put_out(enter_text, sizeof enter_text - 1);
    result = enter_raw_mode();
    if (result < 0) {
        screen_close();
    }
    return result;
}

int screen_open(void)
{
    int result;

    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &screen.before) < 0) {
        return -ENOTTY;
    }
    result = screen_resize();
    if (result < 0) {
        return result;
    }
    atexit(give_back);
    watch_ends();
    return take();
}

void screen_suspend(void)
{
    give_back();
    raise(SIGSTOP);
}

int screen_resume(void)
{
    int result = screen_resize();

    return result < 0 ? result : take();
}

void screen_close(void)
{
    give_back();
    free(screen.wanted);
    screen.wanted = NULL;
    screen.width = 0;
    screen.height = 0;
}

/* ---- the cells */

int screen_resize(void)
{
    struct winsize size = {0};
    size_t cells;
    struct cell *memory;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    size.ws_col = size.ws_col > MOST_SIDE ? MOST_SIDE : size.ws_col;
    size.ws_row = size.ws_row > MOST_SIDE ? MOST_SIDE : size.ws_row;
    cells = (size_t)size.ws_col * size.ws_row;
    memory = calloc(cells, 2 * sizeof *memory + MOST_ESCAPES);
    if (memory == NULL) {
        return -ENOMEM;
    }
    free(screen.wanted);
    screen.wanted = memory;
    screen.shown = memory + cells;
    screen.text = (char *)(memory + 2 * cells);
    screen.width = size.ws_col;
    screen.height = size.ws_row;
    return 0;
}

int screen_width(void)
{
    return screen.width;
}

int screen_height(void)
{
    return screen.height;
}

void screen_clear(void)
{
    for (int i = 0; i < screen.width * screen.height; i++) {
        screen.wanted[i] = (struct cell){' ', 7, 0};
    }
}

void screen_put(int x, int y, char glyph, int colour, int back)
{
    if (x >= 0 && x < screen.width && y >= 0 && y < screen.height) {
        screen.wanted[y * screen.width + x] =
            (struct cell){glyph, (unsigned char)colour, (unsigned char)back};
    }
}

void screen_print(int x, int y, int colour, int back, const char *text)
{
    for (; *text != '\0'; text++) {
        screen_put(x++, y, *text, colour, back);
    }
}

static bool is_same(struct cell a, struct cell b)
{
    return a.glyph == b.glyph && a.colour == b.colour && a.back == b.back;
}

/* Makes the text that turns what is shown into what is wanted. */
static size_t make_text(void)
{
    char *end = screen.text;
    const struct cell *last = NULL; /* the cell that was written last: its colours are set */
    int next = -1;                  /* the index where the cursor stands */

    for (int i = 0; i < screen.width * screen.height; i++) {
        const struct cell *cell = &screen.wanted[i];
        if (is_same(*cell, screen.shown[i])) {
            continue;
        }
        if (i != next || i % screen.width == 0) {
            end += sprintf(end, "\033[%d;%dH", i / screen.width + 1, i % screen.width + 1);
        }
        if (last == NULL || last->colour != cell->colour || last->back != cell->back) {
            end += sprintf(end, "\033[38;5;%d;48;5;%dm", cell->colour, cell->back);
        }
        *end++ = cell->glyph;
        last = cell;
        next = i + 1;
    }
    return (size_t)(end - screen.text);
}

void screen_show(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    size_t size;

    if (!screen.open || poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) {
        return;
    }
    size = make_text();
    put_out(screen.text, size);
    memcpy(screen.shown, screen.wanted,
           (size_t)screen.width * (size_t)screen.height * sizeof *screen.shown);
}
