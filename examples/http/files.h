/* What a GET of a file is answered with. */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <sys/types.h>

#include "request.h"

struct file {
    int fd; /* -1: none; the caller closes it */
    off_t size;
    const char *type;
    char etag[40];
    char modified[40];
    /* What of it is to be sent: all, or a range. */
    off_t offset, count;
};

/* Opens the file that a request asks for, below the folder `root`. The status: 200; 206: a range; 304: the client has it;
 * 403, 404; 416: no such range; 500. Only with 200 and 206 the file is open. */
int file_open(struct file *file, int root, const struct request *request);

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void http_date(char *text, size_t size, time_t time);

#endif
