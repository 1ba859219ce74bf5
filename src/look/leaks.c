/*
 * What of the user's is still active when its loop is freed, and where it was started
 * (EDDY_LOOP_REPORT_LEAKS). Tasks are told of by task/tell.c.
 *
 * Watchers and timers are the caller's structs, and have no room for a place. So places are kept aside,
 * in a table by the struct's address, only of loops that want the report:
 *
 *     started            its place is put in; the table grows when it is three quarters full
 *     stopped            nothing: a stop stays as cheap as it is
 *     started again      the new place replaces the old one
 *     the table grows    what is not active now is left behind: only then is it looked through
 *
 * So an entry may be of a struct that is long gone. It does no harm: only what is active is told, and
 * whatever was started at that address afterwards has put its own place there. Without memory a leak is
 * told without its place.
 */
#include "look/leaks.h"

#include <string.h>

#include "base/duration.h"
#include "look/describe.h"

enum { FIRST_PLACES = 64 };

/* ---- where it was started: nothing is taken out of the table when it is stopped, so that only who
 * wants the report pays for it; what is gone goes when the table grows */

/* The entry of an object, or the free one where it belongs; of a table that is not full. */
static struct eddy_place *find(const struct eddy_places *places, const void *object)
{
    uint64_t hash = (uint64_t)(uintptr_t)object * 0x9E3779B97F4A7C15u;
    uint32_t i = (uint32_t)(hash >> 32);

    for (;; i++) {
        struct eddy_place *entry = &places->entries[i & (places->size - 1)];
        if (entry->object == object || entry->object == NULL) {
            return entry;
        }
    }
}

static const char *place_of(const struct eddy_places *places, const void *object)
{
    return places->entries != NULL ? find(places, object)->place : NULL;
}

const char *eddy_places_find(const eddy_loop *loop, const void *object)
{
    return place_of(&loop->places, object);
}

static void put(struct eddy_places *places, const void *object, const char *place)
{
    struct eddy_place *entry = find(places, object);

    places->used += entry->object == NULL;
    entry->object = object;
    entry->place = place;
}

/* Whether there is room for one more object, with the table at most three quarters full. */
static bool has_room(const struct eddy_places *places)
{
    return places->used < places->size / 4 * 3;
}

static void carry(const struct eddy_places *from, struct eddy_places *to, const void *object)
{
    const char *place = place_of(from, object);

    if (place != NULL) {
        put(to, object, place);
    }
}

/* Makes a table with as much room again as what is active may need, and nothing else in it. */
static bool renew(eddy_loop *loop)
{
    struct eddy_places old = loop->places;
    struct eddy_places fresh = {.size = FIRST_PLACES};
    const struct eddy_link *ends = &loop->ends;
    size_t active = loop->heap.count;

    for (int fd = 0; fd < loop->slot_count; fd++) {
        active += loop->slots[fd].io != NULL;
    }
    for (const struct eddy_link *link = eddy_list_first(ends); link != NULL && link != ends;
         link = link->next) {
        active++;
    }
    while (fresh.size / 4 < active && fresh.size < UINT32_C(1) << 31) {
        fresh.size *= 2;
    }
    fresh.entries = eddy_pool_resize(&loop->pool, NULL, 0, fresh.size * sizeof *fresh.entries);
    if (fresh.entries == NULL) {
        return false;
    }
    memset(fresh.entries, 0, fresh.size * sizeof *fresh.entries);
    for (int fd = 0; fd < loop->slot_count; fd++) {
        carry(&old, &fresh, loop->slots[fd].io);
    }
    for (uint32_t i = 0; i < loop->heap.count; i++) {
        carry(&old, &fresh, eddy_timed_of(loop->heap.entries[i].alarm));
    }
    for (const struct eddy_link *link = eddy_list_first(ends); link != NULL && link != ends;
         link = link->next) {
        carry(&old, &fresh, link);
    }
    eddy_places_fini(loop);
    loop->places = fresh;
    return has_room(&loop->places);
}

void eddy_places_note(eddy_loop *loop, const void *object, const char *place)
{
    struct eddy_places *places = &loop->places;
    bool known = places->entries != NULL && find(places, object)->object != NULL;

    if (known || (place != NULL && (has_room(places) || renew(loop)))) {
        put(places, object, place);
    }
}

void eddy_places_fini(eddy_loop *loop)
{
    struct eddy_places *places = &loop->places;

    if (places->entries != NULL) {
        eddy_pool_resize(&loop->pool, places->entries, places->size * sizeof *places->entries, 0);
        places->entries = NULL;
    }
}

/* ---- telling */

/* Tells of one: what it is and does, which one it is, and a word for how it was made. */
static void report(eddy_loop *loop, const void *object, const char *what, const char *which,
                   const char *made)
{
    eddy_task none = {NULL, 0};
    const char *place = place_of(&loop->places, object);

    if (place != NULL) {
        eddy_loop_report(loop, none, -EBUSY, "leak: %s %s (%s at %s)", what, which, made, place);
    } else {
        eddy_loop_report(loop, none, -EBUSY, "leak: %s %s", what, which);
    }
}

static void report_io(eddy_loop *loop, const eddy_io *io)
{
    static const struct {
        const char *what;
        const char *made;
    } words[] = {
        [EDDY_IO_CALLBACK] = {"a watcher is still started on", "started"},
        [EDDY_IO_LISTENER] = {"a server still listens on", "opened"},
        [EDDY_IO_KEPT] = {"an eddy_fd still has", "initialized"},
        [EDDY_IO_EDGE] = {"a stream is still open on", "opened"},
        [EDDY_IO_EDGE_DATAGRAM] = {"a datagram socket is still open on", "opened"},
        [EDDY_IO_EDGE_WATCH] = {"a watch of files is still open on", "opened"},
    };
    char fd[EDDY_FD_TEXT];

    if (io->mode != EDDY_IO_NOTIFY &&
        io->mode != EDDY_IO_OWN) { /* the library's own, part of something else */
        eddy_describe_fd(loop, io->fd, fd, sizeof fd);
        report(loop, io, words[io->mode].what, fd, words[io->mode].made);
    }
}

static void report_timer(eddy_loop *loop, const eddy_timer *timer)
{
    char left[EDDY_DURATION_TEXT + 8];

    if ((timer->timed.ready.bits & EDDY_TIMER_OWN) == 0) {
        eddy_duration_format_left(left, sizeof left, timer->deadline, eddy_loop_peek_clock(loop));
        report(loop, timer,
               timer->period > 0 ? "a periodic timer is still started:"
                                 : "a timer is still started:",
               left, "started");
    }
}

/* What follows the loop's end and has no fd by which it is found. */
static void report_end(eddy_loop *loop, const struct eddy_loop_end *end)
{
    char text[2 * EDDY_FD_TEXT];

    if (end->describe != NULL) {
        end->describe(end, text, sizeof text);
        report(loop, end, "a stream is still open on", text, "opened");
    }
}

void eddy_tell_leaks(eddy_loop *loop)
{
    const struct eddy_link *ends = &loop->ends;

    for (int fd = 0; fd < loop->slot_count; fd++) {
        if (loop->slots[fd].io != NULL) {
            report_io(loop, loop->slots[fd].io);
        }
    }
    for (uint32_t i = 0; i < loop->heap.count; i++) {
        struct eddy_timed *timed = eddy_timed_of(loop->heap.entries[i].alarm);
        if (timed->ready.kind == EDDY_READY_TIMER) {
            report_timer(loop, (eddy_timer *)timed);
        }
    }
    for (const struct eddy_link *link = eddy_list_first(ends); link != NULL && link != ends;
         link = link->next) {
        report_end(loop, (const struct eddy_loop_end *)(const void *)link);
    }
}
