/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/firmware_files.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/util/log.h"

#define PLACES_MAX 4u

static const struct {
    const char *name;
    const char *package; /* Debian's */
    struct firmware_files places[PLACES_MAX];
} known[] = {
    {"edk2",
     "qemu-efi-aarch64",
     {{"/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
      {"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
      {"/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
       "/usr/share/edk2/aarch64/vars-template-pflash.raw"}}},
    {"u-boot", "u-boot-qemu", {{"/usr/lib/u-boot/qemu_arm64/u-boot.bin", NULL}}},
};

static int exists(const char *root, const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof(full), "%s%s", root, path);

    return length > 0 && (size_t)length < sizeof(full) && access(full, R_OK) == 0;
}

int firmware_find(const char *root, const char *name, struct firmware_files *files)
{
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        for (unsigned j = 0; j < PLACES_MAX && known[i].places[j].code; j++) {
            *files = known[i].places[j];
            if (exists(root, files->code) && (!files->vars || exists(root, files->vars)))
                return 0;
        }
        log_error("firmware '%s' is not installed: install the package %s, or give its file by "
                  "--firmware FILE",
                  name, known[i].package);
        return -ENOENT;
    }
    *files = (struct firmware_files){.code = name};
    return 0;
}
