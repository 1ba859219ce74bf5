/*
 * Gets a URL many times at once, by libcurl on an eddy loop.
 *
 *     curl_many URL [COUNT [SECONDS]]       once, and at most thirty seconds, unless it says otherwise
 *
 * Prints how many transfers have ended well, and their bytes; each other one has a line with its error.
 * Exits 0 if all have; 1 if not. Ctrl-C cancels what is under way.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "on_curl.h"

static const uint64_t SIGNALS = EDDY_SIGNAL(SIGINT) | EDDY_SIGNAL(SIGTERM);

struct totals {
    long good, bytes;
};

static size_t count_bytes(char *data, size_t size, size_t count, void *user)
{
    struct totals *totals = user;

    (void)data;
    totals->bytes += (long)(size * count);
    return size * count;
}

/* One transfer. Its handle is cleaned up by whatever way it ends. */
eddy_frame(get) {
    eddy_coro co;
    struct on_curl *curl;
    const char *url;
    struct totals *totals;
    struct transfer transfer;
    int64_t code;
    long status;
};

static void get(eddy_coro *co)
{
    eddy_begin(get);
    self->transfer.easy = curl_easy_init();
    if (self->transfer.easy == NULL) {
        eddy_return(-ENOMEM);
    }
    curl_easy_setopt(self->transfer.easy, CURLOPT_URL, self->url);
    curl_easy_setopt(self->transfer.easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->transfer.easy, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(self->transfer.easy, CURLOPT_WRITEDATA, self->totals);
    eddy_await(self->code, on_curl_perform(co, self->curl, &self->transfer));
    curl_easy_getinfo(self->transfer.easy, CURLINFO_RESPONSE_CODE, &self->status);
    if (self->code != CURLE_OK) {
        eddy_fail(co, -EIO, "%s", curl_easy_strerror((CURLcode)self->code));
    }
    if (self->status >= 400) {
        eddy_fail(co, -EIO, "the server says %ld", self->status);
    }
    self->totals->good++;
eddy_finally:
    curl_easy_cleanup(self->transfer.easy);
    eddy_end;
}

eddy_frame(get_all) {
    eddy_coro co;
    const char *url;
    int count, i;
    struct on_curl curl;
    struct totals totals;
    eddy_group group;
};

/* All at once. A group that collects: one that fails does not cancel the others; the error hook tells it. */
static void get_all(eddy_coro *co)
{
    eddy_begin(get_all);
    eddy_await(on_curl_init(&self->curl, eddy_loop_of(co)));
    self->group.policy = EDDY_GROUP_COLLECT;
    eddy_with_group(&self->group) {
        for (self->i = 0; self->i < self->count; self->i++) {
            eddy_group_spawn(co, &self->group, get, .curl = &self->curl, .url = self->url,
                             .totals = &self->totals);
        }
    }
eddy_finally:
    on_curl_fini(&self->curl);
    printf("%ld of %d transfers, %ld bytes\n", self->totals.good, self->count, self->totals.bytes);
    eddy_end;
}

eddy_frame(program) {
    eddy_coro co;
    const char *url;
    int count, seconds;
    eddy_task tasks[2];
    int64_t rc, ended;
};

eddy_frame(interrupted) {
    eddy_coro co;
};

static void interrupted(eddy_coro *co)
{
    eddy_begin(interrupted);
    eddy_await(eddy_signal_wait(co, SIGNALS));
    eddy_return(-ECANCELED);
    eddy_end;
}

static void program(eddy_coro *co)
{
    eddy_begin(program);
    self->tasks[0] = eddy_spawn(co, get_all, .url = self->url, .count = self->count);
    self->tasks[1] = eddy_spawn(co, interrupted);
    eddy_catch(self->rc, eddy_wait_for(co, self->seconds * EDDY_SECOND,
                                       eddy_wait_tasks(co, self->tasks, 2, EDDY_WAIT_FIRST)));
    (void)eddy_cancel(self->tasks[0]); /* nothing, if they have ended */
    (void)eddy_cancel(self->tasks[1]);
    eddy_catch(self->ended, eddy_join(co, self->tasks[1]));
    eddy_catch(self->ended, eddy_join(co, self->tasks[0]));
    if (self->rc == -ETIMEDOUT) {
        eddy_fail(co, self->rc, "not all have ended in %d seconds", self->seconds);
    }
    eddy_return(self->ended);
    eddy_end;
}

static int number(const char *text, int most)
{
    char *end;
    long value = strtol(text, &end, 10);

    return end == text || *end != '\0' || value < 1 || value > most ? -1 : (int)value;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? number(argv[2], 100000) : 1;
    int seconds = argc > 3 ? number(argv[3], 86400) : 30;

    if (argc < 2 || argc > 4 || count < 0 || seconds < 0) {
        fputs("usage: curl_many URL [COUNT [SECONDS]]\n", stderr);
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("curl_many: libcurl cannot be used\n", stderr);
        return 1;
    }
    count = eddy_run(program, .url = argv[1], .count = count, .seconds = seconds) < 0;
    curl_global_cleanup();
    return count;
}
