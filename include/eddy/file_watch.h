/*
 * Being told of what happens to files and in directories: inotify(7) as awaits.
 *
 *     eddy_await(eddy_file_watch_open(co, &self->watch));
 *     eddy_await(self->number, eddy_file_watch_add(co, &self->watch, "/etc/app",
 *                                                  EDDY_FILE_WRITTEN | EDDY_FILE_MOVED_TO));
 *     for (;;) {
 *         eddy_await(eddy_file_watch_next(co, &self->watch, &self->event));
 *         ...of self->event.number, self->event.what, self->event.name...
 *     }
 * eddy_finally:
 *     eddy_file_watch_close(&self->watch);
 *
 * What the kernel has it tell, and what not:
 *
 * Watch the directory and look at the names, not the file: an editor, or eddy_file_write, writes a new file
 * and renames it, and a watch of the old one follows that, to nowhere. In its directory it is a MOVED_TO.
 *
 * A file that is CREATED or MODIFIED is in the middle of being written, and there may be many MODIFIED; one that is
 * WRITTEN was closed by who had it open for writing.
 *
 * First add, then look at the directory or read the file: what comes in between is told, and nothing is missed.
 * A directory is watched without those in it; in one that is added when it was CREATED there may be files already.
 *
 * If events come faster than they are taken (/proc/sys/fs/inotify/max_queued_events), some are lost, and one is
 * EDDY_FILE_OVERFLOW: look at everything anew, the numbers that are watched included, for an UNWATCHED may be
 * among the lost. Equal events in a row are one.
 *
 * Nothing is told of what other machines do on a network's file system, of /proc and /sys, and of writes to a file that
 * is mapped (mmap(2)).
 *
 * The caller owns the struct, zeroed before it is opened; it has its fd until it is closed. A coroutine must not end
 * with an open one in its frame. One that is open when the loop ends is closed by that. A child of
 * fork(2) shares the parent's queue, and would take events from it: there it can be closed, and else is -ECHILD.
 */
#ifndef EDDY_FILE_WATCH_H
#define EDDY_FILE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "eddy/coro.h"
#include "eddy/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values are the kernel's, so nothing has to be translated. */
enum eddy_file_change {
    EDDY_FILE_MODIFIED = 0x2,       /* written to, or made shorter */
    EDDY_FILE_ATTRIBUTES = 0x4,     /* permissions, owner, times; or its names are one fewer */
    EDDY_FILE_WRITTEN = 0x8,        /* closed by who had it open for writing */
    EDDY_FILE_MOVED_FROM = 0x40,    /* the name is gone: renamed, or moved elsewhere */
    EDDY_FILE_MOVED_TO = 0x80,      /* the name is there, and may have been another's before */
    EDDY_FILE_CREATED = 0x100,      /* a file, directory, link or what else */
    EDDY_FILE_DELETED = 0x200,      /* the name is gone */
    EDDY_FILE_SELF_DELETED = 0x400, /* what is watched: no name and no open file of it is left */
    EDDY_FILE_SELF_MOVED = 0x800,   /* what is watched has another name, and is watched on */

    /* Told, and not asked for: */
    EDDY_FILE_UNMOUNTED = 0x2000, /* the file system of what is watched */
    EDDY_FILE_OVERFLOW = 0x4000,  /* events were lost; of no number */
    EDDY_FILE_UNWATCHED = 0x8000, /* the last of its number: it was removed, deleted or unmounted */
    EDDY_FILE_IS_DIRECTORY = 0x40000000 /* beside the others: the name is, or was, a directory's */
};

struct eddy_file_event {
    int number;    /* what eddy_file_watch_add has returned; -1: of none */
    unsigned what; /* one of enum eddy_file_change, and perhaps EDDY_FILE_IS_DIRECTORY */
    /* Of MOVED_FROM and MOVED_TO the same, and not 0. As a rule the second is the next event; it is missing
     * if the other directory is not watched. */
    unsigned cookie;
    /* In the directory; "": what is watched itself. Valid until the next event is asked for. */
    const char *name;
};

enum { EDDY_FILE_WATCH_BUFFER = 1024 }; /* private: at least one event with the longest of names */

/* All of it is private. */
typedef struct eddy_file_watch {
    eddy_io io;                      /* started while it is open */
    struct eddy_task_record *reader; /* who waits, or NULL */
    struct eddy_file_event *event;   /* his, while he waits */
    pid_t pid;                       /* of the process that has opened it */
    bool readable;                   /* a read may bring something */
    uint16_t at, filled;             /* what is left in the buffer: from, to */
    char buffer[EDDY_FILE_WATCH_BUFFER];
} eddy_file_watch;

/* Opens it, and waits for nothing: inotify_init1(2). 0; -EINVAL: it is open; -EMFILE: too many fds, or too many of these
 * of the user (/proc/sys/fs/inotify/max_user_instances: the text says so); -ENFILE, -ENOMEM; -ENOSPC of epoll_ctl(2);
 * -ECHILD in a child of fork(2); -ECANCELED. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_watch_open(eddy_coro *co, eddy_file_watch *watch);
#define eddy_file_watch_open(...) eddy_file_watch_open_(__VA_ARGS__, EDDY_PLACE_)

/* Watches a file or directory for `what` (of enum eddy_file_change, or-ed), and returns its number, which does not come
 * again for long. Follows a symbolic link. inotify_add_watch(2): the path is walked in the loop's thread. -EEXIST: that file is
 * watched already, perhaps by another name (from Linux 4.18; before, `what` replaces what was asked for); -EINVAL:
 * nothing, or what cannot be asked for; -ENOSPC: the user has too many (/proc/sys/fs/inotify/max_user_watches: the text
 * says so); -ENOENT, -EACCES (it must be readable) and the like, with the path in the text; -ENOMEM; -EBADF: it is not open;
 * -ECHILD; -ECANCELED: nothing was done. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_watch_add(eddy_coro *co, eddy_file_watch *watch,
                                                   const char *path, unsigned what);

/* Stops watching: inotify_rm_watch(2). What has come of it is still told, and at last an UNWATCHED. 0; -EINVAL: there is
 * no such number, or it is unwatched already; -EBADF: it is not open; -ECHILD. */
EDDY_API int eddy_file_watch_remove(eddy_file_watch *watch, int number);

/* Waits for the next event, and sets *event, which lies in a frame or the like. 0; -EBUSY: another task waits; -EBADF: it is
 * not open, or was closed meanwhile; -ECHILD; the errors of read(2); -ECANCELED. A cancel takes no event away, before,
 * during or after. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_watch_next(eddy_coro *co, eddy_file_watch *watch,
                                                    struct eddy_file_event *event);

/* Closes; who waits has -EBADF. Nothing if it is not open. The kernel may take milliseconds for that, for which the loop
 * stands still, as it waits for everybody who looks through its lists: where files come and go, add and remove
 * them, and keep the watch. */
EDDY_API void eddy_file_watch_close(eddy_file_watch *watch);

static inline bool eddy_file_watch_is_open(const eddy_file_watch *watch)
{
    return eddy_io_started(&watch->io);
}

/* Private. */
EDDY_API EDDY_MUST_USE int64_t eddy_file_watch_open_(eddy_coro *co, eddy_file_watch *watch,
                                                     const char *place);

#ifdef __cplusplus
}
#endif

#endif
