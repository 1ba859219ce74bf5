/*
 * Where an error began. A result is a number, and so it stays on the hot path; the place and the text
 * are kept beside, in the rare record of the task that the error goes through.
 *
 *     rare->error      the last error that was raised in the task, or handed to it
 *     CASCADED         that one is what comes up right now: who raises it on does not note it anew
 *                      (of an operation that says more than a number it has a text before a place: that
 *                      is where it is awaited)
 *     rare->caught     a copy, of what eddy_catch caught; or the operation's own, if nobody raised it
 *     rare->cleanup    a cleanup runs because of rare->error: if another is noted, that is put aside
 *     rare->kept       what was put aside, innermost cleanup first; it is back when that has ended
 *
 * An error belongs to one task at a time. Whoever takes a task's result takes its origin along
 * (pass), whoever only sees it has a copy; who gets several keeps them until it says which (take, give); who gets it as a value has
 * caught it (hand over).
 *
 * The text is in memory of the pool only if it was formatted. One block, one owner: rare->error or
 * a kept one; `caught` only points at it, and is told when it goes. Without memory an error goes on
 * without its place: the number never gets lost.
 */
#include "eddy/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "task/task_internal.h"

enum { LONGEST_TEXT = 511 };

/* A text is as long as its block was asked for, so that it need not know its class. */
static char *take_text(struct eddy_task_record *task, const char *text)
{
    size_t size = strlen(text) + 1;
    unsigned pool_class;
    char *memory = eddy_pool_take(&eddy_task_loop(task)->pool, size, &pool_class);

    if (memory != NULL) {
        memcpy(memory, text, size);
    }
    return memory;
}

static void give_text(struct eddy_task_record *task, char *memory)
{
    eddy_pool_give(&eddy_task_loop(task)->pool, memory, eddy_pool_class_of(strlen(memory) + 1));
}

/* The text may be gone: what was caught must not point at it any longer. */
static void free_text_of(struct eddy_task_record *task, struct eddy_error_info *info)
{
    struct eddy_task_rare *rare = eddy_rare(task);

    if (info->memory == NULL) {
        return;
    }
    if (rare != NULL && rare->caught.text == info->memory) {
        rare->caught.text = NULL;
    }
    give_text(task, info->memory);
    info->memory = NULL;
}

/* ---- errors that wait for the end of a cleanup. If it is cut off, the pool has their memory. */

/* Only noted: most cleanups meet no error, and then nothing is put aside. */
void eddy_error_keep(struct eddy_task_record *task, int64_t error, const void *cleanup)
{
    struct eddy_task_rare *rare = eddy_error_known(task, error) ? eddy_rare_make(task) : NULL;

    if (rare != NULL && rare->cleanup == NULL) { /* without memory it is not kept */
        rare->cleanup = cleanup;
    }
}

void eddy_error_replaced(struct eddy_task_record *task, const void *cleanup)
{
    struct eddy_task_rare *rare = eddy_rare(task);

    if (rare != NULL && rare->cleanup == cleanup) {
        rare->cleanup = NULL;
    }
}

static void take_kept(struct eddy_task_record *task, struct eddy_error_info *info)
{
    struct eddy_task_rare *rare = eddy_rare(task);
    struct eddy_kept_error *kept = rare->kept;

    *info = kept->info;
    rare->kept = kept->below;
    eddy_pool_give(&eddy_task_loop(task)->pool, kept, kept->pool_class);
}

void eddy_error_restore(struct eddy_task_record *task, int64_t outcome, const void *cleanup)
{
    struct eddy_task_rare *rare = eddy_rare(task);
    struct eddy_error_info info;

    eddy_error_replaced(task, cleanup);
    if (rare == NULL || rare->kept == NULL || rare->kept->cleanup != cleanup) {
        return;
    }
    take_kept(task, &info);
    if (info.code == outcome) {
        free_text_of(task, &eddy_rare(task)->error);
        eddy_rare(task)->error = info;
    } else {
        free_text_of(task, &info);
    }
}

/* Another error is to be noted, for which there is a record: the one that is may still be wanted. */
static void make_way(struct eddy_task_record *task)
{
    struct eddy_task_rare *rare = eddy_rare(task);
    struct eddy_kept_error *kept = NULL;
    unsigned pool_class;

    if (rare->cleanup != NULL) {
        kept = eddy_pool_take(&eddy_task_loop(task)->pool, sizeof *kept, &pool_class);
    }
    if (kept != NULL) {
        kept->below = rare->kept;
        kept->info = rare->error;
        kept->cleanup = rare->cleanup;
        kept->pool_class = pool_class;
        rare->kept = kept;
        rare->error.memory = NULL;
    }
    rare->cleanup = NULL;
    free_text_of(task, &rare->error);
}

/* ---- the error that is on its way up */

void eddy_error_forget(struct eddy_task_record *task)
{
    if (eddy_rare(task) != NULL) {
        free_text_of(task, &eddy_rare(task)->error);
        eddy_rare(task)->error.code = 0;
    }
}

/* A text is the raiser's to add. */
void eddy_error_note(struct eddy_task_record *task, int64_t error, const char *function,
                     const char *file, int line)
{
    struct eddy_task_rare *rare = eddy_rare_make(task);

    if (rare != NULL) { /* without memory the error goes on without its origin */
        make_way(task);
        rare->error.code = error;
        rare->error.text = NULL;
        rare->error.function = function;
        rare->error.file = file;
        rare->error.line = line;
    }
}

bool eddy_error_known(const struct eddy_task_record *task, int64_t error)
{
    const struct eddy_task_rare *rare = eddy_rare(task);

    return rare != NULL && error < 0 && rare->error.code == error;
}

void eddy_error_take(struct eddy_task_record *task, int64_t error, struct eddy_error_info *taken)
{
    if (eddy_error_known(task, error)) {
        *taken = eddy_rare(task)->error;
        eddy_rare(task)->error.memory = NULL;
        eddy_rare(task)->error.code = 0;
    }
}

void eddy_error_give(struct eddy_task_record *task, struct eddy_error_info *given)
{
    struct eddy_task_rare *rare = given->code < 0 ? eddy_rare_make(task) : NULL;

    if (rare != NULL) {
        make_way(task);
        rare->error = *given;
        eddy_set(task, EDDY_TASK_CASCADED_);
    } else if (given->memory != NULL) {
        give_text(task, given->memory);
    }
    memset(given, 0, sizeof *given);
}

void eddy_error_pass(struct eddy_task_record *from, struct eddy_task_record *to, int64_t error)
{
    struct eddy_error_info passed = {0};

    eddy_error_take(from, error, &passed);
    eddy_error_give(to, &passed);
}

/* The text is in memory of `from`, or lasts for ever. */
void eddy_error_copy(struct eddy_task_record *from, struct eddy_task_record *to, int64_t error)
{
    struct eddy_error_info copy;

    if (!eddy_error_known(from, error)) {
        return;
    }
    copy = eddy_rare(from)->error;
    if (copy.memory != NULL) {
        copy.memory = take_text(to, copy.memory);
        copy.text = copy.memory; /* NULL: no memory, and it goes on without its text */
    }
    eddy_error_give(to, &copy);
}

void eddy_error_hand_over(struct eddy_task_record *from, struct eddy_task_record *to, int64_t error)
{
    struct eddy_task_rare *rare = eddy_rare_make(to);
    struct eddy_error_info own = {error, NULL, "", "", 0, NULL};
    bool known = from != NULL && eddy_error_known(from, error);

    if (known) {
        eddy_error_pass(from, to, error);
    }
    if (rare != NULL) {
        rare->caught = known ? eddy_rare(to)->error : own;
    }
}

/* ---- what users see */

/* Notes an error with a text. A format without anything to fill in is the text. */
static void __attribute__((format(printf, 2, 0)))
note_text(struct eddy_task_record *task, const char *format, va_list arguments)
{
    struct eddy_task_rare *rare = eddy_rare(task);
    char text[LONGEST_TEXT + 1];

    if (rare == NULL) {
        return;
    }
    rare->error.text = format;
    if (strchr(format, '%') != NULL) {
        vsnprintf(text, sizeof text, format, arguments);
        rare->error.memory = take_text(task, text);
    }
    if (rare->error.memory != NULL) {
        rare->error.text = rare->error.memory;
    }
}

void eddy_fail_(eddy_coro *co, int64_t code, const char *function, const char *file, int line,
                const char *format, ...)
{
    struct eddy_task_record *task = co->task;
    va_list arguments;

    if (code >= 0 || code == EDDY_PENDING) {
        eddy_misuse_(function, file, line, "eddy_fail with a code that is no error");
    }
    eddy_error_note(task, code, function, file, line);
    eddy_clear(task, EDDY_TASK_CASCADED_);
    va_start(arguments, format);
    note_text(task, format, arguments);
    va_end(arguments);
    eddy_unwind_(co, code);
}

void eddy_error_say(struct eddy_task_record *task, int64_t error, const char *format, ...)
{
    va_list arguments;

    eddy_error_note(task, error, "", "", 0);
    eddy_set(task, EDDY_TASK_CASCADED_);
    va_start(arguments, format);
    note_text(task, format, arguments);
    va_end(arguments);
    if (eddy_rare(task) != NULL && eddy_rare(task)->error.memory == NULL) {
        eddy_rare(task)->error.text = NULL; /* the format is of no use to anybody */
    }
}

void eddy_error_place(struct eddy_task_record *task, const char *function, const char *file,
                      int line)
{
    struct eddy_error_info *info = &eddy_rare(task)->error;

    if (info->file[0] == '\0') {
        info->function = function;
        info->file = file;
        info->line = line;
    }
}

/* The error has come here from where it was noted, or it is the operation's own. */
int eddy_caught_(eddy_coro *co, int64_t error, const char *function, const char *file, int line)
{
    struct eddy_task_record *task = co->task;
    struct eddy_task_rare *rare = eddy_rare_make(task);
    struct eddy_error_info own = {error, NULL, function, file, line, NULL};

    if (rare != NULL) {
        bool known = eddy_has(task, EDDY_TASK_CASCADED_) && eddy_error_known(task, error);
        if (known) {
            eddy_error_place(task, function, file, line);
        }
        rare->caught = known ? eddy_rare(task)->error : own;
    }
    return 1;
}

const struct eddy_error_info *eddy_error(eddy_coro *co)
{
    static const struct eddy_error_info none = {0, "no error was caught", "", "", 0, NULL};
    struct eddy_task_rare *rare = eddy_rare(eddy_acting(co->task));

    if (rare == NULL || rare->caught.code == 0) {
        return &none;
    }
    if (rare->caught.text == NULL) {
        rare->caught.text = eddy_strerror(rare->caught.code);
    }
    return &rare->caught;
}

/* ---- what the error hook is told */

void eddy_error_report(struct eddy_task_record *task, int64_t error, const char *what)
{
    const struct eddy_error_info *info;
    const char *name = eddy_task_display_name(task);
    const char *place = eddy_task_place(task);
    const char *text;

    if (!eddy_error_known(task, error)) {
        eddy_loop_report(eddy_task_loop(task), eddy_handle(task), error, "task %s (%s) %s: %s",
                         name, place, what, eddy_strerror(error));
        return;
    }
    info = &eddy_rare(task)->error;
    text = info->text != NULL ? info->text : "";
    eddy_loop_report(eddy_task_loop(task), eddy_handle(task), error,
                     "%s:%d: %s: %s%s%s (in task %s (%s), which %s)", info->file, info->line,
                     info->function, text, text[0] != '\0' ? ": " : "", eddy_strerror(error), name,
                     place, what);
}

void eddy_error_report_spawn(eddy_loop *loop, const char *named_place, int64_t error,
                             const char *what)
{
    eddy_task none = {NULL, 0};

    if (named_place == NULL) {
        eddy_loop_report(loop, none, error, "a task could not be started%s: %s", what,
                         eddy_strerror(error));
        return;
    }
    eddy_loop_report(loop, none, error, "task %s (%s) could not be started%s: %s", named_place,
                     eddy_place_in(named_place), what, eddy_strerror(error));
}

void eddy_error_report_second(struct eddy_task_record *task, int64_t error, int64_t first,
                              const char *what)
{
    if (!eddy_is_a_lost_peer(error) || !eddy_is_a_lost_peer(first)) {
        eddy_error_report(task, error, what);
    }
}
