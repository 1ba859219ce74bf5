/* The protocol of Redis, RESP2 and RESP3: what a client sends, and how replies are written. */
#ifndef REDIS_RESP_H
#define REDIS_RESP_H

#include <stddef.h>
#include <stdint.h>

#include <eddy.h>

enum { MOST_ARGUMENTS = 1024, LONGEST_INLINE = 64 * 1024, LONGEST_BULK = 64 * 1024 * 1024 };

struct bytes {
    char *data;
    size_t size;
};

/* A command: its name and its arguments, which lie in the buffer that was parsed. */
struct command {
    int count;
    struct bytes arguments[MOST_ARGUMENTS];
};

/* Parses one command from the front of a buffer. Returns how many bytes it took; 0: it is not all there, and with
 * *wanted bytes there may be more of it; -EBADMSG: it is none. An empty line is a command of no arguments. */
int64_t resp_parse(char *data, size_t size, struct command *command, size_t *wanted);

/* Replies. Each puts a whole one; what the writer says (its limit, the end of the stream) is noted by it, and ends the
 * client at its next await. */
struct reply {
    eddy_writer *writer;
    int version; /* 2 or 3 */
    int error;   /* the first of the writer's, or 0 */
};

void reply_raw(struct reply *reply, const char *data, size_t size);
void reply_text(struct reply *reply, const char *text);  /* +OK */
void reply_error(struct reply *reply, const char *text); /* -ERR ... */
void reply_integer(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, const char *data, size_t size);
void reply_null(struct reply *reply);
void reply_null_array(struct reply *reply);
void reply_array(struct reply *reply, size_t count); /* that many replies follow */
void reply_map(struct reply *reply, size_t pairs);   /* twice as many; of version 2 an array */
void reply_push(struct reply *reply, size_t count);  /* not asked for: of version 2 an array */

#endif
