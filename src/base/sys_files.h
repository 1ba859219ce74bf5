/* The default table's calls that work on files, their names and directories. */
#ifndef EDDY_SRC_SYS_FILES_H
#define EDDY_SRC_SYS_FILES_H

#include "eddy/sys.h"

int eddy_sys_mkdir(const struct eddy_sys *sys, const char *path, mode_t mode);
int eddy_sys_rmdir(const struct eddy_sys *sys, const char *path);
ssize_t eddy_sys_pwrite(const struct eddy_sys *sys, int fd, const void *buffer, size_t size,
                        int64_t offset);
int eddy_sys_ftruncate(const struct eddy_sys *sys, int fd, int64_t size);
int eddy_sys_fdatasync(const struct eddy_sys *sys, int fd);
int eddy_sys_fstatat(const struct eddy_sys *sys, int fd, const char *path,
                     struct eddy_file_info *info, int flags);
ssize_t eddy_sys_getdents(const struct eddy_sys *sys, int fd, void *buffer, size_t size);
int eddy_sys_open(const struct eddy_sys *sys, const char *path, int flags, mode_t mode);
int eddy_sys_fstat(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode);
int eddy_sys_lstat(const struct eddy_sys *sys, const char *path, uint64_t *device, uint64_t *inode);
int eddy_sys_fchmod(const struct eddy_sys *sys, int fd, mode_t mode);
int eddy_sys_fsync(const struct eddy_sys *sys, int fd);
int eddy_sys_rename(const struct eddy_sys *sys, const char *from, const char *to);
int eddy_sys_unlink(const struct eddy_sys *sys, const char *path);
ssize_t eddy_sys_pread(const struct eddy_sys *sys, int fd, void *buffer, size_t size,
                       int64_t offset);
int eddy_sys_inotify_init(const struct eddy_sys *sys);
int eddy_sys_inotify_add_watch(const struct eddy_sys *sys, int fd, const char *path, uint32_t mask);
int eddy_sys_inotify_rm_watch(const struct eddy_sys *sys, int fd, int number);

#endif
