/*
 * Frames of a websocket, RFC 6455, 5 to 7.
 *
 * `take` eats what is buffered, and is no coroutine: it says how many bytes it needs to go on, and websocket_receive waits
 * for them. So all that it knows is in the struct, and a cancel between two bytes costs nothing. A frame that comes is
 *
 *                      between messages        in a message
 *     text, binary     begins one              1002
 *     continuation     1002                    goes on with it, or ends it
 *     ping             answered                likewise
 *     pong             passed over             likewise
 *     close            answered; the end       likewise
 *
 * and 1002 too whatever is not masked, has reserved bits or an unknown opcode, a control frame in parts or of more than 125
 * bytes, and a length in more bytes than it takes. What is too long is refused by its header, before memory is had for it; bad
 * UTF-8 where it stands, not at the end of the message. After any of these nothing more is read.
 *
 * The memory of a message is had as its bytes come, doubled: a header alone, which may promise much, costs nothing; a client
 * who is silent between two messages has none, once the last was dropped.
 */
#include "websocket.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONTINUATION = 0x0,
    TEXT = 0x1,
    BINARY = 0x2,
    CLOSE = 0x8, /* from here on they are control frames */
    PING = 0x9,
    PONG = 0xa
};

enum { FINAL = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };

enum { MOST_CONTROL = 125, LENGTH_16 = 126, LENGTH_64 = 127 };

/* ---- putting */

/* The header and the payload, which no other put can part. */
static int put_frame(struct websocket *web, unsigned opcode, const void *data, size_t size)
{
    unsigned char frame[4 + WEBSOCKET_MOST_PUT];
    size_t header = size <= MOST_CONTROL ? 2 : 4;

    if (size > WEBSOCKET_MOST_PUT) {
        return -EMSGSIZE;
    }
    if (web->close_put) {
        return -ESHUTDOWN; /* nothing follows a close */
    }
    frame[0] = (unsigned char)(FINAL | opcode);
    frame[1] = (unsigned char)(size <= MOST_CONTROL ? size : LENGTH_16);
    if (header == 4) {
        frame[2] = (unsigned char)(size >> 8);
        frame[3] = (unsigned char)size;
    }
    if (size > 0) {
        memcpy(frame + header, data, size);
    }
    return eddy_writer_put(web->out, frame, header + size);
}

int websocket_put_text(struct websocket *web, const char *text, size_t size)
{
    return put_frame(web, TEXT, text, size);
}

int websocket_put_binary(struct websocket *web, const void *data, size_t size)
{
    return put_frame(web, BINARY, data, size);
}

/* WEBSOCKET_NO_CODE: a close that says nothing. */
int websocket_close(struct websocket *web, enum websocket_code code, const char *why)
{
    unsigned char payload[MOST_CONTROL] = {(unsigned char)(code >> 8), (unsigned char)code};
    size_t size = utf8_cut(why, strlen(why), sizeof payload - 2);
    int result;

    if (web->close_put) {
        return 0;
    }
    memcpy(payload + 2, why, size);
    result = put_frame(web, CLOSE, payload, code == WEBSOCKET_NO_CODE ? 0 : 2 + size);
    web->close_put = true;
    return result;
}

/* ---- taking */

/* The peer is told why nothing more is read; if that fails, he sees the end all the same. */
static int64_t fail(struct websocket *web, enum websocket_code code, const char *why)
{
    (void)websocket_close(web, code, why);
    web->code = code;
    web->why = why;
    return 0;
}

static void forget_message(struct websocket *web)
{
    free(web->message);
    web->message = NULL;
    web->size = 0;
    web->room = 0;
    web->delivered = false;
}

/* What is wrong with a frame that begins with these two bytes; NULL: nothing. */
static const char *fault_of(const struct websocket *web, unsigned first, unsigned second)
{
    unsigned opcode = first & OPCODE;

    if ((first & RESERVED) != 0) {
        return "reserved bits";
    }
    if ((second & MASKED) == 0) {
        return "not masked";
    }
    if (opcode >= CLOSE) {
        return opcode > PONG                      ? "unknown opcode"
               : (first & FINAL) == 0             ? "a control frame in parts"
               : (second & LENGTH) > MOST_CONTROL ? "a control frame that is too long"
                                                  : NULL;
    }
    if (opcode > BINARY) {
        return "unknown opcode";
    }
    return (opcode == CONTINUATION) == web->in_message ? NULL
           : web->in_message                           ? "a message in a message"
                                                       : "nothing to continue";
}

/* The length of a payload, in `width` bytes. */
static uint64_t read_length(const unsigned char *at, size_t width)
{
    uint64_t length = 0;

    for (size_t i = 0; i < width; i++) {
        length = length << 8 | at[i];
    }
    return length;
}

/* A data frame begins, whose header is in order. */
static int64_t begin_data(struct websocket *web)
{
    if (web->opcode == BINARY && !web->takes_binary) {
        return fail(web, WEBSOCKET_UNSUPPORTED, "text only");
    }
    if (web->left > web->longest || web->size > web->longest - (size_t)web->left) {
        return fail(web, WEBSOCKET_TOO_BIG, "too long");
    }
    if (web->opcode != CONTINUATION) {
        web->is_binary = web->opcode == BINARY;
        web->in_message = true;
    }
    return 0;
}

/* Reads a header. How many bytes of it must be buffered; 0: it was read, or was wrong. */
static int64_t take_header(struct websocket *web)
{
    const unsigned char *at = (const unsigned char *)eddy_reader_unread(web->in);
    size_t buffered = eddy_reader_buffered(web->in);
    size_t width; /* of the length, behind the first two bytes */
    const char *fault;

    if (buffered < 2) {
        return 2;
    }
    fault = fault_of(web, at[0], at[1]);
    if (fault != NULL) {
        return fail(web, WEBSOCKET_PROTOCOL_ERROR, fault);
    }
    width = (at[1] & LENGTH) == LENGTH_16 ? 2 : (at[1] & LENGTH) == LENGTH_64 ? 8 : 0;
    if (buffered < 2 + width + sizeof web->mask) {
        return (int64_t)(2 + width + sizeof web->mask);
    }
    web->left = width == 0 ? at[1] & LENGTH : read_length(at + 2, width);
    if ((width == 2 && web->left < LENGTH_16) ||
        (width == 8 && (web->left <= 0xffff || web->left >> 63 != 0))) {
        return fail(web, WEBSOCKET_PROTOCOL_ERROR, "a length that is none");
    }
    web->opcode = at[0] & OPCODE;
    web->final = (at[0] & FINAL) != 0;
    memcpy(web->mask, at + 2 + width, sizeof web->mask);
    web->turn = 0;
    web->in_frame = true;
    (void)eddy_reader_skip(web->in, 2 + width + sizeof web->mask);
    return web->opcode < CLOSE ? begin_data(web) : 0;
}

static void unmask(struct websocket *web, unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] ^= web->mask[web->turn];
        web->turn = (web->turn + 1) % sizeof web->mask;
    }
}

/* Whether a close may say that: RFC 6455, 7.4, and the registry of it. */
static bool is_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int64_t take_close(struct websocket *web, const unsigned char *data, size_t size)
{
    unsigned code = size >= 2 ? (unsigned)data[0] << 8 | data[1] : WEBSOCKET_NO_CODE;
    struct utf8 text = {0};
    bool valid = true;

    if (size == 1 || (size >= 2 && !is_code(code))) {
        return fail(web, WEBSOCKET_PROTOCOL_ERROR, "a close that is none");
    }
    for (size_t i = 2; i < size && valid; i++) {
        valid = utf8_take(&text, data[i]);
    }
    if (!valid || !utf8_is_whole(&text)) {
        return fail(web, WEBSOCKET_INVALID_DATA, "not UTF-8");
    }
    web->code = (enum websocket_code)code;
    return websocket_close(web, web->code, "");
}

/* A control frame, which is handled when all of it is buffered. */
static int64_t take_control(struct websocket *web)
{
    unsigned char *data = (unsigned char *)eddy_reader_unread(web->in);
    size_t size = (size_t)web->left;
    int64_t result = 0;

    if (eddy_reader_buffered(web->in) < size) {
        return (int64_t)size;
    }
    unmask(web, data, size);
    if (web->opcode == CLOSE) {
        result = take_close(web, data, size);
    } else if (web->opcode == PING && !web->close_put) {
        result = put_frame(web, PONG, data, size);
    }
    (void)eddy_reader_skip(web->in, size);
    web->in_frame = false;
    return result;
}

static bool is_valid(struct websocket *web, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!utf8_take(&web->text, (unsigned char)data[i])) {
            return false;
        }
    }
    return true;
}

static int make_room(struct websocket *web, size_t size)
{
    size_t room = web->room;
    char *message;

    if (web->size + size <= room) {
        return 0;
    }
    room = 2 * room > web->size + size ? 2 * room : web->size + size;
    message = realloc(web->message, room);
    if (message == NULL) {
        return -ENOMEM;
    }
    web->message = message;
    web->room = room;
    return 0;
}

/* What is buffered of a data frame goes to the message, with a zero byte behind it. Whether it may be there. */
static bool append(struct websocket *web, size_t size)
{
    char *data = web->message + web->size;

    memcpy(data, eddy_reader_unread(web->in), size);
    (void)eddy_reader_skip(web->in, size);
    unmask(web, (unsigned char *)data, size);
    data[size] = '\0';
    web->size += size;
    web->left -= size;
    return web->is_binary || is_valid(web, data, size);
}

/* 1: more of a data frame must be buffered; 0: the frame has ended, or the message was wrong. */
static int64_t take_data(struct websocket *web)
{
    size_t size = eddy_reader_buffered(web->in);

    if (size == 0 && web->left > 0) {
        return 1;
    }
    size = size < web->left ? size : (size_t)web->left;
    if (make_room(web, size + 1) < 0) {
        (void)fail(web, WEBSOCKET_INTERNAL_ERROR, "out of memory");
        return -ENOMEM;
    }
    if (!append(web, size)) {
        return fail(web, WEBSOCKET_INVALID_DATA, "not UTF-8");
    }
    if (web->left > 0) {
        return 1;
    }
    web->in_frame = false;
    web->in_message = !web->final;
    if (web->final && !web->is_binary && !utf8_is_whole(&web->text)) {
        return fail(web, WEBSOCKET_INVALID_DATA, "not UTF-8");
    }
    web->delivered = web->final;
    return 0;
}

/* Takes what is buffered. How many bytes must be buffered to go on; 0: a message is there, or the websocket is closed; else
 * an error. */
static int64_t take(struct websocket *web)
{
    int64_t wanted = 0;

    while (wanted == 0 && web->code == WEBSOCKET_OPEN && !web->delivered) {
        wanted = !web->in_frame        ? take_header(web)
                 : web->opcode < CLOSE ? take_data(web)
                                       : take_control(web);
    }
    return wanted;
}

/* Nothing has come for a while. 0: he was pinged. */
static int ping(struct websocket *web)
{
    if (web->pinged) {
        return -ETIMEDOUT;
    }
    web->pinged = true;
    return web->close_put ? 0 : put_frame(web, PING, "", 0);
}

void websocket_receive(eddy_coro *co)
{
    eddy_begin(websocket_receive);
    if (self->web->delivered) {
        forget_message(self->web);
    }
    for (;;) {
        eddy_await(self->wanted, take(self->web));
        if (self->wanted == 0) {
            eddy_return(self->web->code == WEBSOCKET_OPEN);
        }
        eddy_catch(self->count,
                   eddy_wait_for(co,
                                 self->web->ping_after > 0 ? self->web->ping_after : EDDY_FOREVER,
                                 eddy_reader_peek(co, self->web->in, (size_t)self->wanted)));
        if (self->count == -ETIMEDOUT && self->web->ping_after > 0) {
            eddy_await(ping(self->web));
        } else if (self->count < 0) {
            eddy_return(self->count);
        } else if (self->count < self->wanted) {
            self->web->code = WEBSOCKET_ABNORMAL;
            eddy_return(0);
        } else {
            self->web->pinged = false;
        }
    }
    eddy_end;
}

void websocket_fini(struct websocket *web)
{
    forget_message(web);
}
