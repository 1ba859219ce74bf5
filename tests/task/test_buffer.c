/* buffer.h: memory of the loop's, for as long as it is needed. */
#include "support/tasks.h"

#include "eddy/buffer.h"

enum { SIZE = 16384 };

test(a_buffer_is_as_large_as_was_asked_and_aligned)
{
    const size_t sizes[] = {1, 15, 17, 500, 513, SIZE, 1000000};
    eddy_buffer buffer;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(eddy_buffer_take(testing.loop, &buffer, sizes[i]), 0);
        assert_int_equal(buffer.size, sizes[i]);
        assert_int_equal((uintptr_t)buffer.data % 16, 0);
        memset(buffer.data, 1, buffer.size);
        eddy_buffer_give(&buffer);
        assert_null(buffer.data);
        eddy_buffer_give(&buffer); /* nothing */
    }
}

test(what_was_given_back_is_the_next_buffer)
{
    eddy_buffer a, b;
    const char *data;

    assert_int_equal(eddy_buffer_take(testing.loop, &a, SIZE), 0);
    data = a.data;
    eddy_buffer_give(&a);
    assert_int_equal(eddy_buffer_take(testing.loop, &b, SIZE), 0);
    assert_ptr_equal(b.data, data);
    eddy_buffer_give(&b);
}

test(no_size_is_invalid_and_no_memory_is_told)
{
    eddy_buffer buffer = {.size = 5};

    assert_int_equal(eddy_buffer_take(testing.loop, &buffer, 0), -EINVAL);
    assert_int_equal(eddy_buffer_take(testing.loop, &buffer, SIZE_MAX), -ENOMEM);
    assert_int_equal(eddy_buffer_take(testing.loop, &buffer, SIZE_MAX - 100), -ENOMEM);
    testing_fail_allocations_from(1);
    assert_int_equal(eddy_buffer_take(testing.loop, &buffer, 1000000), -ENOMEM);
    assert_null(buffer.data);
    eddy_buffer_give(&buffer);
    testing_fail_allocation(0);
}

enum way { FALL, BREAK, RETURN, FAIL, SLEEP };

eddy_frame(uses_buffer) {
    eddy_coro co;
    enum way way;
    size_t size;
    eddy_buffer buffer;
};

static void uses_buffer(eddy_coro *co)
{
    eddy_begin(uses_buffer);
    while (true) {
        eddy_with_buffer(&self->buffer, self->size) {
            memset(self->buffer.data, 7, self->buffer.size);
            if (self->way == BREAK) {
                break;
            }
            if (self->way == RETURN) {
                eddy_return(7);
            }
            if (self->way == FAIL) {
                eddy_return(-EIO);
            }
            if (self->way == SLEEP) {
                eddy_await(eddy_sleep(co, EDDY_SECOND));
                assert_int_equal(self->buffer.data[self->size - 1], 7);
            }
        }
        assert_null(self->buffer.data);
        eddy_return(1);
    }
    eddy_return(2);
eddy_finally:
    assert_null(self->buffer.data);
    eddy_end;
}

test(every_way_out_of_the_block_gives_the_buffer_back)
{
    eddy_task task;

    assert_int_equal(run(uses_buffer, .way = FALL, .size = SIZE), 1);
    assert_int_equal(run(uses_buffer, .way = BREAK, .size = SIZE), 2);
    assert_int_equal(run(uses_buffer, .way = RETURN, .size = SIZE), 7);
    assert_int_equal(run(uses_buffer, .way = FAIL, .size = SIZE), -EIO);
    assert_int_equal(run(uses_buffer, .way = SLEEP, .size = SIZE), 1);
    task = start(uses_buffer, .way = SLEEP, .size = SIZE);
    testing_turns();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
}

test(a_block_without_memory_does_not_run)
{
    testing_fail_allocations_from(1);
    assert_int_equal(run(uses_buffer, .way = FALL, .size = SIZE * 100), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(run(uses_buffer, .way = FALL, .size = 0), -EINVAL);
}

test(an_idle_task_between_two_blocks_holds_no_buffer)
{
    enum { COUNT = 1000 };
    static eddy_task tasks[COUNT];
    size_t with_buffers, before = testing.memory.bytes;

    for (int i = 0; i < COUNT; i++) {
        tasks[i] = start(uses_buffer, .way = SLEEP, .size = SIZE);
    }
    testing_turns();
    with_buffers = testing.memory.bytes - before;
    assert_true(with_buffers > (size_t)COUNT * SIZE);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(finish(tasks[i]), 1);
    }
    assert_true(testing.memory.bytes - before < (size_t)COUNT * SIZE / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_buffer_is_as_large_as_was_asked_and_aligned),
        testing_case(what_was_given_back_is_the_next_buffer),
        testing_case(no_size_is_invalid_and_no_memory_is_told),
        testing_case(every_way_out_of_the_block_gives_the_buffer_back),
        testing_case(a_block_without_memory_does_not_run),
        testing_case(an_idle_task_between_two_blocks_holds_no_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
