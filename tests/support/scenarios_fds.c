/* Scenarios of fds that are no sockets of the loop's: one of somebody else's, and a watch of files. */
#include "scenarios.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/file_watch.h"
#include "eddy/io.h"

/* ---- an fd of somebody else's, kept: one end of a pair, read by one task and written by another */

static eddy_fd kept;
static int sent, received;
static int ends[2];

static void keep_a_pair(void)
{
    static const char block[4096];

    testing_socketpair(ends);
    while (write(ends[0], block, sizeof block) > 0) {}
    memset(&kept, 0, sizeof kept);
    sent = received = 0;
}

eddy_frame_of(reads_kept, int id, int64_t events, char byte);

static void reads_kept(eddy_coro *co)
{
    eddy_begin(reads_kept);
    scenario_opened();
    eddy_await(eddy_fd_init(testing.loop, &kept, ends[0]));
    while (received < 3) {
        eddy_await(self->events, eddy_fd_ready(co, &kept, EDDY_READ));
        scenario_assert(read(ends[0], &self->byte, 1) == 1);
        received++;
        eddy_await(eddy_sleep(co, (received - 1) * TICK));
    }
eddy_finally:
    eddy_fd_fini(&kept);
    scenario_closed();
    eddy_end;
}
scenario_role(reads_kept);

/* Until the reader has let the fd go. */
eddy_frame_of(writes_kept, int id, int64_t rc, int written);

static void writes_kept(eddy_coro *co)
{
    eddy_begin(writes_kept);
    for (; self->written < 2; self->written++) {
        eddy_catch(self->rc, eddy_fd_ready(co, &kept, EDDY_WRITE));
        if (self->rc < 0) {
            eddy_return(self->rc == -EBADF ? 0 : self->rc);
        }
        scenario_assert(write(ends[0], "x", 1) == 1);
    }
    eddy_end;
}
scenario_role(writes_kept);

eddy_frame_of(is_the_other_end, int id);

static void is_the_other_end(eddy_coro *co)
{
    eddy_begin(is_the_other_end);
    while (sent < 3) {
        testing_poke(ends[1]);
        sent++;
        eddy_await(eddy_sleep(co, TICK));
        testing_drain(ends[1]);
    }
    eddy_end;
}
scenario_role(is_the_other_end);

static void check_kept(void)
{
    char byte;

    while (read(ends[0], &byte, 1) == 1) {
        received++;
    }
    scenario_assert(received == sent);
    scenario_assert(!eddy_io_started(&kept.io));
    close(ends[0]);
    close(ends[1]);
}

/* ---- a file that is written and closed to its group in turn: each is told of once, or the kernel still has it to
 * tell */

enum { CHANGES = 4 };

static eddy_file_watch watch; /* closed by the check */
static char path[] = "/tmp/eddy-scenario-XXXXXX";
static int file;
static int made, heard;
static bool watched;
static int made_before; /* that */

static void make_file(void)
{
    memset(&watch, 0, sizeof watch);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    file = mkostemp(path, O_CLOEXEC);
    assert_true(file >= 0);
    made = heard = made_before = 0;
    watched = false;
}

static void change_file(void)
{
    if (made++ % 2 == 0) {
        assert_int_equal(write(file, "x", 1), 1);
    } else {
        assert_int_equal(fchmod(file, 0600), 0);
    }
}

static void hear(const struct eddy_file_event *event)
{
    bool written = (made_before + heard++) % 2 == 0;

    scenario_assert(event->what == (written ? EDDY_FILE_MODIFIED : EDDY_FILE_ATTRIBUTES));
    scenario_assert(made_before + heard <= made);
}

eddy_frame_of(watches_file, int id, struct eddy_file_event event);

static void watches_file(eddy_coro *co)
{
    eddy_begin(watches_file);
    eddy_await(eddy_file_watch_open(co, &watch));
    eddy_await(eddy_file_watch_add(co, &watch, path, EDDY_FILE_MODIFIED | EDDY_FILE_ATTRIBUTES));
    watched = true;
    made_before = made;
    while (made_before + heard < CHANGES) {
        eddy_await(eddy_file_watch_next(co, &watch, &self->event));
        hear(&self->event);
        eddy_await(eddy_sleep(co, heard % 2 * 2 * TICK)); /* some come together */
    }
    eddy_end;
}
scenario_role(watches_file);

eddy_frame_of(changes_file, int id);

static void changes_file(eddy_coro *co)
{
    eddy_begin(changes_file);
    while (made < CHANGES) {
        eddy_await(eddy_sleep(co, TICK));
        change_file();
    }
    eddy_end;
}
scenario_role(changes_file);

eddy_frame_of(hears_rest, struct eddy_file_event event);

static void hears_rest(eddy_coro *co)
{
    eddy_begin(hears_rest);
    while (made_before + heard < made) {
        eddy_await(eddy_wait_for(co, 0, eddy_file_watch_next(co, &watch, &self->event)));
        hear(&self->event);
    }
    eddy_end;
}

static void check_heard(void)
{
    if (watched) {
        scenario_assert(run(hears_rest) == 0);
    }
    eddy_file_watch_close(&watch);
    close(file);
    unlink(path);
}

const struct scenario fd_scenarios[] = {
    {"a kept fd",
     keep_a_pair,
     {play_reads_kept, play_writes_kept, play_is_the_other_end},
     check_kept},
    {"a file", make_file, {play_watches_file, play_changes_file}, check_heard},
    {NULL, NULL, {NULL}, NULL},
};
