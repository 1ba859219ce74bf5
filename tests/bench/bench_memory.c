/*
 * What a sleeping task costs in memory: N tasks sleep, and the growth of the process's peak is
 * divided by N. The tasks have no arguments; each of eight bytes would add as much.
 *
 *     bench_memory [N [SECONDS]]          default 1000000 tasks, 1 second
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/resource.h>
#include <time.h>

/* VmHWM and not ru_maxrss, which remembers the parent's size from before exec. */
static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int64_t duration; /* set once, before the loop runs */

eddy_frame(sleeper) {
    eddy_coro co;
};

static void sleeper(eddy_coro *co)
{
    eddy_begin(sleeper);
    eddy_await(eddy_sleep(co, duration));
    eddy_end;
}

eddy_frame(spawn_all) {
    eddy_coro co;
    uint64_t count;
};

static void spawn_all(eddy_coro *co)
{
    eddy_begin(spawn_all);
    for (uint64_t i = 0; i < self->count; i++) {
        if (eddy_detach(eddy_spawn(co, sleeper)) < 0) {
            eddy_return(-ENOMEM);
        }
    }
    eddy_await(eddy_sleep(co, duration + EDDY_SECOND / 10));
    eddy_end;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    long before = peak_kib();
    double wall = clock_seconds(CLOCK_MONOTONIC);
    int64_t result;
    long after;

    if (count == 0 || !(seconds > 0 && seconds < 1e6) || argc > 3) {
        fprintf(stderr, "usage: bench_memory [N [SECONDS]]\n");
        return 2;
    }
    duration = (int64_t)(seconds * 1e9);
    result = eddy_run(spawn_all, .count = count);
    after = peak_kib();

    if (result < 0) {
        fprintf(stderr, "bench_memory: %s\n", eddy_strerror(result));
        return 1;
    }
    printf("impl=eddy bench=mem n=%" PRIu64
           " bytes_per_task=%.1f wall_s=%.2f cpu_s=%.2f rss_kb=%ld\n",
           count, (double)(after - before) * 1024 / (double)count,
           clock_seconds(CLOCK_MONOTONIC) - wall, clock_seconds(CLOCK_PROCESS_CPUTIME_ID), after);
    return 0;
}
