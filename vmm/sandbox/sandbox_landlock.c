/* SPDX-License-Identifier: BSD-2-Clause */
/* Landlock by its system calls: the C library has none, and older headers lack the newer rights. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox_internal.h"

/* Rights and fields that came after the first version: Linux, include/uapi/linux/landlock.h. */
#define FS_REFER        (1ull << 13) /* version 2 */
#define FS_TRUNCATE     (1ull << 14) /* 3 */
#define FS_IOCTL_DEV    (1ull << 15) /* 5 */
#define NET_BIND_TCP    (1ull << 0)  /* 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT  (1ull << 0) /* 6 */
#define RULE_NET_PORT   2

struct ruleset {
    uint64_t fs, net, scoped;
};

struct net_port {
    uint64_t allowed, port;
};

#define FS_READ  ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR))
#define FS_WRITE ((uint64_t)LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_CHANGE                                                                \
    ((uint64_t)(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
                LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |     \
                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |     \
                LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |   \
                LANDLOCK_ACCESS_FS_MAKE_SYM) |                                   \
     FS_REFER)
/* Those that mean something for what is no folder. */
#define FS_OF_FILE                                                          \
    ((uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
                LANDLOCK_ACCESS_FS_WRITE_FILE) |                            \
     FS_TRUNCATE | FS_IOCTL_DEV)

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

int landlock_new(struct landlock *landlock, bool tcp, bool abstract)
{
    int version = landlock_version();
    struct ruleset rules = {.fs = (1ull << 13) - 1};

    rules.fs |= (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
                (version >= 5 ? FS_IOCTL_DEV : 0);
    rules.net = version >= 4 && !tcp ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
    rules.scoped = version >= 6 && !abstract ? SCOPE_ABSTRACT : 0;
    landlock->handled = rules.fs;
    /* A kernel refuses bytes that it does not know only if they are not 0. */
    landlock->fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    return landlock->fd < 0 ? -errno : 0;
}

int landlock_allow(const struct landlock *landlock, int fd, unsigned access)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = fd};
    uint64_t rights = 0;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    rights |= access & LANDLOCK_READ ? FS_READ : 0;
    rights |= access & LANDLOCK_WRITE ? FS_WRITE : 0;
    rights |= access & LANDLOCK_CHANGE ? FS_CHANGE : 0;
    rights |= access & LANDLOCK_EXECUTE ? (uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : 0;
    if (!S_ISDIR(st.st_mode))
        rights &= FS_OF_FILE;
    rule.allowed_access = rights & landlock->handled;
    return syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
               ? -errno
               : 0;
}

int landlock_allow_path(const struct landlock *landlock, const char *path, unsigned access)
{
    int fd = open(path, O_PATH | O_CLOEXEC), error;

    if (fd < 0)
        return -errno;
    error = landlock_allow(landlock, fd, access);
    close(fd);
    return error;
}

int landlock_allow_listen(const struct landlock *landlock, uint16_t port)
{
    const struct net_port rule = {.allowed = NET_BIND_TCP, .port = port};

    return syscall(SYS_landlock_add_rule, landlock->fd, RULE_NET_PORT, &rule, 0) < 0 ? -errno : 0;
}
