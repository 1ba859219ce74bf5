/* coro.h: eddy_frame_of, frames in one line. */
#include "support/tasks.h"

eddy_frame_of(has_no_field);

static void has_no_field(eddy_coro *co)
{
    eddy_begin(has_no_field);
    assert_int_equal(sizeof *self, sizeof(eddy_coro));
    eddy_await(eddy_sleep(co, EDDY_SECOND));
    eddy_end;
}

eddy_frame_of(has_a_field, int64_t a);

static void has_a_field(eddy_coro *co)
{
    eddy_begin(has_a_field);
    eddy_await(eddy_call(co, has_no_field));
    eddy_return(self->a);
    eddy_end;
}

eddy_frame_of(has_two_fields, int64_t a, int64_t b);

static void has_two_fields(eddy_coro *co)
{
    eddy_begin(has_two_fields);
    eddy_await(self->a, eddy_call(co, has_a_field, .a = self->a));
    eddy_return(self->a + self->b);
    eddy_end;
}

eddy_frame_of(has_three_fields, int64_t a, int64_t b, int64_t c);

static void has_three_fields(eddy_coro *co)
{
    eddy_begin(has_three_fields);
    eddy_await(self->a, eddy_call(co, has_two_fields, .a = self->a, .b = self->b));
    eddy_return(self->a + self->c);
    eddy_end;
}

static int64_t sum(int64_t a, int64_t b)
{
    return a + b;
}

eddy_frame_of(has_four_fields, const int64_t *a, int64_t b[2], int64_t c,
              int64_t (*d)(int64_t left, int64_t right));

static void has_four_fields(eddy_coro *co)
{
    eddy_begin(has_four_fields);
    self->b[1] = *self->a;
    eddy_await(self->c,
               eddy_call(co, has_three_fields, .a = self->b[0], .b = self->b[1], .c = self->c));
    eddy_return(self->d(self->c, 4000));
    eddy_end;
}

test(a_frame_in_one_line_has_up_to_four_fields_of_any_type)
{
    static const int64_t ten = 10;

    assert_int_equal(run(has_four_fields, .a = &ten, .b = {1, 0}, .c = 200, .d = sum), 4211);
    assert_int_equal(seconds(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_frame_in_one_line_has_up_to_four_fields_of_any_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
