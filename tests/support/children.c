#include "children.h"

void testing_log_at(const char *word, const char *mark)
{
    testing_log("%s%s@%lld", word, mark, (long long)(eddy_loop_now(testing.loop) / MS));
}

static const char *error_name(int64_t code)
{
    switch (code) {
    case -EBADF:
        return "-EBADF";
    case -EBUSY:
        return "-EBUSY";
    case -EAGAIN:
        return "-EAGAIN";
    case -ECHILD:
        return "-ECHILD";
    case -EPIPE:
        return "-EPIPE";
    case -ECONNRESET:
        return "-ECONNRESET";
    case -ECANCELED:
        return "-ECANCELED";
    case -ETIMEDOUT:
        return "-ETIMEDOUT";
    default:
        return NULL;
    }
}

void testing_log_result(const char *name, int64_t result)
{
    if (error_name(result) != NULL) {
        testing_log("%s=%s", name, error_name(result));
    } else {
        testing_log("%s=%lld", name, (long long)result);
    }
}

void child(eddy_coro *co)
{
    eddy_begin(child);
    eddy_catch(self->rc, eddy_sleep(co, self->sleep));
    testing_log_at(self->name, self->rc == -ECANCELED ? "!" : "");
    if (self->rc < 0 && self->stubborn == 0) {
        eddy_return(self->rc);
    }
    if (self->rc < 0) {
        eddy_await(eddy_sleep(co, self->stubborn));
        testing_log_at(self->name, "");
    }
    eddy_return(self->result);
eddy_finally:
    if (self->cleanup > 0) {
        eddy_await(eddy_sleep(co, self->cleanup));
        testing_log_at(self->name, "~");
    }
    eddy_end;
}

void cancel_later(eddy_coro *co)
{
    eddy_begin(cancel_later);
    eddy_await(eddy_sleep(co, self->sleep));
    (void)eddy_cancel(self->task);
    eddy_end;
}

int64_t testing_run_and_cancel(eddy_task task, int64_t delay)
{
    eddy_task canceller = eddy_loop_spawn(testing.loop, cancel_later, .task = task, .sleep = delay);

    assert_int_equal(eddy_detach(canceller), 0);
    return eddy_loop_run_until(testing.loop, task);
}
