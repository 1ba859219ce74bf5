/*
 * RESP: "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", or a line of words for people. A command is parsed where it lies: nothing is
 * copied, and nothing is kept of one that is not all there but how many bytes it needs at least.
 */
#include "resp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A number up to "\r\n", at `at`: where it ends; NULL: it is not all there, or (*bad) is none. */
static char *number(char *at, const char *end, long long *value, bool *bad)
{
    bool negative = at < end && *at == '-';
    long long result = 0;

    at += negative;
    while (at < end && *at >= '0' && *at <= '9' && result <= LONGEST_BULK * 2LL) {
        result = result * 10 + (*at++ - '0');
    }
    if (end - at < 2) {
        *bad = end - at == 1 && *at != '\r';
        return NULL;
    }
    *bad = at[0] != '\r' || at[1] != '\n';
    *value = negative ? -result : result;
    return *bad ? NULL : at + 2;
}

static int64_t parse_line(char *data, size_t size, struct command *command, size_t *wanted)
{
    char *end = memchr(data, '\n', size);
    char *at = data;

    if (end == NULL) {
        *wanted = size + 1;
        return size > LONGEST_INLINE ? -EBADMSG : 0;
    }
    command->count = 0;
    while (at < end) {
        char *begin = at += strspn(at, " \t\r");
        at += strcspn(at, " \t\r\n");
        if (at == begin) {
            break;
        }
        if (command->count == MOST_ARGUMENTS) {
            return -EBADMSG;
        }
        command->arguments[command->count++] = (struct bytes){begin, (size_t)(at - begin)};
    }
    return end + 1 - data;
}

int64_t resp_parse(char *data, size_t size, struct command *command, size_t *wanted)
{
    char *end = data + size;
    char *at = data + 1;
    long long count, length;
    bool bad = false;

    *wanted = size + 1;
    if (size == 0 || *data != '*') {
        return size == 0 ? 0 : parse_line(data, size, command, wanted);
    }
    at = number(at, end, &count, &bad);
    if (at == NULL) {
        return bad ? -EBADMSG : 0;
    }
    if (count > MOST_ARGUMENTS) {
        return -EBADMSG;
    }
    command->count = count > 0 ? (int)count : 0;
    for (int i = 0; i < command->count; i++) {
        if (at == end) {
            return 0;
        }
        if (*at != '$') {
            return -EBADMSG;
        }
        at = number(at + 1, end, &length, &bad);
        if (at == NULL || length < 0 || length > LONGEST_BULK) {
            return bad || at != NULL ? -EBADMSG : 0;
        }
        if (end - at < length + 2) {
            *wanted = (size_t)(at - data) + (size_t)length + 2;
            return 0;
        }
        command->arguments[i] = (struct bytes){at, (size_t)length};
        at += length + 2;
    }
    return at - data;
}

/* ---- replies */

void reply_raw(struct reply *reply, const char *data, size_t size)
{
    int result = reply->error == 0 ? eddy_writer_put(reply->writer, data, size) : 0;

    if (result < 0) {
        reply->error = result;
    }
}

static void put_text(struct reply *reply, char kind, const char *text)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%c%.500s\r\n", kind, text);

    for (int i = 0; i < length - 2;
         i++) { /* what a client has sent must not look like another reply */
        line[i] = (unsigned char)line[i] < ' ' ? '?' : line[i];
    }
    reply_raw(reply, line, (size_t)length);
}

void reply_text(struct reply *reply, const char *text)
{
    put_text(reply, '+', text);
}

void reply_error(struct reply *reply, const char *text)
{
    put_text(reply, '-', text);
}

/* snprintf would be a third of what a short reply costs. */
static char *write_number(char *end, int64_t value)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do {
        *--end = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--end = '-';
    }
    return end;
}

static void put_number(struct reply *reply, char kind, int64_t value)
{
    char line[32];
    char *end = line + sizeof line - 2;
    char *begin = write_number(end, value);

    memcpy(end, "\r\n", 2);
    *--begin = kind;
    reply_raw(reply, begin, (size_t)(end + 2 - begin));
}

void reply_integer(struct reply *reply, int64_t value)
{
    put_number(reply, ':', value);
}

/* A short one is one put. */
void reply_bulk(struct reply *reply, const char *data, size_t size)
{
    char whole[256];
    char *at = whole + 32;
    char *begin;

    if (size > sizeof whole - 40) {
        put_number(reply, '$', (int64_t)size);
        reply_raw(reply, data, size);
        reply_raw(reply, "\r\n", 2);
        return;
    }
    begin = write_number(at - 2, (int64_t)size);
    *--begin = '$';
    memcpy(at - 2, "\r\n", 2);
    memcpy(at, data, size);
    memcpy(at + size, "\r\n", 2);
    reply_raw(reply, begin, (size_t)(at + size + 2 - begin));
}

void reply_null(struct reply *reply)
{
    const char *text = reply->version == 3 ? "_\r\n" : "$-1\r\n";

    reply_raw(reply, text, strlen(text));
}

void reply_null_array(struct reply *reply)
{
    const char *text = reply->version == 3 ? "_\r\n" : "*-1\r\n";

    reply_raw(reply, text, strlen(text));
}

void reply_array(struct reply *reply, size_t count)
{
    put_number(reply, '*', (int64_t)count);
}

void reply_map(struct reply *reply, size_t pairs)
{
    put_number(reply, reply->version == 3 ? '%' : '*',
               (int64_t)(reply->version == 3 ? pairs : 2 * pairs));
}

void reply_push(struct reply *reply, size_t count)
{
    put_number(reply, reply->version == 3 ? '>' : '*', (int64_t)count);
}
