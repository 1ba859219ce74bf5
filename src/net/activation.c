/*
 * Sockets that the process was started with: the protocol of sd_listen_fds(3).
 *
 *     LISTEN_PID       for whom they are: a child that has inherited the environment is not meant
 *     LISTEN_FDS       how many there are, from fd 3 on
 *     LISTEN_FDNAMES   their names, with colons in between; absent: each is called "unknown"
 *
 * A value that is no number is an error and not "none": whoever has set it meant something, and a server
 * that silently binds sockets of its own instead fails in ways that are hard to find.
 */
#include "eddy/activation.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop_internal.h"

enum { FIRST_FD = 3 };

/* A number of digits alone, at most `most`; -EINVAL. */
static int64_t parse(const char *text, int64_t most)
{
    int64_t number = 0;

    for (const char *digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return -EINVAL;
        }
        number = number * 10 + (*digit - '0');
        if (number > most) {
            return -EINVAL;
        }
    }
    return text[0] != '\0' ? number : -EINVAL;
}

/* How many were handed over to this process. */
static int64_t count_fds(const struct eddy_sys *sys)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    int64_t number = pid != NULL ? parse(pid, INT_MAX) : 0;

    if (pid == NULL || fds == NULL || number < 0 || number != sys->getpid(sys)) {
        return number < 0 ? number : 0;
    }
    return parse(fds, INT_MAX - FIRST_FD);
}

/* Whether there are as many names as fds. */
static bool names_each(const char *names, int64_t count)
{
    int64_t named = 1;

    for (const char *colon = strchr(names, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        named++;
    }
    return named == count;
}

/* The next of the names, which end at a colon; whether it is that one. */
static bool next_is(const char **names, const char *name)
{
    size_t length = strcspn(*names, ":");
    bool is = strlen(name) == length && strncmp(*names, name, length) == 0;

    *names += length + ((*names)[length] == ':');
    return is;
}

int eddy_listen_fds(eddy_loop *loop, const char *name, int *fds, int most)
{
    const struct eddy_sys *sys = loop->sys;
    const char *names = getenv("LISTEN_FDNAMES");
    int64_t count = count_fds(sys);
    int found = 0;

    if (count > 0 && names != NULL && !names_each(names, count)) {
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        const char *unknown = "unknown";
        int result = sys->fcntl(sys, FIRST_FD + i, F_SETFD, FD_CLOEXEC);
        if (result < 0) {
            return result;
        }
        if (name == NULL || next_is(names != NULL ? &names : &unknown, name)) {
            if (found < most) {
                fds[found] = FIRST_FD + i;
            }
            found++;
        }
    }
    return count < 0 ? (int)count : found;
}

void eddy_listen_fds_forget(void)
{
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}
