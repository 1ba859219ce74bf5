/* reader.h: random operations on random texts, in random pieces, against a model that has the whole
 * text; and long reads, which leave others their turn. */
#include "support/reader.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the model */

enum { TEXT = 3000, SEEDS = 25 };

static struct {
    uint64_t random;
    char text[TEXT];
    size_t position; /* of the next byte to be read */
} it;

static size_t random_below(size_t limit)
{
    return (size_t)(testing_random(&it.random) % limit);
}

static size_t left(void)
{
    return TEXT - it.position;
}

/* What a line must be: its length, or an error. */
static int64_t expected_line(struct asked asked)
{
    size_t limit = asked.size < ROOM ? asked.size : ROOM;
    size_t most = limit < left() ? limit : left();
    const char *delimiter = asked.kind == LINE ? "\n" : asked.delimiter;
    size_t length = strlen(delimiter);

    for (size_t end = length; end <= most; end++) {
        if (memcmp(it.text + it.position + end - length, delimiter, length) == 0) {
            return (int64_t)end;
        }
    }
    if (most == limit) {
        return -EMSGSIZE;
    }
    return asked.kind == LINE ? (int64_t)most : -ENODATA;
}

/* How many bytes the operation has read, by its result, if that can be right. */
static size_t checked(struct asked asked, int64_t result)
{
    size_t most = asked.size < left() ? asked.size : left();

    if (result == -ETIMEDOUT) {
        return eddy_reader_delivered(&reader);
    }
    switch (asked.kind) {
    case LINE:
    case UNTIL:
        assert_int_equal(result, expected_line(asked));
        return result > 0 ? (size_t)result : 0;
    case EXACTLY:
        assert_int_equal(result, most == asked.size ? (int64_t)most : -ENODATA);
        assert_int_equal(eddy_reader_delivered(&reader),
                         result > 0 || asked.size > ROOM ? most : 0);
        return eddy_reader_delivered(&reader);
    case READ:
        assert_in_range(result, most > 0, most);
        return (size_t)result;
    case PEEK:
        break;
    }
    assert_in_range(result, most, left());
    assert_memory_equal(eddy_reader_unread(&reader), it.text + it.position, (size_t)result);
    return 0;
}

/* ---- who sends and who reads */

eddy_frame(sends) {
    eddy_coro co;
    size_t sent;
    size_t count;
};

static void sends(eddy_coro *co)
{
    eddy_begin(sends);
    while (self->sent < TEXT) {
        self->count = 1 + random_below(random_below(4) == 0 ? 40 : 6);
        if (self->count > TEXT - self->sent) {
            self->count = TEXT - self->sent;
        }
        assert_int_equal(send(peer, it.text + self->sent, self->count, 0), self->count);
        self->sent += self->count;
        eddy_await(eddy_sleep(co, (int64_t)random_below(4) * MS));
    }
    end_of_file();
    eddy_end;
}

static struct asked any_operation(void)
{
    static const char *const delimiters[] = {"a", "ab", "aab", "abab", "\n\n"};

    switch ((enum kind)random_below(5)) {
    case LINE:
        return LINE(1 + random_below(ROOM + 4));
    case UNTIL:
        return UNTIL(delimiters[random_below(5)], 4 + random_below(ROOM));
    case EXACTLY:
        return EXACTLY(random_below(ROOM * 3));
    case READ:
        return READ(1 + random_below(ROOM + 4));
    case PEEK:
        break;
    }
    return PEEK(1 + random_below(ROOM));
}

static void take(struct asked asked, size_t count)
{
    if (count > 0) {
        assert_memory_equal(bytes_of(asked), it.text + it.position, count);
    }
    it.position += count;
}

eddy_frame(reads) {
    eddy_coro co;
    struct asked asked;
    int64_t rc;
};

static void reads(eddy_coro *co)
{
    eddy_begin(reads);
    do {
        self->asked = any_operation();
        eddy_catch(self->rc,
                   eddy_wait_for(co, 1 + (int64_t)random_below(6) * MS, begin(co, self->asked)));
        take(self->asked, checked(self->asked, self->rc));
        if (self->rc == -EMSGSIZE) {
            it.position += eddy_reader_skip(&reader, random_below(8));
        }
        assert_true(eddy_reader_buffered(&reader) <= left());
    } while (self->rc != 0 || self->asked.kind != READ);
    assert_int_equal(left(), 0);
    eddy_end;
}

static void compare_with_model(uint64_t seed)
{
    eddy_task reading;

    printf("seed %llu\n", (unsigned long long)seed);
    it.random = seed;
    it.position = 0;
    for (size_t i = 0; i < TEXT; i++) {
        it.text[i] = "aaabb\n"[random_below(6)];
    }
    eddy_loop_spawn(testing.loop, sends);
    reading = eddy_loop_spawn(testing.loop, reads);
    assert_int_equal(finish(reading), 0);
    testing_run();
}

/* EDDY_TEST_SEED=n tries other seeds. */
test(random_operations_agree_with_a_model)
{
    const char *text = getenv("EDDY_TEST_SEED");
    uint64_t first = text == NULL ? 1 : strtoull(text, NULL, 10);

    for (uint64_t seed = first; seed < first + SEEDS; seed++) {
        compare_with_model(seed);
        close_stream();
        open_stream();
    }
}

/* ---- others have their turn */

/* There is always one more byte. */
static ssize_t read_one(const struct eddy_sys *sys, int fd, void *data, size_t size)
{
    (void)sys;
    (void)fd;
    (void)size;
    *(char *)data = 'x';
    return 1;
}

eddy_frame(others) {
    eddy_coro co;
    int times;
};

static void others(eddy_coro *co)
{
    eddy_begin(others);
    while (self->times-- > 0) {
        testing_log("o");
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

#define SIXTEEN "xxxxxxxxxxxxxxxx"

test(a_read_that_never_has_to_wait_leaves_others_their_turn)
{
    testing_poke(peer);
    testing.sys.table.read = read_one;
    start(EXACTLY(64));
    eddy_loop_spawn(testing.loop, others, .times = 4);
    testing_turns();
    testing_assert_log("o o o " SIXTEEN SIXTEEN SIXTEEN SIXTEEN " o");
}

test(a_read_that_leaves_others_their_turn_can_be_cancelled)
{
    eddy_task task;

    testing_poke(peer);
    testing.sys.table.read = read_one;
    task = start(EXACTLY(64), .times = 2);
    testing_turn();
    testing_turn();
    eddy_cancel(task);
    testing_turns();
    testing_assert_log("-ECANCELED " SIXTEEN SIXTEEN SIXTEEN SIXTEEN);
}

/* Reads lines for ever, all of them buffered, and counts them. */
eddy_frame(counts_lines) {
    eddy_coro co;
    int *lines;
};

static void counts_lines(eddy_coro *co)
{
    eddy_begin(counts_lines);
    while (*self->lines < 300) {
        eddy_await(eddy_read_line(co, &reader, ROOM));
        ++*self->lines;
    }
    eddy_end;
}

eddy_frame(logs_count) {
    eddy_coro co;
    int *lines;
};

static void logs_count(eddy_coro *co)
{
    eddy_begin(logs_count);
    while (*self->lines < 300) {
        testing_log("%d", *self->lines);
        eddy_await(eddy_pause(co));
    }
    eddy_end;
}

test(lines_that_are_all_buffered_leave_others_their_turn)
{
    static char lines[301];
    static char large[512];
    static int count;

    count = 0;
    memset(lines, '\n', 300);
    net_send(peer, lines);
    eddy_reader_init(&reader, &stream, large, sizeof large);
    testing_turns();
    eddy_loop_spawn(testing.loop, counts_lines, .lines = &count);
    eddy_loop_spawn(testing.loop, logs_count, .lines = &count);
    testing_run();
    testing_assert_log("127 255");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reader_cases(random_operations_agree_with_a_model),
        reader_cases(a_read_that_never_has_to_wait_leaves_others_their_turn),
        reader_cases(a_read_that_leaves_others_their_turn_can_be_cancelled),
        reader_case(lines_that_are_all_buffered_leave_others_their_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
