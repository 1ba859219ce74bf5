/*
 * A coroutine as the whole of a program.
 *
 *     int main(int argc, char **argv)
 *     {
 *         return eddy_main(serve, .port = argc > 1 ? atoi(argv[1]) : 8888);
 *     }
 *
 * What a program owes its user: an error is one line on standard error and status 1; Ctrl-C and kill end it through
 * its cleanups; a second Ctrl-C ends it whatever it does.
 */
#ifndef EDDY_MAIN_H
#define EDDY_MAIN_H

#include "eddy/signal.h"
#include "eddy/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * eddy_main(name, .argument = value, ...): as eddy_run, and returns the exit status that main is to return.
 *
 * The first SIGINT or SIGTERM cancels the coroutine, which ends through its cleanups, or catches the cancel and
 * goes on. From then on both signals are the system's again, so that the next ends the process at once, also in
 * the middle of a step that does not end, with nothing cleaned up. Two that came together count as a first and
 * a second. Until the first they are blocked: a program that is stuck in a step dies of SIGQUIT and
 * SIGKILL only. A signal that was ignored when the program began (nohup, a shell's `&`) stays so. The
 * program may wait for them itself too (signal.h): then both happen.
 *
 * The status: of a value, that (255 at most). If the cancel of a signal is what the coroutine ended with, the
 * process ends of that signal, once the loop is freed, so that whoever waits for it sees that (130 and 143 in a
 * shell); where a signal cannot end it, the status is 128 and its number. Of any other error 1, and the error
 * hook is told, by default one line on standard error with the text, the coroutine, the file and the line
 * where it began; also of a cancel that no signal has caused, and of what keeps the signals from being watched.
 *
 * Watching signals does not keep the loop going: a program in which nothing can go on is -EDEADLK as
 * ever, and told. eddy_main_with(options, name, ...): likewise, with options for eddy_loop_new.
 */
#define eddy_main(...) eddy_main_with(NULL, __VA_ARGS__)
#define eddy_main_with(options, ...) EDDY_MAIN_WITH_(options, __VA_ARGS__, )
#define EDDY_MAIN_WITH_(options, name, ...)                                        \
    eddy_main_(options, EDDY_NAMED_PLACE_(name), EDDY_SPAWNED_(name, __VA_ARGS__), \
               sizeof(struct name))

/* Private. */
EDDY_API int eddy_main_(const struct eddy_loop_options *options, const char *named_place,
                        const void *frame, size_t size);

#ifdef __cplusplus
}
#endif

#endif
