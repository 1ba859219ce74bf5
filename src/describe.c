#include "describe.h"

#include <stdio.h>
#include <string.h>

#include "address.h"
#include "loop_internal.h"

/* ---- time */

static void two_units(char text[EDDY_DURATION_TEXT], int64_t count, int64_t base, const char *large,
                      const char *small)
{
    snprintf(text, EDDY_DURATION_TEXT, "%lld %s %02d %s", (long long)(count / base), large,
             (int)(count % base), small);
}

void eddy_describe_duration(char text[EDDY_DURATION_TEXT], int64_t duration)
{
    int64_t milliseconds = duration / EDDY_MILLISECOND;
    int64_t minutes = duration / (60 * EDDY_SECOND);

    if (duration == EDDY_FOREVER) {
        snprintf(text, EDDY_DURATION_TEXT, "for ever");
    } else if (milliseconds < 1000) {
        snprintf(text, EDDY_DURATION_TEXT, "%d ms", milliseconds > 0 ? (int)milliseconds : 0);
    } else if (minutes < 1) {
        snprintf(text, EDDY_DURATION_TEXT, "%d.%d s", (int)(milliseconds / 1000),
                 (int)(milliseconds / 100 % 10));
    } else if (minutes < 60) {
        two_units(text, duration / EDDY_SECOND, 60, "min", "s");
    } else if (minutes < 48 * 60) {
        two_units(text, minutes, 60, "h", "min");
    } else {
        two_units(text, minutes / 60, 24, "d", "h");
    }
}

int64_t eddy_describe_now(const eddy_loop *loop)
{
    return eddy_loop_peek_clock(loop);
}

void eddy_describe_left(const eddy_loop *loop, int64_t deadline, char *text, size_t size)
{
    int64_t now = eddy_describe_now(loop);
    char left[EDDY_DURATION_TEXT];

    eddy_describe_duration(left, deadline == EDDY_FOREVER ? EDDY_FOREVER : deadline - now);
    if (deadline == EDDY_FOREVER) {
        snprintf(text, size, "%s", left);
    } else {
        snprintf(text, size, deadline > now ? "%s left" : "due", left);
    }
}

/* ---- fds */

/* A stream socket that has no peer and does not listen is on its way to one: of whom its own address
 * says nothing, but the kernel knows. */
static int address_of(const struct eddy_sys *sys, int fd, struct eddy_address *address)
{
    struct sockaddr *raw = (struct sockaddr *)&address->storage;
    int type = 0;
    int listens = 0;
    socklen_t size = sizeof type;
    int result = sys->getsockname(sys, fd, raw, &address->size);

    if (result < 0 || sys->getsockopt(sys, fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        sys->getsockopt(sys, fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) {
        return -ENOTCONN;
    }
    return type == SOCK_STREAM && listens == 0
               ? sys->getsockopt(sys, fd, SOL_SOCKET, SO_PEERNAME, raw, &address->size)
               : 0;
}

void eddy_describe_fd(eddy_loop *loop, int fd, char *text, size_t size)
{
    const struct eddy_sys *sys = loop->sys;
    struct eddy_address address = {.size = sizeof address.storage};
    struct sockaddr *raw = (struct sockaddr *)&address.storage;
    char name[EDDY_ADDRESS_TEXT];
    int result = sys->getpeername(sys, fd, raw, &address.size);

    if (result < 0) {
        address.size = sizeof address.storage;
        result = address_of(sys, fd, &address);
    }
    if (result < 0 || !eddy_address_format(&address, name, sizeof name)) {
        snprintf(text, size, "fd %d", fd);
    } else {
        snprintf(text, size, "fd %d (%s)", fd, name);
    }
}
