/*
 * A guest by a browser: http://127.0.0.1:8889/ is the page, whose script opens a websocket to /chat. His first message is his
 * name. A connection is one request: what is no websocket is answered, and ends.
 */
#include "guest.h"

#include <errno.h>
#include <string.h>

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {413, "Content Too Large"},
                   {426, "Upgrade Required"},
                   {431, "Request Header Fields Too Large"},
                   {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "?";
}

static int put_page(eddy_writer *out)
{
    return eddy_writer_printf(out,
                              "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
                              "Content-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
                              "Content-Security-Policy: default-src 'none'; connect-src 'self'; "
                              "script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                              "img-src data:; frame-ancestors 'none'\r\n\r\n%s",
                              strlen(page), page);
}

static int put_refusal(eddy_writer *out, int status)
{
    return eddy_writer_printf(
        out,
        "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nContent-Type: text/plain\r\n"
        "%sConnection: close\r\n\r\n%d %s\n",
        status, reason(status), strlen(reason(status)) + 5, websocket_refusal(status), status,
        reason(status));
}

/* Whether that is this server's own name, with any port: by ssh -L it may have another. A name that somebody else has made
 * lead here would be his page's origin too. */
static bool is_our_host(struct websocket_piece host)
{
    const char *colon = memchr(host.data, ':', host.size);

    host.size = colon != NULL ? (size_t)(colon - host.data) : host.size;
    return websocket_is(host, "127.0.0.1") || websocket_is(host, "localhost");
}

static bool has_target(const struct websocket_request *request, const char *target)
{
    return request->target.size == strlen(target) &&
           memcmp(request->target.data, target, request->target.size) == 0;
}

/* What a request is answered with: 200: the page; 101: a websocket; else a refusal. */
static int judge(const struct websocket_request *request)
{
    int status;

    if (!is_our_host(request->host)) {
        return 403;
    }
    if (has_target(request, "/")) {
        return 200;
    }
    if (!has_target(request, "/chat")) {
        return 404;
    }
    status = websocket_check(request);
    return status == 101 && !websocket_same_origin(request) ? 403 : status;
}

/* Of the head that was read; or there is none, for it was too long, or too slow. */
static int judge_head(struct talk_by_web *self)
{
    int status;

    if (self->length < 0) {
        return self->length == -EMSGSIZE ? 431 : 408;
    }
    status = websocket_parse(&self->request, self->guest->in.line, (size_t)self->length);
    return status == 0 ? judge(&self->request) : status;
}

/* ---- the talk, once both speak in frames */

eddy_frame(talk_by_frames) {
    eddy_coro co;
    struct guest *guest;
    int64_t more;
};

/* What he is told at the end, if neither he nor what he has sent has ended it. */
static enum websocket_code code_of(int64_t outcome)
{
    return outcome == -ECANCELED   ? WEBSOCKET_GOING_AWAY
           : outcome == -ETIMEDOUT ? WEBSOCKET_POLICY
                                   : WEBSOCKET_INTERNAL_ERROR;
}

static void take_message(struct guest *guest)
{
    if (guest->member.room == NULL) {
        guest->web.ping_after = guest->house->ping_after;
        room_enter(&guest->house->room, &guest->member, guest->web.message, guest->web.size);
    } else {
        room_say(&guest->member, guest->web.message, guest->web.size);
    }
}

static void talk_by_frames(eddy_coro *co)
{
    eddy_begin(talk_by_frames);
    eddy_await(room_tell(&self->guest->member, "Your name?", 10));
    for (;;) {
        eddy_await(self->more,
                   eddy_wait_for(co, guest_time(self->guest),
                                 eddy_call(co, websocket_receive, .web = &self->guest->web)));
        if (self->more == 0) {
            eddy_return(0);
        }
        take_message(self->guest);
    }
eddy_finally:
    (void)websocket_close(&self->guest->web, code_of(eddy_outcome(co)), "");
    websocket_fini(&self->guest->web);
    eddy_end;
}

void talk_by_web(eddy_coro *co)
{
    eddy_begin(talk_by_web);
    eddy_catch(self->length,
               eddy_wait_for(co, self->guest->house->newcomer_time,
                             eddy_read_until(co, &self->guest->in, "\r\n\r\n", 4, LONGEST_HEAD)));
    if (self->length == -ENODATA) { /* an end in the midst of a head */
        eddy_return(0);
    }
    if (self->length <= 0 && self->length != -EMSGSIZE && self->length != -ETIMEDOUT) {
        eddy_return(self->length);
    }
    self->status = judge_head(self);
    if (self->status == 101) {
        eddy_await(websocket_put_accept(&self->guest->member.out, &self->request));
        self->guest->web = (struct websocket){
            .in = &self->guest->in, .out = &self->guest->member.out, .longest = MOST_LINE};
        self->guest->member.web = &self->guest->web;
        eddy_await(eddy_call(co, talk_by_frames, .guest = self->guest));
    } else if (self->status == 200) {
        eddy_await(put_page(&self->guest->member.out));
    } else {
        eddy_await(put_refusal(&self->guest->member.out, self->status));
    }
    eddy_end;
}
