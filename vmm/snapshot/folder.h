/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot's folder while it is written: under another name, so that it is whole or not there. */
#pragma once

struct snapshot_folder {
    char *path;   /* what it is to be */
    char *making; /* its name until then */
    int fd;       /* -1: not made yet */
};

/* Nothing is made yet. 0 or -ENOMEM; folder_free() is due in any case. */
int folder_init(struct snapshot_folder *folder, const char *path);

/* 0 or -errno; then folder_finish() or folder_remove() is due. */
int folder_make(struct snapshot_folder *folder);

/* It gets its name, on stable storage. 0 or -errno: there is something of this name, for example. */
int folder_finish(struct snapshot_folder *folder);

/* With all files in it. */
void folder_remove(struct snapshot_folder *folder);

void folder_free(struct snapshot_folder *folder); /* leaves what is there */
