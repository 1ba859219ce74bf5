/*
 * Curl's multi interface asks for three things: to watch sockets, to have one timer, and to be told of both
 * (curl_multi_socket_action). In return it tells which transfers have ended. It must not be called
 * while it calls us: whoever is cancelled then is taken out afterwards (enter, leave).
 */
#include "on_curl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- curl must not be called while it runs */

static void remove_left(struct on_curl *curl)
{
    while (curl->leaving != NULL) {
        struct transfer *transfer = curl->leaving;
        curl->leaving = transfer->next;
        curl_multi_remove_handle(curl->multi, transfer->easy);
    }
}

static void tell_ended(struct on_curl *curl)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(curl->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct transfer *transfer = NULL;
            CURLcode code = message->data.result; /* the message goes with the handle */
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
            if (transfer->task == NULL) {
                continue; /* cancelled just before its end */
            }
            curl_multi_remove_handle(curl->multi, transfer->easy);
            curl->count--;
            eddy_wake(transfer->task, code);
        }
    }
}

static void act(struct on_curl *curl, curl_socket_t fd, int events)
{
    int running;

    curl->inside++;
    curl_multi_socket_action(curl->multi, fd, events, &running);
    curl->inside--;
    if (curl->inside == 0) {
        tell_ended(curl);
        remove_left(curl);
    }
}

/* ---- sockets and the timer */

static void on_socket(eddy_io *io, unsigned events)
{
    int bits = ((events & EDDY_READ) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & EDDY_WRITE) != 0 ? CURL_CSELECT_OUT : 0) |
               ((events & (EDDY_ERROR | EDDY_HANGUP)) != 0 ? CURL_CSELECT_ERR : 0);

    act(io->user, io->fd, bits); /* which may free the watcher */
}

static void on_timer(eddy_timer *timer)
{
    act(timer->user, CURL_SOCKET_TIMEOUT, 0);
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
    static const unsigned interests[] = {
        [CURL_POLL_IN] = EDDY_READ,
        [CURL_POLL_OUT] = EDDY_WRITE,
        [CURL_POLL_INOUT] = EDDY_READ | EDDY_WRITE,
    };
    struct on_curl *curl = user;
    eddy_io *io = assigned;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (io != NULL) {
            eddy_io_stop(io);
            free(io);
            curl_multi_assign(curl->multi, fd, NULL);
        }
        return 0;
    }
    if (io != NULL) {
        return eddy_io_change(io, interests[what]) < 0 ? -1 : 0;
    }
    io = calloc(1, sizeof *io);
    if (io == NULL) {
        return -1; /* curl ends all transfers with CURLM_ABORTED_BY_CALLBACK */
    }
    io->user = curl;
    if (eddy_io_start(curl->loop, io, fd, interests[what], on_socket) < 0) {
        free(io);
        return -1;
    }
    curl_multi_assign(curl->multi, fd, io);
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *user)
{
    struct on_curl *curl = user;

    (void)multi;
    if (milliseconds < 0) {
        eddy_timer_stop(&curl->timer);
        return 0;
    }
    return eddy_timer_start(curl->loop, &curl->timer, milliseconds * EDDY_MILLISECOND, on_timer) < 0
               ? -1
               : 0;
}

int on_curl_init(struct on_curl *curl, eddy_loop *loop)
{
    curl->multi = curl_multi_init();
    if (curl->multi == NULL) {
        return -ENOMEM;
    }
    curl->loop = loop;
    curl->timer.user = curl;
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    return 0;
}

void on_curl_fini(struct on_curl *curl)
{
    if (curl->multi != NULL) {
        curl_multi_cleanup(curl->multi);
        eddy_timer_stop(&curl->timer);
        curl->multi = NULL;
    }
}

/* ---- the operation */

static int cancel_transfer(struct eddy_task_record *task)
{
    struct transfer *transfer = eddy_wait_object(task);
    struct on_curl *curl = transfer->curl;

    transfer->task = NULL;
    curl->count--;
    if (curl->inside > 0) {
        transfer->next = curl->leaving;
        curl->leaving = transfer;
    } else {
        curl_multi_remove_handle(curl->multi, transfer->easy);
    }
    return 1; /* the wait ends with the cancel */
}

static void describe(const struct eddy_task_record *task, char *text, size_t size)
{
    const struct transfer *transfer = eddy_wait_object(task);
    const char *url = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &url);
    snprintf(text, size, "%s", url != NULL ? url : "");
}

static const struct eddy_wait_kind transfer_kind = {
    .name = "transfer",
    .abort = cancel_transfer,
    .describe = describe,
};

int64_t on_curl_perform(eddy_coro *co, struct on_curl *curl, struct transfer *transfer)
{
    int64_t result = eddy_check(co);

    if (result < 0) {
        return result;
    }
    transfer->curl = curl;
    transfer->task = eddy_waiter(co);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl->inside++; /* it may call us, and be called back by its timer only */
    result = curl_multi_add_handle(curl->multi, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
    curl->inside--;
    if (result < 0) {
        return result;
    }
    curl->count++;
    return eddy_park(co, &transfer_kind, transfer, NULL);
}
