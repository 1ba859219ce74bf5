/* Locks and their like in C++17 coroutines: prints "1 2 3 woken 1 2 3" and exits 0. */
#include <eddy.h>

#include <cstdio>

struct shared {
    eddy_lock lock;
    eddy_cond cond;
    eddy_semaphore semaphore;
    eddy_event event;
    eddy_barrier barrier;
    int waiting;
    int left;
};

eddy_frame(worker) {
    eddy_coro co;
    shared *with;
    int number;
    int64_t index;
};

static void worker(eddy_coro *co)
{
    eddy_begin(worker);
    eddy_with_lock(&self->with->lock) {
        std::printf("%d ", self->number);
        eddy_await(eddy_pause(co));
    }
    eddy_await(eddy_event_wait(co, &self->with->event));
    eddy_await(self->index, eddy_barrier_wait(co, &self->with->barrier));
    eddy_with_cond(&self->with->cond) {
        self->with->waiting++;
        eddy_await(eddy_cond_wait(co, &self->with->cond));
        std::printf("%d ", self->number);
    }
    for (;;) {
        eddy_with_semaphore(&self->with->semaphore) {
            eddy_await(eddy_pause(co));
            self->with->left++;
            break;
        }
    }
    eddy_return(self->index);
    eddy_end;
}

static bool all_wait(void *argument)
{
    return static_cast<shared *>(argument)->waiting == 3;
}

eddy_frame(program) {
    eddy_coro co;
    shared with;
    eddy_task tasks[3];
    int i;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_cond_init(&self->with.cond, &self->with.lock);
    eddy_semaphore_init_bounded(&self->with.semaphore, 2);
    eddy_barrier_init(&self->with.barrier, 3);
    for (self->i = 0; self->i < 3; self->i++) {
        self->tasks[self->i] = eddy_spawn(co, worker, .with = &self->with, .number = self->i + 1);
    }
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    std::printf("woken ");
    eddy_event_set(&self->with.event);
    eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
    eddy_with_cond(&self->with.cond) {
        if (!all_wait(&self->with)) {
            eddy_return(-EPROTO);
        }
        eddy_await(eddy_cond_wait_for(co, &self->with.cond, all_wait, &self->with));
        eddy_await(eddy_cond_notify_all(co, &self->with.cond));
    }
    eddy_await(eddy_gather(co, self->tasks, 3));
    std::printf("\n");
    if (self->with.left != 3 || eddy_lock_fini(&self->with.lock) < 0 ||
        eddy_semaphore_fini(&self->with.semaphore) < 0) {
        eddy_return(-EPROTO);
    }
    eddy_end;
}

int main()
{
    return eddy_exit_status(eddy_run(program));
}
