/*
 * Errors that say more than a number.
 *
 *     eddy_fail(co, BAD_CONFIG, "line %d: no such key: %s", self->line, self->key);
 *
 *     ... and whoever awaits that, or joins its task:
 *
 *     eddy_except(BAD_CONFIG, eddy_call(co, load, .path = path)) {
 *         printf("%s\n", eddy_error(co)->text);
 *     }
 */
#ifndef EDDY_ERROR_H
#define EDDY_ERROR_H

#include "eddy/coro.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An error and where it began. */
struct eddy_error_info {
    int64_t code;     /* < 0; or 0: there is none */
    const char *text; /* that of eddy_fail or of the operation, or eddy_strerror's; never NULL */
    const char *function; /* the coroutine that raised it, or the first that saw it */
    const char *file;
    int line;
    char *memory; /* private: of the text, if that was formatted */
};

/*
 * eddy_fail(co, code, "text", ...): ends the coroutine with an error, as eddy_return(code) does,
 * and notes a text with it, formatted as by printf(3) and cut off after 511 bytes. `code` is
 * negative: a negated errno, or EDDY_ERROR_USER and below; else it aborts. The text is a string
 * literal. It goes with the error through calls, joins, gathers and groups, whatever else fails in
 * the cleanups on its way, and into the error hook's report. Without memory for the text its format
 * stands for it.
 */
#define eddy_fail(co, ...)                                        \
    do {                                                          \
        EDDY_FAIL_(co, __func__, __FILE__, __LINE__, __VA_ARGS__) \
        goto eddy_again_;                                         \
    } while (0)
#define EDDY_FAIL_(co, function, file, line, code, ...) \
    eddy_fail_(co, code, function, file, line, "" __VA_ARGS__);

/* The error that the task's last eddy_catch or eddy_except has caught: valid, and its text, until
 * the next error of the task. Its code is 0 if it has caught none, or if there was no memory to
 * note it. Never NULL. An error that is a value counts as caught where it is handed over: by
 * eddy_group_next, and by eddy_gather_all (see there). Where nobody has raised such a one (a
 * cancel, a failed spawn), `function` and `file` are empty. */
EDDY_API const struct eddy_error_info *eddy_error(eddy_coro *co);

/* Private. */
EDDY_API void eddy_fail_(eddy_coro *co, int64_t code, const char *function, const char *file,
                         int line, const char *format, ...)
    __attribute__((cold, format(printf, 6, 7)));

#ifdef __cplusplus
}
#endif

#endif
