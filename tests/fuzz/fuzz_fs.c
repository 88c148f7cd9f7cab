/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared folder: requests of any kind on a folder in a folder of /tmp. What is beside
 * the shared one must be as it was.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/plugin_fuzzer.h"

static char folder[64], shared[80], beside[80];

const struct plugin_host_property plugin_fuzzer_properties[] = {
    {"path", shared}, {"tag", "fuzz"}, {0}};

static void put(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, "as it was", 9) != 9)
        abort();
    close(fd);
}

void plugin_fuzzer_begin(struct rv_instance *host)
{
    char name[100];

    snprintf(folder, sizeof(folder), "/tmp/fuzz-fs-%d", (int)getpid());
    snprintf(shared, sizeof(shared), "%s/shared", folder);
    snprintf(beside, sizeof(beside), "%s/beside", folder);
    mkdir(folder, 0755);
    mkdir(shared, 0755);
    put(beside);
    snprintf(name, sizeof(name), "%s/a", shared);
    put(name);
    snprintf(name, sizeof(name), "%s/l", shared);
    if (symlink("../beside", name) < 0)
        abort();
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

void plugin_fuzzer_end(struct rv_instance *host)
{
    char text[16] = "";
    struct stat st;
    int fd = open(beside, O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof(text)) != 9 || strcmp(text, "as it was") != 0 ||
        fstat(fd, &st) < 0 || st.st_nlink != 1 || (st.st_mode & 07777) != 0644 ||
        entries(folder) != 4)
        abort();
    close(fd);
    nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* Mostly as long as it says, of an operation that is there, about the root. */
void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
    struct fuse_in_header in;

    if (queue > 1 || size < sizeof(in) || data[0] & 0x80)
        return;
    memcpy(&in, data, sizeof(in));
    in.len = (uint32_t)size;
    in.opcode %= 52;
    in.nodeid &= 7;
    in.uid = in.gid = 0;
    if (in.opcode == FUSE_INIT && size >= sizeof(in) + 16) {
        const uint32_t init[4] = {7, 36, 4096, ~0u};

        memcpy(data + sizeof(in), init, sizeof(init));
    }
    /* Not a device of this machine's, nor a file that fills it. */
    if (in.opcode == FUSE_MKNOD || in.opcode == FUSE_FALLOCATE || in.opcode == FUSE_SETATTR ||
        in.opcode == FUSE_COPY_FILE_RANGE)
        memset(data + sizeof(in), 0, size - sizeof(in) < 48 ? size - sizeof(in) : 48);
    memcpy(data, &in, sizeof(in));
}

/* What threads have done is told. */
void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    usleep(200);
    plugin_host_turn(host, 1000);
}
