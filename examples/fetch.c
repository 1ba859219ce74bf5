/*
 * Fetches many URLs, so many at a time, each with a few tries.
 *
 *     fetch [--at-once N] [--tries N] [--timeout SECONDS] [--quiet] [URL...]
 *
 * Without URLs it reads them from standard input, a line each. Only http://. What is fetched is counted and dropped; a line for
 * each goes to standard output, in the order in which they end:
 *
 *     200 20000 http://127.0.0.1:8080/file
 *     failed http://127.0.0.1:1/: Connection refused
 *
 * At a terminal a line on standard error shows how far it is. What might go better later (no answer, a status of 500 and
 * above) is tried again after a tenth of a second, then two tenths, four, ..., each time a bit at random. Exits 0 if all were
 * fetched with a status below 400; 1 if not. Ctrl-C ends it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <eddy.h>

enum { LONGEST_URL = 2048, LONGEST_LINE = 8192 };

struct options {
    int at_once, tries, timeout;
    bool quiet;
};

struct totals {
    int begun, good, bad, retries;
    uint64_t bytes;
    uint64_t random;
};

/* ---- URLs */

struct url {
    char host[256];
    int port;
    const char *path; /* in the text */
};

/* False: it is none that this program can fetch. */
static bool parse_url(const char *text, struct url *url)
{
    const char *host = text + strlen("http://");
    size_t length, port = 0;
    char *end;

    if (strncasecmp(text, "http://", strlen("http://")) != 0) {
        return false;
    }
    length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (length == 0 || length >= sizeof url->host || (*host == '[' && host[length - 1] != ']')) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (!isgraph((unsigned char)*c)) {
            return false;
        }
    }
    memcpy(url->host, host + (*host == '['), length);
    url->host[*host == '[' ? length - 2 : length] = '\0';
    url->port = 80;
    url->path = host + length;
    if (*url->path == ':') {
        url->port = (int)strtol(url->path + 1, &end, 10);
        port = (size_t)(end - url->path);
        url->path = end;
    }
    return (port == 0 || port > 1) && url->port > 0 && url->port < 65536 &&
           (*url->path == '\0' || strchr("/?#", *url->path) != NULL);
}

/* ---- one try */

/* Connects, asks, and counts what comes until the server closes. Returns the status. */
eddy_frame(try_url) {
    eddy_coro co;
    const struct url *url;
    uint64_t *bytes;
    eddy_stream stream;
    eddy_reader in;
    char request[LONGEST_URL + 512];
    size_t length;
    int64_t status, expected;
};

static void try_url(eddy_coro *co)
{
    int size;

    eddy_begin(try_url);
    *self->bytes = 0;
    self->expected = -1;
    eddy_await(eddy_connect(co, &self->stream, self->url->host, self->url->port));
    size = snprintf(
        self->request, sizeof self->request,
        "GET %s%.*s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: eddy-fetch\r\nConnection: close\r\n\r\n",
        *self->url->path == '/' ? "" : "/", (int)strcspn(self->url->path, "#"), self->url->path,
        self->url->host, self->url->port);
    eddy_await(eddy_write(co, &self->stream, self->request, (size_t)size));
    eddy_with_reader(&self->in, &self->stream, LONGEST_LINE) {
        eddy_await(self->length, eddy_read_line(co, &self->in, LONGEST_LINE));
        if (self->length < 13 || memcmp(self->in.line, "HTTP/1.", 7) != 0) {
            eddy_fail(co, -EPROTO, "the answer is not HTTP's");
        }
        self->status = strtol(self->in.line + 9, NULL, 10);
        do { /* the fields */
            eddy_await(self->length, eddy_read_line(co, &self->in, LONGEST_LINE));
            if (self->length > 15 && strncasecmp(self->in.line, "Content-Length:", 15) == 0) {
                self->expected = strtoll(self->in.line + 15, NULL, 10);
            }
        } while (self->length > 2);
        do { /* the body, as it comes */
            eddy_await(self->length, eddy_reader_peek(co, &self->in, 1));
            *self->bytes += eddy_reader_skip(&self->in, SIZE_MAX);
        } while (self->length > 0);
    }
    if (self->expected >= 0 && *self->bytes != (uint64_t)self->expected) {
        eddy_fail(co, -ECONNRESET, "%llu of %lld bytes came", (unsigned long long)*self->bytes,
                  (long long)self->expected);
    }
    eddy_return(self->status);
eddy_finally:
    eddy_stream_close(&self->stream);
    eddy_end;
}

/* ---- one URL */

/* A tenth of a second, doubled with each try, half of it at random: so that those who failed together do not come back
 * together. */
static int64_t back_off(struct totals *totals, int failed)
{
    int64_t most = EDDY_SECOND / 10 << (failed < 10 ? failed : 10);

    totals->random = totals->random * 6364136223846793005u + 1442695040888963407u;
    return most / 2 + (int64_t)(totals->random >> 33) % (most / 2);
}

/* As many texts as there may be fetches at once, so that nothing is allocated for each. A fetch that is cancelled before its
 * first step gives none back; then all ends. */
struct places {
    eddy_semaphore free_count;
    char **free; /* a stack */
    int count;
    char *memory;
};

static int make_places(struct places *places, int count)
{
    places->free = calloc((size_t)count, sizeof *places->free);
    places->memory = malloc((size_t)count * LONGEST_URL);
    if (places->free == NULL || places->memory == NULL) {
        return -ENOMEM;
    }
    eddy_semaphore_init(&places->free_count, (uint32_t)count);
    for (; places->count < count; places->count++) {
        places->free[places->count] = places->memory + (size_t)places->count * LONGEST_URL;
    }
    return 0;
}

static void give_place(struct places *places, char *text)
{
    places->free[places->count++] = text;
    (void)eddy_semaphore_release(&places->free_count);
}

eddy_frame(fetch_url) {
    eddy_coro co;
    const struct options *options;
    struct totals *totals;
    struct places *places;
    char *text; /* the URL; one of `places` */
    struct url url;
    int tries;
    int64_t rc;
    uint64_t bytes;
    char error[256];
};

static void note(struct fetch_url *self)
{
    bool good = self->rc >= 0 && self->rc < 400;

    self->totals->good += good;
    self->totals->bad += !good;
    self->totals->bytes += self->bytes;
    if (self->options->quiet && good) {
        return;
    }
    if (self->rc >= 0) {
        printf("%d %llu %s\n", (int)self->rc, (unsigned long long)self->bytes, self->text);
    } else {
        printf("failed %s: %s\n", self->text, self->error);
    }
}

static void fetch_url(eddy_coro *co)
{
    eddy_begin(fetch_url);
    if (!parse_url(self->text, &self->url)) {
        self->rc = -EINVAL;
        snprintf(self->error, sizeof self->error, "is no http:// URL");
        note(self);
        eddy_return(0);
    }
    do {
        if (self->tries > 0) {
            self->totals->retries++;
            eddy_await(eddy_sleep(co, back_off(self->totals, self->tries - 1)));
        }
        eddy_catch(self->rc,
                   eddy_wait_for(co, self->options->timeout * EDDY_SECOND,
                                 eddy_call(co, try_url, .url = &self->url, .bytes = &self->bytes)));
        if (self->rc < 0) {
            snprintf(self->error, sizeof self->error, "%s",
                     eddy_error(co)->text != NULL ? eddy_error(co)->text : eddy_strerror(self->rc));
        }
    } while ((self->rc < 0 || self->rc >= 500) && ++self->tries < self->options->tries);
    note(self);
eddy_finally:
    give_place(self->places, self->text);
    eddy_end;
}

/* ---- all of them */

/* URLs, from the command line or from standard input. */
eddy_frame(urls) {
    eddy_coro co;
    char **words; /* NULL: standard input */
    const char *value;
    eddy_stream input;
    eddy_reader in;
    size_t length;
};

static void urls(eddy_coro *co)
{
    eddy_begin(urls);
    for (; self->words != NULL && *self->words != NULL; self->words++) {
        eddy_yield(*self->words);
    }
    if (self->words == NULL) {
        eddy_await(eddy_stream_open(eddy_loop_of(co), &self->input, STDIN_FILENO));
        eddy_with_reader(&self->in, &self->input, LONGEST_URL) {
            while (true) {
                eddy_await(self->length, eddy_read_line(co, &self->in, LONGEST_URL - 1));
                if (self->length == 0) {
                    break;
                }
                self->length = eddy_line_strip(self->in.line, self->length);
                self->in.line[self->length] =
                    '\0'; /* over the end of the line; the last has room behind it */
                if (self->length > 0) {
                    eddy_yield(self->in.line);
                }
            }
        }
    }
eddy_finally:
    eddy_stream_close(&self->input);
    eddy_end;
}

eddy_frame(show_progress) {
    eddy_coro co;
    const struct totals *totals;
};

static void show_progress(eddy_coro *co)
{
    eddy_begin(show_progress);
    while (true) {
        eddy_await(eddy_sleep(co, EDDY_SECOND / 4));
        fprintf(stderr, "\r%d fetched, %d failed, %d under way, %d tried again, %llu KiB \033[K",
                self->totals->good, self->totals->bad,
                self->totals->begun - self->totals->good - self->totals->bad, self->totals->retries,
                (unsigned long long)(self->totals->bytes / 1024));
    }
eddy_finally:
    fputs("\r\033[K", stderr);
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    const struct options *options;
    char **words;
    const char *url;
    char *text;
    struct totals totals;
    struct places places;
    eddy_group group;
    eddy_task progress;
    int64_t rc;
};

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->totals.random = (uint64_t)getpid();
    if (isatty(STDERR_FILENO) && !self->options->quiet) {
        self->progress = eddy_spawn(co, show_progress, .totals = &self->totals);
    }
    eddy_await(make_places(&self->places, self->options->at_once));
    eddy_with_group(&self->group) {
        eddy_for_each(self->url, urls, .words = self->words) {
            eddy_await(
                eddy_semaphore_acquire(co, &self->places.free_count)); /* until one has ended */
            self->text = self->places.free[--self->places.count];
            snprintf(self->text, LONGEST_URL, "%s", self->url);
            self->totals.begun++;
            eddy_group_spawn(co, &self->group, fetch_url, .options = self->options,
                             .totals = &self->totals, .places = &self->places, .text = self->text);
        }
    }
    eddy_return(self->totals.bad > 0);
eddy_finally:
    (void)eddy_cancel(self->progress);
    eddy_catch(self->rc, eddy_join(co, self->progress));
    free(self->places.free);
    free(self->places.memory);
    if (!self->options->quiet) {
        fprintf(stderr, "%d fetched, %d failed, %llu bytes\n", self->totals.good, self->totals.bad,
                (unsigned long long)self->totals.bytes);
    }
    eddy_end;
}

/* ---- the command line */

static int usage(FILE *to)
{
    fputs("usage: fetch [--at-once N] [--tries N] [--timeout SECONDS] [--quiet] [URL...]\n", to);
    return to == stdout ? 0 : 2;
}

static bool number(const char *text, int most, int *value)
{
    char *end;
    long result = text != NULL ? strtol(text, &end, 10) : 0;

    *value = (int)result;
    return text != NULL && end != text && *end == '\0' && result >= 1 && result <= most;
}

int main(int argc, char **argv)
{
    struct options options = {.at_once = 100, .tries = 3, .timeout = 30};
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout);
        }
        if (strcmp(argv[i], "--quiet") == 0) {
            options.quiet = true;
        } else if (!(strcmp(argv[i], "--at-once") == 0 ? number(argv[++i], 10000, &options.at_once)
                     : strcmp(argv[i], "--tries") == 0 ? number(argv[++i], 100, &options.tries)
                     : strcmp(argv[i], "--timeout") == 0
                         ? number(argv[++i], 86400, &options.timeout)
                         : false)) {
            return usage(stderr);
        }
    }
    return eddy_main(program, .options = &options, .words = i < argc ? argv + i : NULL);
}
