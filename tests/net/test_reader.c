/* reader.h: lines, records and other pieces of a stream. Cancels and errors are in
 * test_reader_faults.c, random texts and long reads in test_reader_random.c. */
#include "support/reader.h"

/* ---- lines */

test(lines_come_one_at_a_time_with_their_ends)
{
    net_send(peer, "one\n\ntwo\r\n");
    ask(LINE(ROOM), .times = 3);
    testing_assert_log("one/ / two\r/");
}

test(a_line_is_in_the_buffer_and_not_copied)
{
    net_send(peer, "one\ntwo\n");
    assert_int_equal(ask(LINE(ROOM)), 4);
    assert_ptr_equal(reader.line, buffer);
    assert_int_equal(ask(LINE(ROOM)), 4);
    assert_ptr_equal(reader.line, buffer + 4);
    testing_assert_log("one/ two/");
}

test(the_end_of_a_line_can_be_stripped)
{
    assert_int_equal(eddy_line_strip("one\n", 4), 3);
    assert_int_equal(eddy_line_strip("one\r\n", 5), 3);
    assert_int_equal(eddy_line_strip("one", 3), 3);
    assert_int_equal(eddy_line_strip("one\r", 4), 4);
    assert_int_equal(eddy_line_strip("one\n\n", 5), 4);
    assert_int_equal(eddy_line_strip("\r\n", 2), 0);
    assert_int_equal(eddy_line_strip("\n", 1), 0);
    assert_int_equal(eddy_line_strip("", 0), 0);
}

test(a_reader_waits_for_the_end_of_the_line)
{
    eddy_task task = start(LINE(ROOM));

    net_send(peer, "on");
    testing_turns();
    net_send(peer, "e");
    testing_turns();
    testing_assert_log("");
    net_send(peer, "\ntwo");
    assert_int_equal(finish(task), 4);
    testing_assert_log("one/");
}

test(what_is_buffered_costs_neither_memory_nor_a_turn_nor_a_system_call)
{
    unsigned allocations;

    net_send(peer, "1\n2\n3\n45678");
    ask(LINE(ROOM));
    allocations = testing.memory.calls;
    testing_forget_calls();
    start(LINE(ROOM), .times = 2);
    start(PEEK(5));
    start(EXACTLY(3));
    start(READ(2));
    assert_int_equal(testing_turn(), 4);
    testing_assert_log("1/ 2/ 3/ 45678 456 78");
    assert_int_equal(testing_calls(read), 0);
    assert_int_equal(testing.memory.calls, allocations);
}

test(waiting_allocates_nothing)
{
    unsigned allocations;
    eddy_task task;

    net_send(peer, "warm\n");
    ask(LINE(ROOM)); /* the records of tasks and their first frames are there now */
    allocations = testing.memory.calls;
    task = start(LINE(ROOM));
    testing_turns();
    net_send(peer, "up\n");
    finish(task);
    testing_assert_log("warm/ up/");
    assert_int_equal(testing.memory.calls, allocations);
}

/* ---- delimiters */

test(a_delimiter_may_have_several_bytes)
{
    net_send(peer, "a;b;;c;;");
    ask(UNTIL(";;", ROOM), .times = 2);
    testing_assert_log("a;b;; c;;");
}

test(a_delimiter_that_begins_inside_a_false_one_is_found)
{
    static const char *const texts[][2] = {
        {"aab", "aaab"}, {"aab", "aaaaab"}, {"abab", "abaabab"}, {"abac", "ababac"}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        eddy_task task = start(UNTIL(texts[i][0], ROOM));
        char byte[2] = "";
        for (const char *c = texts[i][1]; *c != '\0'; c++) {
            testing_turns();
            byte[0] = *c;
            net_send(peer, byte);
        }
        assert_int_equal(finish(task), strlen(texts[i][1]));
        testing_assert_log(texts[i][1]);
    }
}

test(no_byte_is_searched_twice_but_where_a_delimiter_may_have_begun)
{
    static char large[1024];
    eddy_task task;

    eddy_reader_init(&reader, &stream, large, sizeof large);
    task = start(UNTIL("end", sizeof large));
    for (size_t i = 1; i <= 1000; i++) {
        net_send(peer, "e");
        testing_turns();
        assert_int_equal(reader.searched, i < 3 ? 0 : i - 2);
    }
    eddy_cancel(task);
    finish(task);
    testing_assert_log("-ECANCELED");
}

/* Sends the text in two parts, split at every place, with a turn between them, and asks for what
 * was `asked`, each time on a stream of its own. */
static void split_everywhere(const char *text, struct asked asked, const char *log)
{
    char part[64];

    for (size_t at = 0; at <= strlen(text); at++) {
        eddy_task task = start(asked, .times = 4);
        memcpy(part, text, at);
        part[at] = '\0';
        if (at > 0) {
            net_send(peer, part);
        }
        testing_turns();
        if (at < strlen(text)) {
            net_send(peer, text + at);
        }
        testing_turns();
        end_of_file();
        finish(task);
        testing_assert_log(log);
        close_stream();
        open_stream();
    }
}

test(the_pieces_are_the_same_wherever_the_text_is_split)
{
    split_everywhere("one\ntwo\nthree", LINE(ROOM), "one/ two/ three -0");
    split_everywhere("a\r\nb\r\n\r\n", UNTIL("\r\n", ROOM), "a\r/ b\r/ \r/ -ENODATA");
    split_everywhere("aaabcaab", UNTIL("aab", ROOM), "aaab caab -ENODATA -ENODATA");
    split_everywhere("one\ntwo\nthree", EXACTLY(4), "one/ two/ thre -ENODATA");
    split_everywhere("12345678901234567890123456789012345", EXACTLY(ROOM),
                     "1234567890123456 7890123456789012 -ENODATA -ENODATA");
    split_everywhere("12345678901234567890123456789012345", EXACTLY(ROOM + 1),
                     "12345678901234567 89012345678901234 -ENODATA -ENODATA");
}

/* ---- limits */

test(a_line_may_have_as_many_bytes_as_the_limit_with_its_end)
{
    net_send(peer, "123\n1234\n");
    assert_int_equal(ask(LINE(4)), 4);
    assert_int_equal(ask(LINE(4)), -EMSGSIZE);
    assert_int_equal(ask(LINE(5)), 5);
    testing_assert_log("123/ -EMSGSIZE 1234/");
}

test(a_line_that_is_too_long_is_told_as_soon_as_that_is_known)
{
    eddy_task task = start(LINE(4));

    net_send(peer, "123");
    testing_turns();
    testing_assert_log("");
    net_send(peer, "4");
    assert_int_equal(finish(task), -EMSGSIZE);
    testing_assert_log("-EMSGSIZE");
    assert_int_equal(eddy_reader_buffered(&reader), 4);
}

test(the_limit_holds_in_whatever_pieces_the_line_comes)
{
    split_everywhere("12\n1234\n", LINE(4), "12/ -EMSGSIZE -EMSGSIZE -EMSGSIZE");
    split_everywhere("1\n12;;1;;", UNTIL(";;", 4), "-EMSGSIZE -EMSGSIZE -EMSGSIZE -EMSGSIZE");
}

test(no_line_is_longer_than_the_buffer)
{
    net_send(peer, "123456789012345\n1234567890123456\n");
    assert_int_equal(ask(LINE(SIZE_MAX)), ROOM);
    assert_int_equal(ask(LINE(SIZE_MAX)), -EMSGSIZE);
    testing_assert_log("123456789012345/ -EMSGSIZE");
}

test(a_line_that_is_too_long_can_be_read_or_skipped)
{
    net_send(peer, "too long\nx\n");
    assert_int_equal(ask(LINE(4)), -EMSGSIZE);
    assert_int_equal(ask(READ(3)), 3);
    assert_int_equal(eddy_reader_skip(&reader, 2), 2);
    assert_int_equal(ask(LINE(4)), 4);
    assert_int_equal(eddy_reader_skip(&reader, 100), 2);
    assert_int_equal(eddy_reader_skip(&reader, 100), 0);
    testing_assert_log("-EMSGSIZE too ong/");
}

test(limits_that_no_line_can_keep_are_refused)
{
    net_send(peer, "\r\n");
    assert_int_equal(ask(LINE(0)), -EINVAL);
    assert_int_equal(ask(UNTIL("", ROOM)), -EINVAL);
    assert_int_equal(ask(UNTIL("\r\n", 1)), -EINVAL);
    assert_int_equal(ask(UNTIL("12345678901234567", SIZE_MAX)), -EINVAL);
    assert_int_equal(ask(PEEK(ROOM + 1)), -EMSGSIZE);
    assert_int_equal(ask(UNTIL("\r\n", 2)), 2);
    testing_assert_log("-EINVAL -EINVAL -EINVAL -EINVAL -EMSGSIZE \r/");
}

/* ---- bytes */

test(exactly_waits_until_all_is_there)
{
    eddy_task task = start(EXACTLY(6));

    net_send(peer, "abcd");
    testing_turns();
    testing_assert_log("");
    assert_int_equal(eddy_reader_buffered(&reader), 4);
    net_send(peer, "efgh");
    assert_int_equal(finish(task), 6);
    testing_assert_log("abcdef");
    assert_int_equal(eddy_reader_buffered(&reader), 2);
}

test(more_than_the_buffer_holds_goes_straight_to_the_caller)
{
    eddy_task task;

    net_send(peer, "1\nabc");
    ask(LINE(ROOM));
    task = start(EXACTLY(26));
    testing_turns();
    testing_forget_calls();
    net_send(peer, "defghijklmnopqrstuvwxyz123");
    assert_int_equal(finish(task), 26);
    assert_int_equal(testing_calls(read), 1);
    testing_assert_log("1/ abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(ask(EXACTLY(3)), 3);
    testing_assert_log("123");
}

test(no_bytes_are_there_at_once)
{
    assert_int_equal(ask(EXACTLY(0)), 0);
    assert_int_equal(ask(READ(0)), 0);
    assert_int_equal(ask(PEEK(0)), 0);
    testing_assert_log("-0 -0 -0");
}

test(a_read_gives_first_what_is_buffered)
{
    net_send(peer, "1\nabcdef");
    ask(LINE(ROOM));
    net_send(peer, "ghi");
    ask(READ(4));
    ask(READ(sizeof record));
    ask(READ(sizeof record));
    testing_assert_log("1/ abcd ef ghi");
}

test(small_reads_share_a_system_call)
{
    net_send(peer, "abcdef");
    testing_turns();
    testing_forget_calls();
    ask(READ(1), .times = 6);
    testing_assert_log("a b c d e f");
    assert_int_equal(testing_calls(read), 1);
}

test(a_peek_reads_nothing)
{
    eddy_task task = start(PEEK(3));

    net_send(peer, "ab");
    testing_turns();
    testing_assert_log("");
    net_send(peer, "cd");
    assert_int_equal(finish(task), 4);
    ask(PEEK(1));
    ask(EXACTLY(4));
    testing_assert_log("abcd abcd abcd");
}

test(a_reader_without_a_buffer_reads_bytes_all_the_same)
{
    eddy_reader_init(&reader, &stream, NULL, 0);
    net_send(peer, "abcdef");
    assert_int_equal(ask(EXACTLY(4)), 4);
    assert_int_equal(ask(READ(10)), 2);
    assert_int_equal(ask(LINE(10)), -EINVAL);
    assert_int_equal(ask(PEEK(1)), -EMSGSIZE);
    testing_assert_log("abcd ef -EINVAL -EMSGSIZE");
}

test(the_room_of_what_was_read_is_used_again)
{
    eddy_task task;

    net_send(peer, "12345678901\nab");
    assert_int_equal(ask(LINE(ROOM)), 12);
    task = start(LINE(4)); /* would fit behind it */
    testing_turns();
    testing_forget_calls();
    net_send(peer, "c\n1234567890");
    assert_int_equal(finish(task), 4);
    assert_int_equal(testing_calls(read), 1);
    assert_int_equal(eddy_reader_buffered(&reader), 10);
    testing_assert_log("12345678901/ abc/");
}

/* ---- the end of the file */

test(the_last_line_may_lack_its_end)
{
    net_send(peer, "one\ntwo");
    end_of_file();
    ask(LINE(ROOM), .times = 4);
    testing_assert_log("one/ two -0 -0");
}

test(a_line_that_waits_sees_the_end)
{
    eddy_task task = start(LINE(ROOM), .times = 2);

    net_send(peer, "two");
    testing_turns();
    testing_assert_log("");
    end_of_file();
    finish(task);
    testing_assert_log("two -0");
}

test(an_end_in_the_middle_leaves_what_there_is_unread)
{
    net_send(peer, "abc");
    end_of_file();
    assert_int_equal(ask(UNTIL(";", ROOM)), -ENODATA);
    assert_int_equal(ask(EXACTLY(4)), -ENODATA);
    assert_int_equal(eddy_reader_delivered(&reader), 0);
    assert_int_equal(ask(PEEK(4)), 3);
    assert_int_equal(ask(READ(4)), 3);
    assert_int_equal(ask(READ(4)), 0);
    assert_int_equal(ask(PEEK(4)), 0);
    testing_assert_log("-ENODATA -ENODATA abc abc -0 -0");
}

test(an_end_between_two_records_is_told_from_one_in_the_middle)
{
    net_send(peer, "abcd");
    end_of_file();
    assert_int_equal(ask(EXACTLY(4)), 4);
    assert_int_equal(ask(EXACTLY(4)), -ENODATA);
    assert_int_equal(eddy_reader_buffered(&reader), 0);
    testing_assert_log("abcd -ENODATA");
}

test(an_end_in_the_middle_of_a_large_record_tells_what_was_delivered)
{
    net_send(peer, "abcdef");
    end_of_file();
    assert_int_equal(ask(EXACTLY(ROOM + 1)), -ENODATA);
    assert_int_equal(eddy_reader_delivered(&reader), 6);
    assert_memory_equal(record, "abcdef", 6);
    testing_assert_log("-ENODATA");
}

eddy_frame(reconnects) {
    eddy_coro co;
    int fds[2];
    int64_t rc;
};

/* Half a line of the old connection stays in the buffer, and its stream is opened anew. */
static void reconnects(eddy_coro *co)
{
    eddy_begin(reconnects);
    net_send(peer, "half");
    eddy_await(eddy_reader_peek(co, &reader, 4));
    eddy_stream_close(&stream);
    assert_int_equal(eddy_reader_buffered(&reader), 4);
    testing_socketpair(self->fds);
    eddy_await(eddy_stream_open(testing.loop, &stream, self->fds[0]));
    assert_int_equal(close(peer), 0);
    peer = self->fds[1];
    net_send(peer, "+OK\n");
    eddy_await(self->rc, eddy_read_line(co, &reader, sizeof buffer));
    testing_log("%.*s", (int)self->rc - 1, reader.line);
    eddy_end;
}

test(what_is_left_of_an_older_connection_is_not_glued_to_the_new)
{
    assert_int_equal(testing_run_task(reconnects), 0);
    testing_assert_log("+OK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reader_cases(what_is_left_of_an_older_connection_is_not_glued_to_the_new),
        reader_cases(lines_come_one_at_a_time_with_their_ends),
        reader_case(a_line_is_in_the_buffer_and_not_copied),
        reader_cases(the_end_of_a_line_can_be_stripped),
        reader_cases(a_reader_waits_for_the_end_of_the_line),
        reader_cases(what_is_buffered_costs_neither_memory_nor_a_turn_nor_a_system_call),
        reader_cases(waiting_allocates_nothing),
        reader_cases(a_delimiter_may_have_several_bytes),
        reader_cases(a_delimiter_that_begins_inside_a_false_one_is_found),
        reader_case(no_byte_is_searched_twice_but_where_a_delimiter_may_have_begun),
        reader_cases(the_pieces_are_the_same_wherever_the_text_is_split),
        reader_cases(a_line_may_have_as_many_bytes_as_the_limit_with_its_end),
        reader_cases(a_line_that_is_too_long_is_told_as_soon_as_that_is_known),
        reader_cases(the_limit_holds_in_whatever_pieces_the_line_comes),
        reader_cases(no_line_is_longer_than_the_buffer),
        reader_cases(a_line_that_is_too_long_can_be_read_or_skipped),
        reader_cases(limits_that_no_line_can_keep_are_refused),
        reader_cases(exactly_waits_until_all_is_there),
        reader_cases(more_than_the_buffer_holds_goes_straight_to_the_caller),
        reader_cases(no_bytes_are_there_at_once),
        reader_cases(a_read_gives_first_what_is_buffered),
        reader_cases(small_reads_share_a_system_call),
        reader_cases(a_peek_reads_nothing),
        reader_case(a_reader_without_a_buffer_reads_bytes_all_the_same),
        reader_cases(the_room_of_what_was_read_is_used_again),
        reader_cases(the_last_line_may_lack_its_end),
        reader_cases(a_line_that_waits_sees_the_end),
        reader_cases(an_end_in_the_middle_leaves_what_there_is_unread),
        reader_cases(an_end_between_two_records_is_told_from_one_in_the_middle),
        reader_cases(an_end_in_the_middle_of_a_large_record_tells_what_was_delivered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
