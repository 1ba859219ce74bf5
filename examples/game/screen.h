/* A terminal as a grid of cells, by plain ANSI escapes. One a process, so its state is static. */
#ifndef GAME_SCREEN_H
#define GAME_SCREEN_H

/* Takes over the terminal on standard input and output: no echo, no lines, another page, no cursor.
 * It is given back by screen_close, at exit(3), and by every signal that ends the program. Returns
 * 0; -ENOTTY: those two are no terminal; -ENOMEM. */
int screen_open(void);
void screen_close(void);

/* For SIGTSTP: gives the terminal back and stops the program. For SIGCONT, also after a SIGSTOP,
 * which nobody hears of: takes it again, and begins anew. 0 or an error. */
void screen_suspend(void);
int screen_resume(void);

/* Asks how large the window is, and begins anew: at the start, and after SIGWINCH. 0 or -ENOMEM. */
int screen_resize(void);
int screen_width(void);
int screen_height(void);

/* Writes a picture: clear it, put characters, show. What lies outside is cut off. Colours are those
 * of the 256 of xterm. Only cells that differ from what is shown are written; if the terminal takes
 * nothing at the moment, the picture is left out rather than waited for. */
void screen_clear(void);
void screen_put(int x, int y, char glyph, int colour, int back);
void screen_print(int x, int y, int colour, int back, const char *text);
void screen_show(void);

#endif
