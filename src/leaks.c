/* What of the user's is still active when its loop is freed (EDDY_LOOP_REPORT_LEAKS). Tasks are
 * told of by floor 3. */
#include "describe.h"
#include "loop_internal.h"

static void report_io(eddy_loop *loop, const eddy_io *io)
{
    static const char *const whats[] = {
        [EDDY_IO_CALLBACK] = "a watcher is still started on",
        [EDDY_IO_LISTENER] = "a server still listens on",
        [EDDY_IO_EDGE] = "a stream is still open on",
    };
    eddy_task none = {NULL, 0};
    char fd[EDDY_ADDRESS_TEXT];

    if (io->mode == EDDY_IO_NOTIFY) {
        return; /* the library's own, part of something else */
    }
    eddy_describe_fd(loop, io->fd, fd, sizeof fd);
    eddy_loop_report(loop, none, -EBUSY, "leak: %s %s", whats[io->mode], fd);
}

static void report_timer(eddy_loop *loop, const eddy_timer *timer)
{
    eddy_task none = {NULL, 0};
    char left[EDDY_DURATION_TEXT + 8];

    if (timer->deadline == EDDY_FOREVER) {
        return; /* never fires: a server keeps one */
    }
    eddy_describe_left(loop, timer->deadline, left, sizeof left);
    eddy_loop_report(loop, none, -EBUSY, "leak: a%s timer is still started: %s",
                     timer->period > 0 ? " periodic" : "", left);
}

void eddy_report_leaks(eddy_loop *loop)
{
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
}
