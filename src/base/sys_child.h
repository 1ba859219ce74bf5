/* What struct eddy_sys has of child processes, as the default table has it. */
#ifndef EDDY_SRC_SYS_CHILD_H
#define EDDY_SRC_SYS_CHILD_H

#include "base/spawn.h"

int eddy_sys_pipe(const struct eddy_sys *sys, int ends[2]);
int eddy_sys_waitid(const struct eddy_sys *sys, int kind, int id, int options,
                    struct eddy_waited *waited);
int eddy_sys_pidfd_open(const struct eddy_sys *sys, pid_t pid);
int eddy_sys_pidfd_send_signal(const struct eddy_sys *sys, int pidfd, int signal, unsigned flags);
int eddy_sys_kill(const struct eddy_sys *sys, pid_t pid, int signal);

#endif
