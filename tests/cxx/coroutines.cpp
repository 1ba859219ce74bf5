/* One program with most of the words, as C++17: prints "1 2 timeout 7" and exits 0. */
#include <eddy.h>

#include <cstdio>

eddy_frame_of(numbers, int from, int to, int value);

static void numbers(eddy_coro *co)
{
    eddy_begin(numbers);
    for (; self->from <= self->to; self->from++) {
        eddy_await(eddy_sleep(co, EDDY_MILLISECOND));
        eddy_yield(self->from);
    }
    eddy_end;
}

eddy_frame_of(eternity);

static void eternity(eddy_coro *co)
{
    eddy_begin(eternity);
    eddy_await(eddy_sleep(co, 3600 * EDDY_SECOND));
    eddy_end;
}

eddy_frame(manager) {
    eddy_coro co;
    int *left;
};

static void manager(eddy_coro *co)
{
    eddy_begin(manager);
    eddy_body;
eddy_finally:
    *self->left += 1;
    eddy_end;
}

eddy_frame(seven) {
    eddy_coro co;
};

static void seven(eddy_coro *co)
{
    eddy_begin(seven);
    eddy_return(7);
    eddy_end;
}

eddy_frame(fails) {
    eddy_coro co;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_fail(co, EDDY_ERROR_USER, "%d is %s", 7, "bad");
    eddy_end;
}

eddy_frame(composes) {
    eddy_coro co;
    eddy_group group;
    eddy_task tasks[2];
    int64_t results[3];
    int64_t n;
    size_t i;
};

static void composes(eddy_coro *co)
{
    eddy_begin(composes);
    eddy_with_timeout(EDDY_SECOND) {
        eddy_with_group(&self->group) {
            eddy_group_spawn(co, &self->group, seven);
        }
    }
    self->tasks[0] = eddy_spawn(co, seven);
    self->tasks[1] = eddy_spawn(co, fails);
    eddy_await(self->n, eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_ALL));
    eddy_for_each(self->i, eddy_as_completed, .tasks = self->tasks, .count = 2) {
        self->n += (int64_t)self->i;
    }
    eddy_await(eddy_task_wait(co, self->tasks[0]));
    eddy_await(eddy_gather_all(co, self->tasks, 2, self->results));
    eddy_await(self->i, eddy_select(co, self->results, eddy_call(co, eternity),
                                    eddy_call(co, seven), eddy_sleep(co, EDDY_SECOND)));
    self->n += self->results[self->i] == 7 ? 0 : 1;
    eddy_except(EDDY_ERROR_USER, eddy_call(co, fails)) {
        self->n += eddy_error(co)->text[0] == '7';
    }
    eddy_return(self->n == 4 ? 0 : -EPROTO);
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    int n;
    int left;
    eddy_task tasks[2];
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    eddy_for_each(self->n, numbers, .from = 1, .to = 2) {
        std::printf("%d ", self->n);
    }
    eddy_except(-ETIMEDOUT, eddy_wait_for(co, EDDY_MILLISECOND, eddy_call(co, eternity))) {
        std::printf("timeout ");
    }
    eddy_with(manager, .left = &self->left) {
        self->tasks[0] = eddy_spawn(co, seven);
        self->tasks[1] = eddy_spawn(co, seven);
    }
    eddy_await(eddy_call(co, composes));
    eddy_await(self->n, eddy_join(co, self->tasks[0]));
    eddy_await(eddy_join(co, self->tasks[1]));
    std::printf("%d\n", self->n);
    eddy_return(self->left == 1 ? 0 : -EPROTO);
    eddy_end;
}

int main()
{
    return eddy_exit_status(eddy_run(program));
}
