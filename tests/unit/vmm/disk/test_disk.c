/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw images, with both engines. Some calls of libc are ours here, to let them fail. */
#include "tests/unit/support/disk_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

static const char *const engines[] = {"io_uring", "threads"};
static const char *const caches[] = {"writeback", "none", "writethrough", "unsafe"};

/* What the calls below are to do. */
static atomic_int sync_error, write_error, sync_count, short_calls, submit_count;

int fdatasync(int fd)
{
    sync_count++;
    if (sync_error) {
        errno = sync_error;
        sync_error = 0; /* the kernel says it once, too */
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* A third of the calls is interrupted, a third does some bytes of the first element. */
static ssize_t maybe_short(long number, int fd, const struct iovec *iov, int count, off_t offset)
{
    static atomic_uint calls;
    struct iovec first = {.iov_base = iov->iov_base, .iov_len = iov->iov_len};
    unsigned call = calls++ % 3;

    if (short_calls && call == 0) {
        errno = EINTR;
        return -1;
    }
    if (short_calls && call == 1 && first.iov_len > (size_t)short_calls) {
        first.iov_len = (size_t)short_calls;
        iov = &first;
        count = 1;
    }
    return syscall(number, fd, iov, count, offset, 0);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    return maybe_short(SYS_preadv, fd, iov, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return maybe_short(SYS_pwritev, fd, iov, count, offset);
}

int io_uring_submit(struct io_uring *ring)
{
    static int (*real)(struct io_uring *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit");
    submit_count++;
    return real(ring);
}

static int reset(void **state)
{
    sync_error = write_error = short_calls = 0;
    return disk_setup(state);
}

static void check_file(const char *name, const uint8_t *model, uint64_t size)
{
    uint8_t *data = malloc(size);
    int fd = open(file_path(name), O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(fd, data, size, 0), size);
    assert_memory_equal(data, model, size);
    close(fd);
    free(data);
}

static void run_load(struct disk_config config, unsigned requests, unsigned seed)
{
    struct load load = {.size = 4 * MIB,
                        .requests = requests,
                        .changes = true,
                        .discard_is_zero = true,
                        .seed = seed};

    file_make("a.img", load.size, "", 0);
    load.model = calloc(1, load.size);
    load.disk = open_disk(config);
    if (config.aio)
        assert_string_equal(disk_info(load.disk)->engine, config.aio);
    assert_int_equal(disk_info(load.disk)->size, load.size);
    load_run(&load);
    assert_int_equal(load.errors, 0);
    disk_close(load.disk);
    check_file("a.img", load.model, load.size);
    free(load.model);
}

static void raw_reads_what_was_written_in_every_engine_and_cache_mode(void **state)
{
    for (unsigned e = 0; e < 2; e++) {
        for (unsigned c = 0; c < 4; c++) {
            run_load((struct disk_config){.path = file_path("a.img"),
                                          .aio = engines[e],
                                          .cache = caches[c]},
                     500, e * 4 + c);
        }
    }
    run_load((struct disk_config){.path = file_path("a.img"), .no_discard = true}, 300, 99);
}

static void short_and_interrupted_calls_are_continued(void **state)
{
    short_calls = 700;
    run_load((struct disk_config){.path = file_path("a.img"), .aio = "threads"}, 300, 7);
    short_calls = 1536; /* O_DIRECT goes by blocks */
    run_load((struct disk_config){.path = file_path("a.img"), .aio = "threads", .cache = "none"},
             300, 8);
}

static void discard_gives_room_back_and_zeros_keep_it(void **state)
{
    uint8_t *data = malloc(MIB), *zeros = calloc(1, MIB);

    for (unsigned e = 0; e < 2; e++) {
        struct disk_config config = {.path = file_path("a.img"), .aio = engines[e]};
        struct disk *disk;

        file_make("a.img", 2 * MIB, "", 0);
        disk = open_disk(config);
        memset(data, 0xa5, MIB);
        assert_int_equal(do_write(disk, 0, data, MIB), 0);
        assert_int_equal(do_write(disk, MIB, data, MIB), 0);
        assert_int_equal(do_flush(disk), 0);
        assert_true(file_allocated("a.img") >= 2 * MIB);

        assert_int_equal(do_request(disk, DISK_DISCARD, 0, 0, NULL, MIB), 0);
        assert_in_range(file_allocated("a.img"), MIB, MIB + MIB / 2);
        assert_int_equal(do_request(disk, DISK_WRITE_ZEROES, 0, MIB, NULL, MIB), 0);
        assert_in_range(file_allocated("a.img"), MIB, MIB + MIB / 2);
        assert_int_equal(do_read(disk, MIB, data, MIB), 0);
        assert_memory_equal(data, zeros, MIB);
        assert_int_equal(do_request(disk, DISK_WRITE_ZEROES, DISK_UNMAP, MIB, NULL, MIB), 0);
        assert_in_range(file_allocated("a.img"), 0, MIB / 2);
        disk_close(disk);

        /* And nothing of the kind when the user does not want it. */
        config.no_discard = true;
        disk = open_disk(config);
        assert_false(disk_info(disk)->can_discard);
        memset(data, 0xa5, MIB);
        assert_int_equal(do_write(disk, 0, data, MIB), 0);
        assert_int_equal(do_request(disk, DISK_DISCARD, 0, 0, NULL, MIB), -EOPNOTSUPP);
        assert_int_equal(do_request(disk, DISK_WRITE_ZEROES, DISK_UNMAP, 0, NULL, MIB), 0);
        assert_true(file_allocated("a.img") >= MIB);
        disk_close(disk);
    }
    free(data);
    free(zeros);
}

static void malformed_requests_are_refused_by_done(void **state)
{
    static const struct {
        uint32_t op, flags;
        uint64_t offset, size;
        bool read_only;
        int error;
    } cases[] = {
        {DISK_READ, 0, 0, 512, false, 0},
        {DISK_READ, 0, MIB - 512, 512, false, 0},
        {DISK_READ, 0, 0, 0, false, 0},
        {DISK_READ, 0, MIB - 512, 1024, false, -EINVAL},
        {DISK_READ, 0, MIB, 512, false, -EINVAL},
        {DISK_READ, 0, UINT64_MAX - 511, 1024, false, -EINVAL},
        {DISK_READ, 0, 1, 512, false, -EINVAL},
        {DISK_READ, 0, 0, 511, false, -EINVAL},
        {DISK_READ, 0, 0, DISK_TRANSFER_MAX + 512ull, false, -EINVAL},
        {DISK_READ, 0, 0, UINT64_MAX - 511, false, -EINVAL},
        {DISK_WRITE, 0, MIB, 512, false, -EINVAL},
        {DISK_WRITE, 2, 0, 512, false, -EINVAL},
        {DISK_DISCARD, 0, 512, UINT64_MAX - 511, false, -EINVAL},
        {DISK_WRITE_ZEROES, 0, 0, MIB + 512, false, -EINVAL},
        {DISK_WRITE_ZEROES, 0, 0, 0, false, 0},
        {5, 0, 0, 512, false, -EINVAL},
        {UINT32_MAX, 0, 0, 512, false, -EINVAL},
        {DISK_READ, 0, 0, 512, true, 0},
        {DISK_FLUSH, 0, 0, 0, true, 0},
        {DISK_WRITE, 0, 0, 512, true, -EROFS},
        {DISK_DISCARD, 0, 0, 512, true, -EROFS},
        {DISK_WRITE_ZEROES, 0, 0, 512, true, -EROFS},
    };
    uint8_t data[1024];

    memset(data, 0, sizeof(data));
    file_make("a.img", MIB, "", 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk *disk = open_disk(
            (struct disk_config){.path = file_path("a.img"), .read_only = cases[i].read_only});
        int error =
            do_request(disk, cases[i].op, cases[i].flags, cases[i].offset, data, cases[i].size);

        if (error != cases[i].error)
            fail_msg("case %u: %d instead of %d", i, error, cases[i].error);
        disk_close(disk);
    }
}

struct counted {
    struct disk_request request;
    struct iovec iov;
    unsigned *done;
};

static void count_done(struct disk_request *request, int error)
{
    assert_int_equal(error, 0);
    ++*((struct counted *)request)->done;
}

#define MANY 300

/* More than the ring holds; reads into one buffer. */
static void submit_many(struct disk *disk, struct counted *all, enum disk_op op, uint8_t *data,
                        unsigned *done)
{
    for (unsigned i = 0; i < MANY; i++) {
        all[i].iov = (struct iovec){.iov_base = data, .iov_len = 4096};
        all[i].done = done;
        all[i].request = (struct disk_request){.op = op,
                                               .offset = i * 1024ull,
                                               .iov = &all[i].iov,
                                               .iov_count = op == DISK_FLUSH ? 0 : 1,
                                               .done = count_done};
        disk_submit(disk, &all[i].request);
    }
}

static void drain_tells_of_all_and_close_of_none(void **state)
{
    static struct counted all[MANY];
    uint8_t data[4096];
    unsigned done = 0;

    file_make("a.img", MIB, "", 0);
    for (unsigned e = 0; e < 2; e++) {
        struct disk *disk =
            open_disk((struct disk_config){.path = file_path("a.img"), .aio = engines[e]});

        done = 0;
        submit_many(disk, all, DISK_READ, data, &done);
        assert_int_equal(done, 0);
        assert_int_equal(disk_in_flight(disk), MANY);
        assert_int_equal(disk_drain(disk, 10000), 0);
        assert_int_equal(done, MANY);

        submit_many(disk, all, DISK_READ, data, &done);
        disk_kick(disk);
        disk_close(disk);
        assert_int_equal(done, MANY);
    }
}

static void one_pass_is_one_system_call(void **state)
{
    static struct counted all[MANY];
    uint8_t data[4096];
    unsigned done = 0;
    struct disk *disk;

    file_make("a.img", MIB, "", 0);
    disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = "io_uring"});
    submit_count = 0;
    submit_many(disk, all, DISK_READ, data, &done);
    assert_int_equal(submit_count, 0);
    disk_kick(disk);
    assert_int_equal(submit_count, 1);
    while (done < MANY)
        event_base_loop(base, EVLOOP_ONCE);
    /* 300 reads by a ring of 128: each refill is one call more. */
    assert_in_range(submit_count, 3, MANY / 2);
    disk_close(disk);
}

/* The guest waits for it, and a second pass of the loop may be a while away. */
static void what_the_page_cache_has_is_over_in_the_pass_that_starts_it(void **state)
{
    struct counted one;
    uint8_t data[4096];
    unsigned done = 0;
    struct disk *disk;

    file_make("a.img", MIB, "cached", 6);
    disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = "io_uring"});
    assert_int_equal(do_read(disk, 0, data, sizeof(data)), 0); /* from now on in the page cache */
    one.iov = (struct iovec){.iov_base = data, .iov_len = sizeof(data)};
    one.done = &done;
    one.request =
        (struct disk_request){.op = DISK_READ, .iov = &one.iov, .iov_count = 1, .done = count_done};
    disk_submit(disk, &one.request);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(done, 1);
    assert_memory_equal(data, "cached", 6);
    disk_close(disk);
}

static void flushes_share_the_next_fdatasync(void **state)
{
    static struct counted all[MANY];
    unsigned done = 0;
    struct disk *disk;
    uint8_t data[512] = {1};

    file_make("a.img", MIB, "", 0);
    disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = "threads"});
    sync_count = 0;
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
    assert_int_equal(sync_count, 0);
    submit_many(disk, all, DISK_FLUSH, NULL, &done);
    assert_int_equal(disk_drain(disk, 10000), 0);
    assert_int_equal(done, MANY);
    assert_int_equal(sync_count, 2);
    disk_close(disk);

    disk = open_disk(
        (struct disk_config){.path = file_path("a.img"), .aio = "threads", .cache = "unsafe"});
    assert_int_equal(do_flush(disk), 0);
    assert_int_equal(sync_count, 2);
    disk_close(disk);

    /* Nobody flushes in writethrough: the discard itself has to. */
    disk = open_disk((struct disk_config){
        .path = file_path("a.img"), .aio = "threads", .cache = "writethrough"});
    assert_false(disk_info(disk)->write_cache);
    assert_int_equal(do_request(disk, DISK_DISCARD, 0, 0, NULL, 4096), 0);
    assert_int_equal(sync_count, 3);
    disk_close(disk);
}

static void a_failed_fdatasync_fails_all_later_flushes(void **state)
{
    struct disk *disk;
    uint8_t data[512] = {1};
    const char *text;

    file_make("a.img", MIB, "", 0);
    messages_begin();
    disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = "threads"});
    assert_int_equal(do_flush(disk), 0);
    sync_error = EIO;
    assert_int_equal(do_flush(disk), -EIO);
    assert_int_equal(sync_error, 0);
    assert_int_equal(do_flush(disk), -EIO);
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
    assert_int_equal(do_flush(disk), -EIO);
    disk_close(disk);
    text = messages_end();
    assert_int_equal(count_of(text, "fdatasync failed"), 1);
    assert_non_null(strstr(text, file_path("a.img")));
}

static void a_full_disk_is_an_error_of_the_write_and_said_once(void **state)
{
    struct rlimit old, limit;
    uint8_t data[4096] = {1};
    const char *text;

    getrlimit(RLIMIT_FSIZE, &old);
    for (unsigned e = 0; e < 2; e++) {
        struct disk *disk;

        file_make("a.img", MIB, "", 0);
        disk = open_disk((struct disk_config){.path = file_path("a.img"), .aio = engines[e]});
        messages_begin();
        limit = (struct rlimit){.rlim_cur = MIB / 2, .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(do_write(disk, MIB - 4096, data, sizeof(data)), -ENOSPC);
        /* One that goes half the way is not done. */
        assert_int_equal(do_write(disk, MIB / 2 - 2048, data, sizeof(data)), -ENOSPC);
        assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
        setrlimit(RLIMIT_FSIZE, &old);
        text = messages_end();
        assert_int_equal(count_of(text, "no room"), 1);
        assert_non_null(strstr(text, file_path("a.img")));
        assert_int_equal(do_write(disk, MIB - 4096, data, sizeof(data)), 0);
        disk_close(disk);
    }
}

static void errors_of_writes_reach_the_guest_and_are_said_once_each(void **state)
{
    static const struct {
        int error, told;
        const char *text;
    } cases[] = {{ENOSPC, -ENOSPC, "no room"},
                 {EIO, -EIO, "failed: Input/output"},
                 {EDQUOT, -ENOSPC, "no room"},
                 {EPERM, -EIO, "failed: Operation not"}};
    uint8_t data[512] = {1};

    file_make("a.img", MIB, "", 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk *disk =
            open_disk((struct disk_config){.path = file_path("a.img"), .aio = "threads"});

        messages_begin();
        write_error = cases[i].error;
        assert_int_equal(do_write(disk, 0, data, sizeof(data)), cases[i].told);
        assert_int_equal(do_write(disk, 0, data, sizeof(data)), cases[i].told);
        write_error = 0;
        assert_int_equal(count_of(messages_end(), cases[i].text), 1);
        assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
        disk_close(disk);
    }
}

static void a_truncated_file_is_an_io_error_and_said_once(void **state)
{
    static const uint64_t lengths[] = {0, MIB / 2, MIB / 2 + 100};
    uint8_t *data = malloc(MIB);
    const char *text;

    for (unsigned i = 0; i < 12; i++) {
        struct disk *disk;

        file_make("a.img", MIB, "", 0);
        disk = open_disk((struct disk_config){
            .path = file_path("a.img"), .aio = engines[i % 2], .cache = caches[i / 2 % 2]});
        assert_int_equal(do_read(disk, 0, data, MIB), 0);
        assert_int_equal(truncate(file_path("a.img"), (off_t)lengths[i / 4]), 0);
        messages_begin();
        assert_int_equal(do_read(disk, 0, data, MIB), -EIO);
        assert_int_equal(do_read(disk, MIB - 512, data, 512), -EIO);
        text = messages_end();
        assert_int_equal(count_of(text, "truncated"), 1);
        assert_non_null(strstr(text, file_path("a.img")));
        if (lengths[i / 4])
            assert_int_equal(do_read(disk, 0, data, 4096), 0);
        disk_close(disk);
    }
    free(data);
}

static void two_writers_are_refused_and_readers_are_not(void **state)
{
    struct disk_config writer = {.path = file_path("a.img")};
    struct disk_config reader = {.path = file_path("a.img"), .read_only = true};
    struct disk_config careless = {.path = file_path("a.img"), .no_lock = true};
    struct disk *first, *second, *third;
    const char *text;

    file_make("a.img", MIB, "", 0);
    first = open_disk(writer);
    messages_begin();
    assert_int_equal(disk_open(base, &writer, &second), -EBUSY);
    assert_int_equal(disk_open(base, &reader, &second), -EBUSY);
    text = messages_end();
    assert_int_equal(count_of(text, "in use by another program"), 2);
    assert_non_null(strstr(text, file_path("a.img")));
    /* QEMU's programs see our lock. */
    assert_int_not_equal(shell("qemu-io -f raw -c 'write 0 512' '%s' 2>/dev/null", writer.path), 0);
    second = open_disk(careless);
    disk_close(second);
    disk_close(first);

    first = open_disk(reader);
    second = open_disk(reader);
    messages_begin();
    assert_int_equal(disk_open(base, &writer, &third), -EBUSY);
    messages_end();
    assert_int_equal(shell("qemu-io -r -f raw -c 'read 0 512' '%s' >/dev/null", writer.path), 0);
    assert_int_not_equal(shell("qemu-io -f raw -c 'write 0 512' '%s' 2>/dev/null", writer.path), 0);
    disk_close(first);
    disk_close(second);
    first = open_disk(writer);
    disk_close(first);
}

static void qemus_lock_keeps_us_out(void **state)
{
    struct disk_config writer = {.path = file_path("a.img")};
    struct disk_config reader = {.path = file_path("a.img"), .read_only = true};
    struct disk *disk;
    int ends[2], error;
    char c;
    pid_t pid;

    file_make("a.img", MIB, "", 0);
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        /* Prompts when it has opened the image, and then waits for a command that never comes. */
        int in[2];

        assert_int_equal(pipe(in), 0);
        dup2(in[0], STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        execlp("qemu-io", "qemu-io", "-f", "raw", writer.path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &c, 1), 1);
    messages_begin();
    error = disk_open(base, &writer, &disk);
    assert_int_equal(disk_open(base, &reader, &disk), -EBUSY);
    messages_end();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    assert_int_equal(error, -EBUSY);
}

static void format_needs_name_and_content_to_agree(void **state)
{
    static const struct {
        const char *file, *head, *format;
        int error;
    } cases[] = {
        {"a.img", "", NULL, 0},
        {"a", "", "auto", 0},
        {"a.qcow2.d.img", "", NULL, 0},
        {"a.img", "QFI\xfb", NULL, -EINVAL}, /* the guest has written it */
        {"a.img", "QFI\xfb", "auto", -EINVAL},
        {"a.img", "QFI\xfb", "raw", 0},
        {"a.img", "KDMV", NULL, -EINVAL},
        {"a.img", "# Disk DescriptorFile", NULL, -EINVAL},
        {"a.img", "vhdxfile", NULL, -EINVAL},
        {"a.qcow2", "", NULL, -EINVAL},
        {"a.QCOW2", "", NULL, -EINVAL},
        {"a.qcow2", "", "raw", 0},
        {"a.qcow2", "KDMV", NULL, -EINVAL},
        {"a.img", "", "qcow9", -EINVAL},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk_config config = {.path = file_path(cases[i].file), .format = cases[i].format};
        struct disk *disk;
        const char *text;
        int error;

        file_make(cases[i].file, MIB, cases[i].head, strlen(cases[i].head));
        messages_begin();
        error = disk_open(base, &config, &disk);
        text = messages_end();
        if (error != cases[i].error)
            fail_msg("case %u: %d instead of %d", i, error, cases[i].error);
        if (error)
            assert_non_null(strstr(text, "format"));
        else
            disk_close(disk);
    }
}

static void what_cannot_be_a_disk_is_refused_with_its_name(void **state)
{
    static const struct {
        const char *file;
        struct disk_config config;
        int error;
        const char *text;
    } cases[] = {
        {"none.img", {0}, -ENOENT, "No such file"},
        {".", {.read_only = true}, -EINVAL, "neither a file nor"},
        {"fifo", {.read_only = true}, -EINVAL, "neither a file nor"},
        {"empty.img", {0}, -EINVAL, "empty"},
        {"a.img", {.cache = "fast"}, -EINVAL, "writethrough"},
        {"a.img", {.aio = "native"}, -EINVAL, "io_uring"},
    };

    file_make("empty.img", 0, "", 0);
    file_make("a.img", MIB, "", 0);
    assert_int_equal(shell("mkfifo '%s'", file_path("fifo")), 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk_config config = cases[i].config;
        struct disk *disk;
        const char *text;

        config.path = file_path(cases[i].file);
        messages_begin();
        assert_int_equal(disk_open(base, &config, &disk), cases[i].error);
        text = messages_end();
        assert_non_null(strstr(text, cases[i].text));
        assert_non_null(strstr(text, config.path));
    }
}

/* As containers do it. In a child: a filter is for ever. */
static void without_io_uring_threads_do(void **state)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = code};
    struct disk_config config = {.path = file_path("a.img")};
    int status;
    pid_t pid;

    file_make("a.img", MIB, "", 0);
    pid = fork();
    if (pid == 0) {
        struct disk *disk;
        uint8_t data[512];
        int ok;

        event_reinit(base);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(10);
        if (disk_open(base, &config, &disk))
            _exit(11);
        ok = strcmp(disk_info(disk)->engine, "threads") == 0 &&
             do_read(disk, 0, data, sizeof(data)) == 0;
        disk_close(disk);
        config.aio = "io_uring";
        if (disk_open(base, &config, &disk) != -EPERM)
            _exit(12);
        _exit(ok ? 0 : 13);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_block_device_is_a_disk(void **state)
{
    char device[64] = "";
    FILE *out;

    file_make("a.img", 4 * MIB, "", 0);
    assert_int_equal(setenv("IMAGE", file_path("a.img"), 1), 0);
    out = popen("exec losetup -f --show \"$IMAGE\"", "r");
    assert_non_null(out);
    if (fscanf(out, "%63s", device) != 1)
        device[0] = '\0';
    if (pclose(out) != 0 || !device[0]) {
        print_message("NOT TESTED HERE: block devices, because losetup does not work (not root, or "
                      "no loop devices)\n");
        skip();
    }
    for (unsigned e = 0; e < 2; e++) {
        for (unsigned c = 0; c < 2; c++) {
            struct load load = {.size = 4 * MIB,
                                .requests = 200,
                                .changes = true,
                                .discard_is_zero = true,
                                .seed = e + c};

            assert_int_equal(shell("blockdev --setrw %s && blkdiscard -z %s", device, device), 0);
            load.model = calloc(1, load.size);
            load.disk = open_disk(
                (struct disk_config){.path = device, .aio = engines[e], .cache = caches[c]});
            assert_int_equal(disk_info(load.disk)->size, load.size);
            load_run(&load);
            assert_int_equal(load.errors, 0);
            assert_int_equal(do_flush(load.disk), 0);
            disk_close(load.disk);
            check_file("a.img", load.model, load.size);
            free(load.model);
        }
    }
    {
        struct disk_config config = {.path = device};
        struct disk *disk;

        assert_int_equal(shell("blockdev --setro %s", device), 0);
        messages_begin();
        assert_true(disk_open(base, &config, &disk) < 0);
        assert_non_null(strstr(messages_end(), "read-only: property 'ro'"));
        config.read_only = true;
        disk = open_disk(config);
        disk_close(disk);
    }
    /* Else the next image in this loop device would be read-only, too. */
    assert_int_equal(shell("blockdev --setrw %s", device), 0);
}

static int teardown(void **state)
{
    shell("losetup -j '%s' 2>/dev/null | cut -d: -f1 | xargs -r losetup -d", file_path("a.img"));
    return disk_teardown(state);
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, reset, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(raw_reads_what_was_written_in_every_engine_and_cache_mode),
        DISK_TEST(short_and_interrupted_calls_are_continued),
        DISK_TEST(discard_gives_room_back_and_zeros_keep_it),
        DISK_TEST(malformed_requests_are_refused_by_done),
        DISK_TEST(drain_tells_of_all_and_close_of_none),
        DISK_TEST(one_pass_is_one_system_call),
        DISK_TEST(what_the_page_cache_has_is_over_in_the_pass_that_starts_it),
        DISK_TEST(flushes_share_the_next_fdatasync),
        DISK_TEST(a_failed_fdatasync_fails_all_later_flushes),
        DISK_TEST(a_full_disk_is_an_error_of_the_write_and_said_once),
        DISK_TEST(errors_of_writes_reach_the_guest_and_are_said_once_each),
        DISK_TEST(a_truncated_file_is_an_io_error_and_said_once),
        DISK_TEST(two_writers_are_refused_and_readers_are_not),
        DISK_TEST(qemus_lock_keeps_us_out),
        DISK_TEST(format_needs_name_and_content_to_agree),
        DISK_TEST(what_cannot_be_a_disk_is_refused_with_its_name),
        DISK_TEST(without_io_uring_threads_do),
        DISK_TEST(a_block_device_is_a_disk),
    };

    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
