/* process.h: several loops, each on a thread of its own, have children at once. */
#include "support/process.h"

#include <pthread.h>

#include "eddy/task.h"

enum { THREADS = 4, RUNS = 30 };

eddy_frame(runs_cats) {
    eddy_coro co;
    struct eddy_output output;
    int i;
    int64_t status;
};

/* A child that inherited the other end of another's pipe would keep that from its end, and this from its. */
static void runs_cats(eddy_coro *co)
{
    eddy_begin(runs_cats);
    for (self->i = 0; self->i < RUNS; self->i++) {
        self->output.limit = 100;
        eddy_await(self->status, eddy_process_run(co,
                                                  &(struct eddy_process_options){
                                                      .argv = (const char *const[]){"cat", NULL}},
                                                  "hello", 5, &self->output, NULL));
        if (self->status != 0 || strcmp(self->output.bytes, "hello") != 0) {
            eddy_return(-EIO);
        }
        eddy_output_free(eddy_loop_of(co), &self->output);
    }
    eddy_return(self->i);
eddy_finally:
    eddy_output_free(eddy_loop_of(co), &self->output);
    eddy_end;
}

static void *run_loop(void *result)
{
    *(int64_t *)result = eddy_run(runs_cats);
    return NULL;
}

test(loops_on_several_threads_have_children_at_once_and_each_only_its_own_fds)
{
    pthread_t threads[THREADS];
    int64_t results[THREADS];

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, &results[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(results[i], RUNS);
    }
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(loops_on_several_threads_have_children_at_once_and_each_only_its_own_fds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
