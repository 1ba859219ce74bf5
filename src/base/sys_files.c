/*
 * The part of the default table (sys.c) that works on files, their names and directories. Sizes
 * and offsets have 64 bits on every machine, in the table and in the calls (_FILE_OFFSET_BITS).
 */
#include "base/sys_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int checked(int result)
{
    return result < 0 ? -errno : result;
}

static ssize_t checked_size(ssize_t result)
{
    return result < 0 ? -errno : result;
}

int eddy_sys_mkdir(const struct eddy_sys *sys, const char *path, mode_t mode)
{
    (void)sys;
    return checked(mkdir(path, mode));
}

int eddy_sys_rmdir(const struct eddy_sys *sys, const char *path)
{
    (void)sys;
    return checked(rmdir(path));
}

ssize_t eddy_sys_pwrite(const struct eddy_sys *sys, int fd, const void *buffer, size_t size,
                        int64_t offset)
{
    (void)sys;
    return checked_size(pwrite(fd, buffer, size, offset));
}

int eddy_sys_ftruncate(const struct eddy_sys *sys, int fd, int64_t size)
{
    (void)sys;
    return checked(ftruncate(fd, size));
}

int eddy_sys_fdatasync(const struct eddy_sys *sys, int fd)
{
    (void)sys;
    return checked(fdatasync(fd));
}

int eddy_sys_fstatat(const struct eddy_sys *sys, int fd, const char *path,
                     struct eddy_file_info *info, int flags)
{
    struct stat status;
    int result = checked(fstatat(fd, path, &status, flags));

    (void)sys;
    if (result == 0) {
        info->size = status.st_size;
        info->modified = (int64_t)status.st_mtim.tv_sec * EDDY_SECOND + status.st_mtim.tv_nsec;
        info->device = status.st_dev;
        info->inode = status.st_ino;
        info->mode = status.st_mode;
    }
    return result;
}

/* By number: glibc has the function only since 2.30, musl by another name. */
ssize_t eddy_sys_getdents(const struct eddy_sys *sys, int fd, void *buffer, size_t size)
{
    (void)sys;
    return checked_size(syscall(SYS_getdents64, fd, buffer, size));
}

int eddy_sys_open(const struct eddy_sys *sys, const char *path, int flags, mode_t mode)
{
    (void)sys;
    return checked(open(path, flags, mode));
}

int eddy_sys_fstat(const struct eddy_sys *sys, int fd, int64_t *size, mode_t *mode)
{
    struct stat status;
    int result = checked(fstat(fd, &status));

    (void)sys;
    if (result == 0) {
        *size = status.st_size;
        *mode = status.st_mode;
    }
    return result;
}

int eddy_sys_lstat(const struct eddy_sys *sys, const char *path, uint64_t *device, uint64_t *inode)
{
    struct stat status;
    int result = checked(lstat(path, &status));

    (void)sys;
    if (result == 0) {
        *device = status.st_dev;
        *inode = status.st_ino;
    }
    return result;
}

int eddy_sys_fchmod(const struct eddy_sys *sys, int fd, mode_t mode)
{
    (void)sys;
    return checked(fchmod(fd, mode));
}

int eddy_sys_fsync(const struct eddy_sys *sys, int fd)
{
    (void)sys;
    return checked(fsync(fd));
}

int eddy_sys_rename(const struct eddy_sys *sys, const char *from, const char *to)
{
    (void)sys;
    return checked(rename(from, to));
}

int eddy_sys_unlink(const struct eddy_sys *sys, const char *path)
{
    (void)sys;
    return checked(unlink(path));
}

ssize_t eddy_sys_pread(const struct eddy_sys *sys, int fd, void *buffer, size_t size,
                       int64_t offset)
{
    (void)sys;
    return checked_size(pread(fd, buffer, size, (off_t)offset));
}

int eddy_sys_inotify_init(const struct eddy_sys *sys)
{
    (void)sys;
    return checked(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

int eddy_sys_inotify_add_watch(const struct eddy_sys *sys, int fd, const char *path, uint32_t mask)
{
    (void)sys;
    return checked(inotify_add_watch(fd, path, mask));
}

int eddy_sys_inotify_rm_watch(const struct eddy_sys *sys, int fd, int number)
{
    (void)sys;
    return checked(inotify_rm_watch(fd, number));
}
