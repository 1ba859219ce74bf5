/* Queues and futures, as C++17: prints "1 2 3 7" and exits 0. */
#include <eddy.h>

#include <cstdio>

struct job {
    int urgency;
};

static int by_urgency(const void *a, const void *b)
{
    return static_cast<const job *>(a)->urgency - static_cast<const job *>(b)->urgency;
}

eddy_frame(program) {
    eddy_coro co;
    eddy_queue plain;
    eddy_queue ordered;
    eddy_future future;
    struct job job;
    int i;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->plain, struct job));
    eddy_await(eddy_queue_init(eddy_loop_of(co), &self->ordered, struct job, .capacity = 3,
                               .kind = EDDY_QUEUE_PRIORITY, .compare = by_urgency));
    for (self->job.urgency = 3; self->job.urgency > 0; self->job.urgency--) {
        eddy_await(eddy_queue_put(co, &self->ordered, &self->job));
    }
    for (self->i = 0; self->i < 3; self->i++) {
        eddy_await(eddy_queue_get(co, &self->ordered, &self->job));
        std::printf("%d ", self->job.urgency);
    }
    if (eddy_queue_try_put(&self->plain, &self->job) != 0 ||
        eddy_queue_try_get(&self->plain, &self->job) != 0) {
        eddy_return(-EPROTO);
    }
    eddy_future_set(&self->future, 7);
    eddy_await(self->i, eddy_future_wait(co, &self->future));
    std::printf("%d\n", self->i);
eddy_finally:
    eddy_queue_fini(&self->plain);
    eddy_queue_fini(&self->ordered);
    eddy_end;
}

int main()
{
    return eddy_exit_status(eddy_run(program));
}
