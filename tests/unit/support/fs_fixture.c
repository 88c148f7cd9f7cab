/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fs_fixture.h"

int fs_fixture_setup(void **state)
{
    struct fs_fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/test-fs-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->shared, sizeof(f->shared), "%s/shared", f->folder);
    assert_int_equal(mkdir(f->shared, 0755), 0);
    f->options = (struct fs_options){.timeout = 1};
    f->options.root = open(f->shared, O_PATH | O_DIRECTORY);
    f->fs = fs_new(&f->options);
    assert_non_null(f->fs);
    umask(0);
    f->uid = getuid();
    f->gid = getgid();
    *state = f;
    return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int fs_fixture_teardown(void **state)
{
    struct fs_fixture *f = *state;

    fs_free(f->fs);
    close(f->options.root);
    nftw(f->folder, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

void put(struct fs_fixture *f, const void *data, size_t len)
{
    memcpy(f->in + f->in_len, data, len);
    f->in_len += len;
}

void put_name(struct fs_fixture *f, const char *name)
{
    put(f, name, strlen(name) + 1);
}

/* Sends what was put, with `room` bytes for the reply. The error, or the reply's bytes. */
int ask_room(struct fs_fixture *f, uint32_t opcode, uint64_t node, size_t room)
{
    struct iovec out = {f->out, room};
    struct fs_request r = {
        .header = {.len = 40,
                   .opcode = opcode,
                   .unique = 77,
                   .nodeid = node,
                   .uid = f->uid,
                   .gid = f->gid},
        .args = f->in,
        .args_len = f->in_len,
        .out = &out,
        .out_count = 1,
        .out_bytes = room,
        .may_wait = !f->at_once,
    };
    struct fuse_out_header header;
    int error;

    f->in[f->in_len] = 0;
    f->in_len = 0;
    memset(f->out, 0xee, sizeof(f->out));
    error = fs_handle(f->fs, &r);
    if (f->at_once && error == -EAGAIN)
        return error;
    assert_int_equal(error, 0);
    if (!r.written)
        return 0;
    memcpy(&header, f->out, sizeof(header));
    assert_int_equal(header.unique, 77);
    assert_int_equal(header.len, r.written);
    assert_true(r.written <= room);
    assert_int_equal(f->out[r.written], 0xee); /* no byte more */
    return header.error ? header.error : (int)(header.len - sizeof(header));
}

int ask(struct fs_fixture *f, uint32_t opcode, uint64_t node)
{
    return ask_room(f, opcode, node, sizeof(f->out) - 1);
}

const void *reply(const struct fs_fixture *f)
{
    return f->out + sizeof(struct fuse_out_header);
}

void begin(struct fs_fixture *f)
{
    const struct fuse_init_in in = {.major = 7, .minor = 36, .flags = ~0u, .flags2 = ~0u};

    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_INIT, 0), sizeof(struct fuse_init_out));
}

void begin_anew(struct fs_fixture *f)
{
    fs_free(f->fs);
    f->options.epoch++;
    f->fs = fs_new(&f->options);
    assert_non_null(f->fs);
    begin(f);
}

uint64_t lookup(struct fs_fixture *f, uint64_t parent, const char *name)
{
    put_name(f, name);
    if (ask(f, FUSE_LOOKUP, parent) < 0)
        return 0;
    return ((const struct fuse_entry_out *)reply(f))->nodeid;
}

uint64_t make_dir(struct fs_fixture *f, uint64_t parent, const char *name)
{
    const struct fuse_mkdir_in in = {.mode = 0755};

    put(f, &in, sizeof(in));
    put_name(f, name);
    assert_int_equal(ask(f, FUSE_MKDIR, parent), sizeof(struct fuse_entry_out));
    return ((const struct fuse_entry_out *)reply(f))->nodeid;
}

uint64_t create(struct fs_fixture *f, uint64_t parent, const char *name, uint64_t *handle)
{
    const struct fuse_create_in in = {.flags = O_RDWR, .mode = 0644};
    const struct fuse_entry_out *entry = reply(f);

    put(f, &in, sizeof(in));
    put_name(f, name);
    assert_int_equal(ask(f, FUSE_CREATE, parent), sizeof(*entry) + sizeof(struct fuse_open_out));
    *handle = ((const struct fuse_open_out *)(entry + 1))->fh;
    return entry->nodeid;
}

void forget(struct fs_fixture *f, uint64_t node, uint64_t lookups)
{
    put(f, &(struct fuse_forget_in){.nlookup = lookups}, sizeof(struct fuse_forget_in));
    ask(f, FUSE_FORGET, node);
}

int attributes(struct fs_fixture *f, uint64_t node, struct fuse_attr *attr)
{
    int n;

    put(f, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
    n = ask(f, FUSE_GETATTR, node);
    if (n < 0)
        return n;
    assert_int_equal(n, sizeof(struct fuse_attr_out));
    *attr = ((const struct fuse_attr_out *)reply(f))->attr;
    return 0;
}

void release(struct fs_fixture *f, uint64_t node, uint64_t handle)
{
    put(f, &(struct fuse_release_in){.fh = handle}, sizeof(struct fuse_release_in));
    assert_int_equal(ask(f, FUSE_RELEASE, node), 0);
}

int open_node(struct fs_fixture *f, uint64_t node, uint32_t flags, uint64_t *handle)
{
    int n;

    put(f, &(struct fuse_open_in){.flags = flags}, sizeof(struct fuse_open_in));
    n = ask(f, FUSE_OPEN, node);
    if (n < 0)
        return n;
    *handle = ((const struct fuse_open_out *)reply(f))->fh;
    return 0;
}
