/*
 * A supervisor: runs commands, prints their lines, starts them again, and says on a socket how they are.
 *
 *     supervisor [--status PATH] [--grace SECONDS] [--backoff SECONDS] FILE
 *
 * Each line of the file is "NAME: COMMAND", which the shell runs; empty lines and those with '#' are
 * skipped. What a command writes is printed line by line, with its name before. One that ends is started
 * again, after a pause that doubles each time (at first that of --backoff, 0.1 seconds; at most 30), until
 * it has run for ten seconds. Whoever connects to the Unix-domain socket PATH is told the state of each:
 *
 *     nc -U PATH
 *
 * On SIGINT or SIGTERM all are asked to end, killed after the grace (5 seconds), and the supervisor exits
 * with 0. It exits with 1 if something is wrong, and with 2 if its arguments are. If it is killed itself, the
 * kernel kills its commands.
 */
#include <eddy.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SERVICES = 64, LONGEST_LINE = 8192 };

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);
static const int64_t LONGEST_PAUSE = 30 * EDDY_SECOND;
static const int64_t STEADY =
    10 * EDDY_SECOND; /* what runs for so long begins with a short pause again */

enum state { BEGINS, RUNS, PAUSES };

struct service {
    char *name;
    char *command;
    enum state state;
    pid_t pid;      /* while it runs */
    int64_t since;  /* when the state began, on the loop's clock */
    int64_t ended;  /* the last status, or error; valid if it has been started again */
    unsigned again; /* how often it was started again */
};

struct config {
    const char *file;
    const char *status_path; /* NULL: no socket */
    double grace;            /* seconds */
    double backoff;          /* likewise */
    struct service services[MOST_SERVICES];
    size_t count;
};

/* Whole lines, each at once: two commands do not cut into each other's. */
static void say(const struct service *service, const char *text, size_t length)
{
    printf("%s | %.*s\n", service->name, (int)length, text);
    fflush(stdout);
}

/* "exit 3", "signal 9", "No such file or directory" */
static const char *describe_end(int64_t status, char text[32])
{
    if (status < 0) {
        return eddy_strerror(status);
    }
    if (eddy_status_signal(status) != 0) {
        snprintf(text, 32, "signal %d", eddy_status_signal(status));
    } else {
        snprintf(text, 32, "exit %d", eddy_status_code(status));
    }
    return text;
}

static void enter(struct service *service, enum state state, int64_t now)
{
    service->state = state;
    service->since = now;
}

static double seconds(int64_t nanoseconds)
{
    return (double)nanoseconds / (double)EDDY_SECOND;
}

static int64_t from_seconds(double time)
{
    return (int64_t)(time * (double)EDDY_SECOND);
}

/* ---- one life of a command */

eddy_frame(copy_lines) {
    eddy_coro co;
    const struct service *service;
    eddy_stream *stream;
    eddy_reader reader;
    int64_t length;
};

static void copy_lines(eddy_coro *co)
{
    eddy_begin(copy_lines);
    eddy_with_reader(&self->reader, self->stream, LONGEST_LINE) {
        do {
            eddy_catch(self->length, eddy_read_line(co, &self->reader, LONGEST_LINE));
            if (self->length == -EMSGSIZE) {
                say(self->service, "(a line that is too long)", 25);
                eddy_await(self->length, eddy_reader_skip_line(co, &self->reader));
            } else if (self->length > 0) {
                self->length = (int64_t)eddy_line_strip(self->reader.line, (size_t)self->length);
                say(self->service, self->reader.line, (size_t)self->length);
                self->length = 1; /* an empty line is not the end */
            }
        } while (self->length > 0);
    }
    eddy_return(self->length);
    eddy_end;
}

/* The lines are copied until the command has ended, and a second longer: what it leaves in the background may
 * have the pipe for ever. Returns its status. */
eddy_frame(live) {
    eddy_coro co;
    struct service *service;
    int64_t grace;
    eddy_process process;
    eddy_task lines;
    bool begun;
    int64_t status;
    int64_t rc;
};

static void live(eddy_coro *co)
{
    eddy_begin(live);
    eddy_await(eddy_process_spawn(
        co, &self->process,
        &(struct eddy_process_options){
            .argv = (const char *const[]){"/bin/sh", "-c", self->service->command, NULL},
            .input = {EDDY_STDIO_NULL, 0},
            .output = {EDDY_STDIO_PIPE, 0},
            .error = {EDDY_STDIO_OUTPUT, 0},
            .flags = EDDY_PROCESS_GROUP | EDDY_PROCESS_DIES_WITH_PARENT}));
    self->service->pid = eddy_process_pid(&self->process);
    enter(self->service, RUNS, eddy_loop_now(eddy_loop_of(co)));
    self->lines =
        eddy_spawn(co, copy_lines, .service = self->service, .stream = &self->process.output);
    self->begun = true;
    eddy_await(self->status, eddy_process_wait(co, &self->process));
    eddy_return(self->status);
eddy_finally:
    if (self->begun) {
        eddy_catch(self->rc, eddy_process_stop(co, &self->process, self->grace));
        eddy_catch(self->rc, eddy_wait_for(co, EDDY_SECOND, eddy_join(co, self->lines)));
    }
    eddy_process_close(&self->process);
    eddy_end;
}

/* ---- all of them */

eddy_frame(supervise) {
    eddy_coro co;
    struct service *service;
    const struct config *config;
    int64_t pause;
};

/* One after the other, until it is cancelled. */
static void supervise(eddy_coro *co)
{
    struct service *service;
    char text[32];
    int64_t now;
    int64_t ran;

    eddy_begin(supervise);
    self->pause = from_seconds(self->config->backoff);
    for (;;) {
        eddy_catch(self->service->ended, eddy_call(co, live, .service = self->service,
                                                   .grace = from_seconds(self->config->grace)));
        service = self->service;
        if (service->ended == -ECANCELED) {
            eddy_return(-ECANCELED);
        }
        now = eddy_loop_now(eddy_loop_of(co));
        ran = service->state == RUNS ? now - service->since : 0;
        if (ran >= STEADY) {
            self->pause = from_seconds(self->config->backoff);
        }
        enter(service, PAUSES, now);
        printf("%s ended: %s; again in %.1f s\n", service->name, describe_end(service->ended, text),
               seconds(self->pause));
        fflush(stdout);
        eddy_await(eddy_sleep(co, self->pause));
        self->pause = self->pause * 2 < LONGEST_PAUSE ? self->pause * 2 : LONGEST_PAUSE;
        self->service->again++;
    }
    eddy_end;
}

/* ---- the socket */

eddy_frame(tell_status) {
    eddy_coro co;
    eddy_stream *stream; /* the client */
    const struct config *config;
    eddy_writer out;
};

static int put_state(eddy_writer *out, const struct service *service, int64_t now)
{
    static const char *const words[] = {[BEGINS] = "begins", [RUNS] = "runs", [PAUSES] = "pauses"};
    char text[32];

    return eddy_writer_printf(
        out, "%s %s since %.1f s, pid %d, started again %u times, last end: %s\n", service->name,
        words[service->state], seconds(now - service->since),
        service->state == RUNS ? (int)service->pid : 0, service->again,
        service->again > 0 || service->state == PAUSES ? describe_end(service->ended, text)
                                                       : "none");
}

static void tell_status(eddy_coro *co)
{
    eddy_begin(tell_status);
    eddy_with_writer(&self->out, self->stream, NULL) {
        for (size_t i = 0; i < self->config->count; i++) {
            int result =
                put_state(&self->out, &self->config->services[i], eddy_loop_now(eddy_loop_of(co)));
            if (result < 0) {
                eddy_return(result);
            }
        }
    }
    eddy_end;
}

/* A socket that a supervisor has left behind which was killed: nobody listens there. */
eddy_frame(remove_stale) {
    eddy_coro co;
    const struct eddy_address *address;
    const char *path;
    eddy_stream stream;
    int64_t rc;
};

static void remove_stale(eddy_coro *co)
{
    eddy_begin(remove_stale);
    eddy_catch(self->rc, eddy_connect_to(co, &self->stream, self->address));
    eddy_stream_close(&self->stream);
    if (self->rc == -ECONNREFUSED) {
        (void)unlink(self->path);
    }
    eddy_return(self->rc == -ECANCELED ? -ECANCELED : 0);
    eddy_end;
}

/* ---- the whole */

eddy_frame(run_all) {
    eddy_coro co;
    struct config *config;
    struct eddy_address address;
    eddy_server server;
    eddy_group group;
};

static void start_all(eddy_coro *co, struct config *config, eddy_group *group)
{
    for (size_t i = 0; i < config->count; i++) {
        enter(&config->services[i], BEGINS, eddy_loop_now(eddy_loop_of(co)));
        eddy_group_spawn(co, group, supervise, .service = &config->services[i], .config = config);
    }
}

static void run_all(eddy_coro *co)
{
    eddy_begin(run_all);
    eddy_await(eddy_signal_watch(eddy_loop_of(co), SIGNALS));
    if (self->config->status_path != NULL) {
        eddy_await(eddy_address_unix(&self->address, self->config->status_path));
        eddy_await(eddy_call(co, remove_stale, .address = &self->address,
                             .path = self->config->status_path));
        eddy_await(
            eddy_serve_at(co, &self->server, &self->address, tell_status, .config = self->config));
    }
    eddy_with_group(&self->group) {
        start_all(co, self->config, &self->group);
        eddy_await(eddy_signal_wait(co, SIGNALS));
        printf("ending\n");
        fflush(stdout);
        eddy_group_cancel(&self->group);
    }
eddy_finally:
    eddy_server_close(&self->server);
    eddy_await(eddy_server_wait_closed(co, &self->server));
    eddy_end;
}

/* ---- the file and the arguments */

/* "NAME: COMMAND", in place. */
static bool parse_line(struct config *config, char *line)
{
    struct service *service = &config->services[config->count];
    char *colon;

    line += strspn(line, " \t");
    line[strcspn(line, "\n")] = '\0';
    if (*line == '\0' || *line == '#') {
        return true;
    }
    colon = strchr(line, ':');
    if (colon == NULL || colon == line || config->count == MOST_SERVICES) {
        return false;
    }
    *colon = '\0';
    service->name = strdup(line);
    service->command = strdup(colon + 1 + strspn(colon + 1, " \t"));
    config->count++;
    return service->name != NULL && service->command != NULL && *service->command != '\0';
}

static bool read_config(struct config *config)
{
    char line[LONGEST_LINE];
    int number = 1;
    FILE *file = fopen(config->file, "re");
    bool good = file != NULL;

    if (file == NULL) {
        fprintf(stderr, "supervisor: %s: %s\n", config->file, strerror(errno));
        return false;
    }
    for (; good && fgets(line, sizeof line, file) != NULL; number++) {
        good = parse_line(config, line);
        if (!good) {
            fprintf(stderr, "supervisor: %s:%d: not \"NAME: COMMAND\", or one too many\n",
                    config->file, number);
        }
    }
    if (good && config->count == 0) {
        fprintf(stderr, "supervisor: %s: no commands\n", config->file);
        good = false;
    }
    fclose(file);
    return good;
}

static void free_config(struct config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->services[i].name);
        free(config->services[i].command);
    }
}

/* Seconds, or less than 0. */
static double parse_seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    return end != text && *end == '\0' && value >= 0 && value < 1e6 ? value : -1;
}

static const char USAGE[] =
    "usage: supervisor [--status PATH] [--grace SECONDS] [--backoff SECONDS] FILE\n"
    "\n"
    "Runs the commands of FILE, one \"NAME: COMMAND\" a line, prints their lines, and starts\n"
    "again those that end.\n"
    "\n"
    "  --status PATH      a Unix-domain socket that tells how they are (nc -U PATH)\n"
    "  --grace SECONDS    between SIGTERM and SIGKILL at the end (5)\n"
    "  --backoff SECONDS  before the first new start; doubles up to 30 (0.1)\n"
    "  --help             this\n"
    "\n"
    "SIGINT and SIGTERM end it. Exit status: 0; 1: something failed; 2: wrong arguments.\n";

/* 0: goes on; else main's exit status, plus 1. */
static int parse_arguments(struct config *config, int argc, char **argv)
{
    static const struct option options[] = {{"status", required_argument, NULL, 's'},
                                            {"grace", required_argument, NULL, 'g'},
                                            {"backoff", required_argument, NULL, 'b'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            config->status_path = optarg;
            break;
        case 'g':
            config->grace = parse_seconds(optarg);
            break;
        case 'b':
            config->backoff = parse_seconds(optarg);
            break;
        case 'h':
            printf("%s", USAGE);
            return 1;
        default:
            fprintf(stderr, "%s", USAGE);
            return 3;
        }
    }
    if (optind + 1 != argc || config->grace < 0 || config->backoff < 0) {
        fprintf(stderr, "%s", USAGE);
        return 3;
    }
    config->file = argv[optind];
    return 0;
}

int main(int argc, char **argv)
{
    static struct config config = {.grace = 5, .backoff = 0.1};
    /* Longer than a grace: cleanups that end children are not cut off. */
    struct eddy_loop_options options = {0};
    int status = parse_arguments(&config, argc, argv);

    if (status != 0) {
        return status - 1;
    }
    status = 1;
    if (read_config(&config)) {
        options.shutdown_timeout = from_seconds(config.grace) + 10 * EDDY_SECOND;
        status = eddy_exit_status(eddy_run_with(&options, run_all, .config = &config));
    }
    free_config(&config);
    return status;
}
