/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/format.h"

#include "vmm/disk/disk.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "vmm/util/log.h"

#define HEAD_SIZE 4096u /* and aligned so: the descriptor may be O_DIRECT */

static const struct disk_format formats[] = {
    {.name = "raw"}, /* and all other extensions */
    {.name = "qcow2", .driver = "qcow2", .extensions = {"qcow2", "qcow", "qcow3"}},
    {.name = "qed", .driver = "qed", .extensions = {"qed"}},
    {.name = "vdi", .driver = "vdi", .extensions = {"vdi"}},
    {.name = "vhdx", .driver = "vhdx", .extensions = {"vhdx"}},
    {.name = "vmdk", .driver = "vmdk", .extensions = {"vmdk"}},
    {.name = "vpc", .driver = "vpc", .extensions = {"vhd", "vpc"}},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static const struct {
    const char *format;
    unsigned offset;
    unsigned size;
    const char *bytes;
} magics[] = {
    {"qcow2", 0, 4, "QFI\xfb"},
    {"qed", 0, 4, "QED"},
    {"vdi", 64, 4, "\x7f\x10\xda\xbe"},
    {"vhdx", 0, 8, "vhdxfile"},
    {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},
    {"vmdk", 0, 21, "# Disk DescriptorFile"},
    {"vpc", 0, 8, "conectix"},
};

static const struct disk_format *by_name(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    return NULL;
}

static const struct disk_format *by_extension(const char *path)
{
    const char *base = strrchr(path, '/');
    const char *dot = strrchr(base ? base : path, '.');

    for (size_t i = 0; dot && i < FORMATS; i++) {
        for (size_t j = 0; j < 4 && formats[i].extensions[j]; j++) {
            if (strcasecmp(formats[i].extensions[j], dot + 1) == 0)
                return &formats[i];
        }
    }
    return &formats[0];
}

static const struct disk_format *by_content(const char *head, size_t size)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (magics[i].offset + magics[i].size <= size &&
            memcmp(head + magics[i].offset, magics[i].bytes, magics[i].size) == 0)
            return by_name(magics[i].format);
    }
    return &formats[0];
}

bool disk_format_is_foreign(const void *head, size_t size)
{
    return by_content(head, size) != &formats[0];
}

int disk_format_find(const char *path, int fd, const char *wanted, bool is_block,
                     const struct disk_format **format)
{
    const struct disk_format *named, *contained;
    _Alignas(HEAD_SIZE) char head[HEAD_SIZE];
    ssize_t n;

    if (wanted && strcmp(wanted, "auto") != 0) {
        *format = by_name(wanted);
        if (*format)
            return 0;
        log_error("disk '%s': format '%s' is not known; it can be " DISK_FORMAT_HELP, path, wanted);
        return -EINVAL;
    }
    n = pread(fd, head, sizeof(head), 0);
    if (n < 0) {
        log_error("disk '%s': %s", path, strerror(errno));
        return -EIO;
    }
    named = is_block ? &formats[0] : by_extension(path);
    contained = by_content(head, (size_t)n);
    if (named != contained) {
        log_error("disk '%s': %s says that this is a %s image, its content %s; say which with "
                  "format=%s or format=%s (a guest may have written what is in a raw image)",
                  path, is_block ? "a block device" : "the name", named->name, contained->name,
                  named->name, contained->name);
        return -EINVAL;
    }
    *format = named;
    return 0;
}

bool disk_format_is_uri(const char *path)
{
    static const char *const schemes[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncmp(path, schemes[i], strlen(schemes[i])) == 0)
            return true;
    }
    return false;
}
