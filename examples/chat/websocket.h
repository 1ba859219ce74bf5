/*
 * Websockets (RFC 6455) for servers, over an eddy_reader and an eddy_writer. To copy: this, websocket*.c and utf8.[ch].
 *
 *     eddy_await(self->length, eddy_read_until(co, &self->in, "\r\n\r\n", 4, LONGEST_HEAD));
 *     status = websocket_parse(&request, self->in.line, (size_t)self->length);
 *     if (status == 0) {
 *         status = websocket_check(&request);                 // and websocket_same_origin
 *     }
 *     if (status != 101) { ... answer that, and websocket_refusal(status) in its head ... }
 *     eddy_await(websocket_put_accept(&self->out, &request));
 *     self->web = (struct websocket){.in = &self->in, .out = &self->out, .longest = 65536};
 *     for (;;) {
 *         eddy_await(self->more, eddy_call(co, websocket_receive, .web = &self->web));
 *         if (!self->more) {
 *             break;                                          // closed: self->web.code says how
 *         }
 *         eddy_await(websocket_put_text(&self->web, self->web.message, self->web.size));
 *         eddy_await(eddy_writer_drain(co, &self->out));
 *     }
 * eddy_finally:
 *     websocket_fini(&self->web);
 *
 * No extensions and no subprotocols are offered. Pings are answered, and a close is too. When the handler of a server's
 * client has ended behind a close, the server lingers until the client has sent its end: that is how RFC 6455 (7.1.1) wants
 * it, and what has been put arrives. Who neither reads nor goes is the business of the writer's limit.
 */
#ifndef CHAT_WEBSOCKET_H
#define CHAT_WEBSOCKET_H

#include <eddy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "utf8.h"

/* ---- the handshake */

/* A part of the head that was parsed, valid as long as that is. What is missing has size 0. */
struct websocket_piece {
    const char *data;
    size_t size;
};

/* A request, as its head says; all is set by websocket_parse. */
struct websocket_request {
    struct websocket_piece target; /* "/chat?room=1" */
    struct websocket_piece host;
    struct websocket_piece origin;  /* of the page that asks; no browser leaves it out */
    struct websocket_piece key;     /* Sec-WebSocket-Key */
    struct websocket_piece version; /* Sec-WebSocket-Version */
    bool upgrades;                  /* Upgrade: websocket */
    bool connection_upgrades;       /* Connection: Upgrade */
};

/* Parses the head of a GET, up to and with its empty line; strictly, for what two programs could understand differently is
 * a way past one of them. 0, or the status with which it is to be refused: 400; 405: another method; 413: it has a body; 505:
 * not HTTP/1.1. */
int websocket_parse(struct websocket_request *request, const char *head, size_t size);

/* Whether a piece is that word, whatever the case. */
bool websocket_is(struct websocket_piece piece, const char *word);

/* 101: it asks for a websocket, which it may have. 400: its key is none. 426: it asks for none, or for another version. */
int websocket_check(const struct websocket_request *request);

/* What the answer of a status must have in its head: of 405 and 426 what would do, each line with its end; else "". */
const char *websocket_refusal(int status);

/*
 * Whether the page that asks is of this very host, or none asks: the one thing that keeps any page in the world from
 * talking, by its reader's browser, to a server that listens on 127.0.0.1 or knows cookies. Host must be checked by the
 * caller: a name that an attacker owns may lead to 127.0.0.1, and then both are his ("DNS rebinding").
 */
bool websocket_same_origin(const struct websocket_request *request);

/* Puts the answer 101, from which on both speak in frames. Else as eddy_writer_printf. */
int websocket_put_accept(eddy_writer *out, const struct websocket_request *request);

enum { WEBSOCKET_KEY = 24, WEBSOCKET_ACCEPT = 28 };

/* What Sec-WebSocket-Accept is to be for a key of WEBSOCKET_KEY bytes. */
void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT + 1]);

/* ---- frames */

/* Why a websocket was closed: RFC 6455, 7.4.1; applications have 3000 to 4999. */
enum websocket_code {
    WEBSOCKET_OPEN = 0,
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_CODE = 1005,  /* the peer's close says nothing; never sent */
    WEBSOCKET_ABNORMAL = 1006, /* the stream has ended without a close; never sent */
    WEBSOCKET_INVALID_DATA = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL_ERROR = 1011
};

/* The most bytes of a message that is put: whoever has more says it in several. */
enum { WEBSOCKET_MOST_PUT = 16384 };

/* Zeroed, and then: */
struct websocket {
    /* Set by the caller, before the first use; `longest` and `ping_after` also later. */
    eddy_reader *in;   /* behind the head of the request; its buffer may have 128 bytes at least */
    eddy_writer *out;  /* of the same stream */
    size_t longest;    /* the most bytes of a message that is received; more is WEBSOCKET_TOO_BIG */
    bool takes_binary; /* else such a message is WEBSOCKET_UNSUPPORTED */
    int64_t ping_after; /* nanoseconds: who is silent for so long is pinged; 0: never */

    /* Set by websocket_receive; valid until the next one, or websocket_fini. */
    char *message; /* with a zero byte behind it; a text is valid UTF-8; may be written to */
    size_t size;
    bool is_binary;

    /* Set when it is closed, to stay: what the peer has said, or what he was told: then why. */
    enum websocket_code code;
    const char *why; /* what the peer has done wrong; NULL: nothing */

    /* Private. */
    size_t room;           /* of `message` */
    uint64_t left;         /* of the frame's payload */
    unsigned char mask[4]; /* of the frame */
    unsigned char opcode;  /* of the frame */
    unsigned turn;         /* which byte of the mask is next */
    bool in_frame;         /* its header was read; `left` to `turn` are valid */
    bool final;            /* it is the last of its message, or a control frame */
    bool in_message;       /* the first frame of one was begun, the last one has not ended */
    bool delivered;        /* `message` was returned */
    bool pinged;           /* and nothing has come since */
    bool close_put;
    struct utf8 text; /* where in a character a text message is; between two messages at a begin */
};

/*
 * eddy_call(co, websocket_receive, .web = &self->web): waits for the next message. 1: it is web->message; 0: the websocket
 * is closed, web->code says how: by the peer, whose close was answered; by the end of the stream; or because of what the
 * peer has sent, which he was told.
 *
 * -ETIMEDOUT: he is silent, also when pinged (ping_after). Errors of the stream and the writer; -ENOMEM, and then he was told
 * WEBSOCKET_INTERNAL_ERROR. A cancel or time-out takes nothing: the next one goes on with the same byte. One task receives at a
 * time.
 */
struct websocket_receive {
    eddy_coro co;
    struct websocket *web;
    int64_t wanted; /* so many bytes must be buffered before it goes on */
    int64_t count;
};
void websocket_receive(eddy_coro *co);

/* Puts a text, which must be valid UTF-8, in one piece: all of it or nothing. Never waits. -EMSGSIZE: it has more than
 * WEBSOCKET_MOST_PUT bytes; -ESHUTDOWN: a close was put; else as eddy_writer_put. */
int websocket_put_text(struct websocket *web, const char *text, size_t size);

/* Likewise any bytes. */
int websocket_put_binary(struct websocket *web, const void *data, size_t size);

/* Puts a close, unless one was put before; `why` is a short text for people, valid UTF-8, of which 123 bytes are put at most. The peer answers it:
 * whoever wants to know receives until that is 0. Never waits. 0; else as eddy_writer_put. */
int websocket_close(struct websocket *web, enum websocket_code code, const char *why);

/* Frees what was received. It puts no close. Nothing if it is zeroed. */
void websocket_fini(struct websocket *web);

#endif
