/*
 * Whether work with files and children keeps a game from its frames: a loop is polled once in each of 60 frames a
 * second, without waiting and with a budget of 2 ms, while tasks do what might make it stand still.
 *
 *     bench_frame [copy] [list] [read] [spawn]          default: all of them at once
 *
 *     copy     a file of 2 GiB, in pieces of 4 MiB, with a line of progress (if standard error is a terminal); it is
 *              cancelled in the middle of a piece and of the file, and begun anew. The file is sparse, and what is
 *              written goes round in 64 MiB: all bytes are read and written, and the disk is spared
 *     list     a directory of 100,000 names, again and again
 *     read     a whole file of 16 MiB, again and again, and its memory given back
 *     spawn    a child process, and when it has ended the next
 *
 * It lasts as long as the copies, or 1,500 frames without them. Prints one line name=value ...: of the polls the median,
 * the 99th percentile and the longest, and whether the second is within the budget; how many took longer than that, and in
 * how many of those the thread went to sleep (in the others something else had its processor); the CPU time of polls.
 * On a machine that is not at rest that would be what the others do: "chrt -R -r 1 bench_frame ..." gives this
 * thread, and none of eddy's or its children, the processor whenever it wants it, and so leaves what eddy does.
 * Exits 1 if something was not done, or was wrong. Its files are in a folder of their own in $TMPDIR, or /tmp, and go
 * with it.
 */
#include <eddy.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB INT64_C(1048576)
#define FRAME (EDDY_SECOND / 60)
#define BUDGET (2 * EDDY_MILLISECOND)

enum { NAMES = 100000, FRAMES = 1500, MOST_FRAMES = 100000, WHOLE_MIB = 16, PIECE_MIB = 4 };

static const int64_t SOURCE_SIZE = 2048 * MIB;
static const int64_t TARGET_SIZE = 64 * MIB;

struct bench {
    eddy_loop *loop;
    bool copies, lists, reads, spawns; /* what is to be done */
    char source[256], target[256], whole[256], names[256];
    eddy_task first;   /* the copy that is cancelled */
    int64_t copied;    /* bytes, of the copy that goes on */
    int64_t cancelled; /* bytes, of the one that was; 0: it was not yet */
    bool ended;        /* both copies */
    uint64_t lists_ended, reads_ended, children;
};

/* ---- the tasks */

eddy_frame(copy) {
    eddy_coro co;
    struct bench *bench;
    eddy_file source, target;
    struct eddy_buffer piece;
    int64_t size;
};

static void copy(eddy_coro *co)
{
    eddy_begin(copy);
    self->bench->copied = 0;
    eddy_with_file(&self->source, self->bench->source, O_RDONLY, 0) {
        eddy_with_file(&self->target, self->bench->target, O_WRONLY | O_CREAT, 0600) {
            eddy_with_buffer(&self->piece, PIECE_MIB * MIB) {
                do {
                    eddy_await(self->size,
                               eddy_file_read_at(co, &self->source, self->piece.data,
                                                 self->piece.size, self->bench->copied));
                    eddy_await(eddy_file_write_at(co, &self->target, self->piece.data,
                                                  (size_t)self->size,
                                                  self->bench->copied % TARGET_SIZE));
                    self->bench->copied += self->size;
                } while (self->size > 0);
            }
        }
    }
    eddy_end;
}

eddy_frame(copy_twice) {
    eddy_coro co;
    struct bench *bench;
    int64_t rc;
};

static void copy_twice(eddy_coro *co)
{
    eddy_begin(copy_twice);
    self->bench->first = eddy_spawn(co, copy, .bench = self->bench);
    eddy_catch(self->rc, eddy_join(co, self->bench->first));
    if (self->rc != -ECANCELED) {
        eddy_return(self->rc < 0 ? self->rc : -EIO);
    }
    eddy_await(eddy_call(co, copy, .bench = self->bench));
    self->bench->ended = true;
    eddy_end;
}

eddy_frame(list) {
    eddy_coro co;
    struct bench *bench;
    eddy_dir dir;
    int64_t more, count;
};

static void list(eddy_coro *co)
{
    eddy_begin(list);
    while (true) {
        self->count = 0;
        eddy_with_dir(&self->dir, self->bench->names) {
            do {
                eddy_await(self->more, eddy_dir_next(co, &self->dir));
                self->count += self->more;
            } while (self->more > 0);
        }
        if (self->count != NAMES) {
            eddy_return(-EIO);
        }
        self->bench->lists_ended++;
    }
    eddy_end;
}

eddy_frame(read_whole) {
    eddy_coro co;
    struct bench *bench;
    struct eddy_file_data data;
};

static void read_whole(eddy_coro *co)
{
    eddy_begin(read_whole);
    while (true) {
        eddy_await(eddy_file_read(co, self->bench->whole, &self->data, WHOLE_MIB * MIB));
        eddy_file_free(eddy_loop_of(co), &self->data);
        self->bench->reads_ended++;
    }
eddy_finally:
    eddy_file_free(eddy_loop_of(co), &self->data);
    eddy_end;
}

eddy_frame(spawn) {
    eddy_coro co;
    struct bench *bench;
    int64_t status;
};

static void spawn(eddy_coro *co)
{
    static const char *const command[] = {"/bin/true", NULL};
    static const struct eddy_process_options options = {.argv = command};

    eddy_begin(spawn);
    while (true) {
        eddy_await(self->status, eddy_process_run(co, &options, NULL, 0, NULL, NULL));
        if (self->status != 0) {
            eddy_return(-EIO);
        }
        self->bench->children++;
    }
    eddy_end;
}

eddy_frame(all) {
    eddy_coro co;
    struct bench *bench;
    eddy_group group;
};

static void all(eddy_coro *co)
{
    eddy_begin(all);
    eddy_with_group(&self->group) {
        if (self->bench->copies) {
            eddy_group_spawn(co, &self->group, copy_twice, .bench = self->bench);
        }
        if (self->bench->lists) {
            eddy_group_spawn(co, &self->group, list, .bench = self->bench);
        }
        if (self->bench->reads) {
            eddy_group_spawn(co, &self->group, read_whole, .bench = self->bench);
        }
        if (self->bench->spawns) {
            eddy_group_spawn(co, &self->group, spawn, .bench = self->bench);
        }
    }
    eddy_end;
}

/* ---- the frames */

struct times {
    int64_t taken[MOST_FRAMES]; /* nanoseconds */
    size_t count;
};

static struct times polls, cpu;
static struct {
    int64_t all, slept; /* polls that took longer than the budget; those of them that have slept */
} over;

static int64_t now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

/* How often the thread has gone to sleep by itself. */
static long sleeps(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static int64_t timed_poll(eddy_loop *loop)
{
    long slept = sleeps();
    int64_t begun = now(CLOCK_MONOTONIC);
    int64_t cpu_begun = now(CLOCK_THREAD_CPUTIME_ID);
    int64_t result = eddy_loop_poll_once(loop, 0, BUDGET);

    cpu.taken[cpu.count++] = now(CLOCK_THREAD_CPUTIME_ID) - cpu_begun;
    polls.taken[polls.count] = now(CLOCK_MONOTONIC) - begun;
    if (polls.taken[polls.count++] > BUDGET) {
        over.all++;
        over.slept += sleeps() > slept;
    }
    return result;
}

static void show_progress(const struct bench *bench)
{
    if (bench->copies && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%4" PRId64 " of %" PRId64 " MiB", bench->copied / MIB,
                SOURCE_SIZE / MIB);
    }
}

static bool is_over(const struct bench *bench)
{
    return polls.count == MOST_FRAMES || (bench->copies ? bench->ended : polls.count == FRAMES);
}

/* 0, or the error of a poll or a task. */
static int64_t run_frames(struct bench *bench)
{
    eddy_task task = eddy_loop_spawn(bench->loop, all, .bench = bench);
    int64_t next = now(CLOCK_MONOTONIC);
    int64_t result = 0;

    while (result >= 0 && !is_over(bench) && !eddy_task_done(task)) {
        struct timespec until;
        result = timed_poll(bench->loop);
        if (bench->cancelled == 0 && bench->copied >= SOURCE_SIZE / 2) {
            bench->cancelled = bench->copied;
            (void)eddy_cancel(bench->first);
        }
        show_progress(bench);
        next += FRAME;
        until.tv_sec = (time_t)(next / EDDY_SECOND);
        until.tv_nsec = (long)(next % EDDY_SECOND);
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    (void)eddy_cancel(task);
    if (result >= 0) {
        result = eddy_loop_run_until(bench->loop, task);
    }
    return result == -ECANCELED ? 0 : result;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* In microseconds: at that part of a thousand of all. */
static double at(const struct times *times, size_t part)
{
    return (double)times->taken[(times->count - 1) * part / 1000] / EDDY_MICROSECOND;
}

static void print(const struct bench *bench)
{
    qsort(polls.taken, polls.count, sizeof polls.taken[0], compare);
    qsort(cpu.taken, cpu.count, sizeof cpu.taken[0], compare);
    printf("impl=eddy bench=frame frames=%zu copied_mib=%" PRId64 " cancelled_at_mib=%" PRId64
           " lists=%" PRIu64 " reads=%" PRIu64 " children=%" PRIu64 " p50_us=%.0f p99_us=%.0f "
           "most_us=%.0f over=%" PRId64 " over_slept=%" PRId64
           " cpu_p50_us=%.0f cpu_p99_us=%.0f cpu_most_us=%.0f budget_us=%" PRId64 " within=%s\n",
           polls.count, bench->copied / MIB, bench->cancelled / MIB, bench->lists_ended,
           bench->reads_ended, bench->children, at(&polls, 500), at(&polls, 990), at(&polls, 1000),
           over.all, over.slept, at(&cpu, 500), at(&cpu, 990), at(&cpu, 1000),
           BUDGET / EDDY_MICROSECOND,
           at(&polls, 990) <= (double)BUDGET / EDDY_MICROSECOND ? "yes" : "no");
}

/* ---- the files */

static bool make_file(const char *path, int64_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && ftruncate(fd, (off_t)size) == 0 && close(fd) == 0;
}

/* The directory of many names, each of a file, or removes those. */
static bool make_names(const struct bench *bench, bool make)
{
    char path[320];
    bool good = true;

    for (int i = 0; i < NAMES && good; i++) {
        snprintf(path, sizeof path, "%s/a name like many others %d", bench->names, i);
        good = make ? mknod(path, S_IFREG | 0600, 0) == 0 : unlink(path) == 0;
    }
    return good;
}

static bool make_all(struct bench *bench, const char *folder)
{
    snprintf(bench->source, sizeof bench->source, "%s/source", folder);
    snprintf(bench->target, sizeof bench->target, "%s/target", folder);
    snprintf(bench->whole, sizeof bench->whole, "%s/whole", folder);
    snprintf(bench->names, sizeof bench->names, "%s/names", folder);
    return make_file(bench->source, SOURCE_SIZE) && make_file(bench->whole, WHOLE_MIB * MIB) &&
           mkdir(bench->names, 0700) == 0 && (!bench->lists || make_names(bench, true));
}

/* What is not there is none to remove. */
static void remove_all(const struct bench *bench, const char *folder)
{
    if (bench->lists) {
        (void)make_names(bench, false);
    }
    (void)rmdir(bench->names);
    (void)unlink(bench->source);
    (void)unlink(bench->target);
    (void)unlink(bench->whole);
    (void)rmdir(folder);
}

/* ---- the command line */

static bool choose(struct bench *bench, const char *name)
{
    bool *chosen = strcmp(name, "copy") == 0    ? &bench->copies
                   : strcmp(name, "list") == 0  ? &bench->lists
                   : strcmp(name, "read") == 0  ? &bench->reads
                   : strcmp(name, "spawn") == 0 ? &bench->spawns
                                                : NULL;

    if (chosen != NULL) {
        *chosen = true;
    }
    return chosen != NULL;
}

int main(int argc, char **argv)
{
    bool every = argc == 1;
    struct bench bench = {.copies = every, .lists = every, .reads = every, .spawns = every};
    const char *where = getenv("TMPDIR");
    char folder[200];
    int64_t result;

    for (int i = 1; i < argc; i++) {
        if (!choose(&bench, argv[i])) {
            fputs("usage: bench_frame [copy] [list] [read] [spawn]\n", stderr);
            return 2;
        }
    }
    snprintf(folder, sizeof folder, "%s/bench_frame.XXXXXX", where != NULL ? where : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror("bench_frame");
        return 1;
    }
    result = make_all(&bench, folder) ? eddy_loop_new(&bench.loop, NULL) : -errno;
    if (result == 0) {
        result = run_frames(&bench);
        print(&bench);
    }
    eddy_loop_free(bench.loop);
    remove_all(&bench, folder);
    return eddy_exit_status(result);
}
