/*
 * What 16 KiB of a buffer cost: as a field of a frame, and taken from the loop for as long as they are needed; and what is
 * left of them when those who had them are gone.
 *
 *     bench_buffers [CALLS [TASKS]]      a million, 8,000
 *
 * Prints the nanoseconds of a call with neither, with the field, with eddy_with_buffer; then what is resident (KiB) before, while
 * so many tasks have a field that they have written to, and when they have ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <eddy.h>

enum { SIZE = 16 * 1024 };

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) {
        fputs("bench_buffers: /proc/self/statm cannot be read\n", stderr);
        exit(1);
    }
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

eddy_frame(plain) {
    eddy_coro co;
};

static void plain(eddy_coro *co)
{
    eddy_begin(plain);
    eddy_end;
}

eddy_frame(with_field) {
    eddy_coro co;
    char bytes[SIZE];
};

static void with_field(eddy_coro *co)
{
    eddy_begin(with_field);
    self->bytes[0] = 1;
    eddy_end;
}

eddy_frame(with_a_buffer) {
    eddy_coro co;
    eddy_buffer buffer;
};

static void with_a_buffer(eddy_coro *co)
{
    eddy_begin(with_a_buffer);
    eddy_with_buffer(&self->buffer, SIZE) {
        self->buffer.data[0] = 1;
    }
    eddy_end;
}

eddy_frame(client) {
    eddy_coro co;
    char bytes[SIZE];
};

static void client(eddy_coro *co)
{
    eddy_begin(client);
    memset(self->bytes, 1, sizeof self->bytes);
    eddy_await(eddy_call(co, plain)); /* a small frame between the large ones */
    eddy_await(eddy_sleep(co, EDDY_SECOND / 2));
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    int calls, tasks, i;
    double begun;
    eddy_group group;
};

static void print_call(const struct program *self, const char *what)
{
    printf("%-22s %7.1f ns\n", what, (seconds() - self->begun) / self->calls * 1e9);
}

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->begun = seconds();
    for (self->i = 0; self->i < self->calls; self->i++) {
        eddy_await(eddy_call(co, plain));
    }
    print_call(self, "a call");
    self->begun = seconds();
    for (self->i = 0; self->i < self->calls; self->i++) {
        eddy_await(eddy_call(co, with_field));
    }
    print_call(self, "with 16 KiB as a field");
    self->begun = seconds();
    for (self->i = 0; self->i < self->calls; self->i++) {
        eddy_await(eddy_call(co, with_a_buffer));
    }
    print_call(self, "with eddy_with_buffer");
    printf("resident before        %7ld KiB\n", resident());
    eddy_with_group(&self->group) {
        for (self->i = 0; self->i < self->tasks; self->i++) {
            eddy_group_spawn(co, &self->group, client);
        }
        eddy_await(eddy_sleep(co, EDDY_SECOND / 4));
        printf("with %7d tasks     %7ld KiB\n", self->tasks, resident());
    }
    printf("when they have ended   %7ld KiB\n", resident());
    eddy_end;
}

int main(int argc, char **argv)
{
    int calls = argc > 1 ? atoi(argv[1]) : 1000000;
    int tasks = argc > 2 ? atoi(argv[2]) : 8000;

    if (calls < 1 || tasks < 1) {
        fputs("usage: bench_buffers [CALLS [TASKS]]\n", stderr);
        return 2;
    }
    return eddy_run(program, .calls = calls, .tasks = tasks) < 0;
}
