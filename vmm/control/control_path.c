/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/control/control_path.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LENGTH_MAX 64u

bool control_name_valid(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        if (!isascii(name[i]) || !(isalnum((unsigned char)name[i]) || strchr("._-", name[i])))
            return false;
    }
    return len > 0 && len <= NAME_LENGTH_MAX && isalnum((unsigned char)name[0]);
}

int control_folder(char *path, size_t size)
{
    const char *folder = getenv("RINGVISOR_RUN_DIR"), *below = "";
    int len;

    if (!folder || !*folder) {
        folder = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
        below = "/ringvisor";
    }
    if (!folder || folder[0] != '/')
        return -ENXIO;
    len = snprintf(path, size, "%s%s", folder, below);
    return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int control_make_folder(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    if (stat(path, &st))
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

int control_path(const char *name, char *path, size_t size)
{
    char folder[PATH_MAX];
    int error = control_folder(folder, sizeof(folder));
    int len;

    if (error)
        return error;
    len = snprintf(path, size, "%s/%s" CONTROL_SUFFIX, folder, name);
    return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
