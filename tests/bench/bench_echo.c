/*
 * A load generator for echo servers: every connection keeps DEPTH messages on their way, and
 * every byte that comes back is compared.
 *
 *     bench_echo --port P [--host H] [--connections N] [--size BYTES] [--depth D]
 *                [--seconds S | --messages M] [--pid SERVERPID]
 *
 * Default: 50 connections, 64 bytes, depth 1, 3 seconds. With --messages it ends after so many,
 * and fails if they take over a minute. Prints one line name=value ...; exits 1 if a byte was
 * wrong or lost. With --pid it tells the server's CPU time a message, user and system. Only to
 * the loopback.
 *
 * The clock starts when every connection has had a first message answered. A message's time is
 * from the hand-over of its first byte until its last byte is back.
 */
#include <eddy.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

enum {
    PERIOD = 65521, /* of the pattern: a prime, so that no power of two fits into it */
    AT_ONCE = 256 * 1024,
    SURELY_BUFFERED = 16 * 1024, /* any connection has room for so much on the way */
    OPENERS = 64,                /* connections that are opened at the same time */
    FINE = 64                    /* buckets of the histogram for each doubling */
};

static const int64_t PATIENCE = 10 * EDDY_SECOND; /* to open, and for the last answers */

struct options {
    const char *host;
    int port;
    uint32_t connections;
    uint64_t size;
    uint32_t depth;
    int64_t limit;
    uint64_t messages; /* UINT64_MAX: as many as there is time for */
    int pid;           /* of the server, or 0 */
};

struct connection {
    eddy_stream stream;
    uint32_t number;
    uint64_t sent; /* bytes */
    uint64_t received;
    uint64_t begun;   /* messages */
    uint64_t allowed; /* bytes that it may send so far: whole messages */
    int64_t *times;   /* when the messages on their way began: a ring of `depth` */
};

struct bench {
    struct options options;
    struct connection *connections;
    int64_t *times;  /* the rings of all connections */
    bool stopping;   /* no new message is begun */
    uint64_t budget; /* messages that may still be begun */
    uint64_t done;
    uint64_t errors; /* connections that failed */
    int64_t start;
    int64_t took;
    int64_t cpu; /* of the server: at the start; in the end what was used */
    uint64_t slowness[64 * FINE];
    char pattern[PERIOD + AT_ONCE];
    char buffer[AT_ONCE];
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * EDDY_SECOND + time.tv_nsec;
}

/* ---- latencies: buckets of a 64th of a doubling */

static size_t bucket_of(uint64_t ns)
{
    unsigned shift = ns < 2 * (uint64_t)FINE ? 0 : 57u - (unsigned)__builtin_clzll(ns);

    return shift * (size_t)FINE + (size_t)(ns >> shift);
}

/* The middle of a bucket. */
static double bucket_ns(size_t bucket)
{
    size_t shift = bucket < 2 * (size_t)FINE ? 0 : bucket / FINE - 1;

    return (double)(((uint64_t)(bucket - shift * FINE)) << shift) +
           (double)(UINT64_C(1) << shift) / 2;
}

static double percentile_us(const struct bench *bench, double part)
{
    uint64_t wanted = (uint64_t)((double)bench->done * part);
    uint64_t seen = 0;

    for (size_t i = 0; i < sizeof bench->slowness / sizeof *bench->slowness; i++) {
        seen += bench->slowness[i];
        if (seen > wanted) {
            return bucket_ns(i) / 1000;
        }
    }
    return 0;
}

/* ---- the pattern */

/* xorshift64*: the same bytes in every run. */
static void make_pattern(struct bench *bench)
{
    uint64_t random = 0x9E3779B97F4A7C15u;

    for (size_t i = 0; i < PERIOD; i++) {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        bench->pattern[i] = (char)(random * UINT64_C(0x2545F4914F6CDD1D) >> 56);
    }
    for (size_t i = PERIOD; i < sizeof bench->pattern; i++) {
        bench->pattern[i] = bench->pattern[i - PERIOD];
    }
}

/* What a connection sends from a position on: each begins somewhere else. */
static const char *pattern_at(const struct bench *bench, const struct connection *connection,
                              uint64_t position)
{
    return bench->pattern + (position + (uint64_t)connection->number * 7919) % PERIOD;
}

static bool is_right(const struct bench *bench, const struct connection *connection, size_t count)
{
    const char *wanted = pattern_at(bench, connection, connection->received);
    size_t i = 0;

    if (connection->received + count <= connection->sent &&
        memcmp(wanted, bench->buffer, count) == 0) {
        return true;
    }
    while (i < count && connection->received + i < connection->sent &&
           wanted[i] == bench->buffer[i]) {
        i++;
    }
    fprintf(stderr, "bench_echo: connection %" PRIu32 ": byte %" PRIu64 " is wrong\n",
            connection->number, connection->received + i);
    return false;
}

/* ---- the server's CPU time */

/* The nanoseconds that the threads of a process have run, or -1. */
static int64_t cpu_ns(int pid)
{
    char path[64];
    struct dirent *entry;
    int64_t sum = -1;
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    threads = opendir(path);
    while (threads != NULL && (entry = readdir(threads)) != NULL) {
        char name[128];
        int64_t ns;
        FILE *file;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') {
            continue;
        }
        snprintf(name, sizeof name, "%s/%.20s/schedstat", path, entry->d_name);
        file = fopen(name, "r");
        if (file != NULL && fscanf(file, "%" SCNd64, &ns) == 1) {
            sum = (sum < 0 ? 0 : sum) + ns;
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    if (threads != NULL) {
        closedir(threads);
    }
    return sum;
}

/* The measured time is over: what comes later is not counted. */
static void end_measuring(struct bench *bench)
{
    if (!bench->stopping) {
        bench->stopping = true;
        bench->took = now() - bench->start;
        bench->cpu = cpu_ns(bench->options.pid) - bench->cpu;
    }
}

/* ---- a connection */

/* Begins as many messages as may be on their way. */
static void begin_messages(struct bench *bench, struct connection *connection)
{
    uint32_t depth = bench->options.depth;

    while (!bench->stopping && bench->budget > 0 &&
           connection->begun < connection->received / bench->options.size + depth) {
        connection->times[connection->begun % depth] = now();
        connection->begun++;
        connection->allowed += bench->options.size;
        bench->budget--;
    }
}

/* Sends what the kernel takes. Waiting here until it takes the rest might be for ever: an echo
 * server that cannot get rid of its answers stops reading. */
static int64_t send_some(struct bench *bench, struct connection *connection)
{
    while (connection->sent < connection->allowed) {
        uint64_t left = connection->allowed - connection->sent;
        int64_t count =
            eddy_try_write(&connection->stream, pattern_at(bench, connection, connection->sent),
                           left < AT_ONCE ? (size_t)left : AT_ONCE);
        if (count < 0) {
            return count == -EAGAIN ? 0 : count;
        }
        connection->sent += (uint64_t)count;
    }
    return 0;
}

static void note(struct bench *bench, struct connection *connection, uint64_t before)
{
    uint64_t size = bench->options.size;
    uint64_t end = connection->received / size;
    uint64_t i = before / size;
    int64_t at = i < end && !bench->stopping ? now() : 0;

    for (; i < end && !bench->stopping; i++) {
        int64_t took = at - connection->times[i % bench->options.depth];
        bench->slowness[bucket_of(took > 0 ? (uint64_t)took : 0)]++;
        if (++bench->done == bench->options.messages) {
            end_measuring(bench);
        }
    }
}

/* Takes what has come: 0, or an error. */
static int64_t receive_some(struct bench *bench, struct connection *connection)
{
    uint64_t before = connection->received;
    int64_t count = eddy_try_read(&connection->stream, bench->buffer, sizeof bench->buffer);

    if (count == -EAGAIN) {
        return 0;
    }
    if (count <= 0) {
        return count < 0 ? count : -ECONNRESET; /* an end in the middle of a message */
    }
    if (!is_right(bench, connection, (size_t)count)) {
        return -EBADMSG;
    }
    connection->received += (uint64_t)count;
    note(bench, connection, before);
    return 0;
}

eddy_frame(converse) {
    eddy_coro co;
    struct bench *bench;
    struct connection *connection;
    uint64_t count;
};

/* Keeps messages on their way, until no more may be begun and all are back. */
static void converse(eddy_coro *co)
{
    eddy_begin(converse);
    for (;;) {
        int64_t result;
        begin_messages(self->bench, self->connection);
        result = send_some(self->bench, self->connection);
        if (result < 0 || self->connection->received == self->connection->allowed) {
            eddy_return(result);
        }
        if (self->connection->sent == self->connection->received) { /* no answer can come */
            eddy_await(
                self->count,
                eddy_write(co, &self->connection->stream,
                           pattern_at(self->bench, self->connection, self->connection->sent),
                           (size_t)min_u64(self->connection->allowed - self->connection->sent,
                                           SURELY_BUFFERED)));
            self->connection->sent += self->count;
        }
        eddy_await(eddy_readable(co, &self->connection->stream));
        result = receive_some(self->bench, self->connection);
        if (result < 0) {
            eddy_return(result);
        }
    }
    eddy_end;
}

/* A connection's task: its error is counted, and does not end the others. */
eddy_frame(client) {
    eddy_coro co;
    struct bench *bench;
    struct connection *connection;
    int64_t result;
};

static void client(eddy_coro *co)
{
    eddy_begin(client);
    eddy_catch(self->result,
               eddy_call(co, converse, .bench = self->bench, .connection = self->connection));
    if (self->result < 0) {
        self->bench->errors++;
        fprintf(stderr, "bench_echo: connection %" PRIu32 ": %s\n", self->connection->number,
                eddy_strerror(self->result));
    }
    eddy_return(self->result == -ECANCELED ? -ECANCELED : 0);
    eddy_end;
}

/* ---- opening */

eddy_frame(opener) {
    eddy_coro co;
    struct bench *bench;
    uint32_t next;
};

/* Opens every OPENERS-th connection, and has a first message answered on each. */
static void opener(eddy_coro *co)
{
    eddy_begin(opener);
    for (; self->next < self->bench->options.connections; self->next += OPENERS) {
        eddy_await(eddy_connect(co, &self->bench->connections[self->next].stream,
                                self->bench->options.host, self->bench->options.port));
        self->bench->connections[self->next].allowed = self->bench->options.size;
        self->bench->connections[self->next].begun = 1;
        eddy_await(eddy_call(co, converse, .bench = self->bench,
                             .connection = &self->bench->connections[self->next]));
    }
    eddy_end;
}

eddy_frame(open_all) {
    eddy_coro co;
    struct bench *bench;
    eddy_group group;
};

static void open_all(eddy_coro *co)
{
    eddy_begin(open_all);
    self->bench->stopping = true; /* only the first messages */
    for (uint32_t i = 0; i < OPENERS; i++) {
        eddy_group_spawn(co, &self->group, opener, .bench = self->bench, .next = i);
    }
    eddy_await(eddy_group_wait(co, &self->group));
    self->bench->stopping = false;
    eddy_end;
}

/* ---- measuring */

static void on_limit(eddy_timer *timer)
{
    end_measuring(timer->user);
}

eddy_frame(measure) {
    eddy_coro co;
    struct bench *bench;
    eddy_group group;
    eddy_timer limit;
};

static void measure(eddy_coro *co)
{
    eddy_begin(measure);
    eddy_await(eddy_wait_for(co, PATIENCE, eddy_call(co, open_all, .bench = self->bench)));
    self->limit.user = self->bench;
    eddy_await(
        eddy_timer_start(eddy_loop_of(co), &self->limit, self->bench->options.limit, on_limit));
    self->bench->cpu = cpu_ns(self->bench->options.pid);
    self->bench->start = now();
    for (uint32_t i = 0; i < self->bench->options.connections; i++) {
        eddy_group_spawn(co, &self->group, client, .bench = self->bench,
                         .connection = &self->bench->connections[i]);
    }
    eddy_await(eddy_wait_for(co, self->bench->options.limit + PATIENCE,
                             eddy_group_wait(co, &self->group)));
eddy_finally:
    end_measuring(self->bench);
    eddy_timer_stop(&self->limit);
    for (uint32_t i = 0; i < self->bench->options.connections; i++) {
        eddy_stream_close(&self->bench->connections[i].stream);
    }
    eddy_end;
}

static void print(const struct bench *bench)
{
    const struct options *options = &bench->options;

    printf("bench=echo connections=%" PRIu32 " size=%" PRIu64 " depth=%" PRIu32 " n=%" PRIu64
           " seconds=%.2f rps=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f errors=%" PRIu64,
           options->connections, options->size, options->depth, bench->done,
           (double)bench->took / 1e9, (double)bench->done * 1e9 / (double)bench->took,
           percentile_us(bench, 0.5), percentile_us(bench, 0.99), percentile_us(bench, 0.999),
           bench->errors);
    if (options->pid > 0 && bench->done > 0) {
        printf(" cpu_us_per_req=%.4f", (double)bench->cpu / 1e3 / (double)bench->done);
    }
    printf("\n");
}

/* Whether all that was asked for was done, and right. */
static bool is_good(const struct bench *bench, int64_t result)
{
    if (result < 0) {
        fprintf(stderr, "bench_echo: %s:%d: %s\n", bench->options.host, bench->options.port,
                eddy_strerror(result));
    } else if (bench->options.messages != UINT64_MAX && bench->done < bench->options.messages) {
        fprintf(stderr, "bench_echo: only %" PRIu64 " messages were answered\n", bench->done);
    } else if (bench->done == 0) {
        fprintf(stderr, "bench_echo: no message was answered in time\n");
    } else {
        return bench->errors == 0;
    }
    return false;
}

static int run(const struct options *options)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bool good = false;

    if (bench != NULL) {
        bench->options = *options;
        bench->budget = options->messages;
        bench->connections = calloc(options->connections, sizeof *bench->connections);
        bench->times = calloc((size_t)options->connections * options->depth, sizeof *bench->times);
    }
    if (bench == NULL || bench->connections == NULL || bench->times == NULL) {
        fprintf(stderr, "bench_echo: out of memory\n");
    } else {
        int64_t result;
        for (uint32_t i = 0; i < options->connections; i++) {
            bench->connections[i].number = i;
            bench->connections[i].times = bench->times + (size_t)i * options->depth;
        }
        make_pattern(bench);
        result = eddy_run(measure, .bench = bench);
        good = is_good(bench, result);
        if (bench->took > 0) {
            print(bench);
        }
    }
    if (bench != NULL) {
        free(bench->connections);
        free(bench->times);
        free(bench);
    }
    return good ? 0 : 1;
}

/* ---- the command line */

static void usage_error(const char *what, const char *argument)
{
    fprintf(stderr,
            "bench_echo: %s: %s (usage: bench_echo --port P [--host H] [--connections N] "
            "[--size BYTES] [--depth D] [--seconds S | --messages M] [--pid SERVERPID])\n",
            what, argument);
    exit(2);
}

static uint64_t parse_number(const char *text, uint64_t most, const char *what)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < 1 || number > most) {
        usage_error(what, text);
    }
    return number;
}

static const char *parse_host(const char *text)
{
    struct in_addr in;
    struct in6_addr in6;

    if ((inet_pton(AF_INET, text, &in) == 1 && ntohl(in.s_addr) >> 24 == 127) ||
        (inet_pton(AF_INET6, text, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6))) {
        return text;
    }
    usage_error("not an address of the loopback", text);
    return NULL;
}

static void parse_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--host") == 0) {
        options->host = parse_host(value);
    } else if (strcmp(name, "--port") == 0) {
        options->port = (int)parse_number(value, 65535, "not a port");
    } else if (strcmp(name, "--connections") == 0) {
        options->connections = (uint32_t)parse_number(value, 100000, "not up to 100000");
    } else if (strcmp(name, "--size") == 0) {
        options->size = parse_number(value, 1 << 30, "not up to 1 GiB");
    } else if (strcmp(name, "--depth") == 0) {
        options->depth = (uint32_t)parse_number(value, 10000, "not up to 10000");
    } else if (strcmp(name, "--seconds") == 0) {
        options->limit = (int64_t)parse_number(value, 3600, "not up to 3600") * EDDY_SECOND;
    } else if (strcmp(name, "--messages") == 0) {
        options->messages = parse_number(value, UINT64_MAX - 1, "not a number of messages");
        options->limit = 60 * EDDY_SECOND;
    } else if (strcmp(name, "--pid") == 0) {
        options->pid = (int)parse_number(value, INT32_MAX, "not a process");
    } else {
        usage_error("unknown option", name);
    }
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1",
                              .connections = 50,
                              .size = 64,
                              .depth = 1,
                              .limit = 3 * EDDY_SECOND,
                              .messages = UINT64_MAX};

    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            usage_error("missing value of", argv[i]);
        }
        parse_option(&options, argv[i], argv[i + 1]);
    }
    if (options.port == 0) {
        usage_error("missing", "--port");
    }
    if (options.pid > 0 && cpu_ns(options.pid) < 0) {
        usage_error("cannot read the CPU time of the process", "--pid");
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return run(&options);
}
