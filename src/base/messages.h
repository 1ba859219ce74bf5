/* Messages of sockets, as the table of system calls has them. */
#ifndef EDDY_SRC_MESSAGES_H
#define EDDY_SRC_MESSAGES_H

#include "eddy/sys.h"

ssize_t eddy_sys_sendmsg(const struct eddy_sys *sys, int fd, const struct msghdr *message,
                         int flags);
ssize_t eddy_sys_recvmsg(const struct eddy_sys *sys, int fd, struct msghdr *message, int flags);
int eddy_sys_sendmmsg(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                      int flags);
int eddy_sys_recvmmsg(const struct eddy_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                      int flags);

#endif
