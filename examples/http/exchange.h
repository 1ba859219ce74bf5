/* A request and what it is answered with. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdio.h>
#include <time.h>

#include <eddy.h>

#include "request.h"

/* What all clients share. */
struct site {
    int root;
    int head_time;
    bool draining;
    FILE *log;  /* NULL: none */
    time_t now; /* of the date below */
    char date[40];
    void *tls; /* an SSL_CTX; NULL: none */
};

struct exchange {
    struct site *site;
    eddy_writer *out;
    struct request request;
    int status;
    int64_t sent; /* bytes of the answer's body, for the log */
};

/* The head of an answer; `fields` are more lines, each with its end. length < 0: the body comes in chunks. As
 * eddy_writer_put, like the next two. */
int put_head(struct exchange *exchange, const char *fields, int64_t length);

/* An answer without a file: its reason is its body. */
int put_status(struct exchange *exchange, int status, const char *fields);

int put_hello(struct exchange *exchange);

/* A line in the log, if there is one. */
void log_exchange(const struct exchange *exchange, const char *peer);

#endif
