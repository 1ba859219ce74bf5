/*
 * libcurl on an eddy loop: transfers that are awaited, as many at once as one likes, without threads.
 *
 *     struct on_curl curl = {0};
 *     struct transfer transfer = {.easy = easy};                  // in the frame
 *
 *     on_curl_init(&curl, eddy_loop_of(co));
 *     eddy_await(self->code, on_curl_perform(co, &curl, &transfer));   // a CURLcode; 0 is CURLE_OK
 *     on_curl_fini(&curl);
 *
 * A cancel or time-out ends the transfer at once: its handle is taken out of curl, and is the caller's
 * again, to be used anew or cleaned up. It may come from anywhere, also from a callback of curl's (a write
 * function that has enough): then the handle is taken out when that has returned, before the task runs.
 */
#ifndef ON_CURL_H
#define ON_CURL_H

#include <curl/curl.h>

#include <eddy.h>

/* One for a loop. The caller owns it, zeroed; after on_curl_init all of it is private. */
struct on_curl {
    eddy_loop *loop;
    CURLM *multi;
    eddy_timer timer;         /* curl has one */
    int inside;               /* curl runs, and must not be called */
    struct transfer *leaving; /* cancelled meanwhile */
    int count;                /* transfers under way */
};

/* A transfer; it and its handle must stay until the await has returned. */
struct transfer {
    CURL *easy;                    /* the caller's; CURLOPT_PRIVATE is this module's */
    struct eddy_task_record *task; /* who waits for it; NULL: cancelled */
    struct on_curl *curl;
    struct transfer *next; /* in `leaving` */
};

/* 0, or -ENOMEM. */
int on_curl_init(struct on_curl *curl, eddy_loop *loop);

/* When no transfer is under way any more: closes the connections that curl has kept. */
void on_curl_fini(struct on_curl *curl);

/* An operation: starts the transfer and waits until it has ended. Returns its CURLcode (curl_easy_strerror);
 * -ENOMEM: curl would not begin; -ECANCELED. */
EDDY_MUST_USE int64_t on_curl_perform(eddy_coro *co, struct on_curl *curl,
                                      struct transfer *transfer);

#endif
