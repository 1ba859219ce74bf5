/*
 * What timers cost, at several numbers of timers that are started.
 *
 *     bench_timers [N ...]          default 1000 100000 1000000
 *
 * Prints one line name=value ... a result:
 *   start     deadlines uniform in 1..1000 s
 *   stop      all of them, in random order
 *   expire    N timers that are all due, until each has fired
 *   rearm     a random one of N idle timers of 60 s is put off, as a busy connection does
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STARTS = 100000, REARMS = 2000000, REARMS_A_TIME = 16 };

struct bench {
    eddy_loop *loop;
    eddy_timer *timers;
    uint32_t *order;
    /* drawn before they are needed, for a division takes as long as a start: */
    int64_t *delays;
    uint32_t *picks;
    uint32_t count;
    uint32_t fired;
    uint64_t random;
};

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

/* xorshift64*: the same numbers in every run. */
static uint64_t next_random(struct bench *bench)
{
    bench->random ^= bench->random >> 12;
    bench->random ^= bench->random << 25;
    bench->random ^= bench->random >> 27;
    return bench->random * UINT64_C(0x2545F4914F6CDD1D);
}

static void shuffle(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->count; i++) {
        bench->order[i] = i;
    }
    for (uint32_t i = bench->count; i > 1; i--) {
        uint32_t j = (uint32_t)(next_random(bench) % i);
        uint32_t swapped = bench->order[i - 1];
        bench->order[i - 1] = bench->order[j];
        bench->order[j] = swapped;
    }
}

static void print(const struct bench *bench, const char *operation, uint32_t n, int64_t took)
{
    printf("impl=eddy bench=timers op=%s n=%" PRIu32 " ns=%.1f\n", operation, bench->count,
           (double)took / n);
    fflush(stdout);
}

static void on_timer(eddy_timer *timer)
{
    struct bench *bench = timer->user;

    if (++bench->fired == bench->count) {
        eddy_loop_stop(bench->loop);
    }
}

static void start(struct bench *bench, uint32_t i, int64_t delay)
{
    if (eddy_timer_start(bench->loop, &bench->timers[i], delay, on_timer) < 0) {
        fprintf(stderr, "bench_timers: out of memory\n");
        exit(1);
    }
}

static void bench_start_stop(struct bench *bench)
{
    uint32_t rounds = bench->count < STARTS ? STARTS / bench->count : 1;
    int64_t starts = 0;
    int64_t stops = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        int64_t begin = now();
        int64_t middle;
        for (uint32_t i = 0; i < bench->count; i++) {
            start(bench, i, bench->delays[i]);
        }
        middle = now();
        for (uint32_t i = 0; i < bench->count; i++) {
            eddy_timer_stop(&bench->timers[bench->order[i]]);
        }
        stops += now() - middle;
        starts += middle - begin;
    }
    print(bench, "start", bench->count * rounds, starts);
    print(bench, "stop", bench->count * rounds, stops);
}

static void bench_rearm(struct bench *bench)
{
    int64_t begin;

    for (uint32_t i = 0; i < bench->count; i++) {
        start(bench, i, 60 * EDDY_SECOND);
    }
    for (uint32_t i = 0; i < REARMS; i++) {
        bench->picks[i] = (uint32_t)(next_random(bench) % bench->count);
    }
    begin = now();
    for (uint32_t i = 0; i < REARMS; i++) {
        if (i % REARMS_A_TIME == 0) {
            eddy_loop_update(bench->loop);
        }
        start(bench, bench->picks[i], 60 * EDDY_SECOND);
    }
    print(bench, "rearm", REARMS, now() - begin);
    for (uint32_t i = 0; i < bench->count; i++) {
        eddy_timer_stop(&bench->timers[i]);
    }
}

/* Inside the loop, where the time is read once a turn. */
static void run_inside(eddy_callback *callback)
{
    struct bench *bench = callback->user;

    bench_start_stop(bench);
    bench_rearm(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        start(bench, i, 1 + (int64_t)(next_random(bench) % (100 * EDDY_MICROSECOND)));
    }
    eddy_loop_stop(bench->loop);
}

static int run(uint32_t count)
{
    struct bench bench = {.count = count, .random = 0x9E3779B97F4A7C15u};
    eddy_callback inside = {.user = &bench};
    int64_t begin;
    int result = eddy_loop_new(&bench.loop, NULL);

    bench.timers = calloc(count, sizeof *bench.timers);
    bench.order = calloc(count, sizeof *bench.order);
    bench.delays = calloc(count, sizeof *bench.delays);
    bench.picks = calloc(REARMS, sizeof *bench.picks);
    if (result < 0 || bench.timers == NULL || bench.order == NULL || bench.delays == NULL ||
        bench.picks == NULL) {
        return result < 0 ? result : -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        bench.delays[i] =
            EDDY_SECOND + (int64_t)(next_random(&bench) % (uint64_t)(999 * EDDY_SECOND));
        bench.timers[i].user = &bench; /* also so that no page is touched first in a measurement */
    }
    shuffle(&bench);
    eddy_callback_start(bench.loop, &inside, run_inside);
    result = eddy_loop_run(bench.loop);
    begin = now();
    while (now() < begin + EDDY_MILLISECOND) { /* until all are due */
    }
    begin = now();
    if (result == 0) {
        result = eddy_loop_run(bench.loop);
    }
    print(&bench, "expire", count, now() - begin);
    eddy_loop_free(bench.loop);
    free(bench.timers);
    free(bench.order);
    free(bench.delays);
    free(bench.picks);
    return result;
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1000, 100000, 1000000};
    int result = 0;

    for (int i = 1; i < argc && result == 0; i++) {
        uint32_t count = (uint32_t)strtoul(argv[i], NULL, 10);
        if (count == 0) {
            fprintf(stderr, "usage: bench_timers [N ...]\n");
            return 2;
        }
        result = run(count);
    }
    for (size_t i = 0; argc == 1 && i < sizeof sizes / sizeof *sizes && result == 0; i++) {
        result = run(sizes[i]);
    }
    if (result < 0) {
        fprintf(stderr, "bench_timers: %s\n", eddy_strerror(result));
    }
    return eddy_exit_status(result);
}
