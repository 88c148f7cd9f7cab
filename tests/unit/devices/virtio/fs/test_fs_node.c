/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes: more than there are descriptors, of several file systems, and of another session. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fs_fixture.h"

struct path {
    char name[200];
};

static struct path on_host(const struct fs_fixture *f, const char *name)
{
    struct path path;

    snprintf(path.name, sizeof(path.name), "%s/%s", f->shared, name);
    return path;
}

static void host_makes(const struct fs_fixture *f, const char *name, const char *text)
{
    int fd = open(on_host(f, name).name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* The first byte of the node's file, read by a new handle; or the error. */
static int first_byte(struct fs_fixture *f, uint64_t node)
{
    struct fuse_read_in in = {.size = 1};
    int n = open_node(f, node, O_RDONLY, &in.fh);
    char byte;

    if (n < 0)
        return n;
    put(f, &in, sizeof(in));
    n = ask(f, FUSE_READ, node);
    byte = *(const char *)reply(f);
    release(f, node, in.fh);
    return n == 1 ? byte : n < 0 ? n : -EIO;
}

static uint64_t inode(struct fs_fixture *f, uint64_t node)
{
    struct fuse_attr attr;

    assert_int_equal(attributes(f, node, &attr), 0);
    return attr.ino;
}

/* Every node but those that a request uses loses its descriptor. */
static void close_all_idle(struct fs_fixture *f)
{
    while (fs_node_close_oldest(f->fs))
        ;
    assert_int_equal(f->fs->oldest, FS_NONE);
}

/*
 * Descriptors
 */

static void more_files_than_descriptors_are_usable(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t node[300], dir;

    begin(f);
    f->fs->max_fds = 24;
    dir = make_dir(f, make_dir(f, FS_ROOT, "a"), "b");
    for (unsigned i = 0; i < 300; i++) {
        char name[16];

        snprintf(name, sizeof(name), "a/b/%u", i);
        host_makes(f, name, i % 2 ? "x" : "y");
        node[i] = lookup(f, dir, name + 4);
        assert_int_not_equal(node[i], 0);
        assert_true(f->fs->nr_fds <= 24);
    }
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(first_byte(f, node[(i * 77) % 300]), (i * 77) % 300 % 2 ? 'x' : 'y');
        assert_true(f->fs->nr_fds <= 24);
    }
    for (unsigned i = 0; i < 300; i++)
        forget(f, node[i], 1);
    close_all_idle(f);
    assert_int_equal(f->fs->nr_fds, 0);
}

static void descriptors_are_left_to_the_rest_of_the_process(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t a, c, handle;
    int next = dup(0), after;

    close(next);
    begin(f);
    a = make_dir(f, FS_ROOT, "a");
    make_dir(f, FS_ROOT, "b");
    f->fs->end_fd = next + 1; /* one node at a time */
    close_all_idle(f);
    c = make_dir(f, FS_ROOT, "c");
    assert_int_equal(lookup(f, FS_ROOT, "a"), a);
    inode(f, c);
    inode(f, a);
    after = dup(0);
    assert_true(after <= next + 1);
    close(after);
    /* Without any, what is new is refused, and undone. */
    f->fs->end_fd = next + 2;
    create(f, FS_ROOT, "d", &handle);
    close_all_idle(f);
    f->fs->end_fd = next;
    put(f, &(struct fuse_mkdir_in){.mode = 0755}, sizeof(struct fuse_mkdir_in));
    put_name(f, "e");
    assert_int_equal(ask(f, FUSE_MKDIR, FS_ROOT), -ENFILE);
    assert_int_equal(access(on_host(f, "e").name, F_OK), -1);
}

static void descriptors_have_a_limit(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct fs_fixture *f = *state;
    uint64_t node[5], handle[2];

    begin(f);
    f->fs->max_fds = 3;
    for (unsigned i = 0; i < 5; i++) {
        node[i] = make_dir(f, FS_ROOT, names[i]);
        assert_true(f->fs->nr_fds <= 3);
    }
    for (unsigned i = 0; i < 5; i++)
        inode(f, node[i]);
    /* Open files are not closed: these, and the node of one that is made, are all. */
    f->fs->max_fds = 8;
    create(f, FS_ROOT, "f", &handle[0]);
    create(f, FS_ROOT, "g", &handle[1]);
    close_all_idle(f);
    f->fs->max_fds = 2;
    put(f, &(struct fuse_mkdir_in){.mode = 0755}, sizeof(struct fuse_mkdir_in));
    put_name(f, "h");
    assert_int_equal(ask(f, FUSE_MKDIR, FS_ROOT), -ENFILE);
    assert_int_equal(access(on_host(f, "h").name, F_OK), -1);
    assert_int_equal(lookup(f, FS_ROOT, "h"), 0);
    assert_int_not_equal(lookup(f, FS_ROOT, "a"), 0); /* the driver knows it: no new one is kept */
}

static void the_loop_leaves_it_to_threads_to_open_nodes_anew(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t dir;

    begin(f);
    dir = make_dir(f, FS_ROOT, "a");
    close_all_idle(f);
    f->at_once = true;
    assert_int_equal(attributes(f, dir, &attr), -EAGAIN);
    f->at_once = false;
    assert_int_equal(attributes(f, dir, &attr), 0);
}

/* A node that is open anew is the one that it was, or stale. */
static void another_file_of_the_same_name_is_not_taken_for_it(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t a, b, c;

    begin(f);
    host_makes(f, "a", "old");
    host_makes(f, "b", "other");
    assert_int_equal(mkdir(on_host(f, "c").name, 0755), 0);
    a = lookup(f, FS_ROOT, "a");
    b = lookup(f, FS_ROOT, "b");
    c = lookup(f, FS_ROOT, "c");
    close_all_idle(f);
    assert_int_equal(rename(on_host(f, "b").name, on_host(f, "a").name), 0);
    assert_int_equal(attributes(f, a, &attr), -ESTALE);
    assert_int_equal(attributes(f, b, &attr), -ESTALE);
    assert_int_equal(open_node(f, a, O_RDONLY, &(uint64_t){0}), -ESTALE);
    /* Its new name leads to it again, under the number that it had. */
    assert_int_equal(lookup(f, FS_ROOT, "a"), b);
    assert_int_equal(first_byte(f, b), 'o');
    /* A link to elsewhere in the place of a folder is not followed. */
    close_all_idle(f);
    assert_int_equal(rmdir(on_host(f, "c").name), 0);
    assert_int_equal(symlink("/", on_host(f, "c").name), 0);
    assert_int_equal(attributes(f, c, &attr), -ESTALE);
    put_name(f, "etc");
    assert_int_equal(ask(f, FUSE_LOOKUP, c), -ESTALE);
}

/* ext4 gives the number of a file that was removed to the next one that is made. */
static void a_reused_inode_is_another_node(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    struct stat st;
    uint64_t a, ino;

    begin(f);
    host_makes(f, "a", "old");
    a = lookup(f, FS_ROOT, "a");
    ino = inode(f, a);
    close_all_idle(f);
    for (unsigned n = 0; n < 50; n++) {
        usleep(10000); /* the time of birth is as precise as the host's tick */
        assert_int_equal(unlink(on_host(f, "a").name), 0);
        host_makes(f, "a", "new");
        assert_int_equal(stat(on_host(f, "a").name, &st), 0);
        if (st.st_ino == ino)
            break;
    }
    if (st.st_ino != ino)
        skip();
    assert_int_equal(attributes(f, a, &attr), -ESTALE);
    assert_int_not_equal(lookup(f, FS_ROOT, "a"), a);
}

static void what_the_guest_renames_is_found_again(void **state)
{
    struct fs_fixture *f = *state;
    const struct fuse_rename2_in exchange = {.newdir = FS_ROOT, .flags = RENAME_EXCHANGE};
    uint64_t dir, sub, file, other;

    begin(f);
    dir = make_dir(f, FS_ROOT, "dir");
    sub = make_dir(f, dir, "sub");
    host_makes(f, "dir/sub/file", "f");
    host_makes(f, "other", "o");
    file = lookup(f, sub, "file");
    other = lookup(f, FS_ROOT, "other");
    close_all_idle(f);
    put(f, &(struct fuse_rename_in){.newdir = FS_ROOT}, sizeof(struct fuse_rename_in));
    put_name(f, "sub");
    put_name(f, "moved");
    assert_int_equal(ask(f, FUSE_RENAME, dir), 0);
    close_all_idle(f);
    assert_int_equal(first_byte(f, file), 'f');
    close_all_idle(f);
    put(f, &exchange, sizeof(exchange));
    put_name(f, "file");
    put_name(f, "other");
    assert_int_equal(ask(f, FUSE_RENAME2, sub), 0);
    close_all_idle(f);
    assert_int_equal(first_byte(f, file), 'f');
    assert_int_equal(first_byte(f, other), 'o');
    assert_int_equal(lookup(f, FS_ROOT, "other"), file);
}

/* A program in the guest may have it open after its last name is gone. */
static void a_file_that_loses_its_name_keeps_its_descriptor(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t a, b, c;

    begin(f);
    host_makes(f, "a", "a");
    host_makes(f, "b", "b");
    host_makes(f, "c", "c");
    a = lookup(f, FS_ROOT, "a");
    b = lookup(f, FS_ROOT, "b");
    c = lookup(f, FS_ROOT, "c");
    close_all_idle(f);
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_UNLINK, FS_ROOT), 0);
    put(f, &(struct fuse_rename_in){.newdir = FS_ROOT}, sizeof(struct fuse_rename_in));
    put_name(f, "b");
    put_name(f, "c");
    assert_int_equal(ask(f, FUSE_RENAME, FS_ROOT), 0);
    close_all_idle(f);
    assert_int_equal(attributes(f, a, &attr), 0);
    assert_int_equal(attr.nlink, 0);
    assert_int_equal(first_byte(f, a), 'a');
    assert_int_equal(first_byte(f, c), 'c');
    assert_int_equal(first_byte(f, b), 'b');
    forget(f, a, 1);
    forget(f, c, 1);
    close_all_idle(f);
    assert_int_equal(f->fs->nr_fds, 0);
}

/* The driver may forget a folder before what is in it, though Linux does not. */
static void a_folder_that_is_forgotten_first_still_leads_to_its_files(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t dir, file;

    begin(f);
    dir = make_dir(f, FS_ROOT, "dir");
    host_makes(f, "dir/file", "f");
    file = lookup(f, dir, "file");
    forget(f, dir, 1);
    assert_int_equal(attributes(f, dir, &attr), -ESTALE);
    close_all_idle(f);
    assert_int_equal(first_byte(f, file), 'f');
    forget(f, file, 1);
    assert_int_equal(f->fs->nr_fds, 0);
    assert_false(fs_nth(f->fs, dir % FS_NODES_MAX)->used);
}

/* a/b becomes b/a behind the driver's back. */
static void folders_that_the_host_moves_into_each_other_are_no_loop(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t a, b;

    begin(f);
    a = make_dir(f, FS_ROOT, "a");
    b = make_dir(f, a, "b");
    assert_int_equal(rename(on_host(f, "a/b").name, on_host(f, "b").name), 0);
    assert_int_equal(rename(on_host(f, "a").name, on_host(f, "b/a").name), 0);
    assert_int_equal(lookup(f, b, "a"), a); /* which is, as far as is known, above b */
    close_all_idle(f);
    assert_int_equal(attributes(f, b, &attr), -ESTALE);
    assert_int_equal(attributes(f, a, &attr), -ESTALE);
    assert_int_equal(lookup(f, FS_ROOT, "b"), b);
    assert_int_equal(lookup(f, b, "a"), a);
    close_all_idle(f);
    assert_int_equal(attributes(f, a, &attr), 0);
    assert_int_equal(attributes(f, b, &attr), 0);
    forget(f, a, 9);
    forget(f, b, 9);
    assert_int_equal(f->fs->nr_fds, 0);
}

/* Threads that open, use, rename and forget the same few nodes, with few descriptors. */
struct worker {
    struct fs_fixture f;
    unsigned seed;
    atomic_bool *over;
    bool failed;
};

static void *race_nodes(void *opaque)
{
    struct worker *w = opaque;
    struct fs_fixture *f = &w->f;

    for (unsigned n = 0; n < 3000; n++) {
        unsigned what = (unsigned)rand_r(&w->seed);
        char name[2] = {(char)('a' + what / 8 % 6), 0}, other[2] = {(char)('a' + what / 64 % 6), 0};
        uint64_t dir = lookup(f, FS_ROOT, what & 512 ? "d" : "e"), node;
        struct fuse_attr attr;

        if (!dir)
            continue;
        if (what % 8 == 0) {
            put(f, &(struct fuse_rename_in){.newdir = dir}, sizeof(struct fuse_rename_in));
            put_name(f, name);
            put_name(f, other);
            ask(f, FUSE_RENAME, dir);
        } else if (what % 8 == 1) {
            put_name(f, name);
            ask(f, FUSE_UNLINK, dir);
        } else if (what % 8 == 2) {
            put(f, &(struct fuse_mknod_in){.mode = S_IFREG | 0644}, sizeof(struct fuse_mknod_in));
            put_name(f, name);
            if (ask(f, FUSE_MKNOD, dir) > 0)
                forget(f, ((const struct fuse_entry_out *)reply(f))->nodeid, 1);
        } else if ((node = lookup(f, dir, name)) != 0) {
            attributes(f, node, &attr);
            forget(f, node, 1);
        }
        if (what % 8 == 3) {
            put(f, &(struct fuse_rename_in){.newdir = FS_ROOT}, sizeof(struct fuse_rename_in));
            put_name(f, "d");
            put_name(f, "e");
            ask(f, FUSE_RENAME2, FS_ROOT);
        }
        forget(f, dir, 1);
    }
    return NULL;
}

static void threads_that_share_few_descriptors_lose_nothing(void **state)
{
    struct fs_fixture *f = *state;
    struct worker *workers = calloc(4, sizeof(*workers));
    pthread_t threads[4];

    begin(f);
    f->fs->max_fds = 12;
    forget(f, make_dir(f, FS_ROOT, "d"), 1);
    forget(f, make_dir(f, FS_ROOT, "e"), 1);
    for (unsigned i = 0; i < 4; i++) {
        workers[i].f = *f;
        workers[i].seed = i;
        assert_int_equal(pthread_create(&threads[i], NULL, race_nodes, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    free(workers);
    assert_int_equal(f->fs->nr_fds, 0);
    for (uint32_t i = FS_ROOT + 1; i < f->fs->nr_nodes; i++)
        assert_false(fs_nth(f->fs, i)->used);
}

static void *rename_back_and_forth(void *opaque)
{
    struct worker *w = opaque;
    uint64_t d = lookup(&w->f, FS_ROOT, "d"), e = lookup(&w->f, FS_ROOT, "e");

    for (unsigned n = 0; n < 3000; n++) {
        struct fuse_rename_in in = {.newdir = n % 2 ? d : e};

        put(&w->f, &in, sizeof(in));
        put_name(&w->f, "x");
        put_name(&w->f, "y");
        w->failed |= ask(&w->f, FUSE_RENAME, n % 2 ? e : d) != 0;
        put(&w->f, &in, sizeof(in));
        put_name(&w->f, "y");
        put_name(&w->f, "x");
        w->failed |= ask(&w->f, FUSE_RENAME, n % 2 ? d : e) != 0;
    }
    atomic_store(w->over, true);
    return NULL;
}

static void a_node_that_is_renamed_meanwhile_is_opened_anew(void **state)
{
    struct fs_fixture *f = *state;
    struct worker *worker = calloc(1, sizeof(*worker));
    atomic_bool over = false;
    struct fuse_attr attr;
    unsigned stale = 0;
    pthread_t thread;
    uint64_t x;

    begin(f);
    make_dir(f, FS_ROOT, "e");
    x = make_dir(f, make_dir(f, FS_ROOT, "d"), "x");
    worker->f = *f;
    worker->over = &over;
    assert_int_equal(pthread_create(&thread, NULL, rename_back_and_forth, worker), 0);
    while (!atomic_load(&over)) {
        fs_node_close_oldest(f->fs);
        stale += attributes(f, x, &attr) != 0;
    }
    pthread_join(thread, NULL);
    assert_false(worker->failed);
    free(worker);
    assert_int_equal(stale, 0);
}

/*
 * File systems below the root
 */

static bool mount_memory(const char *where)
{
    return mount("none", where, "tmpfs", 0, "size=1m") == 0;
}

static void inodes_of_other_file_systems_have_other_numbers(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t m, n, first, second;

    begin(f);
    m = make_dir(f, FS_ROOT, "m");
    n = make_dir(f, FS_ROOT, "n");
    forget(f, m, 1);
    forget(f, n, 1);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        !mount_memory(on_host(f, "m").name) || !mount_memory(on_host(f, "n").name))
        skip();
    close(f->options.root);
    f->options.root = open(f->shared, O_PATH | O_DIRECTORY); /* the one that has the mounts */
    begin_anew(f);
    host_makes(f, "m/file", "m");
    host_makes(f, "n/file", "n");
    m = lookup(f, FS_ROOT, "m");
    n = lookup(f, FS_ROOT, "n");
    first = lookup(f, m, "file");
    second = lookup(f, n, "file");
    assert_int_not_equal(inode(f, first), inode(f, second));
    assert_int_not_equal(inode(f, m), inode(f, n));
    assert_int_equal(first_byte(f, first), 'm');
    /* A listing has the same numbers. */
    put(f, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in));
    assert_int_equal(ask(f, FUSE_OPENDIR, n), sizeof(struct fuse_open_out));
    {
        struct fuse_read_in in = {.fh = ((const struct fuse_open_out *)reply(f))->fh, .size = 4096};
        bool found = false;
        int len;

        put(f, &in, sizeof(in));
        len = ask(f, FUSE_READDIR, n);
        for (int at = 0; at < len;) {
            const struct fuse_dirent *dent = (const void *)((const char *)reply(f) + at);
            uint64_t ino = dent->ino;

            at += (int)FUSE_DIRENT_SIZE(dent);
            if (dent->namelen == 4 && memcmp(dent->name, "file", 4) == 0) {
                static uint8_t out[sizeof(f->out)];

                memcpy(out, f->out, sizeof(out));
                assert_int_equal(ino, inode(f, second));
                memcpy(f->out, out, sizeof(out));
                found = true;
            }
        }
        assert_true(found);
        release(f, n, in.fh);
    }
    umount(on_host(f, "m").name);
    umount(on_host(f, "n").name);
}

/*
 * What the loop may not wait for
 */

static void attributes_of_a_file_system_with_a_server_are_a_threads(void **state)
{
    struct fs_fixture *f = *state;
    struct fuse_attr attr;
    uint64_t a, handle;

    begin(f);
    a = create(f, FS_ROOT, "a", &handle);
    f->at_once = true;
    if (fs_is_local(f->fs->options.root))
        assert_int_equal(attributes(f, a, &attr), 0);
    f->fs->local = false;
    assert_int_equal(attributes(f, a, &attr), -EAGAIN);
    put_name(f, "a");
    assert_int_equal(ask(f, FUSE_LOOKUP, FS_ROOT), -EAGAIN);
    put(f, &(struct fuse_forget_in){.nlookup = 1}, sizeof(struct fuse_forget_in));
    assert_int_equal(ask(f, FUSE_FORGET, a), -EAGAIN);
}

static void open_is_a_threads(void **state)
{
    struct fs_fixture *f = *state;
    uint64_t a, handle;

    begin(f);
    a = create(f, FS_ROOT, "a", &handle);
    f->at_once = true;
    assert_int_equal(open_node(f, a, O_RDONLY, &handle), -EAGAIN);
}

/* proc stands for all that is not a disk of the host's own. */
static void a_file_system_that_is_not_known_is_not_local(void **state)
{
    int fd = open("/proc/self", O_PATH);

    assert_false(fs_is_local(fd));
    close(fd);
}

/*
 * openat2() that is refused
 */

struct refusal {
    struct fs_fixture *f;
    int error, result;
    bool filtered;
};

/* The filter is this thread's. */
static void *look_without_openat2(void *opaque)
{
    struct refusal *r = opaque;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)r->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 4, .filter = code};

    r->filtered = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
    begin_anew(r->f);
    r->result = lookup(r->f, FS_ROOT, "a") ? first_byte(r->f, lookup(r->f, FS_ROOT, "a")) : -1;
    /* And no more is reached than with it. */
    if (lookup(r->f, lookup(r->f, FS_ROOT, "link"), "etc"))
        r->result = -2;
    r->f->at_once = true;
    put_name(r->f, "a");
    if (ask(r->f, FUSE_LOOKUP, FS_ROOT) != -EAGAIN)
        r->result = -3;
    return NULL;
}

static void files_are_found_where_a_policy_refuses_openat2(void **state)
{
    static const int errors[] = {EPERM, ENOSYS};
    struct fs_fixture *f = *state;

    host_makes(f, "a", "a");
    assert_int_equal(symlink("/", on_host(f, "link").name), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct refusal r = {.f = f, .error = errors[i]};
        pthread_t thread;

        f->at_once = false;
        assert_int_equal(pthread_create(&thread, NULL, look_without_openat2, &r), 0);
        pthread_join(thread, NULL);
        if (!r.filtered)
            skip();
        assert_int_equal(r.result, 'a');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(more_files_than_descriptors_are_usable),
        FS_TEST(descriptors_are_left_to_the_rest_of_the_process),
        FS_TEST(descriptors_have_a_limit),
        FS_TEST(the_loop_leaves_it_to_threads_to_open_nodes_anew),
        FS_TEST(another_file_of_the_same_name_is_not_taken_for_it),
        FS_TEST(a_reused_inode_is_another_node),
        FS_TEST(what_the_guest_renames_is_found_again),
        FS_TEST(a_file_that_loses_its_name_keeps_its_descriptor),
        FS_TEST(a_folder_that_is_forgotten_first_still_leads_to_its_files),
        FS_TEST(folders_that_the_host_moves_into_each_other_are_no_loop),
        FS_TEST(threads_that_share_few_descriptors_lose_nothing),
        FS_TEST(a_node_that_is_renamed_meanwhile_is_opened_anew),
        FS_TEST(attributes_of_a_file_system_with_a_server_are_a_threads),
        FS_TEST(open_is_a_threads),
        FS_TEST(a_file_system_that_is_not_known_is_not_local),
        FS_TEST(files_are_found_where_a_policy_refuses_openat2),
        /* The last: it moves the process to mounts of its own. */
        FS_TEST(inodes_of_other_file_systems_have_other_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
