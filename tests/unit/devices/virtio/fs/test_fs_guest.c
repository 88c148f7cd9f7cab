/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest's kernel builds on: appending, mappings, modes, and the needs of overlayfs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fs_fixture.h"

#define GUEST_O_DIRECT 0200000u /* on arm64 */

static const char *host_path(const struct fs_fixture *f, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->shared, name);
    return path;
}

static void host_has(const struct fs_fixture *f, const char *name, const char *text)
{
    char got[64] = "";
    int fd = open(host_path(f, name), O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, got, sizeof(got) - 1) >= 0);
    close(fd);
    assert_string_equal(got, text);
}

static void host_appends(const struct fs_fixture *f, const char *name, const char *text)
{
    int fd = open(host_path(f, name), O_WRONLY | O_APPEND);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int write_at(struct fs_fixture *f, uint64_t node, const struct fuse_write_in *in,
                    const char *text)
{
    struct iovec data = {(void *)(uintptr_t)text, strlen(text)};
    struct iovec out = {f->out, 64};
    struct fuse_write_in args = *in;
    struct fs_request r = {
        .header = {.len = (uint32_t)(80 + data.iov_len), .opcode = FUSE_WRITE, .nodeid = node},
        .args = (uint8_t *)&args,
        .args_len = sizeof(args),
        .data = &data,
        .data_count = 1,
        .out = &out,
        .out_count = 1,
        .out_bytes = 64,
        .may_wait = true,
    };

    args.size = (uint32_t)data.iov_len;
    assert_int_equal(fs_handle(f->fs, &r), 0);
    assert_int_equal(((const struct fuse_out_header *)(void *)f->out)->error, 0);
    return (int)((const struct fuse_write_out *)reply(f))->size;
}

/*
 * Appending
 */

static uint64_t create_to_append(struct fs_fixture *f, uint64_t *handle)
{
    const struct fuse_create_in in = {.flags = O_RDWR | O_APPEND, .mode = 0644};
    const struct fuse_entry_out *entry = reply(f);

    put(f, &in, sizeof(in));
    put_name(f, "a");
    assert_true(ask(f, FUSE_CREATE, FS_ROOT) > 0);
    *handle = ((const struct fuse_open_out *)(entry + 1))->fh;
    return entry->nodeid;
}

/* The driver writes a page of a shared mapping back by any handle that it has. */
static void pages_are_written_back_to_where_they_belong(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_write_in in = {0};
    uint64_t node, opened;

    begin(f);
    node = create_to_append(f, &in.fh);
    in.flags = O_RDWR | O_APPEND;
    assert_int_equal(write_at(f, node, &in, "0123456789"), 10);
    in.flags = 0;
    in.write_flags = FUSE_WRITE_CACHE;
    assert_int_equal(write_at(f, node, &in, "xxxxx"), 5);
    host_has(f, "a", "xxxxx56789");
    assert_int_equal(open_node(f, node, O_WRONLY | O_APPEND, &opened), 0);
    in.fh = opened;
    in.offset = 2;
    assert_int_equal(write_at(f, node, &in, "yy"), 2);
    host_has(f, "a", "xxyyx56789");
}

static void what_is_appended_goes_to_the_end_that_the_host_knows(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_write_in in = {.flags = O_RDWR | O_APPEND};
    uint64_t node;

    begin(f);
    node = create_to_append(f, &in.fh);
    assert_int_equal(write_at(f, node, &in, "guest"), 5);
    host_appends(f, "a", "host");
    in.offset = 5; /* what the driver takes for the end */
    assert_int_equal(write_at(f, node, &in, "again"), 5);
    host_has(f, "a", "guesthostagain");
    /* A program that clears O_APPEND writes where it says. */
    in.flags = O_RDWR;
    in.offset = 0;
    assert_int_equal(write_at(f, node, &in, "G"), 1);
    host_has(f, "a", "Guesthostagain");
}

/* Several threads may do parts of one large write at the same time. */
static void parts_of_a_direct_write_keep_their_order(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_write_in in = {.flags = O_RDWR | O_APPEND | GUEST_O_DIRECT, .offset = 4};
    uint64_t node;

    begin(f);
    node = create_to_append(f, &in.fh);
    assert_int_equal(write_at(f, node, &in, "5678"), 4);
    in.offset = 0;
    assert_int_equal(write_at(f, node, &in, "1234"), 4);
    host_has(f, "a", "12345678");
}

/*
 * INIT
 */

static uint32_t flags2(struct fs_fixture *f, uint32_t flags)
{
    const struct fuse_init_in in = {.major = 7, .minor = 36, .flags = flags, .flags2 = ~0u};

    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_INIT, 0), sizeof(struct fuse_init_out));
    return ((const struct fuse_init_out *)reply(f))->flags2;
}

static void files_without_cache_can_be_mapped_if_the_driver_can(void **state)
{
    struct fs_fixture *f = *state;

    assert_int_equal(flags2(f, ~0u), 0);
    f->fs->options.open_flags = FOPEN_DIRECT_IO;
    assert_int_equal(flags2(f, ~0u), 1u << 4); /* FUSE_DIRECT_IO_ALLOW_MMAP */
    assert_int_equal(flags2(f, ~(uint32_t)FUSE_INIT_EXT), 0);
}

/*
 * Modes
 */

static mode_t mode_of(const struct fs_fixture *f, const char *name)
{
    struct stat st;

    assert_int_equal(lstat(host_path(f, name), &st), 0);
    return st.st_mode & 07777;
}

/* As in a thread that may not have a umask of its own. */
static void modes_are_the_guests_under_any_umask(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_mknod_in file = {.mode = S_IFREG | 0666}, fifo = {.mode = S_IFIFO | 0622};
    const struct fuse_create_in create_in = {.flags = O_RDWR, .mode = 0777};

    begin(f);
    umask(077);
    make_dir(f, FS_ROOT, "dir");
    put(f, &file, sizeof(file));
    put_name(f, "file");
    assert_true(ask(f, FUSE_MKNOD, FS_ROOT) > 0);
    put(f, &fifo, sizeof(fifo));
    put_name(f, "fifo");
    assert_true(ask(f, FUSE_MKNOD, FS_ROOT) > 0);
    put(f, &create_in, sizeof(create_in));
    put_name(f, "created");
    assert_true(ask(f, FUSE_CREATE, FS_ROOT) > 0);
    umask(0);
    assert_int_equal(mode_of(f, "dir"), 0755);
    assert_int_equal(mode_of(f, "file"), 0666);
    assert_int_equal(mode_of(f, "fifo"), 0622);
    assert_int_equal(mode_of(f, "created"), 0777);
}

static void a_folder_in_a_set_group_id_folder_inherits_the_bit(void **state)
{
    struct fs_fixture *f = *state;

    begin(f);
    assert_int_equal(chmod(f->shared, 02755), 0);
    umask(077);
    make_dir(f, FS_ROOT, "dir");
    umask(0);
    assert_int_equal(mode_of(f, "dir"), 02755);
}

/*
 * What overlayfs asks of its upper file system
 */

static int set(struct fs_fixture *f, uint64_t node, const char *name, const char *value)
{
    const struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value)};

    put(f, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
    put_name(f, name);
    put(f, value, strlen(value));
    return ask(f, FUSE_SETXATTR, node);
}

/* -1: another value. */
static int get(struct fs_fixture *f, uint64_t node, const char *name, const char *value)
{
    int n;

    put(f, &(struct fuse_getxattr_in){.size = 100}, sizeof(struct fuse_getxattr_in));
    put_name(f, name);
    n = ask(f, FUSE_GETXATTR, node);
    if (n < 0)
        return n;
    return n == (int)strlen(value) && memcmp(reply(f), value, (size_t)n) == 0 ? 0 : -1;
}

static bool lists(struct fs_fixture *f, uint64_t node, const char *name)
{
    const char *names = reply(f);
    int n;

    put(f, &(struct fuse_getxattr_in){.size = 4096}, sizeof(struct fuse_getxattr_in));
    n = ask(f, FUSE_LISTXATTR, node);
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1)
        if (strcmp(names + at, name) == 0)
            return true;
    return false;
}

static void trusted_attributes_are_kept_under_another_name(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t dir;
    char value[8];

    begin(f);
    f->uid = 0;
    dir = make_dir(f, FS_ROOT, "dir");
    if (set(f, dir, "user.mine", "u") == -EOPNOTSUPP)
        skip();
    assert_int_equal(set(f, dir, "trusted.overlay.opaque", "y"), 0);
    assert_int_equal(get(f, dir, "trusted.overlay.opaque", "y"), 0);
    assert_int_equal(
        getxattr(host_path(f, "dir"), "user.virtiofs.trusted.overlay.opaque", value, sizeof(value)),
        1);
    assert_true(getxattr(host_path(f, "dir"), "trusted.overlay.opaque", value, 8) < 0);
    assert_true(lists(f, dir, "trusted.overlay.opaque"));
    assert_true(lists(f, dir, "user.mine"));
    assert_false(lists(f, dir, "user.virtiofs.trusted.overlay.opaque"));
    f->uid = 1000;
    assert_false(lists(f, dir, "trusted.overlay.opaque"));
    assert_true(lists(f, dir, "user.mine"));
    put_name(f, "trusted.overlay.opaque");
    assert_int_equal(ask(f, FUSE_REMOVEXATTR, dir), 0);
    assert_int_equal(get(f, dir, "trusted.overlay.opaque", "y"), -ENODATA);
}

/* Any user of the guest may set user.*: by that name it would be trusted.*. */
static void a_user_cannot_forge_trusted_attributes(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t dir;

    begin(f);
    dir = make_dir(f, FS_ROOT, "dir");
    assert_int_equal(set(f, dir, "user.virtiofs.trusted.overlay.opaque", "y"), -EOPNOTSUPP);
    assert_int_equal(set(f, dir, "security.capability", "y"), -EOPNOTSUPP);
    put_name(f, "user.virtiofs.trusted.overlay.opaque");
    assert_int_equal(ask(f, FUSE_REMOVEXATTR, dir), -EOPNOTSUPP);
}

static void a_link_has_trusted_attributes_where_the_host_lets_it(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t link;

    begin(f);
    f->uid = 0;
    put_name(f, "link");
    put_name(f, "nowhere");
    assert_true(ask(f, FUSE_SYMLINK, FS_ROOT) > 0);
    link = ((const struct fuse_entry_out *)reply(f))->nodeid;
    assert_int_equal(set(f, link, "user.mine", "u"), -EOPNOTSUPP);
    assert_int_equal(set(f, link, "trusted.overlay.origin", "o"), 0); /* stored or dropped */
    if (set(f, link, "trusted.overlay.other", "o") == 0) {
        assert_int_equal(get(f, link, "trusted.overlay.origin", "o"), 0);
        assert_true(lists(f, link, "trusted.overlay.origin"));
        assert_false(lists(f, link, "trusted.virtiofs.overlay.origin"));
    } else {
        assert_int_equal(set(f, link, "trusted.overlay.other", "o"), -EOPNOTSUPP);
    }
}

static void a_rename_can_leave_a_whiteout(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_rename2_in in = {.newdir = FS_ROOT, .flags = RENAME_WHITEOUT};
    struct stat st;
    uint64_t node, handle;

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    put(f, &in, sizeof(in));
    put_name(f, "a");
    put_name(f, "b");
    assert_int_equal(ask(f, FUSE_RENAME2, FS_ROOT), 0);
    assert_int_equal(lstat(host_path(f, "a"), &st), 0);
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
    assert_int_equal(lookup(f, FS_ROOT, "b"), node);
    while (fs_node_close_oldest(f->fs))
        ;
    assert_int_equal(attributes(f, node, &(struct fuse_attr){0}), 0);
}

static void a_whiteout_can_be_made(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_mknod_in in = {.mode = S_IFCHR, .rdev = 0};
    struct stat st;

    begin(f);
    put(f, &in, sizeof(in));
    put_name(f, "w");
    if (ask(f, FUSE_MKNOD, FS_ROOT) == -EPERM)
        skip(); /* an ordinary user before Linux 5.8 */
    assert_int_equal(lstat(host_path(f, "w"), &st), 0);
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
}

static void a_file_without_a_name_can_get_one(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_create_in in = {.flags = O_RDWR, .mode = 0640};
    const struct fuse_entry_out *entry = reply(f);
    struct fuse_write_in write_in = {0};
    struct fuse_link_in link_in = {0};
    int n;

    begin(f);
    put(f, &in, sizeof(in));
    put_name(f, "/");
    n = ask(f, FUSE_TMPFILE, FS_ROOT);
    if (n == -EOPNOTSUPP)
        skip();
    assert_int_equal(n, sizeof(*entry) + sizeof(struct fuse_open_out));
    assert_int_equal(entry->attr.nlink, 0);
    link_in.oldnodeid = entry->nodeid;
    write_in.fh = ((const struct fuse_open_out *)(entry + 1))->fh;
    while (fs_node_close_oldest(f->fs))
        ;
    assert_int_equal(write_at(f, link_in.oldnodeid, &write_in, "text"), 4);
    put(f, &link_in, sizeof(link_in));
    put_name(f, "named");
    assert_int_equal(ask(f, FUSE_LINK, FS_ROOT), sizeof(*entry));
    assert_int_equal(entry->nodeid, link_in.oldnodeid);
    host_has(f, "named", "text");
    assert_int_equal(mode_of(f, "named"), 0640);
    /* Now it can be closed and opened again. */
    while (fs_node_close_oldest(f->fs))
        ;
    assert_int_equal(attributes(f, link_in.oldnodeid, &(struct fuse_attr){0}), 0);
}

static void a_file_without_a_name_is_made_in_a_folder(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_create_in in = {.flags = O_RDWR, .mode = 0640};
    uint64_t node, handle;

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_TMPFILE, node), -ENOTDIR);
    f->fs->options.read_only = true;
    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_TMPFILE, FS_ROOT), -EROFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(pages_are_written_back_to_where_they_belong),
        FS_TEST(what_is_appended_goes_to_the_end_that_the_host_knows),
        FS_TEST(parts_of_a_direct_write_keep_their_order),
        FS_TEST(files_without_cache_can_be_mapped_if_the_driver_can),
        FS_TEST(modes_are_the_guests_under_any_umask),
        FS_TEST(a_folder_in_a_set_group_id_folder_inherits_the_bit),
        FS_TEST(trusted_attributes_are_kept_under_another_name),
        FS_TEST(a_user_cannot_forge_trusted_attributes),
        FS_TEST(a_link_has_trusted_attributes_where_the_host_lets_it),
        FS_TEST(a_rename_can_leave_a_whiteout),
        FS_TEST(a_whiteout_can_be_made),
        FS_TEST(a_file_without_a_name_can_get_one),
        FS_TEST(a_file_without_a_name_is_made_in_a_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
