/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware by name: where Debian and others install it. */
#pragma once

struct firmware_files {
    const char *code;
    const char *vars; /* what its variables are at first; NULL: it has no template */
};

/*
 * `name` is "edk2", "u-boot", or a file, which is taken as it is. `root` is put before the
 * installed paths: "" but in tests. 0; -ENOENT after a message that names the package.
 */
int firmware_find(const char *root, const char *name, struct firmware_files *files);
