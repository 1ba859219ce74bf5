/* What docs/guide.md quotes of child processes; see test_guide.c. */
#include "support/process.h"

#include <eddy.h>

#define printf testing_log

/* ---- a command from its begin to its end */

eddy_frame(counts_words) {
    eddy_coro co;
    const char *text;
    struct eddy_output out;
    int64_t status;
};

static void counts_words(eddy_coro *co)
{
    static const char *const command[] = {"wc", "-w", NULL};

    eddy_begin(counts_words);
    self->out.limit = 4096; /* a command that writes more is ended, with -EFBIG */
    eddy_await(self->status,
               eddy_wait_for(co, 10 * EDDY_SECOND,
                             eddy_process_run(co, &(struct eddy_process_options){.argv = command},
                                              self->text, strlen(self->text), &self->out, NULL)));
    printf("%s exit %d", self->out.bytes, eddy_status_code(self->status));
eddy_finally:
    eddy_output_free(eddy_loop_of(co), &self->out);
    eddy_end;
}

test(a_command_counts_words)
{
    eddy_loop_hold(testing.loop); /* the child's time is real */
    assert_int_equal(testing_run_task(counts_words, .text = "a bee sees"), 0);
    eddy_loop_release(testing.loop);
    testing_assert_log("3\n exit 0");
}

/* ---- a child to talk with */

eddy_frame(talks_to_child) {
    eddy_coro co;
    eddy_process child;
    eddy_reader lines;
    int64_t length;
};

static void talks_to_child(eddy_coro *co)
{
    static const char *const command[] = {"sed", "-u", "s/o/0/g", NULL};

    eddy_begin(talks_to_child);
    eddy_with_process(&self->child, eddy_process_spawn(co, &self->child,
                                                       &(struct eddy_process_options){
                                                           .argv = command,
                                                           .input = {.kind = EDDY_STDIO_PIPE},
                                                           .output = {.kind = EDDY_STDIO_PIPE}}))
    {
        eddy_await(eddy_write(co, &self->child.input, "good\n", 5));
        eddy_with_reader(&self->lines, &self->child.output, 4096) {
            eddy_await(self->length, eddy_read_line(co, &self->lines, 4096));
            printf("%.*s", (int)self->length, self->lines.line);
        }
    } /* asked to end, killed if it does not, and reaped */
    eddy_end;
}

test(a_child_is_talked_to)
{
    assert_int_equal(testing_run_task(talks_to_child), 0);
    testing_assert_log("g00d\n");
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(a_command_counts_words),
        process_case(a_child_is_talked_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
