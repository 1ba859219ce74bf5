/* System calls that raise SIGPIPE where nobody can ask them not to, made so that nobody gets it. */
#ifndef EDDY_SRC_SYS_SIGPIPE_H
#define EDDY_SRC_SYS_SIGPIPE_H

#include "eddy/sys.h"

ssize_t eddy_sys_writev_masked(const struct eddy_sys *sys, int fd, const struct iovec *pieces,
                               int count);
ssize_t eddy_sys_sendfile(const struct eddy_sys *sys, int to, int from, int64_t offset,
                          size_t size);

#endif
