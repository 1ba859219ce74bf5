/* address.h: names of hosts. */
#include "support/threads.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "eddy/address.h"
#include "eddy/loop.h"
#include "eddy/offload.h"

static struct gate gate;

static int setup(void **state)
{
    gate_init(&gate);
    return testing_setup(state);
}

#define resolve_case(name) cmocka_unit_test_setup_teardown(name, setup, testing_teardown)

enum { MOST = 3 };

static struct eddy_address addresses[MOST]; /* where the answers of all go */

eddy_frame(resolves) {
    eddy_coro co;
    const char *host;
    int port;
    int family;
    int most; /* 0: MOST */
    int limit;
    bool silent;
    int64_t rc;
};

/* "127.0.0.1:80" */
static void log_address(const struct eddy_address *address)
{
    char text[INET6_ADDRSTRLEN];
    const void *bytes =
        address->storage.ss_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)&address->storage)
                  ->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)&address->storage)
                  ->sin_addr;

    assert_int_equal(address->size, address->storage.ss_family == AF_INET6
                                        ? sizeof(struct sockaddr_in6)
                                        : sizeof(struct sockaddr_in));
    assert_non_null(inet_ntop(address->storage.ss_family, bytes, text, sizeof text));
    testing_log("%s:%d", text, eddy_address_port(address));
}

static void resolves(eddy_coro *co)
{
    eddy_begin(resolves);
    memset(addresses, 0x5A, sizeof addresses);
    eddy_catch(self->rc,
               eddy_wait_for(co, self->limit > 0 ? self->limit * EDDY_SECOND : EDDY_FOREVER,
                             eddy_resolve(co, self->host, self->port, self->family, addresses,
                                          self->most != 0 ? self->most : MOST)));
    for (int i = 0; !self->silent && i < self->rc; i++) {
        log_address(&addresses[i]);
    }
    if (self->rc < 0 && !self->silent) {
        log_end(self->host, self->rc);
    }
    eddy_return(self->rc);
    eddy_end;
}

/* ---- numeric addresses */

test(a_numeric_address_is_its_own_answer_and_starts_no_thread)
{
    assert_int_equal(run(resolves, "127.0.0.1", 80), 1);
    assert_int_equal(run(resolves, "::1", 0), 1);
    assert_int_equal(run(resolves, "2001:db8::7", 65535, AF_INET6), 1);
    assert_int_equal(run(resolves, "192.0.2.7", 1, AF_INET), 1);
    testing_assert_log("127.0.0.1:80 ::1:0 2001:db8::7:65535 192.0.2.7:1");
    assert_int_equal(testing_calls(getaddrinfo), 0);
    assert_int_equal(testing_calls(thread_create), 0);
}

test(a_numeric_address_of_another_family_is_none)
{
    assert_int_equal(run(resolves, "127.0.0.1", 80, AF_INET6, .silent = true), -ENOENT);
    assert_int_equal(run(resolves, "::1", 80, AF_INET, .silent = true), -ENOENT);
}

test(what_is_neither_an_address_nor_a_name_is_invalid_and_asks_nobody)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "012345678901234567890123456789012345678901234567890123456789012345678901234567abcd";
    static const char *const hosts[] = {"",
                                        " ",
                                        "127.0.0.1 ",
                                        "127.0.0",
                                        "127.1",
                                        "1234",
                                        "0x7f.1",
                                        "0x7f01",
                                        "10.0.0.0X10",
                                        "[::1]",
                                        "a b",
                                        "a/b",
                                        "localhost:80",
                                        "m\xC3\xBCller.example",
                                        "::1%lo",
                                        "a\nb",
                                        "256.0.0.1",
                                        long_name};

    resolver_install();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        assert_int_equal(run(resolves, hosts[i], 80, .silent = true), -EINVAL);
    }
    assert_int_equal(resolver.asked, 0);
    assert_int_equal(testing_calls(thread_create), 0);
}

test(a_port_a_family_or_a_number_of_addresses_that_is_none_is_invalid)
{
    assert_int_equal(run(resolves, "127.0.0.1", -1, .silent = true), -EINVAL);
    assert_int_equal(run(resolves, "localhost", 65536, .silent = true), -EINVAL);
    assert_int_equal(run(resolves, "localhost", 80, AF_UNIX, .silent = true), -EINVAL);
    assert_int_equal(run(resolves, "localhost", 80, .most = -1, .silent = true), -EINVAL);
    assert_int_equal(testing_calls(thread_create), 0);
}

/* ---- names */

test(localhost_is_this_machine)
{
    if (!resolver_knows_localhost()) {
        skip();
    }
    assert_int_equal(run(resolves, "localhost", 80, AF_INET, .most = 1), 1);
    testing_assert_log("127.0.0.1:80");
    assert_int_equal(testing_calls(getaddrinfo), 1);
    assert_int_equal(testing_calls(freeaddrinfo), 1);
}

test(libc_is_asked_if_the_table_does_not_say_whom)
{
    if (!resolver_knows_localhost()) {
        skip();
    }
    testing.sys.table.getaddrinfo = NULL;
    testing.sys.table.freeaddrinfo = NULL;
    testing.sys.table.thread_create = NULL;
    assert_int_equal(run(resolves, "localhost", 80, AF_INET, .most = 1), 1);
    testing_assert_log("127.0.0.1:80");
    testing.sys.table.getaddrinfo = NULL;
}

test(the_addresses_come_in_order_with_the_port)
{
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    resolver.answers[1] = "2001:db8::1";
    resolver.answers[2] = "192.0.2.2";
    assert_int_equal(run(resolves, "a-host.example_1.", 8080), 3);
    testing_assert_log("192.0.2.1:8080 2001:db8::1:8080 192.0.2.2:8080");
    assert_string_equal(resolver.host, "a-host.example_1.");
    assert_int_equal(resolver.family, AF_UNSPEC);
    assert_int_equal(resolver.freed, 1);
}

test(of_more_addresses_than_wanted_the_first_come)
{
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    resolver.answers[1] = "192.0.2.2";
    resolver.answers[2] = "192.0.2.3";
    assert_int_equal(run(resolves, "example", 1, AF_INET, .most = 2), 2);
    testing_assert_log("192.0.2.1:1 192.0.2.2:1");
    assert_int_equal(resolver.family, AF_INET);
}

test(an_answer_without_addresses_is_none)
{
    resolver_install();
    assert_int_equal(run(resolves, "example", .silent = true), -ENOENT);
}

test(a_host_name_may_begin_with_a_number)
{
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    assert_int_equal(run(resolves, "1a2b3c", .silent = true), 1);
    assert_int_equal(run(resolves, "7.example", .silent = true), 1);
}

eddy_frame(resolves_from_its_stack) {
    eddy_coro co;
    struct eddy_address address;
};

static void resolves_from_its_stack(eddy_coro *co)
{
    char host[16] = "gone";

    eddy_begin(resolves_from_its_stack);
    eddy_await(eddy_resolve(co, host, 80, AF_UNSPEC, &self->address, 1));
    eddy_end;
}

test(the_host_is_copied)
{
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    assert_int_equal(run(resolves_from_its_stack), 0);
    assert_string_equal(resolver.host, "gone");
}

/* ---- errors */

test(each_error_of_the_resolver_has_its_number)
{
    static const struct {
        int code, error, result;
    } errors[] = {
        {EAI_NONAME, 0, -ENOENT},      {EAI_NODATA, 0, -ENOENT},       {EAI_AGAIN, 0, -EAGAIN},
        {EAI_FAIL, 0, -EIO},           {EAI_FAMILY, 0, -EAFNOSUPPORT}, {EAI_MEMORY, 0, -ENOMEM},
        {EAI_SYSTEM, EMFILE, -EMFILE}, {EAI_SYSTEM, 0, -EIO},          {EAI_BADFLAGS, 0, -EINVAL},
    };

    resolver_install();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        resolver.code = errors[i].code;
        resolver.error = errors[i].error;
        assert_int_equal(run(resolves, "example", .silent = true), errors[i].result);
    }
    assert_int_equal(resolver.freed, 0);
}

test(a_thread_that_cannot_be_started_is_the_error)
{
    if (!resolver_knows_localhost()) {
        skip();
    }
    testing_fail(thread_create, 1, -EAGAIN);
    assert_int_equal(run(resolves, "localhost", 80, AF_INET, .silent = true), -EAGAIN);
    assert_int_equal(run(resolves, "localhost", 80, AF_INET, .silent = true), 1);
}

test(memory_that_fails_anywhere_is_enomem_and_leaks_nothing)
{
    int64_t result = -ENOMEM;

    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    for (unsigned k = 1; result != 1; k++) {
        for (int on = 0; on < 2; on++) {
            testing_reopen();
            (on ? testing_fail_allocations_from : testing_fail_allocation)(k);
            result = run(resolves, "example", .silent = true);
            testing_fail_allocation(0);
            assert_true(result == 1 || result == -ENOMEM);
        }
        assert_true(k < 30);
    }
}

/* ---- a resolver that hangs */

static eddy_task start_hanging(int limit)
{
    eddy_task task;

    testing_reopen_with(EDDY_CLOCK_MANUAL, 0);
    resolver_install();
    resolver.answers[0] = "192.0.2.1";
    resolver.gate = &gate;
    task = start(resolves, "example", .limit = limit);
    testing_turn();
    gate_await(&gate);
    return task;
}

/* Its thread goes on, but keeps no loop running; the answer is freed when it comes. */
static void assert_abandoned(void)
{
    memset(addresses, 0x5A, sizeof addresses);
    testing_run();
    assert_int_equal(resolver_count(&resolver.freed), 0);
    gate_open(&gate);
    while (resolver_count(&resolver.freed) == 0) {
        assert_true(eddy_loop_poll_once(testing.loop, EDDY_FOREVER, 0) >= 0);
    }
    testing_assert_log("");
    for (size_t i = 0; i < sizeof addresses; i++) { /* which may be gone by then */
        assert_int_equal(((const unsigned char *)addresses)[i], 0x5A);
    }
}

test(a_time_out_ends_the_wait_at_once)
{
    eddy_task task = start_hanging(2);

    assert_int_equal(eddy_clock_advance(&testing.clock, 2 * EDDY_SECOND), 2 * EDDY_SECOND);
    assert_int_equal(finish(task), -ETIMEDOUT);
    testing_assert_log("example=ETIMEDOUT@2");
    assert_abandoned();
}

test(a_cancel_ends_the_wait_at_once)
{
    eddy_task task = start_hanging(0);
    char name[32];

    assert_string_equal(task.record->wait->name, "resolve");
    task.record->wait->describe(task.record, name, sizeof name);
    assert_string_equal(name, "example");
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("example=ECANCELED@0");
    assert_abandoned();
}

test(a_question_that_is_still_in_the_queue_is_never_asked_once_it_is_cancelled)
{
    eddy_task hanging;
    eddy_task task;

    hanging = start_hanging(0);
    assert_int_equal(eddy_resolve_workers(testing.loop, 1), 0);
    task = start(resolves, "other");
    testing_turn();
    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    testing_assert_log("other=ECANCELED@0");
    gate_open(&gate);
    assert_int_equal(finish(hanging), 1);
    assert_int_equal(resolver.asked, 1);
    testing_assert_log("192.0.2.1:0");
}

static int64_t seven(eddy_job *job, void *argument)
{
    (void)job;
    (void)argument;
    return 7;
}

eddy_frame(offloads) {
    eddy_coro co;
    int64_t rc;
};

static void offloads(eddy_coro *co)
{
    eddy_begin(offloads);
    eddy_await(self->rc, eddy_offload(co, seven, NULL));
    eddy_return(self->rc);
    eddy_end;
}

test(names_that_hang_hold_no_offloaded_work_up)
{
    eddy_task tasks[4];

    tasks[0] = start_hanging(0);
    for (int i = 1; i < 4; i++) {
        tasks[i] = start(resolves, "example", .silent = true);
    }
    testing_turn();
    for (int i = 1; i < 4; i++) {
        gate_await(&gate);
    }
    assert_int_equal(run(offloads), 7);
    for (int i = 0; i < 4; i++) {
        gate_open(&gate);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(finish(tasks[i]), 1);
    }
    testing_assert_log("192.0.2.1:0");
}

static int64_t hang(eddy_job *job, void *argument)
{
    (void)job;
    gate_pass(argument);
    return 0;
}

eddy_frame(hangs) {
    eddy_coro co;
};

static void hangs(eddy_coro *co)
{
    eddy_begin(hangs);
    eddy_await(eddy_offload(co, hang, &gate));
    eddy_end;
}

test(offloaded_work_that_hangs_holds_no_names_up)
{
    eddy_task task;

    if (!resolver_knows_localhost()) {
        skip();
    }
    assert_int_equal(eddy_offload_workers(testing.loop, 1), 0);
    task = start(hangs);
    testing_turn();
    gate_await(&gate);
    assert_int_equal(run(resolves, "localhost", 80, AF_INET, .most = 1), 1);
    testing_assert_log("127.0.0.1:80");
    gate_open(&gate);
    assert_int_equal(finish(task), 0);
}

static int opened; /* atomic */

/* Lets the resolver go on, when the loop is being freed. */
static void *open_later(void *argument)
{
    gate_await(argument);
    __atomic_store_n(&opened, 1, __ATOMIC_SEQ_CST);
    gate_open(&gate);
    return NULL;
}

static struct gate ending;

eddy_frame(tells_its_end) {
    eddy_coro co;
};

static void tells_its_end(eddy_coro *co)
{
    eddy_begin(tells_its_end);
    eddy_await(eddy_sleep(co, EDDY_FOREVER));
eddy_finally:
    sem_post(&ending.come);
    eddy_end;
}

test(the_end_of_the_loop_waits_for_a_resolver_that_hangs)
{
    pthread_t thread;

    opened = 0;
    gate_init(&ending);
    start_hanging(0);
    start(tells_its_end);
    testing_turn();
    assert_int_equal(pthread_create(&thread, NULL, open_later, &ending), 0);
    testing_free();
    assert_int_equal(resolver_count(&opened), 1);
    assert_int_equal(resolver_count(&resolver.freed), 1);
    testing_assert_log("example=ECANCELED@0");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

test(an_answer_that_came_too_late_is_freed_with_the_loop)
{
    eddy_task task = start_hanging(0);

    assert_int_equal(eddy_cancel(task), 0);
    assert_int_equal(finish(task), -ECANCELED);
    gate_open(&gate);
    testing_free();
    assert_int_equal(resolver_count(&resolver.freed), 1);
    testing_assert_log("example=ECANCELED@0");
}

test(the_number_of_workers_is_checked)
{
    assert_int_equal(eddy_resolve_workers(testing.loop, 0), -EINVAL);
    assert_int_equal(eddy_resolve_workers(testing.loop, 1025), -EINVAL);
    assert_int_equal(eddy_resolve_workers(testing.loop, 1024), 0);
    assert_int_equal(testing_calls(thread_create), 0);
}

/* ---- misuse */

eddy_frame(resolves_onto_its_stack) {
    eddy_coro co;
};

static void resolves_onto_its_stack(eddy_coro *co)
{
    struct eddy_address address;

    eddy_begin(resolves_onto_its_stack);
    eddy_await(eddy_resolve(co, "localhost", 80, AF_UNSPEC, &address, 1));
    eddy_end;
}

static void run_onto_its_stack(void *argument)
{
    (void)argument;
    run(resolves_onto_its_stack);
}

test(addresses_on_the_c_stack_abort)
{
    testing_expect_abort(run_onto_its_stack, NULL, "a pointer to a local variable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        resolve_case(a_numeric_address_is_its_own_answer_and_starts_no_thread),
        resolve_case(a_numeric_address_of_another_family_is_none),
        resolve_case(what_is_neither_an_address_nor_a_name_is_invalid_and_asks_nobody),
        resolve_case(a_port_a_family_or_a_number_of_addresses_that_is_none_is_invalid),
        resolve_case(localhost_is_this_machine),
        resolve_case(libc_is_asked_if_the_table_does_not_say_whom),
        resolve_case(the_addresses_come_in_order_with_the_port),
        resolve_case(of_more_addresses_than_wanted_the_first_come),
        resolve_case(an_answer_without_addresses_is_none),
        resolve_case(a_host_name_may_begin_with_a_number),
        resolve_case(the_host_is_copied),
        resolve_case(each_error_of_the_resolver_has_its_number),
        resolve_case(a_thread_that_cannot_be_started_is_the_error),
        resolve_case(memory_that_fails_anywhere_is_enomem_and_leaks_nothing),
        resolve_case(a_time_out_ends_the_wait_at_once),
        resolve_case(a_cancel_ends_the_wait_at_once),
        resolve_case(a_question_that_is_still_in_the_queue_is_never_asked_once_it_is_cancelled),
        resolve_case(names_that_hang_hold_no_offloaded_work_up),
        resolve_case(offloaded_work_that_hangs_holds_no_names_up),
        resolve_case(the_end_of_the_loop_waits_for_a_resolver_that_hangs),
        resolve_case(an_answer_that_came_too_late_is_freed_with_the_loop),
        resolve_case(the_number_of_workers_is_checked),
        resolve_case(addresses_on_the_c_stack_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
