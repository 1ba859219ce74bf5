/*
 * Answers, and their lines in the log.
 *
 * An answer is put into the client's writer and leaves with all that its turn has made: pipelined requests are answered by
 * one system call. Nothing of a request goes into a head or into the log as it came: a line break in it would make two lines
 * of one.
 */
#include "exchange.h"

#include <errno.h>
#include <string.h>

#include "files.h"

enum { LONGEST_FIELDS = 512 };

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {206, "Partial Content"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {413, "Content Too Large"},
                   {416, "Range Not Satisfiable"},
                   {417, "Expectation Failed"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "?";
}

/* One text a second, however many answers. */
static const char *date(struct site *site)
{
    time_t now = time(NULL);

    if (now != site->now) {
        site->now = now;
        http_date(site->date, sizeof site->date, now);
    }
    return site->date;
}

static char *add(char *at, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, text, size);
    return at + size;
}

static char *add_number(char *at, int64_t number)
{
    char digits[24];
    char *first = digits + sizeof digits - 1;

    *first = '\0';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return add(at, first);
}

/* Put together by hand: by printf it was a twentieth of the time of a short answer. */
int put_head(struct exchange *exchange, const char *fields, int64_t length)
{
    char head[256 + LONGEST_FIELDS];
    char *at = head;

    if (strlen(fields) > LONGEST_FIELDS) {
        return -EMSGSIZE;
    }
    at = add_number(add(at, "HTTP/1.1 "), exchange->status);
    at = add(add(at, " "), reason(exchange->status));
    at = add(add(at, "\r\nServer: eddy\r\nDate: "), date(exchange->site));
    if (exchange->status != 304 && length < 0) {
        at = add(at, "\r\nTransfer-Encoding: chunked");
    } else if (exchange->status != 304) {
        at = add_number(add(at, "\r\nContent-Length: "), length);
    }
    at = add(add(at, "\r\n"), fields);
    if (!exchange->request.keeps_alive) {
        at = add(at, "Connection: close\r\n");
    } else if (exchange->request.is_1_0) {
        at = add(at, "Connection: keep-alive\r\n");
    }
    at = add(at, "\r\n");
    return eddy_writer_put(exchange->out, head, (size_t)(at - head));
}

int put_status(struct exchange *exchange, int status, const char *fields)
{
    char body[64];
    int length = snprintf(body, sizeof body, "%d %s\n", status, reason(status));
    int result;

    exchange->status = status;
    if (status == 304) {
        return put_head(exchange, fields, 0);
    }
    result = put_head(exchange, fields, length);
    if (result < 0 || exchange->request.method == METHOD_HEAD) {
        return result;
    }
    exchange->sent = length;
    return eddy_writer_put(exchange->out, body, (size_t)length);
}

int put_hello(struct exchange *exchange)
{
    int result;

    exchange->status = 200;
    result = put_head(exchange, "Content-Type: text/plain\r\n", 6);
    if (result < 0 || exchange->request.method == METHOD_HEAD) {
        return result;
    }
    exchange->sent = 6;
    return eddy_writer_put(exchange->out, "hello\n", 6);
}

void log_exchange(const struct exchange *exchange, const char *peer)
{
    const struct piece *line = &exchange->request.line;
    FILE *log = exchange->site->log;

    if (log == NULL) {
        return;
    }
    fprintf(log, "%s [%s] \"", peer, date(exchange->site));
    for (size_t i = 0; i < line->size;
         i++) { /* what a client sends must not make lines of its own */
        unsigned char c = (unsigned char)line->data[i];
        fputc(c >= ' ' && c < 0x7f && c != '"' ? c : '?', log);
    }
    fprintf(log, "\" %d %lld\n", exchange->status, (long long)exchange->sent);
}
