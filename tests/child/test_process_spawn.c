/* process.h: what a child begins with, and what a spawn that fails says. */
#include "support/process.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "eddy/error.h"

/* Runs a line of the shell, whose output is asserted. */
static char output[4096];

static const char *output_of(struct eddy_process_options options, int64_t status)
{
    int ends[2];
    ssize_t count;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    options.output = (struct eddy_stdio){EDDY_STDIO_FD, ends[1]};
    assert_int_equal(run_process(options), status);
    close(ends[1]);
    count = read(ends[0], output, sizeof output - 1);
    close(ends[0]);
    assert_true(count >= 0);
    output[count] = '\0';
    return output;
}

#define assert_output(line, expected) \
    assert_string_equal(output_of((struct eddy_process_options)SHELL(line), 0), expected)

/* ---- environment, directory, arguments */

test(a_child_has_the_environment_of_its_parent_or_its_own)
{
    const char *const own[] = {"COLOUR=green", "PATH=/bin:/usr/bin", NULL};
    struct eddy_process_options options = SHELL("echo $COLOUR $SHAPE");

    assert_int_equal(setenv("SHAPE", "round", 1), 0);
    assert_string_equal(output_of(options, 0), "round\n");
    options.environment = own;
    assert_string_equal(output_of(options, 0), "green\n");
    unsetenv("SHAPE");
}

test(a_command_is_looked_for_in_the_path_of_its_environment)
{
    const char *const nowhere[] = {"PATH=/no/such:/etc/passwd", NULL};
    const char *const second[] = {"PATH=/no/such:/etc/passwd:/bin:/usr/bin", NULL};
    const char *const none[] = {"A=b", NULL};
    struct eddy_process_options options = {.argv = (const char *const[]){"true", NULL}};

    assert_int_equal(run_process(options), 0);
    options.environment = second;
    assert_int_equal(run_process(options), 0);
    options.environment = none; /* /bin and /usr/bin */
    assert_int_equal(run_process(options), 0);
    options.environment = nowhere;
    assert_int_equal(run_process(options), -ENOENT);
}

test(a_child_begins_in_the_directory_it_was_given)
{
    struct eddy_process_options options = SHELL("pwd");

    options.directory = "/";
    assert_string_equal(output_of(options, 0), "/\n");
    options.argv = (const char *const[]){"./sh", "-c", "pwd", NULL};
    options.directory = "/bin";
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(run_process(options), 0);
}

test(the_program_may_be_another_than_the_first_argument)
{
    struct eddy_process_options options = {
        .argv = (const char *const[]){"-other", "-c", "echo $0", NULL}, .file = "/bin/sh"};

    assert_string_equal(output_of(options, 0), "-other\n");
}

/* ---- fds */

test(standard_fds_may_be_null_or_fds_or_one_of_them_both)
{
    struct eddy_process_options options = SHELL("cat; echo out; echo err >&2");
    int ends[2];
    char text[16] = "";

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    options.input.kind = EDDY_STDIO_NULL;
    options.output.kind = EDDY_STDIO_NULL;
    options.error = (struct eddy_stdio){EDDY_STDIO_FD, ends[1]};
    assert_int_equal(run_process(options), 0);
    assert_int_equal(read(ends[0], text, sizeof text), 4);
    assert_string_equal(text, "err\n");
    options.error.kind = EDDY_STDIO_OUTPUT;
    assert_string_equal(output_of(options, 0), "out\nerr\n");
    assert_true((fcntl(ends[1], F_GETFD) & FD_CLOEXEC) != 0);
    close(ends[0]);
    close(ends[1]);
}

test(standard_error_may_be_where_an_inherited_output_goes)
{
    struct eddy_process_options options = SHELL("[ /proc/self/fd/1 -ef /proc/self/fd/2 ]");

    options.error.kind = EDDY_STDIO_OUTPUT;
    assert_int_equal(run_process(options), 0);
}

/* The numbers of fds that the child has. */
#define LIST "ls /proc/$$/fd; exit 0"

test(a_child_has_no_other_fds_of_its_parent)
{
    struct eddy_process_options options = SHELL(LIST);
    int leaky = dup2(STDERR_FILENO, 57); /* without FD_CLOEXEC */

    options.input.kind = EDDY_STDIO_NULL;
    assert_int_equal(leaky, 57);
    assert_string_equal(output_of(options, 0), "0\n1\n2\n");
    options.flags = EDDY_PROCESS_KEEP_FDS;
    assert_non_null(strstr(output_of(options, 0), "\n57\n"));
    close(leaky);
}

/* Two change places: each stands where the other is to go. */
test(fds_go_where_they_are_to_also_if_they_stand_in_each_others_way)
{
    struct eddy_process_options options = SHELL("echo a >&5; echo b >&6; " LIST);
    int five[2];
    int six[2];
    char text[4] = "";
    struct eddy_child_fd fds[2];

    assert_int_equal(pipe2(five, O_CLOEXEC), 0);
    assert_int_equal(pipe2(six, O_CLOEXEC), 0);
    assert_int_equal(dup3(five[1], 46, O_CLOEXEC), 46);
    assert_int_equal(dup3(six[1], 45, O_CLOEXEC), 45);
    fds[0] = (struct eddy_child_fd){46, 45};
    fds[1] = (struct eddy_child_fd){45, 46};
    options.argv =
        (const char *const[]){"/bin/bash", "-c", "echo a >&45; echo b >&46; " LIST, NULL};
    options.fds = fds;
    options.fd_count = 2;
    assert_string_equal(output_of(options, 0), "0\n1\n2\n45\n46\n");
    assert_int_equal(read(five[0], text, 3), 2);
    assert_string_equal(text, "a\n");
    assert_int_equal(read(six[0], text, 3), 2);
    assert_string_equal(text, "b\n");
    for (int i = 0; i < 2; i++) {
        close(five[i]);
        close(six[i]);
        close(45 + i);
    }
}

/* ---- signals */

static void assert_same_signals(const sigset_t *one, const sigset_t *other)
{
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(one, number), sigismember(other, number));
    }
}

test(a_child_begins_with_no_signal_blocked_and_none_caught)
{
    struct sigaction old_pipe;
    struct sigaction old_hup;
    struct sigaction old_usr1;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction caught = {.sa_handler = (void (*)(int))(void (*)(void))abort};
    sigset_t blocked;
    sigset_t before;
    sigset_t after;
    sigset_t old;
    const char *text;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR2);
    assert_int_equal(sigaction(SIGPIPE, &ignore, &old_pipe), 0);
    assert_int_equal(sigaction(SIGHUP, &ignore, &old_hup), 0);
    assert_int_equal(sigaction(SIGUSR1, &caught, &old_usr1), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &old), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
    text = output_of(
        (struct eddy_process_options){
            .argv = (const char *const[]){"sed", "-n", "/^Sig[BIC]/p", "/proc/self/status", NULL}},
        0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &after), 0);
    assert_same_signals(&before, &after);
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    assert_int_equal(sigaction(SIGPIPE, &old_pipe, NULL), 0);
    assert_int_equal(sigaction(SIGHUP, &old_hup, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &old_usr1, NULL), 0);
    assert_string_equal(text, "SigBlk:\t0000000000000000\n"
                              "SigIgn:\t0000000000000001\n" /* SIGHUP, as nohup(1) wants it */
                              "SigCgt:\t0000000000000000\n");
}

/* ---- groups and sessions */

#define IDS "read -r pid name state parent group session rest </proc/$$/stat; "

test(a_child_may_have_a_group_or_a_session_of_its_own)
{
    struct eddy_process_options options = SHELL(IDS "[ $group != $$ ] && [ $session != $$ ]");

    assert_int_equal(run_process(options), 0);
    options = (struct eddy_process_options)SHELL(IDS "[ $group = $$ ] && [ $session != $$ ]");
    options.flags = EDDY_PROCESS_GROUP;
    assert_int_equal(run_process(options), 0);
    options = (struct eddy_process_options)SHELL(IDS "[ $group = $$ ] && [ $session = $$ ]");
    options.flags = EDDY_PROCESS_SESSION;
    assert_int_equal(run_process(options), 0);
    options.flags = EDDY_PROCESS_SESSION | EDDY_PROCESS_GROUP;
    assert_int_equal(run_process(options), 0);
}

/* ---- in_child */

static int set_umask(void *user)
{
    umask((mode_t)(*(const int *)user));
    return 0;
}

static int refuse(void *user)
{
    (void)user;
    return -EDOM;
}

static int die(void *user)
{
    (void)user;
    return kill(getpid(), SIGKILL);
}

test(a_function_of_the_callers_runs_in_the_child_and_nowhere_else)
{
    int mask = 0124;
    mode_t own = umask(022);
    struct eddy_process_options options = SHELL("umask");

    options.in_child = set_umask;
    options.in_child_user = &mask;
    assert_string_equal(output_of(options, 0), "0124\n");
    assert_int_equal(umask(own), 022);
}

test(a_child_that_is_killed_between_fork_and_exec_is_one_that_was_killed)
{
    struct eddy_process_options options = SHELL("exit 0");

    options.in_child = die;
    assert_int_equal(eddy_status_signal(run_process(options)), SIGKILL);
}

/* ---- errors */

eddy_frame(fails) {
    eddy_coro co;
    struct eddy_process_options options;
    eddy_process process;
    int64_t rc;
};

static void fails(eddy_coro *co)
{
    eddy_begin(fails);
    eddy_catch(self->rc, eddy_process_spawn(co, &self->process, &self->options));
    testing_log("%s", eddy_error(co)->text);
    assert_false(eddy_process_is_open(&self->process));
    assert_int_equal(eddy_process_pid(&self->process), -1);
    eddy_return(self->rc);
    eddy_end;
}

static void assert_fails(struct eddy_process_options options, int64_t error, const char *text)
{
    assert_int_equal(testing_run_task(fails, .options = options), error);
    testing_assert_log(text);
    assert_no_children();
}

test(a_command_that_cannot_be_run_is_the_error_of_the_spawn_and_named)
{
    struct eddy_process_options options = {.argv = (const char *const[]){"no-such-command", NULL}};

    assert_fails(options, -ENOENT, "cannot run \"no-such-command\"");
    options.argv = (const char *const[]){"/etc/passwd", NULL};
    assert_fails(options, -EACCES, "cannot run \"/etc/passwd\"");
    options.argv = (const char *const[]){"", NULL};
    assert_fails(options, -ENOENT, "cannot run \"\"");
    options.argv = (const char *const[]){"sh", NULL};
    options.directory = "/no/such";
    assert_fails(options, -ENOENT, "cannot run \"sh\" in the directory \"/no/such\"");
    options.directory = NULL;
    options.in_child = refuse;
    assert_fails(options, -EDOM, "cannot run \"sh\": in_child says so");
    options.in_child = NULL;
    options.input = (struct eddy_stdio){EDDY_STDIO_FD, 999};
    assert_fails(options, -EBADF, "no child for \"sh\"");
    options.input = (struct eddy_stdio){EDDY_STDIO_FD, -1};
    assert_fails(options, -EBADF, "no child for \"sh\"");
}

/* Every number that it may have is to be another fd in the child. */
test(what_the_child_tells_of_its_failure_goes_into_none_of_its_fds)
{
    enum { COUNT = 32 };
    struct eddy_process_options options = {.argv = (const char *const[]){"no-such-command", NULL}};
    struct eddy_child_fd fds[COUNT];
    char byte;
    int ends[2];

    testing_pipe(ends);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = (struct eddy_child_fd){ends[1], 3 + i};
    }
    options.fds = fds;
    options.fd_count = COUNT;
    assert_fails(options, -ENOENT, "cannot run \"no-such-command\"");
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

test(an_argument_that_is_too_long_is_an_error)
{
    static char long_argument[1 << 18];
    struct eddy_process_options options = {.argv =
                                               (const char *const[]){"true", long_argument, NULL}};

    if (under_valgrind("does not survive an exec that fails late")) {
        return;
    }
    memset(long_argument, 'x', sizeof long_argument - 1);
    assert_fails(options, -E2BIG, "cannot run \"true\"");
}

test(options_that_make_no_sense_are_refused)
{
    const char *const argv[] = {"true", NULL};
    const char *const empty[] = {NULL};
    const struct eddy_child_fd low[] = {{0, 2}};
    const struct eddy_child_fd twice[] = {{0, 5}, {1, 5}};
    const struct eddy_process_options options[] = {
        {.argv = NULL},
        {.argv = empty},
        {.argv = argv, .flags = 1u << 20},
        {.argv = argv, .grace = -1},
        {.argv = argv, .input = {EDDY_STDIO_OUTPUT, 0}},
        {.argv = argv, .output = {EDDY_STDIO_OUTPUT, 0}},
        {.argv = argv, .error = {(enum eddy_stdio_kind)99, 0}},
        {.argv = argv, .fds = low, .fd_count = 1},
        {.argv = argv, .fds = twice, .fd_count = 2},
        {.argv = argv, .fds = twice, .fd_count = 33},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        assert_int_equal(testing_run_task(fails, .options = options[i]), -EINVAL);
    }
    assert_int_equal(testing_calls(spawn), 0);
    testing.log[0] = '\0';
}

/* ---- the parent */

test(the_signal_mask_of_the_parent_is_as_it_was)
{
    sigset_t before;
    sigset_t after;

    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &before), 0);
    assert_int_equal(run_process((struct eddy_process_options)SHELL("exit 0")), 0);
    assert_int_equal(
        run_process((struct eddy_process_options){.argv = (const char *const[]){"/no", NULL}}),
        -ENOENT);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &after), 0);
    assert_same_signals(&before, &after);
}

/* In a child of the test, whose fds 0, 1 and 2 are closed: nothing goes where they were. */
static int spawns_without_stdio(void *argument)
{
    int64_t status;
    struct eddy_process_options options =
        SHELL("cd /proc/$$/fd; for fd in 0 1 2; do [ ! -e $fd ] || exit $fd; done; exit 5");

    (void)argument;
    close(0);
    close(1);
    close(2);
    status = testing_run_task(runs, .options = options);
    return (int)status;
}

test(a_parent_without_standard_fds_has_children_without)
{
    testing_expect_return(spawns_without_stdio, NULL, 5);
}

/* The pidfd comes as one of these, and there is no other for it: the child runs by then. */
static int spawns_without_room(void *argument)
{
    struct eddy_process_options options = {.argv = (const char *const[]){"sleep", "1000", NULL},
                                           .flags = EDDY_PROCESS_GROUP};
    siginfo_t info;
    int64_t result;

    (void)argument;
    close(0);
    close(1);
    close(2);
    testing_fail(fcntl, 1, -EMFILE);
    testing_fail(waitid, 1, -EINTR);
    result = testing_run_task(runs, .options = options);
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD) {
        return 1;
    }
    return result == -EMFILE ? 5 : 2;
}

test(a_child_whose_pidfd_finds_no_room_is_killed)
{
    testing_expect_return(spawns_without_room, NULL, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_case(a_child_has_the_environment_of_its_parent_or_its_own),
        process_case(a_command_is_looked_for_in_the_path_of_its_environment),
        process_case(a_child_begins_in_the_directory_it_was_given),
        process_case(the_program_may_be_another_than_the_first_argument),
        process_case(standard_fds_may_be_null_or_fds_or_one_of_them_both),
        process_case(standard_error_may_be_where_an_inherited_output_goes),
        process_case(a_child_has_no_other_fds_of_its_parent),
        process_case(fds_go_where_they_are_to_also_if_they_stand_in_each_others_way),
        process_case(a_child_begins_with_no_signal_blocked_and_none_caught),
        process_case(a_child_may_have_a_group_or_a_session_of_its_own),
        process_case(a_function_of_the_callers_runs_in_the_child_and_nowhere_else),
        process_case(a_child_that_is_killed_between_fork_and_exec_is_one_that_was_killed),
        process_case(a_command_that_cannot_be_run_is_the_error_of_the_spawn_and_named),
        process_case(what_the_child_tells_of_its_failure_goes_into_none_of_its_fds),
        process_case(an_argument_that_is_too_long_is_an_error),
        process_case(options_that_make_no_sense_are_refused),
        process_case(the_signal_mask_of_the_parent_is_as_it_was),
        process_case(a_parent_without_standard_fds_has_children_without),
        process_case(a_child_whose_pidfd_finds_no_room_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
