/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw images whose blocks or size are not the host's, that change their size, and whose host is
 * full. Some calls of libc are ours here: a file system on which O_DIRECT wants 4096 bytes, a full
 * one.
 */
#include "tests/unit/support/disk_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/util/clock.h"

#define MIB  (1024u * 1024u)
#define HOST 4096u /* the host's block */

static bool host_has_large_blocks;
static atomic_int write_error, wrong_calls, direct_calls;
static atomic_uint short_write; /* bytes of the next write; 0: all */

int statx(int fd, const char *path, int flags, unsigned mask, struct statx *st)
{
    int result = (int)syscall(SYS_statx, fd, path, flags, mask, st);

    if (result == 0 && host_has_large_blocks && mask & STATX_DIOALIGN) {
        st->stx_mask |= STATX_DIOALIGN;
        st->stx_dio_mem_align = 512;
        st->stx_dio_offset_align = HOST;
    }
    return result;
}

/* As a file system with blocks of 4096 bytes answers. */
static int refuse(int fd, const struct iovec *iov, int count, off_t offset)
{
    uint64_t all = (uint64_t)offset;

    if (!(fcntl(fd, F_GETFL) & O_DIRECT))
        return 0;
    direct_calls++;
    for (int i = 0; i < count; i++)
        all |= iov[i].iov_len;
    if (host_has_large_blocks && all % HOST) {
        wrong_calls++;
        errno = EINVAL;
        return -1;
    }
    return 0;
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    return refuse(fd, iov, count, offset) ? -1 : syscall(SYS_preadv, fd, iov, count, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    struct iovec first = *iov;
    unsigned most = short_write;

    if (write_error) {
        errno = write_error;
        return -1;
    }
    if (most && most < first.iov_len) {
        short_write = 0;
        first.iov_len = most;
        iov = &first;
        count = 1;
    }
    return refuse(fd, iov, count, offset) ? -1 : syscall(SYS_pwritev, fd, iov, count, offset, 0);
}

static int reset(void **state)
{
    host_has_large_blocks = false;
    write_error = wrong_calls = direct_calls = 0;
    short_write = 0;
    return disk_setup(state);
}

static uint64_t file_size(const char *name)
{
    struct stat st;

    assert_int_equal(stat(file_path(name), &st), 0);
    return (uint64_t)st.st_size;
}

static struct disk *open_threads(const char *cache)
{
    return open_disk((struct disk_config){
        .path = file_path("a.img"), .aio = "threads", .cache = cache, .pause_when_full = true});
}

/* Neighbours in one block of the host's are written at the same time, and none is lost. */
static void blocks_stay_512_bytes_where_o_direct_wants_4096(void **state)
{
    for (unsigned seed = 0; seed < 3; seed++) {
        struct load load = {
            .size = MIB, .requests = 3000, .changes = true, .discard_is_zero = true, .seed = seed};

        host_has_large_blocks = true;
        file_make("a.img", load.size, "", 0);
        load.model = calloc(1, load.size);
        load.disk = open_threads("none");
        assert_int_equal(disk_info(load.disk)->block_size, 512);
        assert_int_equal(disk_info(load.disk)->physical_block_size, HOST);
        load_run(&load);
        assert_int_equal(load.errors, 0);
        assert_int_equal(wrong_calls, 0);
        assert_true(direct_calls > 1000);
        disk_close(load.disk);
        assert_int_equal(file_size("a.img"), load.size);
        load.disk = open_threads("writeback");
        for (uint64_t at = 0; at < load.size; at += 65536) {
            static uint8_t data[65536];

            assert_int_equal(do_read(load.disk, at, data, sizeof(data)), 0);
            assert_memory_equal(data, load.model + at, sizeof(data));
        }
        disk_close(load.disk);
        free(load.model);
    }
}

static void size_that_o_direct_cannot_do_uses_the_page_cache(void **state)
{
    uint8_t data[512];
    struct disk *disk;

    host_has_large_blocks = true;
    file_make("a.img", MIB + 1536, "", 0);
    messages_begin();
    disk = open_threads("none");
    assert_non_null(strstr(messages_end(), "page cache is used"));
    assert_int_equal(disk_info(disk)->size, MIB + 1536);
    memset(data, 7, sizeof(data));
    assert_int_equal(do_write(disk, MIB + 1024, data, sizeof(data)), 0);
    disk_close(disk);
    assert_int_equal(direct_calls, 0);
    assert_int_equal(file_size("a.img"), MIB + 1536);
}

static void rest_of_an_odd_size_is_readable_with_zeros_behind_it(void **state)
{
    static const char *const engines[] = {"io_uring", "threads"};

    for (unsigned e = 0; e < 2; e++) {
        static uint8_t data[8192], zeros[512];
        struct disk *disk;
        int fd;

        file_make("a.img", MIB, "", 0);
        fd = open(file_path("a.img"), O_WRONLY | O_CLOEXEC);
        memset(data, 'x', 100);
        assert_int_equal(pwrite(fd, data, 100, MIB), 100);
        close(fd);
        disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = engines[e]});
        assert_int_equal(disk_info(disk)->size, MIB + 512);
        /* Alone, and at the end of a longer read whose memory was not zero. */
        for (uint64_t before = 0; before <= 4096; before += 4096) {
            memset(data, 0xee, sizeof(data));
            assert_int_equal(do_read(disk, MIB - before, data, before + 512), 0);
            assert_int_equal(data[before + 99], 'x');
            assert_memory_equal(data + before + 100, zeros, 412);
            assert_int_equal(data[before + 512], 0xee);
        }
        /* A write of the last sector makes the file whole; nothing else does. */
        assert_int_equal(file_size("a.img"), MIB + 100);
        memset(data, 'y', 512);
        assert_int_equal(do_write(disk, MIB, data, 512), 0);
        assert_int_equal(file_size("a.img"), MIB + 512);
        memset(data, 0, 512);
        assert_int_equal(do_read(disk, MIB, data, 512), 0);
        assert_int_equal(data[511], 'y');
        /* That more of the file is missing is an error, not zeros. */
        assert_int_equal(truncate(file_path("a.img"), MIB - 512), 0);
        assert_int_equal(do_read(disk, MIB - 512, data, 1024), -EIO);
        disk_close(disk);
    }
}

static void header_of_another_format_is_not_written_to_a_raw_image(void **state)
{
    static uint8_t data[65536];
    struct disk *disk;

    file_make("a.img", MIB, "", 0);
    disk = open_threads("writeback");
    memset(data, 'x', sizeof(data));
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
    memcpy(data, "QFI\xfb", 4);
    messages_begin();
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), -EPERM);
    assert_int_equal(do_write(disk, 0, data, 512), -EPERM);
    assert_int_equal(count_of(messages_end(), "format=raw"), 1);
    assert_int_equal(do_write(disk, 512, data, sizeof(data)), 0);
    memcpy(data, "text", 4);
    memcpy(data + 64, "\x7f\x10\xda\xbe", 4); /* of VDI, which is not at the start */
    assert_int_equal(do_write(disk, 0, data, 512), -EPERM);
    assert_int_equal(do_read(disk, 0, data, 512), 0);
    assert_int_equal(data[0], 'x');
    assert_int_equal(data[64], 'x');
    /* Half a sector that the kernel took is no way around it. */
    short_write = 10;
    assert_int_equal(do_write(disk, 0, data, 512), 0);
    disk_close(disk);

    /* It can be opened as before; and who says that it is raw can write what he likes. */
    disk = open_disk((struct disk_config){.path = file_path("a.img")});
    disk_close(disk);
    disk = open_disk((struct disk_config){.path = file_path("a.img"), .format = "raw"});
    memcpy(data, "QFI\xfb", 4);
    assert_int_equal(do_write(disk, 0, data, 512), 0);
    disk_close(disk);
}

struct waiting {
    struct disk_request request;
    struct iovec iov;
    bool over;
    int error;
};

static void waiting_done(struct disk_request *request, int error)
{
    struct waiting *w = (struct waiting *)request;

    w->over = true;
    w->error = error;
}

static void submit_write(struct disk *disk, struct waiting *w, uint64_t offset, void *data)
{
    *w = (struct waiting){.iov = {data, 512}};
    w->request = (struct disk_request){
        .op = DISK_WRITE, .offset = offset, .iov = &w->iov, .iov_count = 1, .done = waiting_done};
    disk_submit(disk, &w->request);
}

static void run_for(int ms)
{
    int64_t end = clock_now_ms() + ms;

    while (clock_now_ms() < end) {
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

static void writes_wait_while_the_host_is_full_and_go_on_after(void **state)
{
    static uint8_t data[512], got[512];
    struct waiting w[3];
    struct disk *disk;
    const char *text;

    file_make("a.img", MIB, "", 0);
    disk = open_threads("writeback");
    memset(data, 'w', sizeof(data));
    messages_begin();
    write_error = ENOSPC;
    for (unsigned i = 0; i < 3; i++)
        submit_write(disk, &w[i], i * 4096, data);
    run_for(700); /* one try again, in vain */
    for (unsigned i = 0; i < 3; i++)
        assert_false(w[i].over);
    assert_int_equal(do_read(disk, 0, got, 512), 0); /* reads go on */
    write_error = 0;
    run_for(1000);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(w[i].over);
        assert_int_equal(w[i].error, 0);
    }
    assert_int_equal(do_read(disk, 8192, got, 512), 0);
    assert_memory_equal(got, data, 512);
    text = messages_end();
    assert_int_equal(count_of(text, "No space left"), 1);
    assert_int_equal(count_of(text, "there is room again"), 1);

    /* Who resets the disk does not wait for room. */
    write_error = ENOSPC;
    submit_write(disk, &w[0], 0, data);
    run_for(50);
    assert_false(w[0].over);
    assert_int_equal(disk_drain(disk, 1000), 0);
    assert_int_equal(w[0].error, -ENOSPC);
    submit_write(disk, &w[0], 0, data);
    run_for(50);
    disk_close(disk);
    assert_int_equal(w[0].error, 0); /* not called */
}

static void another_error_than_a_full_disk_is_not_waited_for(void **state)
{
    static uint8_t data[512];
    struct disk *disk;

    file_make("a.img", MIB, "", 0);
    disk = open_threads("writeback");
    write_error = EIO;
    assert_int_equal(do_write(disk, 0, data, 512), -EIO);
    disk_close(disk);
}

static void changed(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void size_changes_while_the_disk_is_open(void **state)
{
    static uint8_t data[512];
    unsigned changes = 0;
    struct disk *disk;

    file_make("a.img", MIB, "", 0);
    disk = open_threads("writeback");
    disk_on_change(disk, changed, &changes);
    assert_int_equal(do_write(disk, MIB, data, 512), -EINVAL);
    assert_int_equal(disk_resize(disk, 0), 0); /* as it was */
    assert_int_equal(changes, 0);
    assert_int_equal(disk_resize(disk, 2 * MIB), 0);
    assert_int_equal(changes, 1);
    assert_int_equal(disk_info(disk)->size, 2 * MIB);
    assert_int_equal(file_size("a.img"), 2 * MIB);
    assert_int_equal(do_write(disk, MIB, data, 512), 0);
    /* By somebody else, in either direction. */
    assert_int_equal(truncate(file_path("a.img"), 3 * MIB + 10), 0);
    assert_int_equal(disk_resize(disk, 0), 0);
    assert_int_equal(disk_info(disk)->size, 3 * MIB + 512);
    assert_int_equal(do_read(disk, 3 * MIB, data, 512), 0);
    assert_int_equal(truncate(file_path("a.img"), MIB), 0);
    assert_int_equal(disk_resize(disk, 0), 0);
    assert_int_equal(changes, 3);
    assert_int_equal(do_read(disk, MIB, data, 512), -EINVAL);
    messages_begin();
    assert_int_equal(disk_resize(disk, MIB / 2), -EINVAL);
    assert_int_equal(disk_resize(disk, MIB + 1), -EINVAL);
    assert_int_equal(truncate(file_path("a.img"), 0), 0);
    assert_int_equal(disk_resize(disk, 0), -EINVAL);
    assert_int_equal(count_of(messages_end(), "a.img"), 3);
    assert_int_equal(disk_info(disk)->size, MIB);
    assert_int_equal(changes, 3);
    disk_close(disk);
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, reset, disk_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        DISK_TEST(blocks_stay_512_bytes_where_o_direct_wants_4096),
        DISK_TEST(size_that_o_direct_cannot_do_uses_the_page_cache),
        DISK_TEST(rest_of_an_odd_size_is_readable_with_zeros_behind_it),
        DISK_TEST(header_of_another_format_is_not_written_to_a_raw_image),
        DISK_TEST(writes_wait_while_the_host_is_full_and_go_on_after),
        DISK_TEST(another_error_than_a_full_disk_is_not_waited_for),
        DISK_TEST(size_changes_while_the_disk_is_open),
    };

    return cmocka_run_group_tests_name("disk_blocks", tests, NULL, NULL);
}
