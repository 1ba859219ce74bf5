/*
 * How to test a program that uses eddy: an hour of a client that tries again and again takes less
 * than a millisecond, and every time in it is known exactly. docs/testing-your-code.md explains it.
 */
#include <eddy.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what is tested: in a project of yours it is in a file of its own */

static const int64_t FIRST_DELAY = EDDY_SECOND, LONGEST_DELAY = 600 * EDDY_SECOND;

/* Connects, and while the server refuses tries again: after 1, 2, 4, ... seconds, and from ten
 * minutes on every ten minutes. */
eddy_frame(connect_patiently) {
    eddy_coro co;
    eddy_stream *stream;
    int port;
    int64_t delay;
    int64_t result;
};

static void connect_patiently(eddy_coro *co)
{
    eddy_begin(connect_patiently);
    for (self->delay = FIRST_DELAY;; self->delay *= 2) {
        eddy_catch(self->result, eddy_connect(co, self->stream, "127.0.0.1", self->port));
        if (self->result != -ECONNREFUSED) {
            eddy_return(self->result);
        }
        if (self->delay > LONGEST_DELAY) {
            self->delay = LONGEST_DELAY;
        }
        eddy_await(eddy_sleep(co, self->delay));
    }
    eddy_end;
}

/* Says hello to the server, if that comes up within an hour. */
eddy_frame(greet) {
    eddy_coro co;
    int port;
    eddy_stream stream;
};

static void greet(eddy_coro *co)
{
    eddy_begin(greet);
    eddy_await(eddy_wait_for(
        co, 3600 * EDDY_SECOND,
        eddy_call(co, connect_patiently, .stream = &self->stream, .port = self->port)));
    eddy_await(eddy_write(co, &self->stream, "hello", 5));
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

/* ---- the world around it, which the test rules */

static struct {
    struct eddy_loop_options options;
    eddy_loop *loop;
    eddy_clock clock;
    struct eddy_sys sys;

    int refusals; /* so many connects are refused; the others go to the kernel */
    int attempts;
    int seconds[32]; /* when each attempt was made */

    size_t bytes; /* that the loop has and has not given back */
    int allocations;
    int fails; /* the number of the allocation that fails; 0: none */

    int listener;
    int port;
} world;

/* Virtual time does not wait for the network, not even for that inside of this machine: so the
 * connect that goes to the kernel does, and is done when it returns. */
static int counting_connect(const struct eddy_sys *sys, int fd, const struct sockaddr *address,
                            socklen_t size)
{
    int flags = fcntl(fd, F_GETFL);
    int result;

    world.seconds[world.attempts++] = (int)(world.clock.now / EDDY_SECOND);
    if (world.attempts <= world.refusals) {
        return -ECONNREFUSED;
    }
    (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    result = eddy_sys_default()->connect(sys, fd, address, size);
    (void)fcntl(fd, F_SETFL, flags);
    return result;
}

static void *counting_allocate(void *user, void *memory, size_t old_size, size_t new_size)
{
    void *block = NULL;

    (void)user;
    if (new_size == 0) {
        free(memory);
        world.bytes -= old_size;
        return NULL;
    }
    if (++world.allocations != world.fails) {
        block = realloc(memory, new_size);
    }
    if (block != NULL) {
        world.bytes += new_size - old_size;
    }
    return block;
}

/* A listener of the kernel's takes clients without anybody's help until its backlog is full. */
static void listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(world.listener >= 0);
    assert_int_equal(bind(world.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(world.listener, 128), 0);
    assert_int_equal(getsockname(world.listener, (struct sockaddr *)&address, &size), 0);
    world.port = ntohs(address.sin_port);
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    eddy_clock_init(&world.clock, EDDY_CLOCK_VIRTUAL);
    world.sys = *eddy_sys_default();
    world.sys.connect = counting_connect;
    world.options.clock = &world.clock;
    world.options.sys = &world.sys;
    world.options.allocate = counting_allocate;
    world.options.flags = EDDY_LOOP_POISON_STACK; /* finds locals that are used after an await */
    listen_somewhere();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(world.listener);
    return 0;
}

static void assert_greeted(void)
{
    int client = accept(world.listener, NULL, NULL);
    char text[8] = "";

    assert_true(client >= 0);
    assert_int_equal(read(client, text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(client);
}

static void assert_attempts(const int *seconds, int count)
{
    assert_int_equal(world.attempts, count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(world.seconds[i], seconds[i]);
    }
}

/* ---- the tests */

static void it_gives_up_after_an_hour(void **state)
{
    static const int expected[] = {0,   1,   3,    7,    15,   31,   63,  127,
                                   255, 511, 1023, 1623, 2223, 2823, 3423};

    (void)state;
    world.refusals = 1000;
    assert_int_equal(eddy_run_with(&world.options, greet, .port = world.port), -ETIMEDOUT);
    assert_attempts(expected, 15);
    assert_true(world.clock.now == 3600 * EDDY_SECOND); /* to the nanosecond */
    assert_int_equal(world.bytes, 0);
}

static void it_greets_as_soon_as_the_server_is_there(void **state)
{
    static const int expected[] = {0, 1, 3, 7};

    (void)state;
    world.refusals = 3;
    assert_int_equal(eddy_run_with(&world.options, greet, .port = world.port), 0);
    assert_attempts(expected, 4);
    assert_greeted();
}

/* Time that passes only as far as the test says: what has happened is looked at in between. */
static void it_waits_a_second_before_it_tries_again(void **state)
{
    (void)state;
    world.refusals = 1000;
    eddy_clock_init(&world.clock, EDDY_CLOCK_MANUAL);
    assert_int_equal(eddy_loop_new(&world.loop, &world.options), 0);
    eddy_detach(eddy_loop_spawn(world.loop, greet, .port = world.port));
    assert_true(eddy_loop_poll_once(world.loop, 0, EDDY_FOREVER) >= 0);
    assert_int_equal(world.attempts, 1);
    eddy_clock_advance(&world.clock, EDDY_SECOND - 1);
    assert_true(eddy_loop_poll_once(world.loop, 0, EDDY_FOREVER) >= 0);
    assert_int_equal(world.attempts, 1);
    eddy_clock_advance(&world.clock, 1);
    assert_true(eddy_loop_poll_once(world.loop, 0, EDDY_FOREVER) >= 0);
    assert_int_equal(world.attempts, 2);
    assert_int_equal(eddy_loop_free(world.loop), 0); /* cancels it */
    assert_int_equal(world.bytes, 0);
}

/* Each allocation fails once: it greets all the same, or the answer is -ENOMEM; and nothing is left
 * behind. */
static void without_memory_it_leaks_nothing(void **state)
{
    (void)state;
    do {
        int64_t result;
        tear_down(NULL);
        listen_somewhere();
        world.fails++;
        world.allocations = 0;
        world.attempts = 0;
        world.refusals = 3;
        result = eddy_run_with(&world.options, greet, .port = world.port);
        if (result == 0) {
            assert_greeted();
        } else {
            assert_int_equal(result, -ENOMEM);
        }
        assert_int_equal(world.bytes, 0);
    } while (world.allocations >= world.fails);
}

eddy_frame(two_clients) {
    eddy_coro co;
    int port;
    eddy_group group;
};

static void two_clients(eddy_coro *co)
{
    eddy_begin(two_clients);
    eddy_group_spawn(co, &self->group, greet, .port = self->port);
    eddy_group_spawn(co, &self->group, greet, .port = self->port);
    eddy_await(eddy_group_wait(co, &self->group));
eddy_finally:
    eddy_await(eddy_group_wait(co, &self->group));
    eddy_end;
}

/* What is right whoever comes first is right with every seed. */
static void two_clients_greet_in_whatever_order_they_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        printf("shuffle_seed %d\n", (int)seed);
        world.attempts = 0;
        world.refusals = 5;
        world.options.shuffle_seed = seed;
        assert_int_equal(eddy_run_with(&world.options, two_clients, .port = world.port), 0);
        assert_int_equal(world.attempts, 7);
        assert_greeted();
        assert_greeted();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_gives_up_after_an_hour),
        TEST(it_greets_as_soon_as_the_server_is_there),
        TEST(it_waits_a_second_before_it_tries_again),
        TEST(without_memory_it_leaks_nothing),
        TEST(two_clients_greet_in_whatever_order_they_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
