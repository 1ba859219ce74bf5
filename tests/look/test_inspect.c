/* look.h: the tasks of a loop as data; and the words that are made of it. */
#include "support/things.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/duration.h"
#include "eddy/look.h"
#include "eddy/stream.h"
#include "look/describe.h"
#include "net/address.h"
#include "task/task_internal.h"

static struct eddy_task_info infos[16];
static int info_count;

static void keep(const struct eddy_task_info *info, void *user)
{
    assert_ptr_equal(user, infos);
    infos[info_count++] = *info;
}

static int inspect(void)
{
    info_count = 0;
    return eddy_loop_inspect(testing.loop, keep, infos);
}

eddy_frame(parent) {
    eddy_coro co;
};

static int line_of_parent;

static void parent(eddy_coro *co)
{
    eddy_begin(parent);
    eddy_detach(eddy_spawn(co, sleeps, .seconds = 3));
    line_of_parent = __LINE__ + 1;
    eddy_await(eddy_wait_for(co, 9 * EDDY_SECOND, eddy_call(co, sleeps, .seconds = 8)));
    eddy_end;
}

test(a_task_is_told_in_full)
{
    const struct eddy_task_info *info = infos;
    struct eddy_frames frames;
    struct eddy_frame_info frame;
    eddy_task task = start(parent);

    testing_turns();
    testing.clock.now = 2 * EDDY_SECOND;
    assert_int_equal(inspect(), 0);
    assert_int_equal(info_count, 2);
    assert_ptr_equal(info->task.record, task.record);
    assert_int_equal(info->task.generation, task.generation);
    assert_int_equal(info->number, 1);
    assert_int_equal(info->parent, 0);
    assert_int_equal(info->depth, 0);
    assert_true(info->last);
    assert_string_equal(info->name, "parent");
    assert_non_null(strstr(info->place, "test_inspect.c:"));
    assert_int_equal(info->doing, EDDY_TASK_WAITING);
    assert_string_equal(info->waits_for, "sleep");
    assert_int_equal(info->age, 2 * EDDY_SECOND);
    assert_int_equal(info->deadline, 9 * EDDY_SECOND);
    assert_false(info->cancelled);
    assert_int_equal(info->blocker, 0);
    assert_int_equal(info->circle, 0);

    frames = info->frames;
    assert_true(eddy_frames_next(&frames, &frame));
    assert_string_equal(frame.function, "sleeps");
    assert_true(eddy_frames_next(&frames, &frame));
    assert_string_equal(frame.function, "parent");
    assert_string_equal(frame.file, __FILE__);
    assert_int_equal(frame.line, line_of_parent);
    assert_false(eddy_frames_next(&frames, &frame));

    assert_int_equal(infos[1].number, 2);
    assert_int_equal(infos[1].parent, 1);
    assert_int_equal(infos[1].depth, 1);
    assert_int_equal(infos[1].deadline, EDDY_FOREVER);
}

test(one_that_has_ended_keeps_its_result)
{
    start(returns, .result = -EIO);
    testing_turns();
    assert_int_equal(inspect(), 0);
    assert_int_equal(infos[0].doing, EDDY_TASK_ENDED);
    assert_int_equal(infos[0].result, -EIO);
    assert_null(infos[0].waits_for);
    testing_free();
    testing.errors.count = 0; /* it was never joined */
}

test(tasks_come_in_the_order_in_which_they_were_spawned_also_in_old_records)
{
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run(returns, .result = 0), 0);
        start(sleeps, .seconds = i + 5);
    }
    testing_turns();
    assert_int_equal(inspect(), 0);
    assert_int_equal(info_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(infos[i].number, 2 * (i + 1));
    }
}

test(the_order_holds_when_the_numbers_begin_anew)
{
    assert_int_equal(run(returns, .result = 0), 0); /* there is a table of tasks */
    testing.loop->tasks->spawned = UINT32_MAX - 1;
    start(parent);
    start(sleeps, .seconds = 1);
    testing_turns();
    assert_int_equal(inspect(), 0);
    assert_int_equal(info_count, 3);
    assert_int_equal(infos[0].number, UINT32_MAX);
    assert_int_equal(infos[1].number, 2);
    assert_int_equal(infos[1].parent, UINT32_MAX);
    assert_int_equal(infos[1].depth, 1);
    assert_int_equal(infos[2].number, 1);
    assert_int_equal(infos[2].depth, 0);
}

test(a_number_that_belongs_to_a_younger_task_is_no_parent)
{
    start(sleeps, .seconds = 1);
    start(sleeps, .seconds = 1);
    testing_turns();
    assert_int_equal(inspect(), 0);
    infos[0].task.record->parent = 2;
    infos[1].task.record->parent = 2;
    assert_int_equal(inspect(), 0);
    assert_int_equal(info_count, 2);
    assert_int_equal(infos[0].depth, 0);
    assert_int_equal(infos[1].depth, 0);
}

test(without_memory_all_are_visited_all_the_same)
{
    start(parent);
    testing_turns();
    testing_fail_allocations_from(1);
    assert_int_equal(inspect(), -ENOMEM);
    testing_fail_allocation(0);
    assert_int_equal(info_count, 2);
    assert_int_equal(infos[1].depth, 0);
}

test(an_age_outlives_the_ticks_that_a_record_keeps)
{
    start(sleeps, .seconds = 2000000000);
    testing_turns();
    testing.clock.now = 50 * 86400 * EDDY_SECOND;
    assert_int_equal(inspect(), 0);
    assert_int_equal(infos[0].age, 50 * 86400 * EDDY_SECOND);
}

test(an_age_is_right_to_a_millisecond_when_the_wait_began_in_between)
{
    testing.clock.now = 1234567890123;
    start(sleeps, .seconds = 100);
    testing_turns();
    testing.clock.now += 5 * EDDY_SECOND;
    assert_int_equal(inspect(), 0);
    assert_true(infos[0].age >= 5 * EDDY_SECOND);
    assert_true(infos[0].age < 5 * EDDY_SECOND + (1 << 20));
}

/* ---- words */

test(durations_have_two_units_at_most)
{
    static const struct {
        int64_t duration;
        const char *text;
    } cases[] = {
        {-1, "0 ms"},
        {0, "0 ms"},
        {999999, "0 ms"},
        {250 * EDDY_MILLISECOND, "250 ms"},
        {EDDY_SECOND - 1, "999 ms"},
        {EDDY_SECOND, "1.0 s"},
        {59999 * EDDY_MILLISECOND, "59.9 s"},
        {60 * EDDY_SECOND, "1 min 00 s"},
        {3599 * EDDY_SECOND, "59 min 59 s"},
        {3600 * EDDY_SECOND, "1 h 00 min"},
        {47 * 3600 * EDDY_SECOND, "47 h 00 min"},
        {49 * 3600 * EDDY_SECOND, "2 d 01 h"},
        {INT64_MAX - 1, "106751 d 23 h"},
        {EDDY_FOREVER, "for ever"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[EDDY_DURATION_TEXT];
        eddy_duration_format(text, cases[i].duration);
        assert_string_equal(text, cases[i].text);
    }
}

test(what_is_left_is_due_in_the_end)
{
    char text[64];

    eddy_duration_format_left(text, sizeof text, 7 * EDDY_SECOND, 5 * EDDY_SECOND);
    assert_string_equal(text, "2.0 s left");
    eddy_duration_format_left(text, sizeof text, 5 * EDDY_SECOND, 5 * EDDY_SECOND);
    assert_string_equal(text, "due");
    eddy_duration_format_left(text, sizeof text, EDDY_FOREVER, 5 * EDDY_SECOND);
    assert_string_equal(text, "for ever");
}

static const char *format(const void *raw, socklen_t size)
{
    static char text[EDDY_FD_TEXT];
    struct eddy_address address = {.size = size};

    memcpy(&address.storage, raw, size);
    return eddy_address_format(&address, text, sizeof text) ? text : NULL;
}

test(addresses_are_written_as_people_do)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    const socklen_t head = offsetof(struct sockaddr_un, sun_path);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in6.sin6_addr = in6addr_loopback;
    assert_string_equal(format(&in, sizeof in), "127.0.0.1:80");
    assert_string_equal(format(&in6, sizeof in6), "[::1]:443");
    assert_string_equal(format(&un, head + 7), "unix:/run/x");
    assert_string_equal(format(&un, head), "unix");
    memcpy(un.sun_path, "\0name", 5);
    assert_string_equal(format(&un, head + 5), "unix:@name");
    memcpy(un.sun_path, "a\n\033[1m\177", 7);
    assert_string_equal(format(&un, head + 7), "unix:a??[1m?");
    assert_null(format(&none, sizeof none));
}

static const char *describe_fd(int fd)
{
    static char text[EDDY_FD_TEXT];
    char number[16];
    size_t length;

    eddy_describe_fd(testing.loop, fd, text, sizeof text);
    snprintf(number, sizeof number, "fd %d", fd);
    length = strlen(number);
    assert_memory_equal(text, number, length);
    return text + length;
}

static int bound(int family, int type)
{
    struct eddy_address address;
    int fd = socket(family, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(eddy_address_parse(&address, family == AF_INET6 ? "::1" : "127.0.0.1", 0), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address.storage, address.size), 0);
    return fd;
}

/* " (127.0.0.1:PORT)", with the port that the fd is bound to. */
static const char *own_address(int fd, const char *host)
{
    static char text[EDDY_FD_TEXT];
    struct eddy_address address = {.size = sizeof address.storage};

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.storage, &address.size), 0);
    snprintf(text, sizeof text, " (%s:%d)", host, eddy_address_port(&address));
    return text;
}

test(an_fd_without_a_peer_has_its_own_address_only_if_it_is_not_on_its_way_to_one)
{
    int stream = bound(AF_INET, SOCK_STREAM);
    int datagrams = bound(AF_INET, SOCK_DGRAM);
    int fds[2];

    testing_pipe(fds);
    assert_string_equal(describe_fd(fds[0]), "");
    assert_string_equal(describe_fd(stream), "");
    assert_int_equal(listen(stream, 1), 0);
    assert_string_equal(describe_fd(stream), own_address(stream, "127.0.0.1"));
    assert_string_equal(describe_fd(datagrams), own_address(datagrams, "127.0.0.1"));
    testing_fail(getsockname, 1, -ENOBUFS);
    assert_string_equal(describe_fd(datagrams), "");
    testing_fail(getsockopt, 1, -ENOBUFS);
    assert_string_equal(describe_fd(datagrams), "");
    close(stream);
    close(datagrams);
    close(fds[0]);
    close(fds[1]);
}

static void say_more(const struct eddy_task_record *task, char *text, size_t size)
{
    (void)task;
    snprintf(text, size, "a\nb\033[1m");
}

eddy_frame(waits_and_says) {
    eddy_coro co;
};

static void waits_and_says(eddy_coro *co)
{
    static const struct eddy_wait_kind kind = {.name = "kind", .describe = say_more};

    eddy_begin(waits_and_says);
    eddy_await(eddy_park(co, &kind, NULL, NULL));
    eddy_end;
}

static void log_detail(const struct eddy_task_info *info, void *user)
{
    (void)user;
    testing_log("%s", info->detail);
}

test(what_a_wait_says_of_itself_is_one_line)
{
    start(waits_and_says);
    testing_turns();
    assert_int_equal(eddy_loop_inspect(testing.loop, log_detail, NULL), 0);
    testing_assert_log("a?b?[1m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        testing_case(a_task_is_told_in_full),
        testing_case(one_that_has_ended_keeps_its_result),
        testing_case(tasks_come_in_the_order_in_which_they_were_spawned_also_in_old_records),
        testing_case(the_order_holds_when_the_numbers_begin_anew),
        testing_case(a_number_that_belongs_to_a_younger_task_is_no_parent),
        testing_case(without_memory_all_are_visited_all_the_same),
        testing_case(an_age_outlives_the_ticks_that_a_record_keeps),
        testing_case(an_age_is_right_to_a_millisecond_when_the_wait_began_in_between),
        testing_case(durations_have_two_units_at_most),
        testing_case(what_is_left_is_due_in_the_end),
        testing_case(addresses_are_written_as_people_do),
        testing_case(an_fd_without_a_peer_has_its_own_address_only_if_it_is_not_on_its_way_to_one),
        testing_case(what_a_wait_says_of_itself_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
