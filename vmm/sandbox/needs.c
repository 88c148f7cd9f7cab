/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sandbox/needs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct sandbox_needs needs;
static bool begun, ended;

void sandbox_needs_begin(void)
{
    begun = true;
}

void sandbox_need(unsigned more)
{
    needs.needs |= more;
}

int sandbox_need_path(const char *path, enum sandbox_access access)
{
    int fd;

    if (!begun)
        return 0;
    if (needs.nr_paths == SANDBOX_PATHS_MAX)
        return -ENOSPC;
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    needs.paths[needs.nr_paths++] = (struct sandbox_path){.fd = fd, .access = access};
    needs.needs |= SANDBOX_FILES;
    return 0;
}

void sandbox_need_child(pid_t pid)
{
    if (needs.nr_children < SANDBOX_CHILDREN_MAX)
        needs.children[needs.nr_children++] = pid;
}

bool sandbox_allows(unsigned need)
{
    return !ended || (needs.needs & need) == need;
}

struct sandbox_needs *sandbox_needs(void)
{
    return &needs;
}

void sandbox_needs_end(void)
{
    for (unsigned i = 0; i < needs.nr_paths; i++)
        close(needs.paths[i].fd);
    needs.nr_paths = 0;
    begun = false;
    ended = true;
}
