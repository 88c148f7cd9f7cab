/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE server, without a guest: requests that a driver makes, and those that none would. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fs_fixture.h"

static void nothing_goes_before_init(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_init_in old = {.major = 7, .minor = 30}, other = {.major = 8};

    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_LOOKUP, FS_ROOT), -EIO);
    put(f, &old, sizeof(old));
    assert_int_equal(ask(f, FUSE_INIT, 0), -EPROTO);
    put(f, &other, sizeof(other));
    assert_int_equal(ask(f, FUSE_INIT, 0), sizeof(struct fuse_init_out));
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_LOOKUP, FS_ROOT), -EIO);
    begin(f);
    assert_int_equal(lookup(f, FS_ROOT, "a"), 0);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    static const char *const names[] = {"..", ".", "", "a/b", "/", "/etc", "../x", "a/../b", "x/"};
    struct fs_fixture *f = *state;
    char secret[64];

    begin(f);
    make_dir(f, FS_ROOT, "a");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put_name(f, names[i]);
        assert_int_equal(ask(f, FUSE_LOOKUP, FS_ROOT), -EINVAL);
        put_name(f, names[i]);
        assert_int_equal(ask(f, FUSE_UNLINK, FS_ROOT), -EINVAL);
        put(f, &(struct fuse_mkdir_in){.mode = 0755}, sizeof(struct fuse_mkdir_in));
        put_name(f, names[i]);
        assert_int_equal(ask(f, FUSE_MKDIR, FS_ROOT), -EINVAL);
        put(f, &(struct fuse_rename_in){.newdir = FS_ROOT}, sizeof(struct fuse_rename_in));
        put_name(f, "a");
        put_name(f, names[i]);
        assert_int_equal(ask(f, FUSE_RENAME, FS_ROOT), -EINVAL);
    }
    /* A link is a thing of its own, not what it leads to. */
    snprintf(secret, sizeof(secret), "%s/secret", f->folder);
    close(open(secret, O_CREAT | O_WRONLY, 0600));
    put_name(f, "link");
    put_name(f, "../secret");
    assert_int_equal(ask(f, FUSE_SYMLINK, FS_ROOT), sizeof(struct fuse_entry_out));
    assert_true(S_ISLNK(((const struct fuse_entry_out *)reply(f))->attr.mode));
    {
        uint64_t link = lookup(f, FS_ROOT, "link");

        put(f, &(struct fuse_open_in){.flags = O_RDONLY}, sizeof(struct fuse_open_in));
        assert_int_equal(ask(f, FUSE_OPEN, link), -EINVAL);
        put_name(f, "x");
        assert_int_equal(ask(f, FUSE_LOOKUP, link), -ENOTDIR);
    }
}

static void names_without_an_end_are_refused(void **state)
{
    static const uint32_t operations[] = {FUSE_LOOKUP, FUSE_UNLINK, FUSE_RMDIR, FUSE_REMOVEXATTR};
    struct fs_fixture *f = *state;
    char longest[300];

    begin(f);
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        put(f, "abc", 3);
        assert_int_equal(ask(f, operations[i], FS_ROOT), -EINVAL);
        assert_int_equal(ask(f, operations[i], FS_ROOT), -EINVAL); /* nothing at all */
    }
    put_name(f, "one");
    put(f, "two", 3);
    assert_int_equal(ask(f, FUSE_SYMLINK, FS_ROOT), -EINVAL);
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    put_name(f, longest);
    assert_int_equal(ask(f, FUSE_LOOKUP, FS_ROOT), -ENAMETOOLONG);
}

/* Each operation with no arguments, for nodes and handles that are nobody's. */
static void forged_numbers_reach_nothing(void **state)
{
    static const uint64_t nodes[] = {0,          2,          3,           FS_ROOT | 1ull << 32,
                                     UINT64_MAX, 1ull << 32, FS_NODES_MAX};
    struct fs_fixture *f = *state;

    begin(f);
    for (uint32_t opcode = 0; opcode < 70; opcode++) {
        if (opcode == FUSE_INIT)
            continue;
        for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
            assert_true(ask(f, opcode, nodes[i]) <= 0);
            memset(f->in, 0xff, 200);
            f->in_len = 200;
            assert_true(ask(f, opcode, nodes[i]) <= 0);
            memset(f->in, 0, 200);
            strcpy((char *)f->in + 100, "name");
            f->in_len = 200;
            assert_true(ask(f, opcode, nodes[i]) <= 0);
        }
    }
    assert_int_equal(lookup(f, FS_ROOT, "name"), 0);
}

static void forgotten_nodes_and_closed_files_are_stale(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t handle, node;
    struct fuse_read_in read = {.size = 10};

    begin(f);
    node = create(f, FS_ROOT, "file", &handle);
    read.fh = handle;
    put(f, &read, sizeof(read));
    assert_int_equal(ask(f, FUSE_READ, node), 0);
    put(f, &(struct fuse_release_in){.fh = handle}, sizeof(struct fuse_release_in));
    assert_int_equal(ask(f, FUSE_RELEASE, node), 0);
    put(f, &read, sizeof(read));
    assert_int_equal(ask(f, FUSE_READ, node), -EBADF);
    put(f, &(struct fuse_release_in){.fh = handle}, sizeof(struct fuse_release_in));
    assert_int_equal(ask(f, FUSE_RELEASE, node), 0);    /* twice: nothing more */
    assert_int_equal(lookup(f, FS_ROOT, "file"), node); /* the same node, one more lookup */
    put(f, &(struct fuse_forget_in){.nlookup = 1}, sizeof(struct fuse_forget_in));
    ask(f, FUSE_FORGET, node);
    put(f, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
    assert_int_equal(ask(f, FUSE_GETATTR, node), sizeof(struct fuse_attr_out));
    put(f, &(struct fuse_forget_in){.nlookup = UINT64_MAX}, sizeof(struct fuse_forget_in));
    ask(f, FUSE_FORGET, node);
    put(f, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
    assert_int_equal(ask(f, FUSE_GETATTR, node), -ESTALE);
    assert_int_not_equal(lookup(f, FS_ROOT, "file"), node);
    /* The root is never forgotten. */
    put(f, &(struct fuse_forget_in){.nlookup = UINT64_MAX}, sizeof(struct fuse_forget_in));
    ask(f, FUSE_FORGET, FS_ROOT);
    assert_int_not_equal(lookup(f, FS_ROOT, "file"), 0);
}

static void numbers_of_an_earlier_session_are_stale(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t handle, node;

    begin(f);
    node = create(f, FS_ROOT, "file", &handle);
    begin_anew(f);
    put(f, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
    assert_int_equal(ask(f, FUSE_GETATTR, node), -ESTALE);
    assert_int_not_equal(lookup(f, FS_ROOT, "file"), node);
    put(f, &(struct fuse_read_in){.fh = handle, .size = 1}, sizeof(struct fuse_read_in));
    assert_int_equal(ask(f, FUSE_READ, FS_ROOT), -EBADF);
}

/* A reply for which there is no room: nothing is written behind it, nothing is left over. */
static void replies_without_room_are_errors(void **state)
{
    struct fs_fixture *f = *state;

    begin(f);
    make_dir(f, FS_ROOT, "a");
    put_name(f, "a");
    assert_int_equal(ask_room(f, FUSE_LOOKUP, FS_ROOT, 100), -ERANGE);
    put_name(f, "a");
    assert_int_equal(ask_room(f, FUSE_LOOKUP, FS_ROOT, 15), 0); /* not even for the header */
    put(f, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
    assert_int_equal(ask_room(f, FUSE_GETATTR, FS_ROOT, 16), -ERANGE);
}

static void listings_have_all_names_once(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_read_in in = {.size = 1000};
    bool seen[100] = {false};
    unsigned count = 0;
    int n;

    begin(f);
    for (unsigned i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", i);
        make_dir(f, FS_ROOT, name);
    }
    put(f, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in));
    assert_int_equal(ask(f, FUSE_OPENDIR, FS_ROOT), sizeof(struct fuse_open_out));
    in.fh = ((const struct fuse_open_out *)reply(f))->fh;
    for (;;) {
        const uint8_t *at = reply(f);

        put(f, &in, sizeof(in));
        n = ask(f, FUSE_READDIRPLUS, FS_ROOT);
        assert_true(n >= 0 && n <= 1000);
        if (n == 0)
            break;
        for (const uint8_t *end = at + n; at < end;) {
            const struct fuse_direntplus *d = (const void *)at;
            unsigned number;
            char name[16] = "";

            assert_true(d->dirent.namelen < sizeof(name));
            memcpy(name, d->dirent.name, d->dirent.namelen);
            in.offset = d->dirent.off;
            at += FUSE_DIRENTPLUS_SIZE(d);
            if (sscanf(name, "n%u", &number) != 1)
                continue; /* . and .. */
            assert_true(number < 100 && !seen[number]);
            assert_true(d->entry_out.nodeid != 0 && S_ISDIR(d->entry_out.attr.mode));
            seen[number] = true;
            count++;
        }
    }
    assert_int_equal(count, 100);
}

static void a_read_only_folder_refuses_all_changes(void **state)
{
    static const uint32_t changes[] = {
        FUSE_SETATTR,  FUSE_SYMLINK,     FUSE_MKNOD,   FUSE_MKDIR,     FUSE_UNLINK,
        FUSE_RMDIR,    FUSE_RENAME,      FUSE_RENAME2, FUSE_LINK,      FUSE_WRITE,
        FUSE_SETXATTR, FUSE_REMOVEXATTR, FUSE_CREATE,  FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE};
    struct fs_fixture *f = *state;
    uint64_t handle, node;

    begin(f);
    node = create(f, FS_ROOT, "file", &handle);
    f->fs->options.read_only = true;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        memset(f->in, 0, 200);
        f->in_len = 200;
        assert_int_equal(ask(f, changes[i], FS_ROOT), -EROFS);
    }
    put(f, &(struct fuse_open_in){.flags = O_WRONLY}, sizeof(struct fuse_open_in));
    assert_int_equal(ask(f, FUSE_OPEN, node), -EROFS);
    put(f, &(struct fuse_open_in){.flags = O_RDONLY | O_TRUNC}, sizeof(struct fuse_open_in));
    assert_int_equal(ask(f, FUSE_OPEN, node), -EROFS);
    put(f, &(struct fuse_open_in){.flags = O_RDONLY}, sizeof(struct fuse_open_in));
    assert_int_equal(ask(f, FUSE_OPEN, node), sizeof(struct fuse_open_out));
}

static void what_is_no_file_is_not_opened(void **state)
{
    struct fs_fixture *f = *state;
    char name[80];

    begin(f);
    snprintf(name, sizeof(name), "%s/fifo", f->shared);
    assert_int_equal(mkfifo(name, 0600), 0);
    {
        uint64_t fifo = lookup(f, FS_ROOT, "fifo");
        struct fuse_setattr_in in = {.valid = FATTR_SIZE};

        put(f, &(struct fuse_open_in){.flags = O_RDONLY}, sizeof(struct fuse_open_in));
        assert_int_equal(ask(f, FUSE_OPEN, fifo), -EINVAL); /* and it does not hang */
        put(f, &in, sizeof(in));
        assert_int_equal(ask(f, FUSE_SETATTR, fifo), -EINVAL);
    }
    put(f, &(struct fuse_create_in){.flags = O_WRONLY, .mode = 0644},
        sizeof(struct fuse_create_in));
    put_name(f, "fifo");
    assert_int_equal(ask(f, FUSE_CREATE, FS_ROOT), -ESTALE);
}

/* The driver had looked before it asked. ESTALE has it look again; O_EXCL wants to know. */
static void create_of_what_is_there_is_looked_up_again(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_create_in in = {.flags = O_WRONLY, .mode = 0644};
    uint64_t handle;

    begin(f);
    create(f, FS_ROOT, "a", &handle);
    put(f, &in, sizeof(in));
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_CREATE, FS_ROOT), -ESTALE);
    in.flags |= O_EXCL;
    put(f, &in, sizeof(in));
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_CREATE, FS_ROOT), -EEXIST);
}

static void a_file_that_cannot_be_given_is_not_left_behind(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_create_in in = {.flags = O_WRONLY, .mode = 0644};
    unsigned before;

    begin(f);
    before = f->fs->nr_fds;
    f->fs->max_fds = before + 1; /* room for the node, none for the file */
    put(f, &in, sizeof(in));
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_CREATE, FS_ROOT), -ENFILE);
    assert_int_equal(f->fs->nr_fds, before);
    assert_int_equal(lookup(f, FS_ROOT, "a"), 0);
    f->fs->max_fds = before + 10;
    put(f, &in, sizeof(in));
    put_name(f, "a");
    assert_int_equal(ask_room(f, FUSE_CREATE, FS_ROOT, 20), -ERANGE);
    assert_int_equal(f->fs->nr_fds, before);
}

static void names_are_as_long_as_can_be(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_rename_in in = {.newdir = FS_ROOT};
    uint64_t handle;
    char name[300];

    begin(f);
    create(f, FS_ROOT, "a", &handle);
    memset(name, 'x', sizeof(name));
    name[256] = 0;
    put(f, &in, sizeof(in));
    put_name(f, "a");
    put_name(f, name);
    assert_int_equal(ask(f, FUSE_RENAME, FS_ROOT), -ENAMETOOLONG);
    name[255] = 0;
    put(f, &in, sizeof(in));
    put_name(f, "a");
    put_name(f, name);
    assert_int_equal(ask(f, FUSE_RENAME, FS_ROOT), 0);
}

/*
 * One thread makes set-user-ID files of a name, another moves symbolic links that lead
 * outside to that name. What they lead to keeps its rights.
 */

struct racer {
    struct fs_fixture f; /* its own buffers, and the fs of the test's */
    const char *target;
    atomic_bool *over;
};

static void *race_moves(void *opaque)
{
    struct racer *r = opaque;
    const struct fuse_rename_in in = {.newdir = FS_ROOT};

    while (!atomic_load(r->over)) {
        put_name(&r->f, "link");
        put_name(&r->f, r->target);
        ask(&r->f, FUSE_SYMLINK, FS_ROOT);
        put(&r->f, &in, sizeof(in));
        put_name(&r->f, "link");
        put_name(&r->f, "x");
        ask(&r->f, FUSE_RENAME, FS_ROOT);
    }
    return NULL;
}

static void a_link_that_takes_a_new_files_name_is_not_followed(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 06755};
    const struct fuse_create_in create_in = {.flags = O_WRONLY, .mode = 06755};
    struct racer *racer = calloc(1, sizeof(*racer));
    atomic_bool over = false;
    char target[64];
    struct stat st;
    pthread_t thread;

    begin(f);
    f->fs->root_user = true; /* owners are given: to who we are */
    snprintf(target, sizeof(target), "%s/outside", f->folder);
    assert_int_equal(mknod(target, S_IFREG | 0600, 0), 0);
    racer->f = *f;
    racer->target = target;
    racer->over = &over;
    assert_int_equal(pthread_create(&thread, NULL, race_moves, racer), 0);
    for (unsigned i = 0; i < 4000; i++) {
        if (i % 2) {
            put(f, &mknod_in, sizeof(mknod_in));
        } else {
            put(f, &create_in, sizeof(create_in));
        }
        put_name(f, "x");
        if (ask(f, i % 2 ? FUSE_MKNOD : FUSE_CREATE, FS_ROOT) > 0 && i % 2 == 0) {
            const struct fuse_entry_out *entry = reply(f);
            const struct fuse_release_in in = {.fh =
                                                   ((const struct fuse_open_out *)(entry + 1))->fh};

            put(f, &in, sizeof(in));
            ask(f, FUSE_RELEASE, entry->nodeid);
        }
        put_name(f, "x");
        ask(f, FUSE_UNLINK, FS_ROOT);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    free(racer);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/*
 * What the loop may not wait for
 */

static void open_does_not_wait_for_a_lease(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_open_in in = {.flags = O_WRONLY};
    uint64_t handle, node;
    char path[80];
    int fd;

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    put(f, &(struct fuse_release_in){.fh = handle}, sizeof(struct fuse_release_in));
    assert_int_equal(ask(f, FUSE_RELEASE, node), 0);
    snprintf(path, sizeof(path), "%s/a", f->shared);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    signal(SIGIO, SIG_IGN); /* by which its holder is told */
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        skip();
    f->at_once = true;
    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_OPEN, node), -EAGAIN);
    close(fd);
    f->at_once = false;
    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_OPEN, node), sizeof(struct fuse_open_out));
}

/* 300 pieces of 1 MiB of the page cache would take the loop a tenth of a second. */
static void a_read_of_more_than_was_agreed_is_a_threads(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t handle, node;
    uint8_t *room = malloc(2 * FS_WRITE_MAX);
    struct iovec out[2] = {{f->out, sizeof(struct fuse_out_header)}, {room, 2 * FS_WRITE_MAX}};
    struct fuse_read_in in = {.size = FS_WRITE_MAX + 1};
    struct fs_request r = {
        .header = {.len = 80, .opcode = FUSE_READ},
        .args = (uint8_t *)&in,
        .args_len = sizeof(in),
        .out = out,
        .out_count = 2,
        .out_bytes = sizeof(struct fuse_out_header) + 2 * FS_WRITE_MAX,
    };

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    r.header.nodeid = node;
    in.fh = handle;
    assert_int_equal(fs_handle(f->fs, &r), -EAGAIN);
    in.size--;
    assert_int_equal(fs_handle(f->fs, &r), 0);
    assert_int_equal(r.written, sizeof(struct fuse_out_header)); /* the file's end */
    free(room);
}

static void what_has_no_name_is_forgotten_by_a_thread(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t handle, node;
    unsigned before;

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    put(f, &(struct fuse_release_in){.fh = handle}, sizeof(struct fuse_release_in));
    ask(f, FUSE_RELEASE, node);
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_UNLINK, FS_ROOT), 0);
    before = f->fs->nr_fds;
    f->at_once = true;
    put(f, &(struct fuse_forget_in){.nlookup = 1}, sizeof(struct fuse_forget_in));
    assert_int_equal(ask(f, FUSE_FORGET, node), -EAGAIN);
    assert_int_equal(f->fs->nr_fds, before);
    f->at_once = false;
    put(f, &(struct fuse_forget_in){.nlookup = 1}, sizeof(struct fuse_forget_in));
    ask(f, FUSE_FORGET, node);
    assert_int_equal(f->fs->nr_fds, before - 1);
}

/* The file system took a part of it at once: the rest goes behind that, and all is told. */
static void a_write_goes_on_where_it_had_to_wait(void **state)
{
    struct fs_fixture *f = *state;
    char text[] = "0123456789", path[80];
    struct iovec data = {text + 4, 6}, out = {f->out, 64};
    struct fuse_write_in in = {.offset = 100, .size = 10};
    struct fs_request r = {
        .header = {.len = 90, .opcode = FUSE_WRITE},
        .args = (uint8_t *)&in,
        .args_len = sizeof(in),
        .data = &data,
        .data_count = 1,
        .out = &out,
        .out_count = 1,
        .out_bytes = 64,
        .may_wait = true,
        .done = 4,
    };
    const struct fuse_write_out *written = reply(f);
    int fd;

    begin(f);
    r.header.nodeid = create(f, FS_ROOT, "a", &in.fh);
    assert_int_equal(fs_handle(f->fs, &r), 0);
    assert_int_equal(written->size, 10);
    snprintf(path, sizeof(path), "%s/a", f->shared);
    fd = open(path, O_RDONLY);
    memset(text, 0, sizeof(text));
    assert_int_equal(pread(fd, text, 10, 104), 6);
    assert_string_equal(text, "456789");
    close(fd);
}

static void a_file_that_is_emptied_loses_its_set_ids(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_open_in in = {.flags = O_WRONLY | O_TRUNC};
    uint64_t handle, node;
    char path[80];
    struct stat st;

    begin(f);
    node = create(f, FS_ROOT, "a", &handle);
    snprintf(path, sizeof(path), "%s/a", f->shared);
    assert_int_equal(chmod(path, 06755), 0);
    in.open_flags = FUSE_OPEN_KILL_SUIDGID;
    put(f, &in, sizeof(in));
    assert_int_equal(ask(f, FUSE_OPEN, node), sizeof(struct fuse_open_out));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(nothing_goes_before_init),
        FS_TEST(names_that_lead_elsewhere_are_refused),
        FS_TEST(names_without_an_end_are_refused),
        FS_TEST(forged_numbers_reach_nothing),
        FS_TEST(forgotten_nodes_and_closed_files_are_stale),
        FS_TEST(numbers_of_an_earlier_session_are_stale),
        FS_TEST(replies_without_room_are_errors),
        FS_TEST(listings_have_all_names_once),
        FS_TEST(a_read_only_folder_refuses_all_changes),
        FS_TEST(what_is_no_file_is_not_opened),
        FS_TEST(create_of_what_is_there_is_looked_up_again),
        FS_TEST(a_file_that_cannot_be_given_is_not_left_behind),
        FS_TEST(names_are_as_long_as_can_be),
        FS_TEST(a_link_that_takes_a_new_files_name_is_not_followed),
        FS_TEST(open_does_not_wait_for_a_lease),
        FS_TEST(a_read_of_more_than_was_agreed_is_a_threads),
        FS_TEST(what_has_no_name_is_forgotten_by_a_thread),
        FS_TEST(a_write_goes_on_where_it_had_to_wait),
        FS_TEST(a_file_that_is_emptied_loses_its_set_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
