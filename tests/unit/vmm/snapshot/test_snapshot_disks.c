/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks: their copies, and what a restore does with a disk that has changed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/disk/lock.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/snapshot/restore_disk.h"

#define SIZE ((8u << 20) + 512u)

static char path[32], disk_path[64];
static int folder;
static struct manifest_disk disk;

static void put(int fd, const char *text, off_t at)
{
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
}

static int open_disk(void)
{
    return open(disk_path, O_RDWR | O_CREAT, 0640);
}

/* A disk, and what a snapshot of it has. */
static int setup(void **state)
{
    struct stat st;
    int fd, to;

    strcpy(path, "/tmp/snapshot.XXXXXX");
    assert_non_null(mkdtemp(path));
    folder = open(path, O_RDONLY | O_DIRECTORY);
    snprintf(disk_path, sizeof(disk_path), "%s/disk.img", path);
    fd = open_disk();
    assert_int_equal(ftruncate(fd, SIZE), 0);
    put(fd, "begin", 3);
    put(fd, "end", SIZE - 3);
    fstat(fd, &st);
    disk = (struct manifest_disk){
        .path = disk_path,
        .size = SIZE,
        .mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec,
        .part = {.file = "disk-0", .size = SIZE},
    };
    to = part_create(folder, "disk-0");
    assert_int_equal(disk_copy(fd, to, NULL), 0);
    assert_int_equal(disk_copy_digest(to, SIZE, NULL, disk.part.digest), 0);
    close(to);
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    close(folder);
    snprintf(command, sizeof(command), "rm -r %s", path);
    return system(command);
}

static unsigned files_in_folder(void)
{
    char command[64];
    FILE *out;
    unsigned n = 0;

    snprintf(command, sizeof(command), "ls %s | wc -l", path);
    out = popen(command, "r");
    assert_int_equal(fscanf(out, "%u", &n), 1);
    pclose(out);
    return n;
}

static bool has(const char *file, const char *text, off_t at)
{
    char bytes[16] = "";
    int fd = openat(folder, file, O_RDONLY);
    ssize_t n = pread(fd, bytes, strlen(text), at);

    close(fd);
    return n == (ssize_t)strlen(text) && strcmp(bytes, text) == 0;
}

static void change(const char *text)
{
    int fd = open_disk();

    put(fd, text, 3);
    close(fd);
}

static void a_copy_has_the_same_bytes_holes_and_digest(void **state)
{
    char digest[DIGEST_TEXT];
    struct stat st;
    int fd = openat(folder, "disk-0", O_RDWR);

    assert_true(has("disk-0", "begin", 3) && has("disk-0", "end", SIZE - 3));
    fstat(fd, &st);
    assert_int_equal(st.st_size, SIZE);
    assert_true(st.st_blocks * 512 < 4 << 20);
    /* Zeros that are stored are the same as a hole. */
    put(fd, "x", 5 << 20);
    assert_int_equal(disk_copy_digest(fd, SIZE, NULL, digest), 0);
    assert_string_not_equal(digest, disk.part.digest);
    assert_int_equal(pwrite(fd, "", 1, 5 << 20), 1);
    assert_int_equal(disk_copy_digest(fd, SIZE, NULL, digest), 0);
    assert_string_equal(digest, disk.part.digest);
    close(fd);
}

static void a_disk_that_has_not_changed_stays(void **state)
{
    struct restore_disk r;

    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), 0);
    assert_int_equal(r.copy, -1);
    assert_int_equal(restore_disk_commit(&disk, &r), 0);
    restore_disk_free(&r);
    disk.part.file[0] = '\0'; /* also one of which there is no copy */
    assert_int_equal(restore_disk_prepare(&disk, folder, false, &r), 0);
    restore_disk_free(&r);
}

static void a_disk_that_has_changed_is_not_touched_unless_asked_for(void **state)
{
    struct restore_disk r;

    change("later");
    assert_int_equal(restore_disk_prepare(&disk, folder, false, &r), -ESTALE);
    assert_non_null(strstr(log_fake.error, "--revert-disks"));
    restore_disk_free(&r);
    assert_true(has("disk.img", "later", 3));
    disk.part.file[0] = '\0';
    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), -ESTALE);
    assert_non_null(strstr(log_fake.error, "no copy"));
    restore_disk_free(&r);
    assert_true(has("disk.img", "later", 3));
}

static void a_disk_is_reverted_at_the_commit_and_not_before(void **state)
{
    struct restore_disk r;
    struct stat st;

    change("later");
    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), 0);
    assert_true(has("disk.img", "later", 3));
    assert_int_equal(files_in_folder(), 2); /* a vmm that is killed now leaves nothing */
    restore_disk_free(&r);                  /* something else was wrong */
    assert_int_equal(files_in_folder(), 2);
    assert_true(has("disk.img", "later", 3));

    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), 0);
    assert_int_equal(restore_disk_commit(&disk, &r), 0);
    restore_disk_free(&r);
    assert_int_equal(files_in_folder(), 2);
    assert_true(has("disk.img", "begin", 3));
    assert_int_equal(stat(disk_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    change("again"); /* the snapshot's copy is another file */
    assert_true(has("disk-0", "begin", 3));
}

/* The names that the vmm would give the copy are taken: they are other files. */
static void a_disk_is_reverted_beside_files_of_like_names(void **state)
{
    struct restore_disk r;
    char name[96];
    int fd;

    snprintf(name, sizeof(name), "%s.%ld.0", disk_path, (long)getpid());
    fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    put(fd, "other", 3);
    close(fd);
    change("later");
    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), 0);
    assert_int_equal(restore_disk_commit(&disk, &r), 0);
    restore_disk_free(&r);
    assert_int_equal(files_in_folder(), 3);
    assert_true(has("disk.img", "begin", 3));
    assert_true(has(strrchr(name, '/') + 1, "other", 3));
}

static void a_disk_that_is_gone_comes_back(void **state)
{
    struct restore_disk r;

    assert_int_equal(unlink(disk_path), 0);
    assert_int_equal(restore_disk_prepare(&disk, folder, false, &r), 0);
    assert_int_equal(restore_disk_commit(&disk, &r), 0);
    restore_disk_free(&r);
    assert_true(has("disk.img", "begin", 3));
}

static void a_copy_that_is_damaged_replaces_nothing(void **state)
{
    struct restore_disk r;
    int fd = openat(folder, "disk-0", O_RDWR);

    put(fd, "x", 6 << 20);
    close(fd);
    change("later");
    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), -EBADMSG);
    restore_disk_free(&r);
    assert_int_equal(files_in_folder(), 2);
    assert_true(has("disk.img", "later", 3));
}

static void a_disk_that_another_vm_has_is_not_replaced(void **state)
{
    struct restore_disk r;
    int fd = open_disk();

    assert_int_equal(disk_lock(fd, disk_path, false), 0);
    change("later");
    assert_int_equal(restore_disk_prepare(&disk, folder, true, &r), -EBUSY);
    restore_disk_free(&r);
    assert_true(has("disk.img", "later", 3));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_has_the_same_bytes_holes_and_digest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_has_not_changed_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_has_changed_is_not_touched_unless_asked_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_is_reverted_at_the_commit_and_not_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_disk_is_reverted_beside_files_of_like_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_is_gone_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_that_is_damaged_replaces_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_another_vm_has_is_not_replaced, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
