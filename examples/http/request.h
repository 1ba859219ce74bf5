/* A request of HTTP/1.1 (RFC 9112), as its head says. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
    const char *data;
    size_t size;
};

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

/* The pieces lie in the head that was parsed. A field that is missing has size 0. */
struct request {
    struct piece line; /* the first, for the log */
    enum method method;
    struct piece target;
    bool keeps_alive;
    bool is_1_0; /* who wants to be told that it does */
    bool expects_continue;
    bool chunked;   /* its body; else: */
    int64_t length; /* of the body; 0 if there is none */
    struct piece range, if_range, if_none_match;
};

/* Parses a head, up to and with its empty line. 0, or the status with which it is to be refused: 400, 413, 417, 501, 505.
 * Whatever two programs could understand differently is refused: that is how requests are smuggled. */
int request_parse(struct request *request, const char *head, size_t size, int64_t longest_body);

/* Whether a piece is that word, whatever the case. */
bool piece_is(struct piece piece, const char *word);

/* A number of digits alone; -1: it is none, or too large. */
int64_t piece_number(struct piece piece);

/* The size in the first line of a chunk, "1f;name=value"; -1: it is none. */
int64_t chunk_size(struct piece line);

/* Decodes the path of a target, which begins with '/', into `path`, relative ("a/b"), without %XX and query. False: it is
 * none, or does not fit, or would leave the root ("..", a zero byte). */
bool target_path(struct piece target, char *path, size_t size);

#endif
