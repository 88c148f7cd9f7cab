/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/shorthand.h"

#include <stdlib.h>
#include <string.h>

const struct shorthand shorthands[] = {
    {"disk", SHORTHAND_REQUIRED, "virtio-blk,path=", "PATH[,PROPERTY=VALUE...]",
     "add a disk: --device virtio-blk,path=PATH"},
    {"net", SHORTHAND_REQUIRED, "virtio-net,backend=", "user|tap|socket[,PROPERTY=VALUE...]",
     "add a network device: --device virtio-net,backend=..."},
    {"share", SHORTHAND_REQUIRED, "virtio-fs,path=", "DIR,tag=TAG[,PROPERTY=VALUE...]",
     "share a folder: --device virtio-fs,path=DIR,tag=TAG"},
    {"vsock", SHORTHAND_REQUIRED, "virtio-vsock,", "cid=N,path=SOCKET",
     "add host-guest sockets: --device virtio-vsock,..."},
    {"console", SHORTHAND_REQUIRED, "virtio-console,chardev=", "stdio|pty|file:PATH|socket:PATH",
     "add a console: --device virtio-console,chardev=..."},
    {"rng", SHORTHAND_NONE, "virtio-rng", "", "add an entropy device: --device virtio-rng"},
    {"watchdog", SHORTHAND_OPTIONAL, "sp805", "[=PROPERTY=VALUE...]",
     "add a watchdog: --device sp805"},
    {"balloon", SHORTHAND_OPTIONAL, "virtio-balloon", "[=PROPERTY=VALUE...]",
     "add a memory balloon: --device virtio-balloon"},
    {0},
};

char *shorthand_device(const struct shorthand *shorthand, const char *value)
{
    const char *comma = shorthand->value == SHORTHAND_OPTIONAL && value ? "," : "";
    size_t size;
    char *spec;

    if (!value)
        value = "";
    size = strlen(shorthand->device) + strlen(comma) + strlen(value) + 1;
    spec = malloc(size);
    if (spec) {
        strcpy(spec, shorthand->device);
        strcat(spec, comma);
        strcat(spec, value);
    }
    return spec;
}
