/*
 *     test_driver                          fifteen hundred worlds, always the same
 *     test_driver --seconds 600            new ones, for ten minutes
 *     test_driver --seed 17 --steps 40     that one again, with so many steps
 *     test_driver --seed 17 --verbose      and all that happens in it
 *
 * EDDY_DRIVER_SECONDS in the environment stands for --seconds. Each batch of seeds runs in a child
 * process. When one dies, by an abort of the driver or of the library, a sanitizer or for want of time,
 * the steps of its seed are halved as long as it still fails.
 */
#include "driver.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SEEDS = 1500,
    BATCH = 100,
    STEPS_OF_A_WORLD = 300,
    CPU_SECONDS = 60 /* of a batch: more is a hang */
};

volatile long *driver_progress;

/* What the child shares with its parent. */
static struct {
    long steps; /* of the world that runs */
    uint64_t seed;
} * shared;

struct plan {
    uint64_t seed;
    unsigned long seeds;
    long steps;
    long seconds;
};

/* Runs the seeds in a child: whether it fails. */
static bool fails(uint64_t seed, unsigned long seeds, long steps, bool silent)
{
    struct rlimit limit = {CPU_SECONDS, CPU_SECONDS + 1};
    struct rlimit no_core = {0, 0};
    int status;
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (silent) {
            dup2(null, STDERR_FILENO);
        }
        setrlimit(RLIMIT_CPU, &limit);
        setrlimit(RLIMIT_CORE, &no_core);
        for (; seeds > 0; seeds--, seed++) {
            shared->seed = seed;
            world_run(seed, steps);
        }
        exit(EXIT_SUCCESS);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("driver");
        exit(EXIT_FAILURE);
    }
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* The fewest steps with which it fails, or nearly so: not every world with more fails too. */
static long shrink(uint64_t seed, long steps)
{
    long low = 0, high = steps;

    while (low + 1 < high) {
        long middle = low + (high - low) / 2;
        if (fails(seed, 1, middle, true)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

/* Runs the seeds, and tells of the first that fails. */
static bool run_batch(uint64_t seed, unsigned long seeds, long steps)
{
    uint64_t failed;

    if (!fails(seed, seeds, steps, false)) {
        return true;
    }
    failed = shared->seed;
    printf("seed %llu failed after %ld steps; again, with the fewest:\n",
           (unsigned long long)failed, shared->steps);
    printf("    test_driver --seed %llu --steps %ld --verbose\n", (unsigned long long)failed,
           shrink(failed, steps));
    return false;
}

static void run_alone(const struct plan *plan)
{
    shared->seed = plan->seed;
    world_run(plan->seed, plan->steps);
    printf("seed %llu: %ld steps\n", (unsigned long long)plan->seed, shared->steps);
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec;
}

static bool run(const struct plan *plan)
{
    long long end = now() + plan->seconds;
    unsigned long done = 0;

    while (plan->seconds > 0 ? now() < end : done < plan->seeds) {
        if (!run_batch(plan->seed + done, BATCH, plan->steps)) {
            return false;
        }
        done += BATCH;
    }
    printf("seeds %llu to %llu: nothing found\n", (unsigned long long)plan->seed,
           (unsigned long long)(plan->seed + done - 1));
    return true;
}

static long long number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    if (end == text || *end != '\0' || value < 0) {
        fprintf(stderr, "driver: not a number: %s\n", text);
        exit(EXIT_FAILURE);
    }
    return value;
}

/* Whether the seed was named: then it runs alone. */
static bool read_arguments(struct plan *plan, char **argument)
{
    bool alone = false;

    for (; *argument != NULL; argument++) {
        if (strcmp(*argument, "--verbose") == 0) {
            driver_verbose = true;
        } else if (argument[1] == NULL) {
            fprintf(stderr, "driver: what is %s?\n", *argument);
            exit(EXIT_FAILURE);
        } else if (strcmp(*argument, "--seed") == 0) {
            plan->seed = (uint64_t)number(*++argument);
            alone = true;
        } else if (strcmp(*argument, "--steps") == 0) {
            plan->steps = (long)number(*++argument);
        } else if (strcmp(*argument, "--seeds") == 0) {
            plan->seeds = (unsigned long)number(*++argument);
        } else if (strcmp(*argument, "--seconds") == 0) {
            plan->seconds = (long)number(*++argument);
        }
    }
    return alone && plan->seeds == SEEDS && plan->seconds == 0;
}

int main(int count, char **arguments)
{
    const char *seconds = getenv("EDDY_DRIVER_SECONDS");
    struct plan plan = {.seed = 0, .seeds = SEEDS, .steps = STEPS_OF_A_WORLD};
    bool alone;

    (void)count;
    if (seconds != NULL) {
        plan.seconds = (long)number(seconds);
    }
    alone = read_arguments(&plan, arguments + 1);
    if (plan.seconds > 0 && plan.seed == 0) {
        plan.seed = (uint64_t)time(NULL) * 100000;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("driver");
        return EXIT_FAILURE;
    }
    driver_progress = &shared->steps;
    if (alone) {
        run_alone(&plan);
        return EXIT_SUCCESS;
    }
    return run(&plan) ? EXIT_SUCCESS : EXIT_FAILURE;
}
