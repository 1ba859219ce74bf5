/*
 * Messages of sockets, one or many with a call, for the table of system calls (sys.c).
 *
 * None raises SIGPIPE. glibc and musl differ in whether the flags of many are signed.
 */
#include "base/messages.h"

#ifdef __GLIBC__
typedef int mmsg_flags;
#else
typedef unsigned mmsg_flags;
#endif

ssize_t eddy_sys_sendmsg(const struct eddy_sys *sys, int fd, const struct msghdr *message,
                         int flags)
{
    ssize_t sent = sendmsg(fd, message, flags | MSG_NOSIGNAL);

    (void)sys;
    return sent < 0 ? -errno : sent;
}

ssize_t eddy_sys_recvmsg(const struct eddy_sys *sys, int fd, struct msghdr *message, int flags)
{
    ssize_t received = recvmsg(fd, message, flags);

    (void)sys;
    return received < 0 ? -errno : received;
}

int eddy_sys_sendmmsg(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                      int flags)
{
    int sent = sendmmsg(fd, messages, count, (mmsg_flags)(flags | MSG_NOSIGNAL));

    (void)sys;
    return sent < 0 ? -errno : sent;
}

int eddy_sys_recvmmsg(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                      int flags)
{
    int received = recvmmsg(fd, messages, count, (mmsg_flags)flags, NULL);

    (void)sys;
    return received < 0 ? -errno : received;
}
