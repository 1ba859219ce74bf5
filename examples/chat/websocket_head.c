/*
 * The handshake: the head of a request, strictly (RFC 9112), and whether it may have a websocket (RFC 6455, 4.2).
 *
 *     first line    GET SP target SP HTTP/1.1 CRLF
 *     fields        name ":" value CRLF        name: letters, digits, some marks; value: no control characters
 *     the end       CRLF
 *
 * What must be there once and comes twice is 400: two programs may each believe another one. Upgrade and Connection are
 * lists, and may come in several parts.
 */
#include "websocket.h"

#include <string.h>
#include <strings.h>

static struct websocket_piece piece_of(const char *begin, const char *end)
{
    return (struct websocket_piece){begin, (size_t)(end - begin)};
}

bool websocket_is(struct websocket_piece piece, const char *word)
{
    return strlen(word) == piece.size && strncasecmp(piece.data, word, piece.size) == 0;
}

static bool is_exactly(struct websocket_piece piece, const char *word)
{
    return strlen(word) == piece.size && memcmp(piece.data, word, piece.size) == 0;
}

/* Without the spaces and tabs around it. */
static struct websocket_piece trim(struct websocket_piece piece)
{
    while (piece.size > 0 && (piece.data[0] == ' ' || piece.data[0] == '\t')) {
        piece.data++;
        piece.size--;
    }
    while (piece.size > 0 &&
           (piece.data[piece.size - 1] == ' ' || piece.data[piece.size - 1] == '\t')) {
        piece.size--;
    }
    return piece;
}

/* Whether a list has the word: "keep-alive, Upgrade". */
static bool list_has(struct websocket_piece list, const char *word)
{
    const char *end = list.data + list.size;

    for (const char *at = list.data; at <= end;) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        const char *stop = comma != NULL ? comma : end;
        if (websocket_is(trim(piece_of(at, stop)), word)) {
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* ---- lines */

/* The next line without its CRLF; false: there is none, or it has a bare CR or LF, or another control character. */
static bool next_line(const char **at, const char *end, struct websocket_piece *line)
{
    const char *feed = memchr(*at, '\n', (size_t)(end - *at));

    if (feed == NULL || feed == *at || feed[-1] != '\r') {
        return false;
    }
    *line = piece_of(*at, feed - 1);
    *at = feed + 1;
    for (size_t i = 0; i < line->size; i++) {
        unsigned char c = (unsigned char)line->data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static int parse_first_line(struct websocket_request *request, struct websocket_piece line)
{
    const char *end = line.data + line.size;
    const char *first = memchr(line.data, ' ', line.size);
    const char *second = first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    struct websocket_piece version;

    if (second == NULL || first == line.data || first[1] != '/') {
        return 400;
    }
    request->target = piece_of(first + 1, second);
    version = piece_of(second + 1, end);
    if (!is_exactly(version, "HTTP/1.1")) {
        return version.size == 8 && memcmp(version.data, "HTTP/", 5) == 0 ? 505 : 400;
    }
    return is_exactly(piece_of(line.data, first), "GET") ? 0 : 405;
}

static bool is_name(struct websocket_piece name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL))) {
            return false;
        }
    }
    return name.size > 0;
}

static int parse_field(struct websocket_request *request, struct websocket_piece line)
{
    const char *end = line.data + line.size;
    const char *colon = memchr(line.data, ':', line.size);
    struct {
        const char *name;
        struct websocket_piece *value;
    } once[] = {{"host", &request->host},
                {"origin", &request->origin},
                {"sec-websocket-key", &request->key},
                {"sec-websocket-version", &request->version}};
    struct websocket_piece name, value;

    if (colon == NULL || !is_name(name = piece_of(line.data, colon))) {
        return 400; /* also a space before the colon, or at the line's begin */
    }
    value = trim(piece_of(colon + 1, end));
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        if (websocket_is(name, once[i].name)) {
            bool wrong = value.size == 0 || once[i].value->size > 0;
            *once[i].value = value;
            return wrong ? 400 : 0;
        }
    }
    if (websocket_is(name, "upgrade")) {
        request->upgrades |= list_has(value, "websocket");
    } else if (websocket_is(name, "connection")) {
        request->connection_upgrades |= list_has(value, "upgrade");
    } else if (websocket_is(name, "transfer-encoding") ||
               (websocket_is(name, "content-length") && !is_exactly(value, "0"))) {
        return 413; /* what follows the head is frames */
    }
    return 0;
}

int websocket_parse(struct websocket_request *request, const char *head, size_t size)
{
    const char *at = head;
    const char *end = head + size;
    struct websocket_piece line;
    int status;

    memset(request, 0, sizeof *request);
    status = next_line(&at, end, &line) ? parse_first_line(request, line) : 400;
    while (status == 0) {
        if (!next_line(&at, end, &line)) {
            status = 400;
        } else if (line.size == 0) {
            break;
        } else {
            status = parse_field(request, line);
        }
    }
    return status != 0 ? status : request->host.size > 0 ? 0 : 400;
}

/* ---- what is asked for */

/* Base64 of 16 bytes: 22 letters, of which the last has four bits of nothing, and "==". */
static bool is_key(struct websocket_piece key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (key.size != WEBSOCKET_KEY || memcmp(key.data + 22, "==", 2) != 0) {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        if (memchr(letters, key.data[i], sizeof letters - 1) == NULL) {
            return false;
        }
    }
    return memchr("AQgw", key.data[21], 4) != NULL;
}

int websocket_check(const struct websocket_request *request)
{
    if (!request->upgrades || !request->connection_upgrades ||
        !is_exactly(request->version, "13")) {
        return 426;
    }
    return is_key(request->key) ? 101 : 400;
}

const char *websocket_refusal(int status)
{
    return status == 405 ? "Allow: GET\r\n"
           : status == 426
               ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               : "";
}

bool websocket_same_origin(const struct websocket_request *request)
{
    const struct websocket_piece *origin = &request->origin;
    size_t size = origin->size - request->host.size;
    struct websocket_piece scheme = {origin->data, size}; /* if there is one: of 7 or 8 bytes */

    return origin->size == 0 ||
           ((websocket_is(scheme, "http://") || websocket_is(scheme, "https://")) &&
            strncasecmp(origin->data + size, request->host.data, request->host.size) == 0);
}

int websocket_put_accept(eddy_writer *out, const struct websocket_request *request)
{
    char accept[WEBSOCKET_ACCEPT + 1];

    websocket_accept(request->key.data, accept);
    return eddy_writer_printf(out,
                              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                              accept);
}
