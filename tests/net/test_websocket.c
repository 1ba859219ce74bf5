/* examples/chat/websocket.h and utf8.h, on a virtual clock. What a client may do wrong is in e2e/chat_websocket.py. */
#include "support/children.h"
#include "support/net.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../examples/chat/websocket.h"
#include "eddy/deadline.h"

enum { LONGEST = 20000, BUFFER = 128 };

static eddy_stream stream;
static eddy_reader reader;
static eddy_writer writer;
static struct websocket web;
static int peer;

static int setup(void **state)
{
    int result = testing_setup(state);
    int fds[2];

    testing_socketpair(fds);
    peer = fds[1];
    memset(&stream, 0, sizeof stream);
    memset(&reader, 0, sizeof reader);
    memset(&writer, 0, sizeof writer);
    assert_int_equal(eddy_stream_open(testing.loop, &stream, fds[0]), 0);
    assert_int_equal(eddy_reader_open(&reader, &stream, BUFFER), 0);
    assert_int_equal(eddy_writer_open(&writer, &stream, NULL), 0);
    web = (struct websocket){.in = &reader, .out = &writer, .longest = LONGEST};
    return result;
}

static int teardown(void **state)
{
    websocket_fini(&web);
    eddy_reader_close(&reader);
    eddy_writer_drop(&writer);
    eddy_stream_close(&stream);
    close(peer);
    return testing_teardown(state);
}

#define web_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- the peer */

/* A frame of at most 125 bytes, masked; its length. */
static size_t make_frame(unsigned char *frame, unsigned first, const void *payload, size_t size)
{
    static const unsigned char mask[4] = {0x12, 0xf0, 0x5a, 0x99};

    frame[0] = (unsigned char)first;
    frame[1] = (unsigned char)(0x80 | size);
    memcpy(frame + 2, mask, sizeof mask);
    for (size_t i = 0; i < size; i++) {
        frame[6 + i] = (unsigned char)(((const unsigned char *)payload)[i] ^ mask[i % 4]);
    }
    return 6 + size;
}

static void send_bytes(const void *data, size_t size)
{
    assert_int_equal(write(peer, data, size), size);
}

static void send_frame(unsigned first, const char *payload)
{
    unsigned char frame[256];

    send_bytes(frame, make_frame(frame, first, payload, strlen(payload)));
}

/* The peer has been sent exactly that. */
static void assert_sent(const void *data, size_t size)
{
    static unsigned char got[2 * WEBSOCKET_MOST_PUT];

    testing_turns();
    if (size == 0) {
        assert_int_equal(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
        return;
    }
    assert_int_equal(recv(peer, got, sizeof got, MSG_DONTWAIT), size);
    assert_memory_equal(got, data, size);
}

/* ---- the server */

#define start() eddy_loop_spawn(testing.loop, websocket_receive, .web = &web)

static int64_t finish(eddy_task task)
{
    return eddy_loop_run_until(testing.loop, task);
}

static void assert_message(const char *text)
{
    assert_int_equal(web.size, strlen(text));
    assert_string_equal(web.message, text);
}

static void expect_message(const char *text)
{
    assert_int_equal(finish(start()), 1);
    assert_message(text);
}

/* ---- receiving */

test(messages_come_whole_with_a_zero_byte_behind_them)
{
    send_frame(0x81, "one");
    send_frame(0x01, "tw");
    send_frame(0x80, "o");
    send_frame(0x81, "");
    expect_message("one");
    expect_message("two");
    expect_message("");
    assert_non_null(web.message);
    assert_false(web.is_binary);
    assert_sent("", 0);
}

test(a_message_may_be_longer_than_the_readers_buffer)
{
    static unsigned char frame[8 + LONGEST] = {0x82, 0xfe, LONGEST >> 8, LONGEST & 0xff, 1, 2,
                                               3,    4};

    web.takes_binary = true;
    send_bytes(frame, sizeof frame);
    assert_int_equal(finish(start()), 1);
    assert_int_equal(web.size, LONGEST);
    assert_true(web.is_binary);
    for (size_t i = 0; i < LONGEST; i++) { /* of zeros only the mask is left */
        assert_int_equal(web.message[i], i % 4 + 1);
    }
}

test(bytes_are_not_looked_at_where_they_may_come)
{
    web.takes_binary = true;
    send_frame(0x82, "\xff\xfe");
    expect_message("\xff\xfe");
    assert_true(web.is_binary);
    send_frame(0x81, "text");
    expect_message("text");
    assert_false(web.is_binary);
    send_frame(0x81, "\xff\xfe");
    assert_int_equal(finish(start()), 0);
    assert_int_equal(web.code, WEBSOCKET_INVALID_DATA);
}

test(a_length_that_is_promised_costs_nothing)
{
    eddy_task task;

    send_bytes("\x81\xfe\x4e\x20mask", 8); /* 20000 */
    task = start();
    testing_turns();
    assert_null(web.message);
    send_bytes("m", 1);
    testing_turns();
    assert_non_null(web.message);
    assert_int_equal(web.size, 1);
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
}

test(who_is_silent_holds_no_message)
{
    eddy_task task;

    send_frame(0x81, "one");
    expect_message("one");
    task = start();
    testing_turns();
    assert_null(web.message);
    send_frame(0x81, "two");
    assert_int_equal(finish(task), 1);
    assert_message("two");
}

/* Also with a ping in the message, which is answered once. */
test(a_cancel_at_any_byte_takes_nothing)
{
    unsigned char bytes[64];
    size_t size = make_frame(bytes, 0x01, "gr\xc3", 3);
    eddy_task task;

    size += make_frame(bytes + size, 0x89, "there?", 6);
    size += make_frame(bytes + size, 0x80, "\xbcn", 2);
    for (size_t i = 0; i + 1 < size; i++) {
        send_bytes(bytes + i, 1);
        task = start();
        testing_turns();
        assert_int_equal(eddy_cancel(task), 0);
        assert_int_equal(finish(task), -ECANCELED);
    }
    send_bytes(bytes + size - 1, 1);
    expect_message("gr\xc3\xbcn");
    assert_sent("\x8a\x06there?", 8);
}

test(an_end_without_a_close_is_abnormal)
{
    send_frame(0x01, "half");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    assert_int_equal(finish(start()), 0);
    assert_int_equal(web.code, WEBSOCKET_ABNORMAL);
    assert_null(web.why);
    assert_sent("", 0);
    assert_int_equal(finish(start()), 0);
}

test(a_close_is_answered_once_and_nothing_follows_it)
{
    send_frame(0x88, "\x03\xe8\x62ye");
    send_frame(0x81, "not heard");
    assert_int_equal(finish(start()), 0);
    assert_int_equal(web.code, WEBSOCKET_NORMAL);
    assert_null(web.why);
    assert_int_equal(websocket_put_text(&web, "x", 1), -ESHUTDOWN);
    assert_int_equal(websocket_close(&web, WEBSOCKET_GOING_AWAY, ""), 0);
    assert_sent("\x88\x02\x03\xe8", 4);
    assert_int_equal(finish(start()), 0);
}

test(whoever_has_closed_hears_the_answer)
{
    assert_int_equal(websocket_close(&web, WEBSOCKET_GOING_AWAY, "night"), 0);
    assert_sent("\x88\x07\x03\xe9night", 9);
    send_frame(0x81, "wait");
    send_frame(0x89, "not answered any more");
    send_frame(0x88, "\x03\xe9");
    expect_message("wait");
    assert_int_equal(finish(start()), 0);
    assert_int_equal(web.code, WEBSOCKET_GOING_AWAY);
    assert_sent("", 0);
}

test(who_breaks_the_rules_is_told_why)
{
    send_frame(0xc1, "x");
    assert_int_equal(finish(start()), 0);
    assert_int_equal(web.code, WEBSOCKET_PROTOCOL_ERROR);
    assert_string_equal(web.why, "reserved bits");
    assert_sent("\x88\x0f\x03\xeareserved bits", 17);
}

/* ---- the silent */

test(who_is_silent_is_pinged_and_then_it_is_over)
{
    int64_t begun = eddy_loop_now(testing.loop);
    eddy_task task;

    web.ping_after = EDDY_SECOND;
    task = start();
    testing_turns();
    assert_sent("", 0);
    assert_int_equal(finish(task), -ETIMEDOUT);
    assert_int_equal(eddy_loop_now(testing.loop) - begun, 2 * EDDY_SECOND);
    assert_sent("\x89\0", 2);
}

eddy_frame(sends_pongs) {
    eddy_coro co;
    int times;
};

static void sends_pongs(eddy_coro *co)
{
    eddy_begin(sends_pongs);
    while (self->times-- > 0) {
        eddy_await(eddy_sleep(co, 3 * EDDY_SECOND / 2));
        send_frame(0x8a, "");
    }
    eddy_end;
}

test(who_answers_is_pinged_again)
{
    int64_t begun = eddy_loop_now(testing.loop);

    web.ping_after = EDDY_SECOND;
    eddy_detach(eddy_loop_spawn(testing.loop, sends_pongs, .times = 3));
    assert_int_equal(finish(start()), -ETIMEDOUT);
    assert_int_equal(eddy_loop_now(testing.loop) - begun, 13 * EDDY_SECOND / 2);
    assert_sent("\x89\0\x89\0\x89\0\x89\0", 8);
}

eddy_frame_of(receives_within, int64_t limit);

static void receives_within(eddy_coro *co)
{
    eddy_begin(receives_within);
    eddy_await(eddy_wait_for(co, self->limit, eddy_call(co, websocket_receive, .web = &web)));
    eddy_end;
}

test(a_time_out_of_the_callers_is_no_ping)
{
    int64_t begun = eddy_loop_now(testing.loop);

    web.ping_after = EDDY_SECOND;
    assert_int_equal(
        finish(eddy_loop_spawn(testing.loop, receives_within, .limit = EDDY_SECOND / 2)),
        -ETIMEDOUT);
    assert_int_equal(eddy_loop_now(testing.loop) - begun, EDDY_SECOND / 2);
    assert_sent("", 0);
}

/* ---- putting */

test(lengths_take_as_many_bytes_as_they_must)
{
    static char text[WEBSOCKET_MOST_PUT + 1];
    static unsigned char frame[4 + WEBSOCKET_MOST_PUT];

    memset(text, 'x', sizeof text);
    memset(frame, 'x', sizeof frame);
    memcpy(frame, "\x81\x7d", 2);
    assert_int_equal(websocket_put_text(&web, text, 125), 0);
    assert_sent(frame, 127);
    memcpy(frame, "\x82\x7e\0\x7e", 4);
    assert_int_equal(websocket_put_binary(&web, text, 126), 0);
    assert_sent(frame, 130);
    memcpy(frame, "\x81\x7e\x40\0", 4);
    assert_int_equal(websocket_put_text(&web, text, WEBSOCKET_MOST_PUT), 0);
    assert_sent(frame, sizeof frame);
    assert_int_equal(websocket_put_text(&web, text, sizeof text), -EMSGSIZE);
    assert_int_equal(websocket_put_text(&web, NULL, 0), 0);
    assert_sent("\x81\0", 2);
}

test(a_close_has_a_short_text)
{
    char why[200] = {0};
    unsigned char frame[126];

    memset(why, 'x', sizeof why - 1);
    memcpy(why + 122, "\xc3\xbc", 2); /* which is not cut */
    memset(frame, 'x', sizeof frame);
    memcpy(frame, "\x88\x7c\x03\xf0", 4);
    assert_int_equal(websocket_close(&web, WEBSOCKET_POLICY, why), 0);
    assert_sent(frame, sizeof frame);
}

/* ---- the handshake */

test(the_accept_is_made_of_the_key)
{
    static const char *const pairs[][2] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, /* RFC 6455, 1.3 */
        {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
        {"/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="}};
    char accept[WEBSOCKET_ACCEPT + 1];

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        websocket_accept(pairs[i][0], accept);
        assert_string_equal(accept, pairs[i][1]);
    }
}

/* ---- UTF-8 */

/* Whether these bytes are characters, each in its shortest form: by their values, not by what bytes may be. */
static bool is_utf8(const unsigned char *at, size_t size)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    for (size_t i = 0; i < size;) {
        size_t follow = at[i] < 0x80             ? 0
                        : (at[i] & 0xe0) == 0xc0 ? 1
                        : (at[i] & 0xf0) == 0xe0 ? 2
                        : (at[i] & 0xf8) == 0xf0 ? 3
                                                 : 4;
        uint32_t value;
        if (follow == 4 || size - i <= follow) {
            return false;
        }
        value = follow == 0 ? at[i] : at[i] & (0x3fu >> follow);
        for (size_t j = 1; j <= follow; j++) {
            if ((at[i + j] & 0xc0) != 0x80) {
                return false;
            }
            value = value << 6 | (at[i + j] & 0x3fu);
        }
        if (value < least[follow] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
            return false;
        }
        i += 1 + follow;
    }
    return true;
}

static bool takes_all(const unsigned char *at, size_t size)
{
    struct utf8 state = {0};

    for (size_t i = 0; i < size; i++) {
        if (!utf8_take(&state, at[i])) {
            return false;
        }
    }
    return utf8_is_whole(&state);
}

/* All first bytes, and behind them those at which something changes. */
test(utf8_is_what_its_values_say)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                          0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xff};
    unsigned char bytes[4];

    for (unsigned i = 0; i < 256 * 12 * 12 * 12; i++) {
        char clean[4];
        bytes[0] = (unsigned char)(i / (12 * 12 * 12));
        bytes[1] = edges[i / (12 * 12) % 12];
        bytes[2] = edges[i / 12 % 12];
        bytes[3] = edges[i % 12];
        for (size_t size = 1; size <= sizeof bytes; size++) {
            assert_int_equal(takes_all(bytes, size), is_utf8(bytes, size));
            memcpy(clean, bytes, size);
            utf8_clean(clean, size);
            assert_true(is_utf8((const unsigned char *)clean, size));
        }
    }
}

test(a_clean_text_keeps_its_characters_and_nothing_else)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"plain\tand gr\xc3\xbcn", "plain\tand gr\xc3\xbcn"},
        {"\xf0\x9f\x98\x80 \xe6\xbc\xa2", "\xf0\x9f\x98\x80 \xe6\xbc\xa2"},
        {"\x1b[31m\n\x7f\r", "?[31m???"},
        {"\xc2\x9b\xc2\xa0", "??\xc2\xa0"}, /* a control character in two bytes, and none */
        {"\xff\xc3-\xc3", "?\?-?"},
        {"\xe6\xbc-\xf0\x9f\x98", "?\?-???"},
        {"\xe6\xbc\xe6\xbc\xa2", "??\xe6\xbc\xa2"},
        {"\xe6\xc3\xc3\xbc", "??\xc3\xbc"},
        {"\xed\xa0\x80", "???"}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[32];
        strcpy(text, pairs[i][0]);
        utf8_clean(text, strlen(text));
        assert_string_equal(text, pairs[i][1]);
    }
}

test(a_text_is_cut_between_characters)
{
    assert_int_equal(utf8_cut("abc", 3, 3), 3);
    assert_int_equal(utf8_cut("abc", 3, 2), 2);
    assert_int_equal(utf8_cut("a\xe6\xbc\xa2-", 5, 4), 4);
    assert_int_equal(utf8_cut("a\xe6\xbc\xa2-", 5, 3), 1);
    assert_int_equal(utf8_cut("a\xe6\xbc\xa2-", 5, 2), 1);
    assert_int_equal(utf8_cut("\xe6\xbc\xa2", 3, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        web_case(messages_come_whole_with_a_zero_byte_behind_them),
        web_case(a_message_may_be_longer_than_the_readers_buffer),
        web_case(bytes_are_not_looked_at_where_they_may_come),
        web_case(a_length_that_is_promised_costs_nothing),
        web_case(who_is_silent_holds_no_message),
        web_case(a_cancel_at_any_byte_takes_nothing),
        web_case(an_end_without_a_close_is_abnormal),
        web_case(a_close_is_answered_once_and_nothing_follows_it),
        web_case(whoever_has_closed_hears_the_answer),
        web_case(who_breaks_the_rules_is_told_why),
        web_case(who_is_silent_is_pinged_and_then_it_is_over),
        web_case(who_answers_is_pinged_again),
        web_case(a_time_out_of_the_callers_is_no_ping),
        web_case(lengths_take_as_many_bytes_as_they_must),
        web_case(a_close_has_a_short_text),
        testing_case(the_accept_is_made_of_the_key),
        testing_case(utf8_is_what_its_values_say),
        testing_case(a_clean_text_keeps_its_characters_and_nothing_else),
        testing_case(a_text_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
