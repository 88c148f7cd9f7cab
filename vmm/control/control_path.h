/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the sockets of control interfaces are, for those who listen and for those who connect. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_SUFFIX ".sock"

/* Behind the path of a control socket: the socket of the VM's keeper, for `vmm upgrade`. */
#define CONTROL_KEEPER_SUFFIX ".keeper"

/* May a VM of this name have a socket? 1 to 64 of A-Z a-z 0-9 '.' '_' '-', the first a letter or digit. */
bool control_name_valid(const char *name);

/*
 * The folder: $RINGVISOR_RUN_DIR, or /run/ringvisor of root, or $XDG_RUNTIME_DIR/ringvisor. 0;
 * -ENXIO: this user has none (CONTROL_NO_FOLDER says what to do); -ENAMETOOLONG. No message.
 */
#define CONTROL_NO_FOLDER                                                                        \
    "neither RINGVISOR_RUN_DIR nor XDG_RUNTIME_DIR says where the control sockets are: set one " \
    "of "                                                                                        \
    "them to the absolute path of a folder"
int control_folder(char *path, size_t size);

/* Makes the folder, if need be. 0; -EPERM: it is another user's, or others can write there; -errno. */
int control_make_folder(const char *path);

/* FOLDER/NAME.sock, whether it exists or not. As control_folder(). */
int control_path(const char *name, char *path, size_t size);
