/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE server on a folder in /tmp, without a guest: requests as a driver makes them. */
#pragma once

#include "devices/virtio/fs/fs_internal.h"

struct fs_fixture {
    struct fs_options options;
    struct fs *fs;
    char folder[40], shared[64];
    uint8_t in[70000], out[70000];
    size_t in_len;
    uint32_t uid, gid;
    bool at_once; /* a request that would have to wait returns -EAGAIN */
};

int fs_fixture_setup(void **state);
int fs_fixture_teardown(void **state);

#define FS_TEST(name) cmocka_unit_test_setup_teardown(name, fs_fixture_setup, fs_fixture_teardown)

void put(struct fs_fixture *f, const void *data, size_t len);
void put_name(struct fs_fixture *f, const char *name);

/* Sends what was put, with `room` bytes for the reply. The error, or the reply's bytes. */
int ask_room(struct fs_fixture *f, uint32_t opcode, uint64_t node, size_t room);
int ask(struct fs_fixture *f, uint32_t opcode, uint64_t node);
const void *reply(const struct fs_fixture *f);

void begin(struct fs_fixture *f);
void begin_anew(struct fs_fixture *f); /* as another mount, or another process, does */
uint64_t lookup(struct fs_fixture *f, uint64_t parent, const char *name); /* 0: an error */
uint64_t make_dir(struct fs_fixture *f, uint64_t parent, const char *name);
uint64_t create(struct fs_fixture *f, uint64_t parent, const char *name, uint64_t *handle);
void forget(struct fs_fixture *f, uint64_t node, uint64_t lookups);
/* 0 or the error of the reply. */
int attributes(struct fs_fixture *f, uint64_t node, struct fuse_attr *attr);
int open_node(struct fs_fixture *f, uint64_t node, uint32_t flags, uint64_t *handle);
void release(struct fs_fixture *f, uint64_t node, uint64_t handle);
