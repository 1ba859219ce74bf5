/*
 * Files below a folder. A target is decoded once, and refused if it could leave the folder; a file that is no regular one
 * (a folder, a pipe, which would not end) is not found.
 *
 * open(2) and fstat(2) are called on the loop's thread: of a local disk they are mostly answered from memory. Who serves a
 * network's disk opens files on a worker (eddy_offload).
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void http_date(char *text, size_t size, time_t time)
{
    struct tm parts;

    strftime(text, size, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&time, &parts));
}

static const char *type_of(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css"},
                 {".js", "text/javascript"},
                 {".txt", "text/plain; charset=utf-8"},
                 {".json", "application/json"},
                 {".png", "image/png"},
                 {".jpg", "image/jpeg"},
                 {".svg", "image/svg+xml"}};
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t end = strlen(types[i].end);
        if (length >= end && strcmp(path + length - end, types[i].end) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

/* "bytes=0-499", "bytes=500-", "bytes=-500"; of anything else (several ranges, another unit) all is sent, as RFC 9110
 * allows. The status. */
static int take_range(struct file *file, struct piece range)
{
    const char *dash;
    struct piece first, last;
    int64_t begin, end;

    if (range.size < 7 || memcmp(range.data, "bytes=", 6) != 0 ||
        (dash = memchr(range.data, '-', range.size)) == NULL) {
        return 200;
    }
    first = (struct piece){range.data + 6, (size_t)(dash - range.data) - 6};
    last = (struct piece){dash + 1, range.size - (size_t)(dash + 1 - range.data)};
    begin = piece_number(first);
    end = piece_number(last);
    if ((first.size > 0 && begin < 0) || (last.size > 0 && end < 0) || (begin < 0 && end < 0) ||
        (begin >= 0 && end >= 0 && end < begin)) {
        return 200;
    }
    if (begin < 0) { /* the last bytes */
        begin = end < file->size ? file->size - end : 0;
        end = file->size - 1;
    }
    if (begin >= file->size) {
        return 416;
    }
    file->offset = (off_t)begin;
    file->count = (off_t)((end < 0 || end >= file->size ? file->size - 1 : end) - begin + 1);
    return 206;
}

static int close_with(struct file *file, int status)
{
    close(file->fd);
    file->fd = -1;
    return status;
}

int file_open(struct file *file, int root, const struct request *request)
{
    char path[1024];
    struct stat status;
    int result;
    size_t length;

    file->fd = -1;
    if (!target_path(request->target, path, sizeof path - sizeof "index.html")) {
        return 404;
    }
    length = strlen(path);
    if (length == 0 || path[length - 1] == '/') {
        strcpy(path + length, "index.html");
    }
    file->fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) {
        return errno == EACCES ? 403
               : errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP
                   ? 404
                   : 500;
    }
    if (fstat(file->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        return close_with(file, 404);
    }
    file->size = status.st_size;
    file->type = type_of(path);
    file->offset = 0;
    file->count = file->size;
    http_date(file->modified, sizeof file->modified, status.st_mtime);
    snprintf(file->etag, sizeof file->etag, "\"%llx-%llx\"",
             (unsigned long long)status.st_mtim.tv_sec * 1000000000u +
                 (unsigned long long)status.st_mtim.tv_nsec,
             (unsigned long long)file->size);
    if (piece_is(request->if_none_match, file->etag) || piece_is(request->if_none_match, "*")) {
        return close_with(file, 304);
    }
    result = request->range.size > 0 &&
                     (request->if_range.size == 0 || piece_is(request->if_range, file->etag))
                 ? take_range(file, request->range)
                 : 200;
    return result == 416 ? close_with(file, 416) : result;
}
