/*
 * The head of a request, strictly: RFC 9112 lets a server forgive much (bare line feeds, spaces, several lengths), and each
 * such thing has let somebody past a proxy that understood it otherwise. Here it is 400.
 *
 *     first line    METHOD SP target SP HTTP/1.x CRLF
 *     fields        name ":" OWS value OWS CRLF       name: letters, digits, some marks; value: no control characters
 *     the body      none of both: 0; Content-Length once, or several that agree; or Transfer-Encoding: chunked
 */
#include "request.h"

#include <string.h>
#include <strings.h>

bool piece_is(struct piece piece, const char *word)
{
    return strlen(word) == piece.size && strncasecmp(piece.data, word, piece.size) == 0;
}

int64_t piece_number(struct piece piece)
{
    int64_t value = 0;

    if (piece.size == 0 || piece.size > 18) {
        return -1;
    }
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.data[i] < '0' || piece.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (piece.data[i] - '0');
    }
    return value;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int64_t chunk_size(struct piece line)
{
    int64_t value = 0;
    size_t i;

    for (i = 0; i < line.size && hex_digit(line.data[i]) >= 0; i++) {
        if (i == 15) {
            return -1;
        }
        value = value * 16 + hex_digit(line.data[i]);
    }
    for (size_t j = i; j < line.size; j++) { /* an extension is skipped, but must be text */
        if (((unsigned char)line.data[j] < ' ' && line.data[j] != '\t') || line.data[j] == 0x7f) {
            return -1;
        }
    }
    return i > 0 && (i == line.size || line.data[i] == ';') ? value : -1;
}

bool target_path(struct piece target, char *path, size_t size)
{
    size_t used = 0;
    size_t segment = 0; /* where it begins in `path` */

    for (size_t i = 1; i <= target.size; i++) {
        char c = i < target.size ? target.data[i] : '\0';
        bool end = i == target.size || c == '?' || c == '#';
        if (end || c == '/') {
            size_t length = used - segment;
            if ((length == 1 && path[segment] == '.') ||
                (length == 2 && memcmp(path + segment, "..", 2) == 0)) {
                return false;
            }
            if (end) {
                break;
            }
            segment = used + 1;
        } else if (c == '%') {
            int high = i + 2 < target.size ? hex_digit(target.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(target.data[i + 2]) : -1;
            c = (char)(high * 16 + low);
            if (low < 0 || c == '\0' || c == '/') {
                return false;
            }
            i += 2;
        }
        if (used + 1 >= size || (c == '/' && (used == 0 || path[used - 1] == '/'))) {
            return false;
        }
        path[used++] = c;
    }
    path[used] = '\0';
    return target.size > 0 && target.data[0] == '/';
}

/* ---- the head */

static bool is_name(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* The next line without its CRLF; NULL data: it has a bare CR or LF in it. */
static struct piece next_line(const char **at, const char *end)
{
    const char *begin = *at;
    const char *feed = memchr(begin, '\n', (size_t)(end - begin));
    struct piece line = {begin, 0};

    if (feed == NULL || feed == begin || feed[-1] != '\r' ||
        memchr(begin, '\r', (size_t)(feed - begin)) != feed - 1) {
        line.data = NULL;
        return line;
    }
    line.size = (size_t)(feed - 1 - begin);
    *at = feed + 1;
    return line;
}

static int parse_first_line(struct request *request, struct piece line, bool *is_1_1)
{
    const char *end = line.data + line.size;
    const char *space = memchr(line.data, ' ', line.size);
    const char *second = space != NULL ? memchr(space + 1, ' ', (size_t)(end - space - 1)) : NULL;
    struct piece method, version;

    if (second == NULL || memchr(second + 1, ' ', (size_t)(end - second - 1)) != NULL) {
        return 400;
    }
    method = (struct piece){line.data, (size_t)(space - line.data)};
    request->target = (struct piece){space + 1, (size_t)(second - space - 1)};
    version = (struct piece){second + 1, (size_t)(end - second - 1)};
    for (size_t i = 0; i < line.size; i++) {
        if ((unsigned char)line.data[i] < ' ' || line.data[i] == 0x7f) {
            return 400;
        }
    }
    *is_1_1 = version.size == 8 && memcmp(version.data, "HTTP/1.1", 8) == 0;
    if (!*is_1_1 && !(version.size == 8 && memcmp(version.data, "HTTP/1.0", 8) == 0)) {
        return version.size == 8 && memcmp(version.data, "HTTP/", 5) == 0 ? 505 : 400;
    }
    request->method = method.size == 3 && memcmp(method.data, "GET", 3) == 0    ? METHOD_GET
                      : method.size == 4 && memcmp(method.data, "HEAD", 4) == 0 ? METHOD_HEAD
                      : method.size == 4 && memcmp(method.data, "POST", 4) == 0 ? METHOD_POST
                                                                                : METHOD_OTHER;
    return method.size > 0 && request->target.size > 0 ? 0 : 400;
}

struct seen {
    bool is_1_1, length, encoding, host;
};

static int note_length(struct request *request, struct piece value, struct seen *seen)
{
    int64_t length = piece_number(value);

    if (length < 0 || (seen->length && length != request->length)) {
        return 400;
    }
    seen->length = true;
    request->length = length;
    return 0;
}

static int note_field(struct request *request, struct piece name, struct piece value,
                      struct seen *seen)
{
    if (piece_is(name, "content-length")) {
        return note_length(request, value, seen);
    }
    if (piece_is(name, "transfer-encoding")) {
        bool again = seen->encoding;
        seen->encoding = true;
        request->chunked = true;
        return again || !seen->is_1_1 ? 400 : piece_is(value, "chunked") ? 0 : 501;
    }
    if (piece_is(name, "host")) {
        bool again = seen->host;
        seen->host = true;
        return again ? 400 : 0;
    }
    if (piece_is(name, "connection")) {
        request->keeps_alive = piece_is(value, "close")        ? false
                               : piece_is(value, "keep-alive") ? true
                                                               : request->keeps_alive;
    } else if (piece_is(name, "expect")) {
        request->expects_continue = piece_is(value, "100-continue");
        return request->expects_continue ? 0 : 417;
    } else if (piece_is(name, "range")) {
        request->range = value;
    } else if (piece_is(name, "if-range")) {
        request->if_range = value;
    } else if (piece_is(name, "if-none-match")) {
        request->if_none_match = value;
    }
    return 0;
}

static int parse_field(struct request *request, struct piece line, struct seen *seen)
{
    const char *colon = memchr(line.data, ':', line.size);
    struct piece name = {line.data, colon != NULL ? (size_t)(colon - line.data) : 0};
    struct piece value;

    if (name.size == 0) {
        return 400;
    }
    for (size_t i = 0; i < name.size;
         i++) { /* also a space before the colon, or at the line's begin */
        if (!is_name((unsigned char)name.data[i])) {
            return 400;
        }
    }
    value = (struct piece){colon + 1, line.size - name.size - 1};
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return 400;
        }
    }
    while (value.size > 0 && (*value.data == ' ' || *value.data == '\t')) {
        value.data++;
        value.size--;
    }
    while (value.size > 0 &&
           (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t')) {
        value.size--;
    }
    return note_field(request, name, value, seen);
}

int request_parse(struct request *request, const char *head, size_t size, int64_t longest_body)
{
    const char *at = head;
    struct seen seen = {0};
    struct piece line;
    int status;

    memset(request, 0, sizeof *request);
    line = next_line(&at, head + size);
    status = line.data != NULL ? parse_first_line(request, line, &seen.is_1_1) : 400;
    request->line = line;
    request->keeps_alive = seen.is_1_1;
    request->is_1_0 = status == 0 && !seen.is_1_1;
    while (status == 0) {
        line = next_line(&at, head + size);
        if (line.data == NULL) {
            status = 400;
        } else if (line.size == 0) {
            break;
        } else {
            status = parse_field(request, line, &seen);
        }
    }
    if (status == 0 && ((seen.encoding && seen.length) || (seen.is_1_1 && !seen.host))) {
        status = 400;
    }
    return status != 0 ? status : request->length > longest_body ? 413 : 0;
}
