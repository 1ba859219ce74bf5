/* Scenarios of what goes on beside the loop: work in threads, names, files, and signals. */
#include "scenarios.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "eddy/address.h"
#include "eddy/file.h"
#include "eddy/offload.h"
#include "eddy/path.h"
#include "eddy/signal.h"
#include "support/threads.h"
#include "work/workers.h"

/*
 * Threads that keep step with the turns: there is one worker, and each step of its work ends at a
 * gate, where it stands until the next turn is over. So in every turn a job is either queued, or
 * at a gate, or it has ended and the loop has not heard of it, and that is always the same.
 */

static struct gate gate;
static bool standing; /* the worker, at the gate */

static bool is_told_of(const eddy_job *job)
{
    const eddy_callback *message = __atomic_load_n(&testing.loop->messages, __ATOMIC_ACQUIRE);

    while (message != NULL && message != &job->done) {
        message = message->next;
    }
    return message != NULL;
}

static void count_visitor(struct eddy_task_record *task, void *context)
{
    int *count = context;

    if (task->timed.ready.state == EDDY_TASK_WAITING_ &&
        (strcmp(task->wait->name, "offload") == 0 || strcmp(task->wait->name, "file") == 0 ||
         strcmp(task->wait->name, "resolve") == 0)) {
        *count += !is_told_of(task->in.object);
    }
}

/* Jobs that tasks wait for and that have not ended. */
static int count_jobs(void)
{
    int count = 0;

    if (testing.loop->tasks != NULL) {
        eddy_task_each(testing.loop, count_visitor, &count);
    }
    return count;
}

static void take_step(void)
{
    if (standing) {
        gate_open(&gate);
        do { /* to the next gate, or to the end of the job */
            standing = sem_trywait(&gate.come) == 0;
            sched_yield();
        } while (!standing && !eddy_messages_waiting(testing.loop));
    }
    if (!standing && count_jobs() > 0) {
        gate_await(&gate);
        standing = true;
    }
}

static void open_gate(void)
{
    for (int i = 0; i < 1000; i++) {
        gate_open(&gate);
    }
}

static void begin_steps(void)
{
    gate_init(&gate);
    standing = false;
    scenario_works_beside(take_step, open_gate);
}

/* ---- work in a thread */

static struct task_work {
    bool stubborn; /* does not look whether it is cancelled */
    int done;      /* as the worker counts, */
    int received;  /* and as its task does */
} works[2];

static void begin_works(void)
{
    begin_steps();
    memset(works, 0, sizeof works);
}

static int64_t work(eddy_job *job, void *argument)
{
    struct task_work *it = argument;

    gate_pass(&gate);
    if (!it->stubborn && eddy_offload_cancelled(job)) {
        return -ECANCELED;
    }
    gate_pass(&gate);
    return ++it->done;
}

eddy_frame_of(offloads, int id, int64_t rc);

static void offloads(eddy_coro *co)
{
    struct task_work *it;

    eddy_begin(offloads);
    eddy_await(give(co, eddy_offload_workers(testing.loop, 1)));
    for (;;) {
        eddy_catch(self->rc, eddy_offload(co, work, &works[self->id]));
        it = &works[self->id];
        it->received += self->rc > 0;
        if (self->rc < 0 || it->received == 3) {
            eddy_return(self->rc < 0 ? self->rc : 0);
        }
        it->stubborn = !it->stubborn;
    }
    eddy_end;
}
scenario_role(offloads);

/* Whatever was done was received. */
static void check_works(void)
{
    for (int i = 0; i < 2; i++) {
        scenario_assert(works[i].done == works[i].received);
    }
}

/* ---- names */

static void begin_names(void)
{
    begin_steps();
    resolver_install();
    resolver.gate = &gate;
    resolver.answers[0] = "192.0.2.1";
    resolver.answers[1] = "192.0.2.2";
}

eddy_frame(resolves) {
    eddy_coro co;
    int id;
    int i;
    int64_t count;
    struct eddy_address addresses[4];
};

static void resolves(eddy_coro *co)
{
    eddy_begin(resolves);
    eddy_await(give(co, eddy_resolve_workers(testing.loop, 1)));
    for (; self->i < 2; self->i++) {
        eddy_await(self->count, eddy_resolve(co, "a.test", 80, AF_UNSPEC, self->addresses, 4));
        scenario_assert(self->count == 2);
        scenario_assert(self->addresses[1].storage.ss_family == AF_INET);
    }
    eddy_end;
}
scenario_role(resolves);

static void nothing(void) {}

/* ---- files; nothing but these threads takes notice of the gate in the calls, which stays there */

static pthread_t loop_thread;
static char directory[] = "/tmp/eddy-scenario-XXXXXX";
static char path[sizeof directory + 8];
static const char old_text[] = "the old text", new_text[] = "a new one";

static void pass_gate(void)
{
    if (!pthread_equal(pthread_self(), loop_thread)) {
        gate_pass(&gate);
    }
}

static int open_at_gate(const struct eddy_sys *sys, const char *name, int flags, mode_t mode)
{
    pass_gate();
    return eddy_sys_default()->open(sys, name, flags, mode);
}

static ssize_t read_at_gate(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    pass_gate();
    return eddy_sys_default()->read(sys, fd, buffer, size);
}

static int rename_at_gate(const struct eddy_sys *sys, const char *from, const char *to)
{
    pass_gate();
    return eddy_sys_default()->rename(sys, from, to);
}

static void begin_files(void)
{
    FILE *file;

    begin_steps();
    loop_thread = pthread_self();
    testing.sys.table.open = open_at_gate;
    testing.sys.table.read = read_at_gate;
    testing.sys.table.rename = rename_at_gate;
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(old_text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A file has the one text or the other, never a part. */
static void check_text(const char *text, int64_t size)
{
    const char *expected = size == sizeof old_text - 1 ? old_text : new_text;

    scenario_assert(size == (int64_t)strlen(expected));
    scenario_assert(memcmp(text, expected, (size_t)size) == 0);
}

eddy_frame_of(writes_file, int id);

static void writes_file(eddy_coro *co)
{
    eddy_begin(writes_file);
    eddy_await(give(co, eddy_file_workers(testing.loop, 1)));
    eddy_await(eddy_file_write(co, path, new_text, sizeof new_text - 1, 0));
    eddy_end;
}
scenario_role(writes_file);

eddy_frame_of(reads_file, int id, int64_t size, struct eddy_file_data data, char text[32]);

static void reads_file(eddy_coro *co)
{
    eddy_begin(reads_file);
    eddy_await(give(co, eddy_file_workers(testing.loop, 1)));
    eddy_catch(self->size, eddy_file_read(co, path, &self->data, 100));
    if (self->size < 0) {
        scenario_assert(self->data.bytes == NULL);
        eddy_return(self->size);
    }
    check_text(self->data.bytes, self->size);
    eddy_await(self->size, eddy_file_read_into(co, path, self->text, sizeof self->text));
    check_text(self->text, self->size);
eddy_finally:
    eddy_file_free(testing.loop, &self->data);
    eddy_end;
}
scenario_role(reads_file);

/* And there is no other beside it. */
static void check_file(void)
{
    char text[32];
    FILE *file = fopen(path, "re");

    scenario_assert(file != NULL);
    check_text(text, (int64_t)fread(text, 1, sizeof text, file));
    fclose(file);
    unlink(path);
    scenario_assert(rmdir(directory) == 0);
}

/* ---- files in pieces, and a directory: what is written is there, and nothing stays open */

static ssize_t pread_at_gate(const struct eddy_sys *sys, int fd, void *buffer, size_t size,
                             int64_t offset)
{
    pass_gate();
    return eddy_sys_default()->pread(sys, fd, buffer, size, offset);
}

static ssize_t pwrite_at_gate(const struct eddy_sys *sys, int fd, const void *buffer, size_t size,
                              int64_t offset)
{
    pass_gate();
    return eddy_sys_default()->pwrite(sys, fd, buffer, size, offset);
}

static int truncate_at_gate(const struct eddy_sys *sys, int fd, int64_t size)
{
    pass_gate();
    return eddy_sys_default()->ftruncate(sys, fd, size);
}

static int sync_at_gate(const struct eddy_sys *sys, int fd)
{
    pass_gate();
    return eddy_sys_default()->fsync(sys, fd);
}

static ssize_t list_at_gate(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    pass_gate();
    return eddy_sys_default()->getdents(sys, fd, buffer, size);
}

static int close_at_gate(const struct eddy_sys *sys, int fd)
{
    pass_gate();
    return eddy_sys_default()->close(sys, fd);
}

static eddy_file pieces;
static eddy_dir names;
static int written;

static void begin_pieces(void)
{
    begin_files();
    testing.sys.table.pread = pread_at_gate;
    testing.sys.table.pwrite = pwrite_at_gate;
    testing.sys.table.ftruncate = truncate_at_gate;
    testing.sys.table.fsync = sync_at_gate;
    testing.sys.table.getdents = list_at_gate;
    testing.sys.table.close = close_at_gate;
    memset(&pieces, 0, sizeof pieces);
    memset(&names, 0, sizeof names);
    written = 0;
}

eddy_frame_of(writes_pieces, int id, int64_t size, char byte);

static void writes_pieces(eddy_coro *co)
{
    eddy_begin(writes_pieces);
    eddy_await(give(co, eddy_file_workers(testing.loop, 1)));
    eddy_with_file(&pieces, path, O_RDWR, 0) {
        eddy_await(self->size, eddy_file_write_at(co, &pieces, new_text, sizeof new_text - 1, 0));
        written = 1;
        eddy_await(eddy_file_truncate(co, &pieces, self->size));
        written = 2;
        eddy_await(self->size, eddy_file_read_at(co, &pieces, &self->byte, 1, 0));
        scenario_assert(self->size == 1 && self->byte == new_text[0]);
        eddy_await(eddy_file_sync(co, &pieces));
    }
    eddy_end;
}
scenario_role(writes_pieces);

eddy_frame_of(lists_names, int id, int64_t more);

static void lists_names(eddy_coro *co)
{
    eddy_begin(lists_names);
    eddy_await(give(co, eddy_file_workers(testing.loop, 1)));
    eddy_with_dir(&names, directory) {
        eddy_await(self->more, eddy_dir_next(co, &names));
        scenario_assert(self->more == 1 && strcmp(names.entry.name, "file") == 0);
        eddy_await(self->more, eddy_dir_next(co, &names));
        scenario_assert(self->more == 0);
    }
    eddy_end;
}
scenario_role(lists_names);

/* A piece is whole in the file, or it is not there. */
static void check_pieces(void)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    size_t size;

    scenario_assert(file != NULL);
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    scenario_assert(written < 2 || size == sizeof new_text - 1);
    scenario_assert(written == 0 || memcmp(text, new_text, sizeof new_text - 1) == 0);
    scenario_assert(memcmp(text, new_text, sizeof new_text - 1) == 0 ||
                    strcmp(text, old_text) == 0);
    scenario_assert(pieces.loop == NULL && names.file.loop == NULL);
    unlink(path);
    scenario_assert(rmdir(directory) == 0);
}

/* ---- signals */

enum { SIGNALS = 3 };
static const int numbers[SIGNALS] = {SIGUSR1, SIGWINCH, SIGUSR2};
static const uint64_t all = EDDY_SIGNAL(SIGUSR1) | EDDY_SIGNAL(SIGWINCH) | EDDY_SIGNAL(SIGUSR2);
static uint64_t raised, heard;

static void mask_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&set, numbers[i]);
    }
    assert_int_equal(pthread_sigmask(how, &set, NULL), 0);
}

/* Blocked from the start, for who waits for them may never begin. */
static void block_signals(void)
{
    raised = heard = 0;
    mask_signals(SIG_BLOCK);
}

static void hear(int64_t number)
{
    uint64_t bit = EDDY_SIGNAL(number);

    scenario_assert((raised & bit) != 0 && (heard & bit) == 0);
    heard |= bit;
}

eddy_frame_of(raises, int id, int i);

static void raises(eddy_coro *co)
{
    eddy_begin(raises);
    for (; self->i < SIGNALS; self->i++) {
        eddy_await(eddy_sleep(co, 2 * TICK));
        raised |= EDDY_SIGNAL(numbers[self->i]);
        assert_int_equal(raise(numbers[self->i]), 0);
    }
    eddy_end;
}
scenario_role(raises);

eddy_frame_of(hears, int id, uint64_t set, int64_t number);

/* One waits for the first, and the other for the rest. */
static void hears(eddy_coro *co)
{
    eddy_begin(hears);
    self->set = self->id == 1 ? EDDY_SIGNAL(SIGUSR1) : all & ~EDDY_SIGNAL(SIGUSR1);
    while ((self->set & ~heard) != 0) {
        eddy_await(self->number, eddy_signal_wait(co, self->set));
        scenario_assert((self->set & EDDY_SIGNAL(self->number)) != 0);
        hear(self->number);
        eddy_await(eddy_sleep(co, 3 * TICK));
    }
    eddy_end;
}
scenario_role(hears);

eddy_frame_of(hears_rest, int64_t number);

static void hears_rest(eddy_coro *co)
{
    eddy_begin(hears_rest);
    while (heard != raised) {
        eddy_await(self->number, eddy_wait_for(co, 0, eddy_signal_wait(co, all)));
        hear(self->number);
    }
    eddy_end;
}

/* What was raised and not heard is still there. */
static void check_signals(void)
{
    scenario_assert(eddy_signal_watch(testing.loop, all) == 0);
    testing_turn();
    scenario_assert(run(hears_rest) == 0);
    mask_signals(SIG_UNBLOCK);
}

const struct scenario beside_scenarios[] = {
    {"work in a thread", begin_works, {play_offloads, play_offloads}, check_works},
    {"names", begin_names, {play_resolves, play_resolves}, nothing},
    {"files", begin_files, {play_writes_file, play_reads_file}, check_file},
    {"files in pieces", begin_pieces, {play_writes_pieces, play_lists_names}, check_pieces},
    {"signals", block_signals, {play_raises, play_hears, play_hears}, check_signals},
    {NULL, NULL, {NULL}, NULL},
};
