/* The making of a child process. */
#ifndef EDDY_SRC_SPAWN_H
#define EDDY_SRC_SPAWN_H

#include "eddy/sys.h"

/* Where libc's headers are older than the kernel. */
enum { EDDY_P_PIDFD = 3, EDDY_PIDFD_SIGNAL_GROUP = 4 };

/* struct eddy_sys.spawn */
int eddy_sys_spawn(const struct eddy_sys *sys, struct eddy_sys_spawn *spawn);

#endif
